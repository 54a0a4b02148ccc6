"""Beginning a series of numbers in mid-year, after those that the organisation gave on paper."""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_case_transfer.commands.issuing import next_number, require_own_series, save_series, series_key
from liangfa_case_transfer.document_errors import NumberSeriesBegun
from liangfa_case_transfer.tables import number_series
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.numbering import DocumentNumber, after
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb


@dataclass(frozen=True, slots=True)
class StartSeries:
    """Let the series of `code_word` in the current year in Beijing go on after `last_serial`."""

    code_word: str
    last_serial: int


def series_stream(code_word: str) -> str:
    """Return the journal stream of a code word's series."""
    return f"number_series/{code_word}"


def _start(command: StartSeries, work: Work) -> rpc.StartNumberSeriesResponse:
    code_word, actor = command.code_word, work.actor
    series = work.rows(number_series, "code_word", code_word)
    require_own_series(series, code_word, actor.agency_id)
    last = DocumentNumber(code_word, after(None, code_word, work.now).year, command.last_serial)
    following = next_number(series, code_word, work.now, actor.agency_id)
    if any(row["id"] == series_key(last) for row in series) or following.serial > last.serial + 1:
        raise NumberSeriesBegun(following)
    save_series(work, series_key(last), code_word, last.serial)
    organisation = pb.Organisation(id=actor.agency_id, name=actor.agency_name)
    work.record(
        series_stream(code_word),
        events_pb2.NumberSeriesStarted(
            organisation=organisation, code_word=code_word, year=last.year, last_serial=last.serial
        ),
    )
    return rpc.StartNumberSeriesResponse(next_number=str(after(last, code_word, work.now)))


START_SERIES = Handler(
    "StartNumberSeries",
    _start,
    rpc.StartNumberSeriesResponse,
    lambda c: (Need(number_series, "code_word", (c.code_word,)),),
    lambda c: (series_stream(c.code_word),),
)
