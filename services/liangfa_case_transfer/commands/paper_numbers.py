"""Numbers of papers that went with a step: the platform's own series must not give them to another document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import sides
from liangfa_case_transfer.commands.issuing import is_begun, paper_key, save_series, series_key
from liangfa_case_transfer.tables import issued_documents, number_series
from liangfa_case_transfer.validation import MAX_SERIAL
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_procedure.documents import documents
from liangfa_procedure.numbering import DocumentNumber, after, meant
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb


def paper_needs(asked: Iterable[pb.Document]) -> tuple[Need, ...]:
    """Return the series of the numbers that papers have, and documents that were issued with such a number."""
    numbers = [number for _, _, number in _numbered(asked)]
    return (
        Need(number_series, "code_word", tuple(sorted({one.code_word for one in numbers}))),
        Need(issued_documents, "serial_number", tuple(sorted(set(map(str, numbers))))),
    )


def note_numbers(asked: Iterable[pb.Document], transfer: pb.Transfer, work: Work) -> None:
    """Keep the numbers that the caller's organisation gave its own papers. Raises `Invalid` (NUMBER_OF_SERIES).

    That is refused which the series of the platform will give itself. A paper with a number that the platform has given is
    a copy of that document, or older than the series.
    """
    own = sides(work.actor, transfer)
    for place, kind, number in _numbered(asked):
        series = work.rows(number_series, "code_word", number.code_word)
        begun = [row for row in series if is_begun([row])]
        is_anothers = any(row["organisation_id"] != work.actor.agency_id for row in begun)
        if is_anothers or documents()[kind].issued_by not in own or number.serial > MAX_SERIAL:
            continue
        if begun:
            _refuse_ahead(number, place, begun, work)
        else:
            _keep(number, series, work)


def _numbered(asked: Iterable[pb.Document]) -> Iterator[tuple[int, str, DocumentNumber]]:
    """Yield place, kind and number of the papers whose number is of a series."""
    for place, one in enumerate(asked):
        number = None if one.document_id else meant(one.number)
        if number is not None and one.kind in documents():
            yield place, one.kind, number


def _keep(number: DocumentNumber, series: Sequence[Row], work: Work) -> None:
    key = paper_key(number, work.actor.agency_id)
    highest = max((row["last_serial"] for row in series if row["id"] == key), default=0)
    if number.serial > highest:
        save_series(work, key, number.code_word, number.serial)


def _refuse_ahead(number: DocumentNumber, place: int, begun: Sequence[Row], work: Work) -> None:
    """Refuse a number that the series has not given yet; those of earlier years it never gives."""
    year = after(None, number.code_word, work.now).year
    last = max((row["last_serial"] for row in begun if row["id"] == series_key(number)), default=0)
    if number.year >= year and number.serial > last and not work.rows(issued_documents, "serial_number", str(number)):
        words = (
            "该代字的文号由平台编排，请在平台制作该文书（填机关代字），或者核对文号"
            " (the platform numbers this series: issue the document there, with `code_word`, or correct the number)"
        )
        raise errors.invalid([FieldViolation(f"documents[{place}].number", "NUMBER_OF_SERIES", words)])
