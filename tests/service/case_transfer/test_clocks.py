"""What time alone does: told once, whoever asks, after restarts and jumps; and nothing told that is not due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import CHIEF, OFFICER, POLICE, PROCURATOR, START, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def told(service: Service) -> list[tuple[str, str]]:
    """Return what was told of clocks, without windows that have simply passed: of those nobody is told.

    The last day and the rungs after a miss have tests of their own (test_ladder.py).
    """
    events = [event for event in await service.events() if hasattr(event, "clock") and event.clock.use != "window"]
    found = [(type(event).__name__, event.clock.rule_id) for event in events]
    return [(name, rule) for name, rule in found if name not in {"ClockLastDay", "ClockEscalated"}]


async def test_a_limit_is_warned_of_once_and_missed_once(service: Service) -> None:
    """However often and by how many the scheduler is asked, and whatever hour it is."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    await service.take(transfer, "copy_to_procuratorate")
    await service.later(days=1, hours=14, minutes=30)  # half an hour before the day before the last one
    before = await told(service)
    assert before == []
    await service.later(minutes=60)
    assert await told(service) == [("ClockWarned", "police_filing_decision")]
    for _ in range(6):
        await service.later(hours=9)
    await asyncio.gather(*(service.parts.scheduler.tick() for _ in range(4)))
    expected = [("ClockWarned", "police_filing_decision"), ("ClockMissed", "police_filing_decision")]
    assert await told(service) == expected
    clock = (await service.clocks(transfer))["police_filing_decision"]
    assert clock.state == pb.CLOCK_STATE_RUNNING
    assert clock.HasField("missed_at")
    await service.take(transfer, "file_case")
    assert (await service.clocks(transfer))["police_filing_decision"].state == pb.CLOCK_STATE_STOPPED
    await service.later(days=2)
    assert ("ClockMissed", "police_filing_decision") not in (await told(service))[2:]


async def test_two_instances_and_a_restart_tell_it_once(tmp_path: Path) -> None:
    """Two schedulers on one database look at the same moment; later a third one starts with the clock far ahead."""
    async with running_service(tmp_path) as one:
        transfer = await one.open()
        await one.walk(transfer, TO_REVIEW)
        async with running_service(tmp_path, one.clock) as two:
            one.clock.advance(timedelta(days=10))
            await asyncio.gather(one.parts.scheduler.tick(), two.parts.scheduler.tick())
        first = await told(one)
    async with running_service(tmp_path, one.clock) as again:
        again.clock.advance(timedelta(days=400))
        await again.parts.scheduler.tick()
        assert await told(again) == first
    missed = [rule for what, rule in first if what == "ClockMissed"]
    assert sorted(missed) == ["cc_transfer_to_procuratorate", "police_filing_decision"]


async def test_a_clock_that_is_set_back_tells_nothing_twice(service: Service) -> None:
    """The machine's time may jump; what was told stays told."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    await service.later(days=6)
    first = await told(service)
    await service.later(days=-5)
    await service.later(days=5)
    assert await told(service) == first


async def test_an_option_that_is_not_used_lapses_and_nobody_has_failed(service: Service) -> None:
    """Reconsideration is a right: its owner is reminded, then the option closes."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "copy_to_procuratorate", "refuse_filing", "serve_refusal"))
    await service.sign(transfer, OFFICER)
    await service.later(days=9)
    names = {rule: what for what, rule in await told(service)}
    assert names["request_reconsideration"] == "ClockLapsed"
    assert "ClockMissed" not in names.values()
    assert (await service.clocks(transfer))["request_reconsideration"].state == pb.CLOCK_STATE_LAPSED


async def test_a_suspended_review_does_not_run_and_goes_on_later(service: Service) -> None:
    """Ten working days, suspended for a week of them: a week later, the earlier end kept."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.walk(
        transfer, ("send_for_prosecution", "decide_non_prosecution", "hand_over_internally"), suspect_id="1"
    )
    assert (await service.clocks(transfer))["reverse_review"].last_day == "2026-03-16"
    await service.take(transfer, "suspend_reverse_review", suspect_id="1")
    suspended = (await service.clocks(transfer))["reverse_review"]
    assert (suspended.state, suspended.HasField("due_at")) == (pb.CLOCK_STATE_SUSPENDED, False)
    await service.later(days=7)
    assert ("ClockMissed", "reverse_review") not in await told(service)
    await service.take(transfer, "resume_reverse_review", CHIEF, suspect_id="1")
    resumed = (await service.clocks(transfer))["reverse_review"]
    assert resumed.last_day == "2026-03-23"
    assert [change.what for change in resumed.changes] == ["suspended", "resumed"]


async def test_worklists_say_who_owes_what_by_when(service: Service) -> None:
    """The police owe the filing decision; the agency and the procuratorate wait for it; the most urgent is first."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    owed = await service.stub(POLICE).ListClocks(rpc.ListClocksRequest())
    rules = [clock.rule_id for clock in owed.clocks]
    assert rules[-1] == "police_filing_decision"
    assert owed.total == len(rules) == 4
    assert owed.overdue == 0
    waited = await service.stub(PROCURATOR).ListClocks(rpc.ListClocksRequest(waiting_for=True))
    assert {clock.owes_id for clock in waited.clocks} == {"police", "market"}
    service.clock.advance(timedelta(days=8))
    assert (await service.stub(POLICE).ListClocks(rpc.ListClocksRequest())).overdue == 4


async def test_environment_has_its_own_limits(service: Service) -> None:
    """Reconsideration in working days there (recalled), in natural days elsewhere; each clock shows how sure we are."""
    transfer = await service.open(sector="environment")
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal"))
    await service.later(days=2)  # Wednesday
    await service.sign(transfer, OFFICER)
    clock = (await service.clocks(transfer))["reconsideration_env_request"]
    assert (clock.last_day, clock.confidence) == ("2026-03-09", "recalled")
    assert clock.started_at.ToDatetime().replace(tzinfo=START.tzinfo) == START + timedelta(days=2)
