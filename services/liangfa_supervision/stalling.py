"""Transfers that lie still (滞留): noticed once for each time that nothing happens for too long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.empty_pb2 import Empty

from liangfa_kit.clock import from_micros, to_micros
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.supervision.v1 import events_pb2
from liangfa_supervision.tables import stays, transfer_progress

STALLS_AFTER = timedelta(days=30)
"""After how long without any step an open transfer lies still: a decision of this product, no text gives a number."""
FILED_STALLS_AFTER = timedelta(days=90)
"""The same for a filed case, which the police investigate: like the three months after which the procuratorate reminds them
of a case filed on its notice (人民检察院刑事诉讼规则第五百六十四条)."""


def stalls_at(state: str, changed_at: int) -> int:
    """Return when a transfer in `state`, changed at `changed_at`, lies still for too long; microseconds UTC."""
    longest = FILED_STALLS_AFTER if state == "filed" else STALLS_AFTER
    return changed_at + longest // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RaiseStalled:
    """Tell that a transfer lies still: nothing when it was told already, or has gone on."""

    transfer_id: str


def _raise(command: RaiseStalled, work: Work) -> Empty:
    row = work.row(transfer_progress, command.transfer_id)
    if row is None or row["stalls_at"] is None or row["stalls_at"] > to_micros(work.now):
        return Empty()
    stay = next(iter(work.rows(stays, "open_of", command.transfer_id)), None)
    event = events_pb2.TransferStalled(
        transfer_id=row["id"],
        case_id=row["case_id"],
        region=row["region"],
        agency_id=row["agency_id"],
        agency_name=row["agency_name"],
        state=row["state"],
        organisation_id=stay["organisation_id"] if stay else "",
        organisation_name=stay["organisation_name"] if stay else "",
    )
    event.since.FromDatetime(from_micros(row["changed_at"]))
    work.save(transfer_progress, {**row, "stalls_at": None})
    work.record(_stream(command), event)
    return Empty()


def _stream(command: RaiseStalled) -> str:
    return f"stall/{command.transfer_id}"


RAISE_STALLED = Handler(
    "RaiseStalled",
    _raise,
    Empty,
    lambda c: (Need(transfer_progress, "id", (c.transfer_id,)), Need(stays, "open_of", (c.transfer_id,))),
    lambda c: (_stream(c),),
)
