"""Limits end with the state that they belonged to: nobody is late with what can no longer be done."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_procedure.rules import Rules
from liangfa_procedure.steps import COURSES_RUN_IN, Scope
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import OFFICER, POLICE, PROCEDURE, PROCURATOR, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def running_duties(service: Service, transfer: pb.Transfer) -> set[tuple[str, str]]:
    clocks = (await service.read(transfer)).clocks
    return {(c.rule_id, c.suspect_id) for c in clocks if c.state == pb.CLOCK_STATE_RUNNING and c.use == "duty"}


WAYS: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = [
    ("assign_task_force", (), ("report_to_head",), ""),
    ("cc_transfer_to_procuratorate", TO_REVIEW[:3], ("take_transfer_back",), ""),
    ("police_serve_refusal", (*TO_REVIEW, "refuse_filing"), ("request_reconsideration",), ""),
    ("police_serve_refusal", (*TO_REVIEW, "refuse_filing"), ("propose_supervision",), ""),
    ("police_serve_refusal", (*TO_REVIEW, "refuse_filing"), ("accept_refusal",), ""),
    ("police_reverse_transfer", (*TO_REVIEW, "file_case", "withdraw_case", "find_violation"), ("contest_withdrawal",), "1"),
    ("police_notify_withdrawal", (*TO_REVIEW, "file_case", "withdraw_case"), ("contest_withdrawal",), "1"),
    (
        "tell_agency_non_prosecution",
        (*TO_REVIEW, "file_case", "send_for_prosecution", "decide_non_prosecution", "hand_over_internally"),
        ("give_penalty_opinion", "reply_to_opinion"),
        "1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "before", "leaving", "suspect"), WAYS, ids=[f"{w[0]}-{w[2][-1]}" for w in WAYS])
async def test_a_limit_ends_when_its_state_is_left(
    service: Service, rule: str, before: tuple[str, ...], leaving: tuple[str, ...], suspect: str
) -> None:
    """It runs until then; afterwards it is moot, and is never missed. Environment has all of these limits."""
    transfer = await service.open(sector="environment")
    for step in (*before, *leaving):
        if step == leaving[0]:
            assert (rule, suspect) in await running_duties(service, transfer)
        about = suspect if PROCEDURE.step(step).scope is Scope.SUSPECT else ""
        await service.take(transfer, step, suspect_id=about)
    assert (await service.clocks(transfer))[rule].state == pb.CLOCK_STATE_MOOT
    await service.later(days=60)
    assert rule not in {event.clock.rule_id for event in await service.events("ClockMissed")}


async def test_missing_materials_are_asked_for_no_more_after_a_notice_to_file(service: Service) -> None:
    """While the delay is supervised they can still be sent; once the police must file, nobody waits for them."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "request_supplement"))
    await service.sign(transfer, OFFICER)
    await service.walk(transfer, ("propose_delay_supervision", "demand_overdue_reasons"))
    assert ("supplement_materials", "") in await running_duties(service, transfer)
    await service.take(transfer, "notify_to_file")
    assert ("supplement_materials", "") not in await running_duties(service, transfer)


async def test_an_objection_to_a_correction_is_answered_whatever_becomes_of_the_case(service: Service) -> None:
    """The procuratorate re-examines its notice also when the reasons were given meanwhile."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "demand_reasons", "correct_police", "object_correction"))
    await service.sign(transfer, PROCURATOR)
    await service.walk(transfer, ("explain", "find_reasons_valid", "tell_reasons_hold"))
    assert ("procuratorate_recheck_correction", "") in await running_duties(service, transfer)
    await service.take(transfer, "recheck_correction")
    assert ("procuratorate_recheck_correction", "") not in await running_duties(service, transfer)


async def test_a_demand_that_was_overtaken_starts_nothing_when_it_is_signed_for(service: Service) -> None:
    """The police have filed: signing for the demand afterwards lays nothing on them."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "refuse_filing", "demand_reasons", "file_when_asked"))
    await service.sign(transfer, POLICE)
    assert ("police_explain_no_filing", "") not in await running_duties(service, transfer)


async def test_signing_for_the_filing_notice_is_being_told(service: Service) -> None:
    """Work safety tells the decision in three days: the agency's signature shows that it was told."""
    transfer = await service.open(sector="work_safety")
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    assert ("police_notify_decision_safety", "") in await running_duties(service, transfer)
    await service.sign(transfer, OFFICER)
    assert ("police_notify_decision_safety", "") not in await running_duties(service, transfer)


