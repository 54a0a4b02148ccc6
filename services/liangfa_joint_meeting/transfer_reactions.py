"""What this service learns of transfers: events of case_transfer in; where they stand, their steps and missed limits out.

Two topics have no common order: nothing here waits for the row of a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting.tables import limits_seen, steps_seen, transfers_seen
from liangfa_kit.messaging import topics
from liangfa_kit.messaging.events import Event
from liangfa_kit.work import Need, Work
from liangfa_procedure.rules import Rules
from liangfa_procedure.steps import OPENING_STEP
from liangfa_procedure.suspicion import Suspicion, suspicion_after
from liangfa_protos.case_transfer.v1 import events_pb2, transfer_pb2

TOPIC = topics.CASE_TRANSFER.name
PACKAGE = f"{events_pb2.DESCRIPTOR.package}."
TABLES: Sequence[sa.Table] = (transfers_seen, steps_seen, limits_seen)
_ENDED = {transfer_pb2.CLOCK_STATE_STOPPED, transfer_pb2.CLOCK_STATE_MOOT}
_OPINIONS = frozenset({"transfer_opinion_received", "penalty_opinion_received"})
"""What starts the limits within which an opinion of the procuratorate is to be acted on, or answered."""
_KNOWN = frozenset({"TransferOpened", "StepTaken", "ReceiptSigned", "ClockMissed", "ClockExtended"})


def needs(event: Event) -> Sequence[Need]:
    """Return the transfer's row and those of the limits that the event speaks of."""
    name = event.type.removeprefix(PACKAGE)
    if name not in _KNOWN:
        return ()
    message: Any = event.message
    return (
        Need(transfers_seen, "id", (message.transfer.id,)),
        Need(limits_seen, "id", tuple(clock.id for clock in _clocks(name, message))),
    )


def handle(event: Event, work: Work) -> None:
    """Apply one event; others are passed over."""
    name = event.type.removeprefix(PACKAGE)
    if name not in _KNOWN:
        return
    message: Any = event.message
    if name == "TransferOpened":
        _opened(message.transfer, work)
    elif name == "StepTaken":
        _stepped(message.transfer, message.step, work)
    for clock in _clocks(name, message):
        _limit(name, clock, work)


def _clocks(name: str, message: Any) -> list[transfer_pb2.Clock]:
    return [message.clock] if name.startswith("Clock") else list(message.clocks)


def _opened(transfer: transfer_pb2.Transfer, work: Work) -> None:
    work.save(transfers_seen, _row(transfer, is_with_police=False))
    opened = transfer.opened_at.ToMicroseconds()
    step = {"sequence": 1, "step": OPENING_STEP, "reached": transfer.state, "by_unit_id": transfer.sender.id}
    work.save(steps_seen, _step_row(transfer, step, opened, opened))


def _stepped(transfer: transfer_pb2.Transfer, taken: transfer_pb2.TakenStep, work: Work) -> None:
    before = work.row(transfers_seen, transfer.id)
    found = suspicion_after(taken.step, taken.suspect_id, taken.from_state, taken.to_state)
    is_with_police = before is not None and before["is_with_police"]
    if found is not None:
        is_with_police = found is Suspicion.ANSWERED
    work.save(transfers_seen, _row(transfer, is_with_police=is_with_police))
    stays = taken.suspect_id or taken.to_state == taken.from_state
    step = {
        "sequence": taken.sequence,
        "step": taken.step,
        "reached": "" if stays else taken.to_state,
        "by_unit_id": taken.by.agency_id,
    }
    work.save(
        steps_seen, _step_row(transfer, step, taken.happened_at.ToMicroseconds(), taken.entered_at.ToMicroseconds())
    )


def _row(transfer: transfer_pb2.Transfer, *, is_with_police: bool) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "case_id": transfer.case_id,
        "agency_id": transfer.sender.id,
        "police_id": transfer.receiver.id,
        "state": transfer.state,
        "is_with_police": is_with_police,
    }


def _step_row(
    transfer: transfer_pb2.Transfer, step: dict[str, Any], happened_at: int, entered_at: int
) -> dict[str, Any]:
    return {
        "id": f"{transfer.id}/{step['sequence']:010d}",
        "transfer_id": transfer.id,
        "case_id": transfer.case_id,
        "agency_id": transfer.sender.id,
        "police_id": transfer.receiver.id,
        "happened_at": happened_at,
        "entered_at": entered_at,
        **step,
    }


def _limit(name: str, clock: transfer_pb2.Clock, work: Work) -> None:
    before = work.row(limits_seen, clock.id)
    if name == "ClockMissed":
        if clock.owes_id:  # a court, or a party, is no member of a meeting
            work.save(limits_seen, _missed(clock))
    elif before is not None and (name == "ClockExtended" or clock.state in _ENDED):
        work.save(limits_seen, {**before, "is_missed_still": False})


def _missed(clock: transfer_pb2.Clock) -> dict[str, Any]:
    rule = Rules.load().by_id.get(clock.rule_id)  # None: of a release that is newer than this one
    return {
        "id": clock.id,
        "owes_id": clock.owes_id,
        "title_zh": clock.title_zh,
        "is_opinion": rule is not None and rule.starts_on in _OPINIONS,
        "missed_at": clock.due_at.ToMicroseconds(),  # not when it was told, which may be later
        "is_missed_still": True,
    }
