"""Limits that are taken up again, suspended, extended, or counted anew because a suspect is detained."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_case_transfer.commands.clock_commands import RAISE_ALARM, RaiseAlarm
from liangfa_kit.errors import Invalid, Precondition
from liangfa_kit.messaging.consumer import service_actor
from liangfa_kit.work import Call
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import CHIEF, OFFICER, POLICE_HEAD, START, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
FILED = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer", "file_case")
TO_REVERSE = ("send_for_prosecution", "decide_non_prosecution", "hand_over_internally")
OPINION = "agency_act_on_transfer_opinion_general"


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def required(service: Service) -> pb.Transfer:
    """Return a transfer that an opinion requires, delivered and not accepted."""
    transfer = await service.open()
    await service.take(transfer, "require_transfer")
    await service.sign(transfer, OFFICER)
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer"))
    return transfer


async def reviewed(service: Service) -> pb.Transfer:
    """Return a transfer whose first suspect is under reverse review."""
    transfer = await service.open()
    await service.walk(transfer, FILED)
    await service.walk(transfer, TO_REVERSE, suspect_id="1")
    return transfer


async def extended(service: Service, transfer: pb.Transfer, track: str, rule: str, **rest: int) -> pb.Clock:
    request = rpc.ExtendClockRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer.id, track=track, ground="案情重大复杂", approver="某局长",
        clock_id=(await service.clocks(transfer))[rule].id, **rest,
    )  # fmt: skip
    return (await service.stub(POLICE_HEAD).ExtendClock(request)).clock  # type: ignore[no-any-return]


async def test_taking_a_required_transfer_back_takes_up_the_duty_again(service: Service) -> None:
    """The opinion still asks for the transfer, by the day it named; the next delivery answers it (规则第五百五十七条)."""
    transfer = await required(service)
    before = (await service.clocks(transfer))[OPINION]
    assert before.state == pb.CLOCK_STATE_STOPPED
    await service.take(transfer, "take_transfer_back")
    again = (await service.clocks(transfer))[OPINION]
    assert (again.id, again.state, again.due_at) == (before.id, pb.CLOCK_STATE_RUNNING, before.due_at)
    assert not again.HasField("ended_at")
    assert [change.what for change in again.changes] == ["restored"]
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer"))
    assert (await service.clocks(transfer))[OPINION].state == pb.CLOCK_STATE_STOPPED


async def test_a_required_transfer_taken_back_for_good_is_missed(service: Service) -> None:
    """Also when the day has passed while the transfer was with the police; and a second time after a second delivery."""
    transfer = await required(service)
    await service.later(days=10)
    await service.take(transfer, "take_transfer_back")
    await service.later(minutes=1)
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer", "take_transfer_back"))
    await service.later(minutes=1)
    missed = [event.clock for event in await service.events("ClockMissed") if event.clock.rule_id == OPINION]
    assert len(missed) == 2
    assert (await service.clocks(transfer))[OPINION].state == pb.CLOCK_STATE_RUNNING


async def test_what_no_opinion_required_is_taken_back_freely(service: Service) -> None:
    """Nothing is taken up again that never ran."""
    transfer = await service.open()
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer", "take_transfer_back"))
    assert [c.rule_id for c in (await service.read(transfer)).clocks if c.state == pb.CLOCK_STATE_RUNNING] == []


async def test_a_new_opinion_takes_the_place_of_the_one_that_was_answered(service: Service) -> None:
    """Of two opinions the later one's day counts: one duty, not two."""
    transfer = await required(service)
    await service.take(transfer, "take_transfer_back")
    await service.take(transfer, "require_transfer")
    await service.sign(transfer, OFFICER)
    running = [c for c in (await service.read(transfer)).clocks if c.state == pb.CLOCK_STATE_RUNNING]
    assert [clock.rule_id for clock in running].count(OPINION) == 1
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer", "take_transfer_back"))
    running = [c for c in (await service.read(transfer)).clocks if c.state == pb.CLOCK_STATE_RUNNING]
    assert [clock.rule_id for clock in running].count(OPINION) == 1


async def test_a_review_is_suspended_once_and_then_resumed(service: Service) -> None:
    """A second suspension would never end: it is refused, and so is resuming what runs."""
    transfer = await reviewed(service)
    with pytest.raises(Precondition) as runs:
        await service.take(transfer, "resume_reverse_review", suspect_id="1")
    assert runs.value.remedy
    await service.take(transfer, "suspend_reverse_review", suspect_id="1")
    with pytest.raises(Precondition) as twice:
        await service.take(transfer, "suspend_reverse_review", suspect_id="1")
    assert "resume_reverse_review" in twice.value.remedy
    await service.take(transfer, "resume_reverse_review", suspect_id="1")
    assert (await service.clocks(transfer))["reverse_review"].state == pb.CLOCK_STATE_RUNNING