async def test_nothing_runs_in_a_closed_transfer(service: Service) -> None:
    """Not even the copy to the procuratorate, which goes on whatever else becomes of the transfer."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "return_transfer", "send_to_right_authority"))
    assert ("cc_transfer_to_procuratorate", "") in await running_duties(service, transfer)
    await service.take(transfer, "close_without_penalty")
    assert await running_duties(service, transfer) == set()


async def test_an_agency_that_refused_takes_the_case_up_again(service: Service) -> None:
    """After an opinion that requires the transfer its head may refuse, and still do what is owed."""
    transfer = await service.open()
    await service.take(transfer, "require_transfer")
    await service.sign(transfer, OFFICER)
    await service.walk(transfer, ("report_to_head", "refuse_transfer"))
    owed = ("agency_act_on_transfer_opinion_general", "")
    assert owed in await running_duties(service, transfer)
    await service.walk(transfer, ("suspect_crime_again", *TO_REVIEW[:3]))
    assert owed not in await running_duties(service, transfer)


async def test_no_crime_suspected_is_no_answer_to_an_opinion_that_requires_the_transfer(service: Service) -> None:
    """Only the delivery answers it (RULE art. 557): until then it is owed, missed in time, and can still be met."""
    transfer = await service.open()
    await service.take(transfer, "require_transfer")
    await service.sign(transfer, OFFICER)
    owed = ("agency_act_on_transfer_opinion_general", "")
    await service.take(transfer, "drop_suspicion")
    assert owed in await running_duties(service, transfer)
    assert ("assign_task_force", "") not in await running_duties(service, transfer)
    await service.walk(transfer, ("decide_penalty", "suspect_crime_again", *TO_REVIEW[:2], "take_transfer_back"))
    assert owed in await running_duties(service, transfer)
    await service.later(days=60)
    assert owed[0] in {event.clock.rule_id for event in await service.events("ClockMissed")}
    await service.walk(transfer, TO_REVIEW[:3])
    assert owed not in await running_duties(service, transfer)


async def test_an_opinion_signed_for_after_the_suspicion_was_dropped_is_owed_like_any_other(service: Service) -> None:
    """Dropping the suspicion quickly, before the opinion is signed for, does not get round it."""
    transfer = await service.open()
    await service.walk(transfer, ("require_transfer", "drop_suspicion"))
    await service.sign(transfer, OFFICER)
    assert ("agency_act_on_transfer_opinion_general", "") in await running_duties(service, transfer)


async def test_on_random_ways_no_running_duty_is_out_of_reach(service: Service) -> None:
    """The service does what the table says: what runs can be done from where the transfer and its suspects stand."""
    for seed in range(4):
        chance = random.Random(seed)
        transfer = await service.open(sector=chance.choice(["", "environment", "work_safety"]))
        for _ in range(20):
            await _go_on(service, transfer, chance)
            if transfer.state == "closed":
                break
            for rule_id, suspect_id in await running_duties(service, transfer):
                assert _may_be_kept(transfer, rule_id, suspect_id), (rule_id, suspect_id, transfer.state)


async def _go_on(service: Service, transfer: pb.Transfer, chance: random.Random) -> None:
    if transfer.state == COURSES_RUN_IN and chance.random() < 0.8:
        suspect = chance.choice(transfer.suspects)
        steps = PROCEDURE.allowed(suspect.state, Scope.SUSPECT)
        steps = [step for step in steps if not step.most or suspect.taken[step.id] < step.most]
        if steps:
            await service.take(transfer, chance.choice(steps).id, suspect_id=suspect.id)
    elif transfer.state != COURSES_RUN_IN:
        steps = [step for step in PROCEDURE.allowed(transfer.state) if step.to_state or chance.random() < 0.3]
        await service.take(transfer, chance.choice(steps).id)
        await service.sign(transfer, chance.choice([OFFICER, POLICE, PROCURATOR]))


def _may_be_kept(transfer: pb.Transfer, rule_id: str, suspect_id: str) -> bool:
    rule = Rules.load().rule(rule_id)
    state = next((one.state for one in transfer.suspects if one.id == suspect_id), transfer.state)
    scope = Scope.SUSPECT if suspect_id else Scope.TRANSFER
    steps = PROCEDURE.allowed(state, scope)
    if transfer.state == COURSES_RUN_IN:
        steps += [step for step in PROCEDURE.steps.values() if step.scope is Scope.SUSPECT]
    return any(rule.ends_on in step.tells or step.id in rule.way for step in steps)
