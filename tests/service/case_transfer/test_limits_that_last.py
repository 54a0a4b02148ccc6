"""Limits that must not outlive what they were for, nor be silenced by a careless request or a broken row."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_case_transfer import errors
from liangfa_case_transfer.wiring import database_path
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import CHIEF, OFFICER, POLICE, PROCURATOR, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def test_a_step_of_the_whole_case_does_not_hang_its_limits_on_a_suspect(service: Service) -> None:
    """Whatever suspect such a request names, the limit that it starts is ended by the next step of the case."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW[:-1])
    await service.take(transfer, "accept_transfer", suspect_id="nobody")
    clock = (await service.clocks(transfer))["police_filing_decision"]
    assert clock.suspect_id == ""
    await service.take(transfer, "file_case")
    assert (await service.clocks(transfer))["police_filing_decision"].state == pb.CLOCK_STATE_STOPPED


async def test_signing_after_the_answer_starts_no_limit(service: Service) -> None:
    """Police who have explained cannot fail to explain by signing for the demand afterwards."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal", "demand_reasons", "explain"))
    await service.sign(transfer, POLICE)
    found = (await service.clocks(transfer)).get("police_explain_no_filing")
    assert found is None or found.state != pb.CLOCK_STATE_RUNNING


async def test_items_handed_over_before_signing_for_the_notice_are_not_late(service: Service) -> None:
    """The three days for items have nothing left to ask for when the items were there before the signature."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case", "hand_over_items"))
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["hand_over_items"].state == pb.CLOCK_STATE_STOPPED


async def test_one_broken_clock_does_not_silence_the_others(service: Service, tmp_path: Path) -> None:
    """A row that cannot be read is logged; what comes after it is told all the same."""
    path = database_path(tmp_path)
    if not path.exists():
        pytest.skip("breaks the row of a SQLite file")
    one, two = await service.open(), await service.open()
    broken = (await service.clocks(one))["assign_task_force"].id
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE clocks SET body = ?, next_alarm_at = 1 WHERE id = ?", (b"\xff\xff", broken))
    await service.later(days=30)
    assert two.id in {event.clock.transfer_id for event in await service.events("ClockMissed")}


async def examined(service: Service) -> pb.Transfer:
    """Return a transfer whose first suspect is examined for prosecution: one month, fifteen days may be added."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    return transfer


async def extended(service: Service, transfer: pb.Transfer, ground: str = "案情重大复杂") -> pb.Clock:
    request = rpc.ExtendClockRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer.id, track="major_complex", ground=ground, approver="检察长",
        clock_id=(await service.clocks(transfer))["prosecution_review"].id,
    )  # fmt: skip
    return (await service.stub(CHIEF).ExtendClock(request)).clock  # type: ignore[no-any-return]


async def test_an_added_time_is_granted_once(service: Service) -> None:
    """Fifteen days more are fifteen days, however often they are asked for (刑事诉讼法第一百七十二条)."""
    transfer = await examined(service)
    last_day = (await extended(service, transfer)).last_day
    with pytest.raises(Invalid):
        await extended(service, transfer)
    assert (await service.clocks(transfer))["prosecution_review"].last_day == last_day


async def test_the_ground_of_an_extension_is_bounded(service: Service) -> None:
    """A ground is a sentence, not a file."""
    transfer = await examined(service)
    with pytest.raises(Invalid):
        await extended(service, transfer, "长" * 100_000)


async def test_a_limit_extended_after_it_was_missed_is_told_of_at_its_new_end(service: Service) -> None:
    """More time granted late does not silence the limit for good."""
    transfer = await examined(service)
    await service.later(days=40)
    await extended(service, transfer)
    await service.later(days=40)
    missed = [event for event in await service.events("ClockMissed") if event.clock.rule_id == "prosecution_review"]
    assert len(missed) == 2


async def test_the_sides_are_different_organisations(service: Service) -> None:
    """Nobody receives its own transfer, or supervises itself."""
    own, police = pb.Organisation(id="market", name="某局"), pb.Organisation(id="police", name="某分局")
    wrong: tuple[dict[str, Any], ...] = ({"receiver": own}, {"supervisor": own}, {"supervisor": police})
    for rest in wrong:
        with pytest.raises(Invalid):
            await service.open(**rest)


async def test_a_transfer_is_not_forwarded_to_its_own_sender_or_supervisor(service: Service) -> None:
    """Nor to a name without end."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    for organ in ("market", "procuratorate", "x" * 5_000):
        with pytest.raises(Invalid):
            await service.take(transfer, "forward_transfer", fields={"receiving_organ": organ, "reason": "无管辖权"})


async def test_a_step_is_not_dated_before_the_limit_that_it_keeps_began(service: Service) -> None:
    """A late request is not made timely by a date before the notice was even signed for."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal"))
    await service.later(days=4)
    await service.sign(transfer, OFFICER)
    at = Timestamp()
    at.FromDatetime(service.clock.now() - timedelta(days=3))
    with pytest.raises(PlatformError) as refusal:
        await service.take(transfer, "request_reconsideration", happened_at=at)
    assert refusal.value.reason == errors.TimeOutOfOrder.reason


async def test_an_exhausted_step_is_not_offered(service: Service) -> None:
    """After two supplementary investigations nobody is shown a third (刑事诉讼法第一百七十五条)."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    twice = ("return_for_investigation", "resubmit_for_prosecution") * 2
    await service.walk(transfer, ("send_for_prosecution", *twice), suspect_id="1")
    request = rpc.ListAllowedStepsRequest(transfer_id=transfer.id)
    offered = {(one.step, one.suspect_id) for one in (await service.stub(PROCURATOR).ListAllowedSteps(request)).steps}
    assert ("prosecute", "1") in offered
    assert ("return_for_investigation", "1") not in offered


async def test_sending_for_prosecution_ends_the_limits_of_arrest(service: Service) -> None:
    """What can no longer be asked for is not missed."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.walk(transfer, ("detain", "send_for_prosecution"), suspect_id="1")
    assert (await service.clocks(transfer))["arrest_request"].state == pb.CLOCK_STATE_MOOT


async def test_a_judgment_of_the_second_instance_is_final(service: Service) -> None:
    """Nobody appeals against it again; it takes effect."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    tried = ("send_for_prosecution", "prosecute", "pronounce_judgment", "appeal", "decide_appeal")
    await service.walk(transfer, tried, suspect_id="1")
    with pytest.raises(PlatformError) as refusal:
        await service.take(transfer, "appeal", suspect_id="1")
    assert refusal.value.reason == "STEP_NOT_ALLOWED_HERE"
    await service.take(transfer, "record_conviction", suspect_id="1")
    assert transfer.suspects[0].state == "ended"


@pytest.mark.parametrize(
    ("sector", "filing"),
    [
        ("tax", "police_filing_decision_economic"),
        ("economic", "police_filing_decision_economic"),
        ("food", "police_filing_decision"),
        ("labour", "police_filing_decision"),
    ],
)
async def test_every_field_of_enforcement_has_its_limits(service: Service, sector: str, filing: str) -> None:
    """Tax crimes are economic crimes; food has the general limits."""
    transfer = await service.open(sector=sector)
    await service.walk(transfer, TO_REVIEW)
    assert {rule for rule in await service.clocks(transfer) if rule.startswith("police_filing")} == {filing}
