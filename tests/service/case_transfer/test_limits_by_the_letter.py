"""Limits that documents name themselves, options taken too late, notices in hand, custody that a step tells of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_case_transfer.ledger import flaws
from liangfa_kit.errors import PlatformError
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import HEAD, JUDGE, OFFICER, POLICE_HEAD, START, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
FILED = (*TO_REVIEW, "file_case")
REVIEWED = ("send_for_prosecution", "decide_non_prosecution", "hand_over_internally")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def missed(service: Service) -> list[tuple[str, list[str]]]:
    """Return rule and recipients of every miss that was told."""
    return [(event.clock.rule_id, list(event.recipients)) for event in await service.events("ClockMissed")]


async def to_opinion(service: Service, **fields: str) -> pb.Transfer:
    """Bring one suspect to an opinion on a penalty, signed for by the agency."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, FILED)
    await service.walk(transfer, REVIEWED, suspect_id="1")
    await service.take(transfer, "give_penalty_opinion", suspect_id="1", fields=fields)
    await service.sign(transfer, OFFICER)
    return transfer


async def test_a_reply_is_due_on_the_day_that_the_opinion_names(service: Service) -> None:
    """Not after the two months of the rule; the day stands in the signed receipt."""
    transfer = await to_opinion(service, reply_by="2026-04-20")
    clock = (await service.clocks(transfer))["reply_to_penalty_opinion"]
    assert (clock.named_limit, clock.last_day) == ("2026-04-20", "2026-04-20")
    receipt = next(one for one in (await service.read(transfer)).receipts if one.step == "give_penalty_opinion")
    assert '"reply_by":"2026-04-20"' in receipt.statement


async def test_an_opinion_that_names_no_day_leaves_two_months(service: Service) -> None:
    """2 March and two months: 2 May, a holiday until the 5th."""
    transfer = await to_opinion(service)
    clock = (await service.clocks(transfer))["reply_to_penalty_opinion"]
    assert (clock.named_limit, clock.last_day) == ("", "2026-05-06")


async def test_a_receipt_whose_named_day_was_altered_is_found_out(service: Service) -> None:
    """What is due when is part of what was signed."""
    transfer = await to_opinion(service, reply_by="2026-04-20")
    receipts = list((await service.read(transfer)).receipts)
    receipts[-1].reply_by = "2026-06-20"
    found = [flaw for flaw in flaws(receipts, {}) if "reply_by" in flaw.message]
    assert [flaw.rule for flaw in found] == ["FIELD_DIFFERS"]


async def test_a_named_day_that_is_none_is_refused(service: Service) -> None:
    """Before anything is written."""
    with pytest.raises(PlatformError, match="reply_by"):
        await to_opinion(service, reply_by="soon")


async def test_missing_materials_told_of_too_late_are_late_once_they_are_told_of(service: Service) -> None:
    """24 hours pass in silence; asked for on the third day the police were late, on the day on which the hours ended."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    await service.later(hours=30)
    assert "police_notify_incomplete" not in dict(await missed(service))
    await service.take(transfer, "request_supplement")
    assert dict(await missed(service))["police_notify_incomplete"] == [
        "police_handler",
        "police_head",
        "transferring_agency",
    ]
    event = (await service.events("ClockMissed"))[-1]
    assert event.clock.missed_at.ToDatetime() == (START + timedelta(hours=24)).replace(tzinfo=None)
    assert (await service.clocks(transfer))["police_notify_incomplete"].state == pb.CLOCK_STATE_STOPPED
    await service.take(transfer, "request_supplement")
    assert [rule for rule, _ in await missed(service)].count("police_notify_incomplete") == 1


async def test_a_right_that_is_used_too_late_is_nobodys_failure(service: Service) -> None:
    """Reconsideration asked for after its three days: the police decide what that means."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal"))
    await service.sign(transfer, OFFICER)
    await service.later(days=9)
    await service.take(transfer, "request_reconsideration")
    assert "request_reconsideration" not in dict(await missed(service))


async def test_a_proposal_that_the_text_makes_a_duty_is_late_when_it_comes_too_late(service: Service) -> None:
    """国务院令第310号第九条第二款: whoever still disagrees shall propose supervision within three days."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "serve_refusal"))
    await service.sign(transfer, OFFICER)
    await service.walk(transfer, ("request_reconsideration", "uphold_refusal"))
    await service.sign(transfer, OFFICER)
    await service.later(days=9)
    await service.take(transfer, "propose_supervision")
    assert "propose_supervision_after_reconsideration" in dict(await missed(service))


async def test_a_notice_in_hand_is_a_decision_told(service: Service) -> None:
    """Environment: signing for the filing notice ends the police's limit for telling of it."""
    transfer = await service.open(sector="environment")
    await service.walk(transfer, FILED)
    assert (await service.clocks(transfer))["police_notify_decision_env"].state == pb.CLOCK_STATE_RUNNING
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["police_notify_decision_env"].state == pb.CLOCK_STATE_STOPPED


async def test_a_step_can_say_that_a_suspect_is_held(service: Service) -> None:
    """Arrested without having been detained: his limits do not move to a working day from now on."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, FILED)
    await service.take(transfer, "request_arrest", suspect_id="1")
    await service.take(transfer, "decide_arrest", suspect_id="1", in_custody=True)
    assert transfer.suspects[0].in_custody
    await service.take(transfer, "release", suspect_id="1")
    assert not transfer.suspects[0].in_custody


async def test_a_judge_of_the_region_grants_the_courts_own_extension(service: Service) -> None:
    """No court is named in a transfer; a judge of another region, or somebody else's head, grants nothing."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, FILED)
    await service.walk(transfer, ("send_for_prosecution", "prosecute"), suspect_id="1")
    clock = (await service.clocks(transfer))["first_instance_trial"]
    request = rpc.ExtendClockRequest(
        transfer_id=transfer.id, clock_id=clock.id, track="special", ground="重大复杂", approver="上一级人民法院"
    )
    for person in (HEAD, POLICE_HEAD):
        request.request_id = f"by-{person.agency_id}"
        with pytest.raises(PlatformError, match="limit"):
            await service.stub(person).ExtendClock(request)
    request.request_id = "by-the-court"
    assert (await service.stub(JUDGE).ExtendClock(request)).clock.last_day > clock.last_day


async def test_nobody_is_warned_at_the_very_start(service: Service) -> None:
    """A limit so short that its warning lies before its start is not spoken of before it is missed."""
    transfer = await to_opinion(service, reply_by="2026-03-03")
    assert not (await service.clocks(transfer))["reply_to_penalty_opinion"].HasField("warn_at")
