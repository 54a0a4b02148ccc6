"""Transfers through the real commands: the way forward, the ways back, and everything that is refused."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer.tables import KIT
from liangfa_kit.errors import Exists, Forbidden, Invalid, NotFound, PlatformError, Precondition, Stale
from liangfa_kit.identity import Actor
from liangfa_kit.verify import journal_faults
from liangfa_procedure.steps import Scope
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import (
    CHIEF,
    FAR,
    HEAD,
    OFFICER,
    PEOPLE,
    POLICE,
    POLICE_HEAD,
    PROCEDURE,
    PROCURATOR,
    START,
    Service,
    documents,
    holder,
    opening,
    person,
    running_service,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_FILING = ("report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer", "file_case")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def test_a_case_goes_from_the_suspicion_to_two_different_ends(service: Service) -> None:
    """One suspect is convicted, the other not prosecuted and penalised by the agency; then the transfer is closed."""
    transfer = await service.open()
    assert (transfer.state, transfer.version, [s.state for s in transfer.suspects]) == ("crime_suspected", 1, ["", ""])
    await service.walk(transfer, ("assign_task_force", *TO_FILING, "hand_over_items"))
    assert [suspect.state for suspect in transfer.suspects] == ["investigated", "investigated"]
    convicted = ("send_for_prosecution", "prosecute", "pronounce_judgment", "record_conviction")
    await service.walk(transfer, convicted, suspect_id="1")
    with pytest.raises(Precondition) as refusal:
        await service.take(transfer, "close_filed")
    assert refusal.value.reason == "SUSPECTS_NOT_ENDED"
    back = (
        "send_for_prosecution", "return_for_investigation", "resubmit_for_prosecution", "decide_non_prosecution",
        "hand_over_internally", "give_penalty_opinion", "reply_to_opinion", "tell_penalty",
    )  # fmt: skip
    await service.walk(transfer, back, suspect_id="2")
    await service.take(transfer, "close_filed")
    assert transfer.state == "closed"
    found = await service.read(transfer)
    assert [step.sequence for step in found.steps] == list(range(1, len(found.steps) + 1))
    assert found.steps[-1].step == "close_filed"
    assert not [clock for clock in found.clocks if clock.state == pb.CLOCK_STATE_RUNNING and clock.use == "duty"
                and clock.rule_id not in {"cc_transfer_to_procuratorate", "deliver_penalty_decision"}]  # fmt: skip
    assert list(journal_faults(service.parts.store, KIT)) == []


async def test_a_refusal_goes_through_reconsideration_supervision_and_notice_to_filing(service: Service) -> None:
    """Every side does its part, and every limit is the law's."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILING[:-1])
    await service.walk(transfer, ("refuse_filing", "serve_refusal"))
    assert "request_reconsideration" not in await service.clocks(transfer)  # runs from receipt
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["request_reconsideration"].last_day == "2026-03-05"
    await service.walk(transfer, ("request_reconsideration", "uphold_refusal"))
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["propose_supervision_after_reconsideration"].owes_id == "market"
    await service.walk(transfer, ("propose_supervision", "demand_reasons"))
    await service.sign(transfer, POLICE)
    assert (await service.clocks(transfer))["police_explain_no_filing"].last_day == "2026-03-09"
    await service.walk(transfer, ("explain", "notify_to_file"))
    await service.sign(transfer, POLICE_HEAD)
    assert (await service.clocks(transfer))["police_file_on_notice"].last_day == "2026-03-17"
    await service.take(transfer, "file_on_notice")
    clocks = await service.clocks(transfer)
    assert clocks["police_file_on_notice"].state == pb.CLOCK_STATE_STOPPED
    assert clocks["supervised_case_progress"].state == pb.CLOCK_STATE_RUNNING
    assert transfer.state == "filed"


