"""Amending, moving, deciding, recording acts, viewing: old values are kept, races are lost cleanly, ends are ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.masking import mask_case
from liangfa_enforcement_record.tables import party_records, screenings
from liangfa_kit.errors import Forbidden, Invalid, NotFound, Precondition, Stale
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from tests.enforcement import (
    CRIME,
    HARMLESS,
    HEAD,
    LEGAL,
    OFFICER,
    PROCURATOR,
    RESIDENT_ID,
    STRANGER,
    USCC,
    Record,
    case,
    decision,
    party,
    running_record,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]


async def amend(record: Record, stored: pb.Case, by: Any = OFFICER, reason: str = "录入有误", **values: Any) -> Any:
    command = commands.AmendCase(stored.id, stored.version, pb.Case(**values), tuple(values), reason, stored)
    return await record.do(record.handlers.amend, command, by)


async def advance(record: Record, stored: pb.Case, to: Any, by: Any = OFFICER, reason: str = "") -> Any:
    command = commands.AdvanceStage(stored.id, stored.version, to, reason)
    return (await record.do(record.handlers.advance, command, by)).case


async def decide(record: Record, stored: pb.Case, **values: Any) -> Any:
    command = commands.RecordDecision(stored.id, stored.version, decision(**values), stored)
    return await record.do(record.handlers.decide, command)


async def test_an_amendment_keeps_the_old_value_and_the_reason(tmp_path: Path) -> None:
    """The journal says what was, what is, and why; the search finds the new words and not the old ones."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        reply = await amend(record, first, cause="虚假宣传", narrative="当事人在网店使用国家级用语。")
        assert reply.case.version == 2
        event = (await record.events(f"case/{first.id}"))[-1]
        assert next((c.field, c.old_value, c.new_value) for c in event.changes) == (
            "cause", "未按规定悬挂营业执照", "虚假宣传",
        )  # fmt: skip
        assert (event.reason, event.after_decision) == ("录入有误", False)
        assert await record.stored(first.id) == reply.case


async def test_what_the_amendment_does_not_name_stays(tmp_path: Path) -> None:
    """Only the named fields count, whatever else the message holds."""
    async with running_record(tmp_path) as record:
        first = (await record.register(amount_yuan="5")).case
        new = pb.Case(cause="另一案由", amount_yuan="7", agency_id="x")
        command = commands.AmendCase(first.id, 1, new, ("cause",), "更正", first)
        reply = await record.do(record.handlers.amend, command)
        assert (reply.case.cause, reply.case.amount_yuan, reply.case.agency_id) == ("另一案由", "5", first.agency_id)


async def test_a_masked_form_sent_back_does_not_replace_numbers_by_stars(tmp_path: Path) -> None:
    """The officer corrects the address; the number that was shown as stars stays whole."""
    async with running_record(tmp_path) as record:
        person = party("王小明", id_document_type="resident_id", id_document_number=RESIDENT_ID, phone="13800001234")
        first = (await record.register(parties=[person])).case
        form = pb.Case()
        form.CopyFrom(first)
        form.parties[0].address = "珞喻路 1 号"
        reply = await amend(record, first, parties=list(mask_case(form).parties))
        kept = reply.case.parties[0]
        assert (kept.id_document_number, kept.phone, kept.address) == (RESIDENT_ID, "13800001234", "珞喻路 1 号")


@pytest.mark.parametrize(
    ("values", "reason", "expected"),
    [
        ({"cause": "未按规定悬挂营业执照"}, "更正", "NOTHING_CHANGED"),
        ({"cause": "x"}, " ", "REASON_REQUIRED"),
        ({"agency_id": "x"}, "更正", "FIELD_NOT_AMENDABLE"),
        ({"amount_yuan": "x"}, "更正", "AMOUNT_MALFORMED"),
    ],
)
async def test_an_amendment_needs_a_change_a_reason_and_an_amendable_field(
    tmp_path: Path, values: dict[str, str], reason: str, expected: str
) -> None:
    """Each refusal has its own reason code."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        with pytest.raises(Invalid) as refusal:
            await amend(record, first, reason=reason, **values)
        assert refusal.value.reason == expected
        assert (await record.stored(first.id)).version == 1


async def test_two_officers_at_once_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    """Nobody's change is overwritten unseen."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        results = await asyncio.gather(
            amend(record, first, cause="甲说"), amend(record, first, cause="乙说"), return_exceptions=True
        )
        assert [type(r) for r in results if isinstance(r, Exception)] == [Stale]
        assert (await record.stored(first.id)).version == 2


