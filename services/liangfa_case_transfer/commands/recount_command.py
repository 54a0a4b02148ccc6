"""A limit counted anew on the calendar of now: what it ended on before is kept, and told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from google.protobuf.empty_pb2 import Empty

from liangfa_case_transfer.records import clock_stream
from liangfa_case_transfer.tables import clocks, transfers
from liangfa_case_transfer.timing import clock_row, counted, is_held, recount
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.rules import VERSION
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

GROUND = "期限规则或者节假日安排更新"
"""The ground of the change: another version of the rules, or holidays of a year that have become known or were corrected."""


@dataclass(frozen=True, slots=True)
class RecountLimit:
    """Count a limit anew, if it runs still and would end otherwise."""

    clock_id: str
    transfer_id: str


def is_counted_otherwise(clock: pb.Clock, transfer: pb.Transfer, calendar: Calendar) -> bool:
    """Tell whether a running limit that nobody has missed ends, or is warned of, otherwise by `calendar`."""
    if clock.state != pb.CLOCK_STATE_RUNNING or clock.HasField("missed_at"):
        return False
    found = counted(clock, is_held(transfer, clock.suspect_id), calendar)
    return found.due_at != clock.due_at.ToDatetime(tzinfo=UTC) or list(found.warnings) != list(clock.warnings)


class RecountCommand:
    """The handler, with the calendar by which days are counted."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.recount = Handler(
            "RecountLimit",
            self._recount,
            Empty,
            lambda c: (Need(clocks, "id", (c.clock_id,)), Need(transfers, "id", (c.transfer_id,))),
            lambda c: (clock_stream(c.clock_id),),
        )

    def _recount(self, command: RecountLimit, work: Work) -> Empty:
        row, owner = work.row(clocks, command.clock_id), work.row(transfers, command.transfer_id)
        if row is None or owner is None:
            return Empty()
        clock, transfer = pb.Clock.FromString(row["body"]), pb.Transfer.FromString(owner["body"])
        if clock.transfer_id != transfer.id or not is_counted_otherwise(clock, transfer, self._calendar):
            return Empty()
        clock.rule_version = VERSION
        recount(clock, is_held(transfer, clock.suspect_id), self._calendar, GROUND, work.now)
        work.save(clocks, clock_row(clock, transfer))
        work.record(clock_stream(clock.id), events_pb2.ClockRecounted(transfer=transfer, clock=clock))
        return Empty()