async def test_a_step_says_what_it_lacks_and_changes_nothing(service: Service) -> None:
    """Documents by name, fields by name, the role, the state: each with its reason and what to do."""
    transfer = await service.open()
    cases: list[tuple[str, Actor, dict[str, Any], str, str]] = [
        ("report_to_head", OFFICER, {"documents": []}, "DOCUMENTS_MISSING", "书面报告"),
        ("assign_task_force", OFFICER, {"fields": {"members": " "}}, "FIELDS_MISSING", "members"),
        ("approve_transfer", HEAD, {}, "STEP_NOT_ALLOWED_HERE", "涉嫌犯罪"),
        ("report_to_head", POLICE, {}, "STEP_NOT_YOURS", "承办人"),
        ("report_to_head", HEAD, {}, "STEP_NOT_YOURS", "承办人"),
        ("prosecute", PROCURATOR, {"suspect_id": "1"}, "STEP_NOT_ALLOWED_HERE", "立案后"),
        ("prosecute", PROCURATOR, {"suspect_id": "7"}, "SUSPECT_NOT_FOUND", "嫌疑人"),
        ("report_to_head", OFFICER, {"documents": [pb.Document(kind="x")]}, "INVALID_TRANSFER", "documents[0]"),
    ]  # fmt: skip
    for name, by, rest, reason, word in cases:
        with pytest.raises(PlatformError) as refusal:
            await service.take(transfer, name, by, **rest)
        assert (refusal.value.reason, word in refusal.value.message_zh) == (reason, True), name
        assert refusal.value.remedy
    with pytest.raises(Invalid) as unknown:
        await service.stub().TakeStep(rpc.TakeStepRequest(request_id="u", transfer_id=transfer.id, step="fly"))
    assert unknown.value.reason == "STEP_UNKNOWN"
    assert (await service.read(transfer)).transfer == transfer


async def test_a_refusal_names_the_steps_that_would_be_allowed(service: Service) -> None:
    """They are those that ListAllowedSteps gives to the same person."""
    transfer = await service.open()
    with pytest.raises(Precondition) as refusal:
        await service.take(transfer, "deliver_transfer", OFFICER)
    listed = await service.stub(OFFICER).ListAllowedSteps(rpc.ListAllowedStepsRequest(transfer_id=transfer.id))
    assert refusal.value.metadata["instead"].split(",") == [step.step for step in listed.steps]
    assert "report_to_head" in {step.step for step in listed.steps}


async def test_of_two_heads_who_decide_at_once_one_is_stale(service: Service) -> None:
    """Nothing is decided twice; the same request again gives the same answer."""
    transfer = await service.open()
    await service.take(transfer, "report_to_head")
    one, two = pb.Transfer(), pb.Transfer()
    one.CopyFrom(transfer)
    two.CopyFrom(transfer)
    answers: tuple[Any, ...] = await asyncio.gather(
        service.take(one, "approve_transfer", request_id="same"),
        service.take(two, "refuse_transfer"),
        return_exceptions=True,
    )
    assert isinstance(answers[1], Stale | Precondition)
    assert await service.take(transfer, "approve_transfer", request_id="same") == answers[0]


async def test_a_supplementary_investigation_is_possible_twice(service: Service) -> None:
    """Criminal Procedure Law article 175: at most two rounds."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILING)
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    for _ in range(2):
        await service.walk(transfer, ("return_for_investigation", "resubmit_for_prosecution"), suspect_id="1")
    with pytest.raises(Precondition) as refusal:
        await service.take(transfer, "return_for_investigation", suspect_id="1")
    assert refusal.value.reason == "STEP_EXHAUSTED"


async def test_a_forwarded_transfer_belongs_to_the_new_organ(service: Service) -> None:
    """The first organ has no step any more, but still sees what it did; the new one accepts, and its review begins anew."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILING[:-1])
    service.clock.advance(timedelta(hours=5))
    fields = {"receiving_organ": "city-police", "receiving_organ_name": "武汉市公安局", "reason": "地域管辖"}
    await service.take(transfer, "forward_transfer", fields=fields)
    assert (transfer.state, transfer.receiver.name) == ("delivered", "武汉市公安局")
    assert (await service.clocks(transfer))["police_filing_decision"].state == pb.CLOCK_STATE_MOOT
    with pytest.raises((Forbidden, NotFound)):
        await service.take(transfer, "accept_transfer", POLICE)
    await service.take(transfer, "accept_transfer", person("city-police", "police", "420100"))
    running = [c for c in (await service.read(transfer)).clocks if c.rule_id == "police_filing_decision"]
    assert [(c.state, c.owes_id) for c in running] == [
        (pb.CLOCK_STATE_MOOT, "police"), (pb.CLOCK_STATE_RUNNING, "city-police")
    ]  # fmt: skip