async def test_more_facts_raise_a_suspicion_and_fewer_clear_it(tmp_path: Path) -> None:
    """Every result stays; only the newest counts; the clearing is told."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        crime = (await amend(record, first, cause="销售侵犯注册商标专用权的商品", narrative=CRIME)).case
        assert crime.screening_outcome == pb.SCREENING_OUTCOME_SUSPECTED
        clear = (await amend(record, crime, cause="未按规定悬挂营业执照", narrative=HARMLESS)).case
        assert clear.screening_outcome == pb.SCREENING_OUTCOME_CLEAR
        names = await record.event_names(f"case/{first.id}")
        assert names == ["CaseRegistered", "CaseAmended", "CrimeSuspected", "CaseAmended", "CrimeCleared"]
        assert [row["is_newest"] for row in await record.rows(screenings)] == [False, True]


async def test_an_amendment_after_the_decision_says_so(tmp_path: Path) -> None:
    """Supervisors see amendments after the fact."""
    async with running_record(tmp_path) as record:
        first = (await record.register(decision=decision())).case
        await amend(record, first, decision=decision(fine_yuan="5000"))
        event = (await record.events(f"case/{first.id}"))[-1]
        assert event.after_decision
        assert "20000" in event.changes[0].old_value


async def test_the_general_procedure_runs_from_receipt_to_close(tmp_path: Path) -> None:
    """Each move by the hand that may make it; the decision by its own command."""
    async with running_record(tmp_path) as record:
        at = (await record.register()).case
        for stage in (pb.STAGE_OPENED, pb.STAGE_INVESTIGATION, pb.STAGE_LEGAL_REVIEW):
            at = await advance(record, at, stage)
        at = await advance(record, at, pb.STAGE_INVESTIGATION, LEGAL, "证据不足，退回补充")
        at = await advance(record, at, pb.STAGE_LEGAL_REVIEW)
        at = (await decide(record, at)).case
        assert at.stage == pb.STAGE_DECIDED
        at = await advance(record, at, pb.STAGE_EXECUTION)
        at = await advance(record, at, pb.STAGE_CLOSED)
        with pytest.raises(Precondition) as refusal:
            await amend(record, at, cause="x")
        assert refusal.value.reason == "CASE_ENDED"
        at = await advance(record, at, pb.STAGE_INVESTIGATION, HEAD, "发现新证据")
        assert at.stage == pb.STAGE_INVESTIGATION


@pytest.mark.parametrize(
    ("to", "by", "reason", "expected"),
    [
        (pb.STAGE_CLOSED, OFFICER, "", "STAGE_NOT_ALLOWED"),
        (pb.STAGE_NOT_OPENED, OFFICER, "", "REASON_REQUIRED"),
        (pb.STAGE_OPENED, LEGAL, "", "STAGE_NOT_ALLOWED"),
        (pb.STAGE_UNSPECIFIED, HEAD, "x", "STAGE_NOT_ALLOWED"),
        (99, HEAD, "x", "STAGE_NOT_ALLOWED"),
    ],
)
async def test_a_move_that_the_table_does_not_have_is_refused(
    tmp_path: Path, to: Any, by: Any, reason: str, expected: str
) -> None:
    """The refusal says which moves are possible; the case stays."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        with pytest.raises((Invalid, Precondition)) as refusal:
            await advance(record, first, to, by, reason)
        assert refusal.value.reason == expected
        assert (await record.stored(first.id)).stage == pb.STAGE_RECEIVED


async def test_an_act_is_recorded_with_who_when_where_what(tmp_path: Path) -> None:
    """The step is stored and told; it does not disturb an officer who edits the case."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        step = pb.Step(kind="现场检查", place="珞喻路 1 号", description="检查货架", officers=["某甲", "某乙"])
        step.done_at.FromDatetime(datetime(2026, 3, 1, 2, 0, tzinfo=UTC))
        reply = await record.do(record.handlers.step, commands.RecordStep(first.id, step))
        assert reply.step.id
        assert (await record.events(f"case/{first.id}"))[-1].step == reply.step
        assert (await record.stored(first.id)).version == 1
        with pytest.raises(Invalid) as refusal:
            await record.do(record.handlers.step, commands.RecordStep(first.id, pb.Step(kind="询问")))
        fields = [violation.field for violation in refusal.value.violations]
        assert fields == ["step.description", "step.done_at", "step.officers"]


async def test_every_reading_is_journalled_beside_the_case(tmp_path: Path) -> None:
    """Who looked and why stands in the journal, in a stream of its own: reading changes no version."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        await record.do(record.handlers.view, commands.ViewCase(first.id, "专项监督"), PROCURATOR)
        event = (await record.events(f"view/{first.id}"))[0]
        assert (event.purpose, event.part, event.case.case_id) == ("专项监督", "case", first.id)