async def test_more_time_is_never_less(service: Service) -> None:
    """Whoever has thirty days is not put back to seven by asking for more."""
    transfer = await service.open()
    await service.walk(transfer, FILED[:-1])
    thirty = await extended(service, transfer, "major_complex", "police_filing_decision")
    for track in ("line_needs_verification", "major_complex"):
        with pytest.raises(Invalid) as refused:
            await extended(service, transfer, track, "police_filing_decision")
        assert refused.value.violations[0].reason == "TRACK_NOT_LONGER"
    assert (await service.clocks(transfer))["police_filing_decision"] == thirty


async def test_days_are_not_given_where_the_rule_gives_the_number(service: Service) -> None:
    """Nobody believes to have granted twenty days where the law grants thirty."""
    transfer = await service.open()
    await service.walk(transfer, FILED[:-1])
    with pytest.raises(Invalid) as refused:
        await extended(service, transfer, "major_complex", "police_filing_decision", days=20)
    assert refused.value.violations[0].field == "days"


async def test_a_limit_does_not_roll_over_once_the_suspect_is_held(service: Service) -> None:
    """Its last day is a Saturday; in custody it stays that day (刑事诉讼法第一百零五条), the earlier end is kept."""
    transfer = await service.open()
    await service.walk(transfer, FILED)
    service.clock.advance(datetime(2026, 4, 10, 1, tzinfo=UTC) - START)
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    free = (await service.clocks(transfer))["prosecution_review"]
    assert date.fromisoformat(free.last_day) == date(2026, 5, 11)
    await service.take(transfer, "release", suspect_id="1", in_custody=True)
    held = (await service.clocks(transfer))["prosecution_review"]
    assert date.fromisoformat(held.last_day) == date(2026, 5, 10)
    assert held.changes[-1].earlier_due_at == free.due_at
    await service.take(transfer, "release", suspect_id="1")
    assert (await service.clocks(transfer))["prosecution_review"].due_at == free.due_at


@pytest.mark.parametrize("day", ["2020-01-01", "2026-03-01", "20260520", "2026-W20-3"])
async def test_an_opinion_names_no_day_that_has_passed(service: Service, day: str) -> None:
    """A slip of the pen would make the agency late before it has read the opinion."""
    transfer = await reviewed(service)
    with pytest.raises(Invalid) as refused:
        await service.take(transfer, "give_penalty_opinion", CHIEF, suspect_id="1", fields={"reply_by": day})
    assert refused.value.violations[0].field == "fields.reply_by"
    await service.take(transfer, "give_penalty_opinion", CHIEF, suspect_id="1", fields={"reply_by": "2026-03-02"})


async def test_an_alarm_that_was_found_before_its_limit_moved_is_told_where_it_went(service: Service) -> None:
    """The scheduler has read the index, then the case is split: nothing is told of the transfer that was left."""
    transfer = await service.open()
    await service.walk(transfer, FILED)
    await service.sign(transfer, OFFICER)
    await service.take(transfer, "detain", suspect_id="2")
    clock = (await service.clocks(transfer))["arrest_request"]
    request = rpc.SplitTransferRequest(
        request_id="1", transfer_id=transfer.id, expected_version=transfer.version, suspect_ids=["2"], reason="另案处理"
    )
    part = (await service.stub(POLICE_HEAD).SplitTransfer(request)).part
    service.clock.advance(Timestamp.ToDatetime(clock.due_at, UTC) - service.clock.now())
    found_before = RaiseAlarm(clock.id, transfer.id)
    await service.parts.train.execute(RAISE_ALARM, found_before, Call(service_actor("case_transfer")))
    await service.later(seconds=1)
    missed = [event for event in await service.events("ClockMissed") if event.clock.rule_id == "arrest_request"]
    assert [event.transfer.id for event in missed] == [part.id]


async def test_a_duty_that_an_earlier_delivery_has_met_is_not_taken_up_again(service: Service) -> None:
    """The police had the case and sent it back: the opinion is answered, whatever the agency does of its own accord later."""
    transfer = await required(service)
    await service.walk(
        transfer, ("accept_transfer", "return_transfer", "send_to_right_authority", "suspect_crime_again")
    )
    await service.walk(transfer, ("report_to_head", "approve_transfer", "take_transfer_back"))
    assert (await service.clocks(transfer))[OPINION].state == pb.CLOCK_STATE_STOPPED
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer", "take_transfer_back"))
    assert (await service.clocks(transfer))[OPINION].state == pb.CLOCK_STATE_STOPPED


async def test_a_forwarded_transfer_that_is_taken_back_leaves_the_duty_open(service: Service) -> None:
    """No police organ has decided on it: the opinion is as unanswered as before."""
    transfer = await required(service)
    await service.walk(transfer, ("accept_transfer", "forward_transfer", "take_transfer_back"))
    assert (await service.clocks(transfer))[OPINION].state == pb.CLOCK_STATE_RUNNING
