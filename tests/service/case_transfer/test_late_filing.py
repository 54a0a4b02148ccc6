"""Supervision of police who have not decided in time: a path of its own, which leads back to their decision (RULE art. 562)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_kit.errors import Precondition
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import POLICE, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
FILING = "police_filing_decision"
REASONS = "police_explain_overdue"


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def late(service: Service) -> pb.Transfer:
    """Return a transfer on which the police have not decided for ten days, and must say why."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "copy_to_procuratorate"))
    await service.later(days=10)
    await service.walk(transfer, ("propose_delay_supervision", "demand_overdue_reasons"))
    await service.sign(transfer, POLICE)
    return transfer


async def states(service: Service, transfer: pb.Transfer) -> dict[str, str]:
    found = await service.clocks(transfer)
    return {rule: pb.ClockState.Name(clock.state).removeprefix("CLOCK_STATE_") for rule, clock in found.items()}


async def test_accepted_reasons_lead_back_to_the_filing_decision(service: Service) -> None:
    """The agency does not get the case: the police still owe their decision, and make it."""
    transfer = await late(service)
    running = await states(service, transfer)
    assert (running[FILING], running[REASONS]) == ("RUNNING", "RUNNING")
    await service.take(transfer, "explain_delay")
    assert (await states(service, transfer))[REASONS] == "STOPPED"
    await service.take(transfer, "accept_delay_reasons")
    assert transfer.state == "accepted"
    assert (await states(service, transfer))[FILING] == "RUNNING"
    await service.take(transfer, "file_case")
    assert (transfer.state, (await states(service, transfer))[FILING]) == ("filed", "STOPPED")


@pytest.mark.parametrize("before", [(), ("explain_delay",)])
@pytest.mark.parametrize("decision", ["file_case", "refuse_filing"])
async def test_the_police_may_decide_at_any_point_and_owe_nothing_more(
    service: Service, before: tuple[str, ...], decision: str
) -> None:
    """Before or after their reasons: with the decision both limits end."""
    transfer = await late(service)
    await service.walk(transfer, (*before, decision))
    found = await states(service, transfer)
    assert found[FILING] == "STOPPED"
    assert found[REASONS] in {"STOPPED", "MOOT"}
    await service.later(days=10)
    missed = [event.clock.rule_id for event in await service.events("ClockMissed")]
    assert missed.count(FILING) == 1
    assert REASONS not in missed


async def test_a_notice_to_file_replaces_the_overdue_decision(service: Service) -> None:
    """One duty instead of the two before it: to file within fifteen days."""
    transfer = await late(service)
    await service.later(days=8)
    assert REASONS in {event.clock.rule_id for event in await service.events("ClockMissed")}
    await service.walk(transfer, ("correct_police", "notify_to_file"))
    await service.sign(transfer, POLICE)
    found = await states(service, transfer)
    assert (found[FILING], found[REASONS], found["police_file_on_notice"]) == ("MOOT", "MOOT", "RUNNING")
    await service.take(transfer, "file_on_notice")
    assert (await states(service, transfer))["police_file_on_notice"] == "STOPPED"


async def test_police_who_are_in_time_get_the_case_back(service: Service) -> None:
    """Not yet late: the procuratorate passes the complaint on, and the three days go on."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "propose_delay_supervision", "find_police_in_time"))
    assert transfer.state == "accepted"
    assert (await states(service, transfer))[FILING] == "RUNNING"


async def test_reasons_for_a_delay_never_count_as_reasons_for_a_refusal(service: Service) -> None:
    """Nobody may find that they hold and give the case back to the agency."""
    transfer = await late(service)
    await service.take(transfer, "explain_delay")
    for step in ("find_reasons_valid", "tell_reasons_hold", "demand_reasons"):
        with pytest.raises(Precondition) as refusal:
            await service.take(transfer, step)
        assert refusal.value.reason == "STEP_NOT_ALLOWED_HERE"


async def test_a_refusal_is_not_found_to_be_in_time(service: Service) -> None:
    """Police who have refused have decided: a proposal against it is about the refusal."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal", "propose_supervision"))
    for step in ("find_police_in_time", "demand_overdue_reasons"):
        with pytest.raises(Precondition) as refusal:
            await service.take(transfer, step)
        assert refusal.value.reason == "STEP_NOT_ALLOWED_HERE"