async def test_another_agency_sees_nothing_and_a_supervisor_changes_nothing(tmp_path: Path) -> None:
    """Unseen is NOT_FOUND; seen but not one's own is FORBIDDEN."""
    async with running_record(tmp_path) as record:
        first = (await record.register()).case
        for by, refusal in ((STRANGER, NotFound), (PROCURATOR, Forbidden)):
            with pytest.raises(refusal):
                await amend(record, first, by, cause="x")
            with pytest.raises(refusal):
                await advance(record, first, pb.STAGE_OPENED, by)
        with pytest.raises(NotFound):
            await record.do(record.handlers.view, commands.ViewCase(first.id, "好奇"), STRANGER)


async def test_screening_again_under_the_same_rules_leaves_no_trace(tmp_path: Path) -> None:
    """The same case and the same rules give the same result: nothing to store, nothing to tell."""
    async with running_record(tmp_path) as record:
        first = (await record.register(cause="销售侵犯注册商标专用权的商品", narrative=CRIME)).case
        reply = await record.do(record.handlers.screen, commands.ScreenCase(first.id, first))
        assert reply.screening.outcome == pb.SCREENING_OUTCOME_SUSPECTED
        assert (await record.stored(first.id)).version == 1
        assert await record.event_names(f"case/{first.id}") == ["CaseRegistered", "CrimeSuspected"]
        assert len(await record.rows(screenings)) == 1


async def test_a_verdict_is_kept_with_its_reviewer_and_reason(tmp_path: Path) -> None:
    """The verdict stands on the result; without a reason there is none."""
    async with running_record(tmp_path) as record:
        first = await record.register(cause="销售侵犯注册商标专用权的商品", narrative=CRIME)
        command = commands.ReviewHit(first.screening.id, first.case.id, False, "数额系误读", "")
        reply = await record.do(record.handlers.review, command, PROCURATOR)
        verdict = reply.screening.verdict
        assert (verdict.accepted, verdict.reason, verdict.reviewer.person_id) == (False, "数额系误读", "p5")
        assert (await record.rows(screenings))[0]["is_accepted"] is False
        assert (await record.event_names(f"case/{first.case.id}"))[-1] == "HitReviewed"
        with pytest.raises(Invalid):
            await record.do(
                record.handlers.review, commands.ReviewHit(first.screening.id, first.case.id, True, "", ""), PROCURATOR
            )


async def test_amounts_of_one_party_add_up_over_its_cases_and_the_hit_names_them(tmp_path: Path) -> None:
    """Two cases below the threshold reach it together, within the window that the standard allows."""
    async with running_record(tmp_path) as record:
        small = "当事人销售假冒注册商标的白酒，销售金额共计3万元，全部售出。"
        parts = {"cause": "销售侵犯注册商标专用权的商品", "narrative": small, "parties": [party(uscc=USCC)]}
        first = await record.register(case(occurred_on="2025-11-02", **parts))
        assert first.case.screening_outcome != pb.SCREENING_OUTCOME_SUSPECTED
        second = await record.register(case(occurred_on="2026-01-05", **parts))
        assert second.screening.outcome == pb.SCREENING_OUTCOME_SUSPECTED
        assert second.screening.is_cumulative
        assert list(second.screening.offences[0].counted_case_ids) == [first.case.id]
        assert (await record.events(f"case/{second.case.id}"))[-1].screening.is_cumulative


async def test_a_changed_party_changes_whose_records_count(tmp_path: Path) -> None:
    """Party records follow the case: a removed party leaves none behind."""
    async with running_record(tmp_path) as record:
        first = (await record.register(parties=[party(uscc=USCC), party("第二有限公司甲")])).case
        await amend(record, first, parties=[party("武汉第三商贸有限公司")])
        assert [row["name"] for row in await record.rows(party_records)] == ["武汉第三商贸有限公司"]
