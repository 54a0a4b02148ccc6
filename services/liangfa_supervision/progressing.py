"""How far transfers come, and where they lie on the way: rows from case_transfer's events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liangfa_kit.clock import beijing_date_of
from liangfa_kit.work import Need, Work
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.case_transfer.v1 import transfer_pb2
from liangfa_supervision.stalling import stalls_at
from liangfa_supervision.tables import stays, transfer_progress

TURNS = {
    "agency": frozenset({
        "crime_suspected", "awaiting_approval", "transfer_refused", "approved", "returned", "not_filed", "refusal_upheld",
        "administrative_handling", "administrative_decided",
    }),
    "police": frozenset({
        "delivered", "accepted", "reconsideration", "explanation_due", "delay_explanation_due", "notice_to_file", "filed",
    }),
    "procuratorate": frozenset({
        "filing_supervision", "explained", "reasons_hold", "delay_supervision", "delay_explained",
    }),
}  # fmt: skip
"""Whose turn it is in each open state: a reading of this product, for statistics alone. Who owes what by when is said by
the clocks. A filed case counts with the police until it is closed, whatever becomes of its suspects."""

_REACHED = {"delivered": "is_delivered", "accepted": "is_accepted", "filed": "is_filed", "not_filed": "is_refused"}
_SUSPECT_REACHED = {"on_trial": "is_prosecuted", "judged": "is_judged"}
_EVENTS = ("TransferOpened", "StepTaken")


def needs(name: str, message: Any) -> Sequence[Need]:
    """Return the rows of the transfer that the event may change."""
    if name not in _EVENTS:
        return ()
    transfer_id = message.transfer.id
    return (Need(transfer_progress, "id", (transfer_id,)), Need(stays, "open_of", (transfer_id,)))


def follow(name: str, message: Any, work: Work) -> None:
    """Keep the transfer's rows up to date."""
    if name == "TransferOpened":
        _open(message.transfer, work)
    elif name == "StepTaken":
        _step(message.transfer, message.step, work)


def still_stalls(message: Any, work: Work) -> bool:
    """Tell whether nothing has happened since a transfer was noticed to lie still, and note that it was told."""
    row = work.row(transfer_progress, message.transfer_id)
    if row is None or row["changed_at"] != message.since.ToMicroseconds():
        return False
    work.save(transfer_progress, {**row, "stalls_at": None})
    return True


def _open(transfer: transfer_pb2.Transfer, work: Work) -> None:
    row: dict[str, Any] = dict.fromkeys([*_REACHED.values(), *_SUSPECT_REACHED.values()], False)
    opened = transfer.opened_at.ToMicroseconds()
    row |= {
        "id": transfer.id,
        "case_id": transfer.case_id,
        "region": transfer.region,
        "agency_id": transfer.sender.id,
        "agency_name": transfer.sender.name,
        "month": beijing_date_of(opened).isoformat()[:7],
        **_now(transfer, opened),
    }
    work.save(transfer_progress, row)
    _lie(transfer, 1, opened, work)


def _step(transfer: transfer_pb2.Transfer, step: transfer_pb2.TakenStep, work: Work) -> None:
    row = work.row(transfer_progress, transfer.id)
    if row is None:  # opened before this read model was there, and not rebuilt yet
        return
    reached = (_SUSPECT_REACHED if step.suspect_id else _REACHED).get(step.to_state)
    at = step.happened_at.ToMicroseconds()
    work.save(
        transfer_progress, {**row, **_now(transfer, max(at, row["changed_at"])), **({reached: True} if reached else {})}
    )
    if step.suspect_id or (step.to_state == step.from_state and not _changes_hands(transfer, work)):
        return
    for stay in work.rows(stays, "open_of", transfer.id):
        work.save(stays, {**stay, "open_of": None, "left_at": max(at, stay["entered_at"])})
    if not _is_closed(transfer):
        _lie(transfer, step.sequence, at, work)


def _now(transfer: transfer_pb2.Transfer, changed_at: int) -> dict[str, Any]:
    return {
        "changed_at": changed_at,
        "stalls_at": None if _is_closed(transfer) else stalls_at(transfer.state, changed_at),
        "police_id": transfer.receiver.id,
        "police_name": transfer.receiver.name,
        "state": transfer.state,
        "is_open": not _is_closed(transfer),
    }


def _is_closed(transfer: transfer_pb2.Transfer) -> bool:
    state = Procedure.load().states[Scope.TRANSFER].get(transfer.state)
    return state is not None and state.is_terminal


def _changes_hands(transfer: transfer_pb2.Transfer, work: Work) -> bool:
    """Tell whether the case lies with another organisation than before, in the same state: it was passed on."""
    here = _whose_turn(transfer).id
    return any(stay["organisation_id"] != here for stay in work.rows(stays, "open_of", transfer.id))


def _whose_turn(transfer: transfer_pb2.Transfer) -> transfer_pb2.Organisation:
    parties = {"agency": transfer.sender, "police": transfer.receiver, "procuratorate": transfer.supervisor}
    # A state that this version does not know lies with the agency: it began the transfer.
    return next((parties[side] for side, states in TURNS.items() if transfer.state in states), transfer.sender)


def _lie(transfer: transfer_pb2.Transfer, sequence: int, at: int, work: Work) -> None:
    turn = _whose_turn(transfer)
    work.save(
        stays,
        {
            "id": f"{transfer.id}/{sequence:010d}",
            "open_of": transfer.id,
            "region": transfer.region,
            "agency_id": transfer.sender.id,
            "organisation_id": turn.id,
            "organisation_name": turn.name,
            "state": transfer.state,
            "entered_at": at,
            "left_at": None,
        },
    )
