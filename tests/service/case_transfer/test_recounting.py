"""Running limits that are counted anew once the holidays of a year are known."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from liangfa_case_transfer.tables import KIT
from liangfa_kit.clock import ManualClock
from liangfa_kit.verify import journal_faults
from liangfa_procedure.clocks import Calendar
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
LATE = datetime(2026, 12, 28, 1, tzinfo=UTC)
TO_REPORT = ("assign_task_force", "report_to_head")
RULE = "approve_transfer"
KNOWN = Calendar("国务院办公厅节假日安排", ((2027, frozenset({date(2027, 1, n) for n in (1, 2, 3)}), frozenset()),))
"""New Year in 2027, as a notice could name it: the Friday and the weekend after it."""


async def reported(folder: Path, clock: ManualClock) -> pb.Transfer:
    """Return a transfer on which the head must decide by New Year, counted without knowing the holidays."""
    async with running_service(folder, clock) as service:
        transfer = await service.open()
        await service.walk(transfer, TO_REPORT)
        clock.advance(datetime(2026, 12, 29, 1, tzinfo=UTC) - LATE)
        await service.take(transfer, "send_report_back")
        await service.take(transfer, "report_to_head")
        found = await running(service, transfer)
        assert (found.last_day, list(found.warnings)) == ("2027-01-01", ["HOLIDAYS_NOT_PUBLISHED"])
        return transfer


async def running(service: Service, transfer: pb.Transfer) -> pb.Clock:
    clocks = (await service.read(transfer)).clocks
    found: pb.Clock = next(one for one in clocks if one.rule_id == RULE and one.state == pb.CLOCK_STATE_RUNNING)
    return found


async def test_a_limit_is_counted_anew_when_the_holidays_are_known(tmp_path: Path) -> None:
    """Once, also by two replicas; the end that it had is kept, and the new one is journalled and told of like any other."""
    clock = ManualClock(LATE)
    transfer = await reported(tmp_path, clock)
    async with (
        running_service(tmp_path, clock, None, KNOWN) as service,
        running_service(tmp_path, clock, None, KNOWN) as other,
    ):
        before = await running(service, transfer)
        await asyncio.gather(service.parts.recounter.run(), other.parts.recounter.run())
        await service.parts.recounter.run()
        after = await running(service, transfer)
        assert (after.id, after.last_day, list(after.warnings)) == (before.id, "2027-01-04", [])
        (change,) = after.changes
        assert (change.what, change.ground, change.earlier_due_at) == (
            "recounted",
            "期限规则或者节假日安排更新",
            before.due_at,
        )
        (event,) = await service.events("ClockRecounted")
        assert (event.transfer.id, event.clock) == (transfer.id, after)
        await service.later(days=5)
        assert [event.clock.id for event in await service.events("ClockMissed")] == []
        await service.later(days=3)
        assert [event.clock.id for event in await service.events("ClockMissed")] == [after.id]
        assert list(journal_faults(service.parts.store, KIT)) == []


async def test_what_is_missed_stays_missed_and_what_does_not_change_is_left_alone(tmp_path: Path) -> None:
    """Nobody was in time by a calendar that came too late; an unchanged limit gets no entry."""
    clock = ManualClock(LATE)
    transfer = await reported(tmp_path, clock)
    async with running_service(tmp_path, clock) as service:
        await service.parts.recounter.run()
        assert await service.events("ClockRecounted") == []
        await service.later(days=5)
        assert (await running(service, transfer)).HasField("missed_at")
    async with running_service(tmp_path, clock, calendar=KNOWN) as service:
        await service.parts.recounter.run()
        assert await service.events("ClockRecounted") == []