async def test_one_case_is_transferred_once(service: Service) -> None:
    """The second opening names the first."""
    transfer = await service.open(case_id="case-1")
    with pytest.raises(Exists) as refusal:
        await service.open(case_id="case-1")
    assert refusal.value.metadata["transfer_id"] == transfer.id


async def test_a_stranger_neither_learns_of_nor_blocks_another_agencys_case(service: Service) -> None:
    """Whoever opens first under whatever number: to each agency it is as if the other's case were not there."""
    stranger = person("ecology", "officer")
    before = await service.open(stranger, case_id="case-1")
    transfer = await service.open(case_id="case-1")
    assert {before.state, transfer.state} == {"crime_suspected"}
    known = await service.open(case_id="case-2")
    unknown = await service.open(stranger, case_id="case-3")
    other = await service.open(stranger, case_id="case-2")
    for message in (known, unknown, other):
        for field in ("id", "case_id", "sender"):
            message.ClearField(field)
    assert other == unknown
    assert (await service.read(transfer)).transfer.sender.id == "market"


async def test_steps_are_entered_in_the_order_in_which_they_happened(service: Service) -> None:
    """A past time is kept and counts for the limits; a future one, or one before the last step, is refused."""
    transfer = await service.open()
    service.clock.advance(timedelta(days=3))
    request = rpc.TakeStepRequest(
        request_id="t", transfer_id=transfer.id, step="report_to_head", expected_version=1,
        documents=documents(PROCEDURE.step("report_to_head")),
    )  # fmt: skip
    for at in (START - timedelta(seconds=1), START + timedelta(days=4)):
        request.happened_at.FromDatetime(at)
        with pytest.raises(Invalid) as refusal:
            await service.stub().TakeStep(request)
        assert refusal.value.reason == "TIME_OUT_OF_ORDER"
    request.happened_at.FromDatetime(START + timedelta(days=1))
    reply = await service.stub().TakeStep(request)
    assert reply.step.happened_at.ToDatetime().day == 3
    assert next(c for c in reply.clocks if c.rule_id == "approve_transfer").last_day == "2026-03-06"


async def test_lists_show_what_takes_part_or_lies_in_the_region_page_by_page(service: Service) -> None:
    """Participants see theirs, the region's overseers the region's, a far organ nothing."""
    for _ in range(5):
        await service.open()
    seen: list[str] = []
    token = ""
    while True:
        page = await service.stub(POLICE).ListTransfers(rpc.ListTransfersRequest(page_size=2, page_token=token))
        seen += [one.id for one in page.transfers]
        if not (token := page.next_page_token):
            break
    assert len(seen) == len(set(seen)) == 5
    for stranger in (person("ecology", "officer"), person("far", "police", FAR), person("far-p", "procurator", FAR)):
        assert not (await service.stub(stranger).ListTransfers(rpc.ListTransfersRequest())).transfers
    city = person("city-justice", "justice_supervisor", "420100")
    assert len((await service.stub(city).ListTransfers(rpc.ListTransfersRequest())).transfers) == 5


async def test_random_legal_ways_are_taken_and_random_illegal_steps_refused(service: Service) -> None:
    """Whatever order people try: the table's word holds, each refusal names a reason, and every journal verifies."""
    for seed in range(6):
        chance = random.Random(seed)
        transfer = await service.open()
        for _ in range(25):
            await _try_something(service, transfer, chance)
    assert list(journal_faults(service.parts.store, KIT)) == []


