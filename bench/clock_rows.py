"""A case_transfer database with as many limits as a province has: ended ones, running ones, and some that fall due."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.transferring import running_service

from liangfa_case_transfer.tables import clocks, transfers
from liangfa_case_transfer.timing import clock_row, next_alarm
from liangfa_kit.clock import SystemClock
from liangfa_kit.ids import UuidSequence
from liangfa_kit.store.port import Row, Store
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

ENDED_EACH = 10
"""Limits of a case that have ended, beside one that runs."""
_CHUNK = 1_000
_WAY = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
_RUNNING_RULE = "police_filing_decision"
_YEAR_MICROS = 365 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Models:
    """Rows that the service itself has written, of which the others are copies under other ids."""

    transfer: Row
    ended: Row
    running: Row


async def models() -> Models:
    """Return the rows of a case that has just reached the police."""
    with tempfile.TemporaryDirectory() as name:
        async with running_service(Path(name)) as service:
            transfer = await service.open()
            await service.walk(transfer, _WAY)
            with service.parts.store.transaction() as tx:
                (row,) = tx.load(transfers, "id", [transfer.id])
                limits = tx.load(clocks, "transfer_id", [transfer.id])
    ended = next(limit for limit in limits if not limit["is_running"])
    running = next(limit for limit in limits if f"/{_RUNNING_RULE}/" in limit["id"])
    return Models(row, ended, running)


def fill(store: Store, made: Models, cases: int, now: int) -> list[str]:
    """Store `cases` cases, each with ten limits that have ended and one that runs for years; return their ids."""
    new_id = UuidSequence(SystemClock())
    ids = [new_id() for _ in range(cases)]
    for start in range(0, cases, _CHUNK):
        part = ids[start : start + _CHUNK]
        limits: list[dict[str, Any]] = []
        for number, transfer_id in enumerate(part, start=start):
            limits += _ended(made.ended, transfer_id)
            limits.append(_running(made.running, transfer_id, now + _YEAR_MICROS + number * 1_000_000))
        with store.transaction() as tx:
            tx.insert(transfers, [_transfer(made.transfer, key) for key in part])
            tx.insert(clocks, limits)
    return ids


def fall_due(store: Store, made: Models, moments: Sequence[tuple[str, int]]) -> None:
    """Let the limits that run in the named cases run out at the instants given (microseconds UTC)."""
    owner = pb.Transfer.FromString(made.transfer["body"])
    for start in range(0, len(moments), _CHUNK):
        rows = [_due(made.running, owner, *one) for one in moments[start : start + _CHUNK]]
        with store.transaction() as tx:
            tx.upsert(clocks, rows)


def clock_id(transfer_id: str) -> str:
    """Return the id of the limit that runs in a case."""
    return f"{transfer_id}/{_RUNNING_RULE}/{ENDED_EACH + 1}"


def _transfer(model: Row, transfer_id: str) -> dict[str, Any]:
    body = model["body"].replace(model["id"].encode(), transfer_id.encode())  # ids have one length
    return {**model, "id": transfer_id, "case_id": transfer_id, "clocks": ENDED_EACH + 1, "body": body}


def _ended(model: Row, transfer_id: str) -> Iterator[dict[str, Any]]:
    body = model["body"].replace(model["transfer_id"].encode(), transfer_id.encode())
    place = {"transfer_id": transfer_id, "open_of": None, "next_alarm_at": None, "body": body}
    for number in range(1, ENDED_EACH + 1):
        yield {**model, **place, "id": f"{transfer_id}/ended/{number}", "number": number}


def _running(model: Row, transfer_id: str, due_at: int) -> dict[str, Any]:
    body = model["body"].replace(model["transfer_id"].encode(), transfer_id.encode())
    place = {"id": clock_id(transfer_id), "number": ENDED_EACH + 1, "transfer_id": transfer_id, "open_of": transfer_id}
    return {**model, **place, "due_at": due_at, "next_alarm_at": due_at, "body": body}


def _due(model: Row, owner: pb.Transfer, transfer_id: str, due_at: int) -> Row:
    """Return a limit whose warning and last day were told of, so that the next thing to tell is that it was missed."""
    clock = pb.Clock.FromString(model["body"])
    clock.id, clock.transfer_id, clock.number = clock_id(transfer_id), transfer_id, ENDED_EACH + 1
    clock.due_at.FromMicroseconds(due_at)
    for told in (clock.warned_at, clock.reminded_at):
        told.FromMicroseconds(due_at - 86_400 * 1_000_000)
    assert next_alarm(clock) == due_at
    return clock_row(clock, owner)
