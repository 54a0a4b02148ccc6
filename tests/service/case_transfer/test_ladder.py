"""Who is told of a limit, rung by rung: in advance, on the last day, when it is missed, and when it is missed still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import OFFICER, POLICE_HEAD, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
FILING = "police_filing_decision"
WARNED = ("ClockWarned", ["police_handler"])
LAST_DAY = ("ClockLastDay", ["police_handler", "police_head"])
MISSED = ("ClockMissed", ["police_handler", "police_head", "transferring_agency", "procuratorate"])
ESCALATED = ("ClockEscalated", ["upper_procuratorate"])


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def told(service: Service, rule: str = FILING) -> list[tuple[str, list[str]]]:
    """Return what was told of the clocks of `rule`, and to whom."""
    events = [event for event in await service.events() if hasattr(event, "clock") and event.clock.rule_id == rule]
    return [(type(event).__name__, list(getattr(event, "recipients", ()))) for event in events]


async def under_review(service: Service) -> pb.Transfer:
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "copy_to_procuratorate"))
    return transfer


async def test_each_rung_is_told_once_in_its_turn(service: Service) -> None:
    """Accepted on Monday 2 March: warned on the 4th, last day the 5th, missed on the 6th, the upper level on the 13th."""
    await under_review(service)
    expected = {2: [WARNED], 3: [LAST_DAY], 4: [MISSED], 11: [ESCALATED]}
    so_far: list[tuple[str, list[str]]] = []
    for day in range(1, 40):
        await service.later(days=1)
        so_far += expected.get(day, [])
        assert await told(service) == so_far


async def test_a_clock_that_jumps_over_everything_tells_the_miss_and_every_rung(service: Service) -> None:
    """What should have been told before the miss is not told after it; each rung after it is somebody else's."""
    await under_review(service)
    await service.later(days=100)
    assert await told(service) == [MISSED, ESCALATED]


async def test_a_jump_to_the_last_day_tells_of_that_alone(service: Service) -> None:
    """The warning says less than what is told now."""
    await under_review(service)
    await service.later(days=3)
    assert await told(service) == [LAST_DAY]
    await service.later(hours=1)
    assert await told(service) == [LAST_DAY]


async def test_two_instances_and_a_restart_tell_each_rung_once(tmp_path: Path) -> None:
    """Both look at the same moment, before and after the miss; a third one starts with the clock far ahead."""
    async with running_service(tmp_path) as one:
        await under_review(one)
        async with running_service(tmp_path, one.clock) as two:
            for _ in range(14):
                one.clock.advance(timedelta(days=1))
                await asyncio.gather(one.parts.scheduler.tick(), two.parts.scheduler.tick())
        assert await told(one) == [WARNED, LAST_DAY, MISSED, ESCALATED]
    async with running_service(tmp_path, one.clock) as again:
        again.clock.advance(timedelta(days=400))
        await again.parts.scheduler.tick()
        assert await told(again) == [WARNED, LAST_DAY, MISSED, ESCALATED]


async def test_a_restart_between_the_rungs_goes_on_with_the_next(tmp_path: Path) -> None:
    """The row says how far it has come."""
    async with running_service(tmp_path) as one:
        await under_review(one)
        await one.later(days=5)
        assert await told(one) == [MISSED]
    async with running_service(tmp_path, one.clock) as again:
        await again.later(days=5)
        assert await told(again) == [MISSED]
        await again.later(days=2)
        assert await told(again) == [MISSED, ESCALATED]


async def test_a_step_taken_late_ends_the_ladder(service: Service) -> None:
    """Filed on the tenth day: the upper level need not be told any more."""
    transfer = await under_review(service)
    await service.later(days=10)
    await service.take(transfer, "file_case")
    await service.later(days=30)
    assert await told(service) == [MISSED]


async def test_more_time_after_the_miss_begins_the_ladder_anew(service: Service) -> None:
    """Thirty days from acceptance, granted on the twelfth: 1 April."""
    transfer = await under_review(service)
    await service.later(days=12)
    assert await told(service) == [MISSED, ESCALATED]
    clock = (await service.clocks(transfer))[FILING]
    request = rpc.ExtendClockRequest(
        request_id="more",
        transfer_id=transfer.id,
        clock_id=clock.id,
        track="major_complex",
        ground="重大",
        approver="局长",
    )
    await service.stub(POLICE_HEAD).ExtendClock(request)
    for _ in range(40):
        await service.later(days=1)
    once = [MISSED, ESCALATED]
    assert await told(service) == [*once, ("ClockExtended", []), WARNED, LAST_DAY, MISSED, ESCALATED]


async def test_a_right_is_reminded_of_on_its_last_day_and_climbs_no_ladder(service: Service) -> None:
    """Nobody has failed when it closes."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal"))
    await service.sign(transfer, OFFICER)
    for _ in range(20):
        await service.later(days=1)
    names = [name for name, _ in await told(service, "request_reconsideration")]
    assert names == ["ClockWarned", "ClockLastDay", "ClockLapsed"]


async def test_hours_have_no_last_day(service: Service) -> None:
    """24 hours are warned of, missed, and reported upwards a week later."""
    await service.open()
    for _ in range(24 * 9):
        await service.later(hours=1)
    names = [name for name, _ in await told(service, "assign_task_force")]
    assert names == ["ClockWarned", "ClockMissed", "ClockEscalated"]


async def test_nothing_is_left_to_ask_for_once_the_last_rung_was_told(service: Service) -> None:
    """The index holds only what is still to be told: a missed limit costs the scheduler nothing afterwards."""
    await under_review(service)
    await service.later(days=100)
    assert await service.parts.next_alarm_at() is None