async def _try_something(service: Service, transfer: pb.Transfer, chance: random.Random) -> None:
    step = chance.choice(list(PROCEDURE.steps.values()))
    by = holder(chance.choice(list(PEOPLE.values())), transfer)
    suspect = chance.choice(transfer.suspects)
    is_suspects = step.scope is Scope.SUSPECT
    state = suspect.state if is_suspects else transfer.state
    may = (not is_suspects or transfer.state == "filed") and PROCEDURE.refusal(step.id, state, by.roles) is None
    refusal: PlatformError | None = None
    before = transfer.version
    about = suspect.id if is_suspects else ""
    if may and (refusal := await _refusal(service, transfer, step.id, by, about)) is None:
        assert transfer.version > before
        return
    if not may:
        refusal = await _refusal(service, transfer, step.id, by, about)
    assert refusal is not None, (step.id, state, by.roles)
    assert not may or refusal.reason in {"SUSPECTS_NOT_ENDED", "STEP_EXHAUSTED"}, (step.id, state, refusal)
    assert refusal.remedy
    assert transfer.version == before
    moves = [s for s in PROCEDURE.allowed(transfer.state) if s.to_state not in {None, transfer.state, "closed"}]
    if moves:  # go on by a legal way, so that later states are tried too
        await service.take(transfer, chance.choice(moves).id)


async def _refusal(service: Service, transfer: pb.Transfer, step: str, by: Actor, suspect: str) -> PlatformError | None:
    try:
        await service.take(transfer, step, by, suspect_id=suspect)
    except PlatformError as refusal:
        return refusal
    return None


async def test_custody_begins_and_ends_and_keeps_the_day_itself(service: Service) -> None:
    """A month that ends on a holiday ends there while the suspect is in custody; the release is recorded."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, TO_FILING)
    await service.take(transfer, "detain", suspect_id="1")
    assert transfer.suspects[0].in_custody
    service.clock.set(START + timedelta(days=34))  # 5 April, so that a month ends on 5 May, a holiday
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    assert (await service.clocks(transfer))["prosecution_review"].last_day == "2026-05-05"
    await service.take(transfer, "release", suspect_id="1")
    assert not transfer.suspects[0].in_custody


async def test_a_change_without_a_request_id_is_refused(service: Service) -> None:
    """It could not be recognised when it is repeated."""
    with pytest.raises(Invalid) as refusal:
        await service.stub().OpenTransfer(opening(request_id=""))
    assert refusal.value.reason == "REQUEST_ID_REQUIRED"
    wrong = opening(suspect_names=[], offences=[""], sector="fishing", receiver=pb.Organisation())
    with pytest.raises(Invalid) as refusal:
        await service.stub().OpenTransfer(wrong)
    assert {found.field for found in refusal.value.violations} == {
        "suspect_names", "offences[0]", "sector", "receiver.id", "receiver.name"
    }  # fmt: skip


async def test_a_heads_extension_needs_a_track_of_the_rule_a_ground_and_an_approver(service: Service) -> None:
    """30 days for a major case instead of three; the end before it is kept; others cannot grant it."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILING[:-1])
    clock = (await service.clocks(transfer))["police_filing_decision"]
    request = rpc.ExtendClockRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer.id, clock_id=clock.id, track="major_complex",
        ground="案情重大复杂", approver="某局长",
    )  # fmt: skip
    for by in (HEAD, CHIEF):
        with pytest.raises(NotFound):
            await service.stub(by).ExtendClock(request)
    for wrong, reason in (({"track": "forever"}, "TRACK_UNKNOWN"), ({"ground": " "}, "INVALID_TRANSFER")):
        changed = rpc.ExtendClockRequest()
        changed.CopyFrom(request)
        changed.MergeFrom(rpc.ExtendClockRequest(request_id=str(uuid.uuid4())))
        for name, value in wrong.items():
            setattr(changed, name, value)
        with pytest.raises(Invalid) as refusal:
            await service.stub(POLICE_HEAD).ExtendClock(changed)
        assert refusal.value.reason == reason
    longer = (await service.stub(POLICE_HEAD).ExtendClock(request)).clock
    assert (clock.last_day, longer.last_day) == ("2026-03-05", "2026-04-01")
    assert longer.changes[0].earlier_due_at == clock.due_at
    assert longer.changes[0].approver == "某局长"
