"""A consultation from the question to the closing, through the service's stub."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from liangfa_joint_meeting.records import answer_hash
from liangfa_joint_meeting.tables import KIT
from liangfa_kit.errors import Exists, Forbidden, Invalid, NotFound, Precondition
from liangfa_kit.verify import journal_faults
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from tests.consulting import ECOLOGY, MARKET, MARKET_HEAD, POLICE, PROCURATOR, person, question, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]


async def test_a_question_is_asked_with_its_facts_and_the_limit_for_the_answer(tmp_path: Path) -> None:
    """Monday's question is due when the next Monday is over in Beijing, and says which rule that is."""
    async with running_service(tmp_path) as service:
        asked = await service.ask(urgency=pb.URGENCY_URGENT)
        assert (asked.state, asked.asker_unit_name) == (pb.CONSULTATION_STATE_OPEN, MARKET.agency_name)
        roles = {one.unit_id: one.role for one in asked.participants}
        assert roles == {"market": pb.PARTICIPANT_ROLE_ASKER, "police": pb.PARTICIPANT_ROLE_CONSULTED}
        police = asked.participants[1]
        assert police.reply_due_at.ToJsonString() == "2026-03-09T16:00:00Z"
        assert (asked.reply_limit.duration, asked.reply_limit.confidence) == ("P7D", "single_source")
        seen = (await service.read(asked.id, POLICE)).consultation
        assert seen.facts[0].value == "8万元"
        assert await service.event_names() == ["UnitEnrolled"] * 6 + ["ConsultationAsked"]


async def test_the_same_request_asks_once(tmp_path: Path) -> None:
    """A repeated request id returns the first consultation; another question under it is refused."""
    async with running_service(tmp_path) as service:
        request = question()
        first = await service.consult().AskConsultation(request)
        again = await service.consult().AskConsultation(request)
        assert first == again
        request.title = "另一个问题"
        with pytest.raises(Precondition) as refused:
            await service.consult().AskConsultation(request)
        assert refused.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"title": " "}, "FIELD_REQUIRED"),
        ({"question": ""}, "FIELD_REQUIRED"),
        ({"question": "问" * 20_001}, "TEXT_TOO_LONG"),
        ({"title": "a\x00b"}, "CONTROL_CHARACTERS"),
        ({"kind": 0}, "FIELD_REQUIRED"),
        ({"kind": 99}, "VALUE_UNKNOWN"),
        ({"consulted_unit_ids": []}, "FIELD_REQUIRED"),
        ({"consulted_unit_ids": [f"u{n}" for n in range(31)]}, "TOO_MANY"),
        ({"consulted_unit_ids": ["market"]}, "ASKS_ITSELF"),
        ({"files": [pb.FileReference(name="a.pdf", sha256="no")]}, "VALUE_UNKNOWN"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
    ],
)
async def test_a_wrong_question_is_refused_with_its_reason(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    """Nothing is written, and the words say what to do."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refused:
            await service.ask(**wrong)
        assert (refused.value.reason, bool(refused.value.message_zh), bool(refused.value.remedy)) == (
            reason,
            True,
            True,
        )
        assert "ConsultationAsked" not in await service.event_names()


async def test_a_unit_that_nobody_entered_cannot_be_asked(tmp_path: Path) -> None:
    """A slip of the pen must not send a question into the void."""
    async with running_service(tmp_path) as service:
        with pytest.raises(NotFound) as refused:
            await service.ask(consulted_unit_ids=["polise"])
        assert refused.value.reason == "UNIT_UNKNOWN"


async def test_formal_answers_are_numbered_per_unit_and_year_without_gap_or_repeat(tmp_path: Path) -> None:
    """A refused answer takes no number; another unit and another year count from one."""
    async with running_service(tmp_path) as service:
        keys = [(await service.ask(consulted_unit_ids=["police", "procuratorate"])).id for _ in range(3)]
        numbers = [(await service.answer(key)).number for key in keys[:2]]
        with pytest.raises(Invalid):
            await service.answer(keys[2], view="")
        other = await service.answer(keys[0], PROCURATOR)
        numbers.append((await service.answer(keys[2])).number)
        assert numbers == [1, 2, 3]
        assert (other.number, other.document_number) == (1, "武汉市洪山区人民检察院咨复〔2026〕1号")
        await service.later(days=305)
        last = await service.answer((await service.ask()).id)
        assert (last.year, last.number) == (2027, 1)


async def test_an_answer_is_signed_received_and_followed_or_not(tmp_path: Path) -> None:
    """Advice, hashed as signed; received with that hash; then what became of it, and why."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        answer = await service.answer(key)
        assert answer.sha256 == answer_hash(answer)
        assert "不是决定" in answer.standing_zh
        about = {"consultation_id": key, "answer_id": answer.id}
        with pytest.raises(Precondition) as early:
            await service.consult().RecordOutcome(
                rpc.RecordOutcomeRequest(request_id="o", outcome=pb.OUTCOME_FOLLOWED, reason="x", **about)
            )
        assert early.value.reason == "ANSWER_NOT_RECEIVED"
        with pytest.raises(Precondition) as forged:
            await service.consult().AcknowledgeAnswer(
                rpc.AcknowledgeAnswerRequest(request_id="a", sha256="0" * 64, **about)
            )
        assert forged.value.reason == "ANSWER_HASH_MISMATCH"
        with pytest.raises(Precondition) as unfinished:
            await service.close(key)
        assert unfinished.value.reason == "OUTCOME_REQUIRED"
        followed = await service.accept(answer, outcome=pb.OUTCOME_NOT_FOLLOWED)
        assert (followed.outcome, followed.outcome_reason) == (pb.OUTCOME_NOT_FOLLOWED, "依答复移送")
        assert followed.received_by.person_id == MARKET.person_id
        closed = await service.close(key)
        assert closed.state == pb.CONSULTATION_STATE_CLOSED
        assert list(journal_faults(service.parts.store, KIT)) == []


async def test_who_was_asked_answers_and_who_asked_closes(tmp_path: Path) -> None:
    """Invited units talk; officers alone do not sign; other participants do not close."""
    async with running_service(tmp_path) as service:
        key = (await service.ask(invited_unit_ids=["procuratorate"])).id
        for caller, reason in ((PROCURATOR, "NOT_CONSULTED"), (person("police", "officer"), "ROLE_NOT_ALLOWED")):
            with pytest.raises(Forbidden) as refused:
                await service.answer(key, caller)
            assert refused.value.reason == reason
        with pytest.raises(Forbidden) as refused:
            await service.close(key, POLICE)
        assert refused.value.reason == "NOT_THE_ASKER"
        with pytest.raises(Precondition):
            await service.leave(key, MARKET)


async def test_attached_facts_and_the_case_are_shown_to_others_only_while_it_is_open(tmp_path: Path) -> None:
    """Access ends with the question; the conversation and the answers stay."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        await service.say(key, "请补充进货单据。", POLICE)
        await service.accept(await service.answer(key))
        await service.close(key)
        seen = (await service.read(key, POLICE)).consultation
        own = (await service.read(key, MARKET)).consultation
        assert (list(seen.facts), seen.case_id, len(seen.answers)) == ([], "", 1)
        assert (own.facts[0].value, own.case_id) == ("8万元", "case-1")
        for call in (service.say(key, "还有问题", POLICE), service.answer(key)):
            with pytest.raises(Precondition) as refused:
                await call
            assert refused.value.reason == "CONSULTATION_CLOSED"


async def test_reopening_begins_the_limits_anew(tmp_path: Path) -> None:
    """The unit owes an answer again, seven days from the reopening."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        await service.close(key, reason="暂不需要")
        await service.later(days=20)
        request = rpc.ReopenConsultationRequest(request_id="r", consultation_id=key, reason="案情有变化")
        reopened = (await service.consult(MARKET_HEAD).ReopenConsultation(request)).consultation
        assert reopened.participants[1].reply_due_at.ToJsonString() == "2026-03-30T16:00:00Z"
        with pytest.raises(Precondition) as refused:
            await service.consult().ReopenConsultation(
                rpc.ReopenConsultationRequest(request_id="r2", consultation_id=key, reason="x")
            )
        assert refused.value.reason == "CONSULTATION_OPEN"


async def test_the_reminder_and_the_escalation_are_raised_exactly_once(tmp_path: Path) -> None:
    """Two days before, and when the last day is over; however often and however late somebody looks."""
    async with running_service(tmp_path) as service:
        key = (await service.ask(consulted_unit_ids=["police", "procuratorate"])).id
        await service.answer(key, PROCURATOR)
        await service.later(days=5, hours=14)
        assert await service.events("ReplyReminded") == []
        for _ in range(3):
            await service.later(hours=1)
        assert [event.unit_id for event in await service.events("ReplyReminded")] == ["police"]
        for _ in range(3):
            await service.later(days=30)
        overdue = await service.events("ReplyOverdue")
        assert [(event.unit_id, event.limit.rule_id) for event in overdue] == [("police", "consultation_written_reply")]
        assert not (await service.answer(key)).in_time
        kinds = [m.kind for m in (await service.consult().ListMessages(
            rpc.ListMessagesRequest(consultation_id=key))).messages]  # fmt: skip
        assert kinds.count(pb.MESSAGE_KIND_REMINDED) == kinds.count(pb.MESSAGE_KIND_ESCALATED) == 1


async def test_a_service_that_was_down_escalates_once_and_reminds_no_more(tmp_path: Path) -> None:
    """A jump over both moments tells the one that still matters, also after a restart."""
    async with running_service(tmp_path) as service:
        await service.ask()
    async with running_service(tmp_path) as service:
        await service.later(days=40)
        await service.later(days=1)
        assert await service.events("ReplyReminded") == []
        assert len(await service.events("ReplyOverdue")) == 1


async def test_units_join_and_leave(tmp_path: Path) -> None:
    """A participant lets another unit in; only the asker makes it owe an answer, or sends it away."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id

        def invite(unit_id: str, *, owes: bool = False) -> rpc.InviteUnitRequest:
            return rpc.InviteUnitRequest(
                request_id=str(uuid.uuid4()), consultation_id=key, unit_id=unit_id, owes_answer=owes, reason="涉及环保"
            )

        with pytest.raises(Forbidden):
            await service.consult(POLICE).InviteUnit(invite("ecology", owes=True))
        await service.consult(POLICE).InviteUnit(invite("ecology"))
        with pytest.raises(Exists):
            await service.consult(POLICE).InviteUnit(invite("ecology"))
        await service.say(key, "监测报告已附上。", ECOLOGY)
        with pytest.raises(Forbidden):
            await service.leave(key, POLICE, "ecology")
        await service.leave(key, MARKET, "ecology")
        with pytest.raises(NotFound):
            await service.say(key, "再补充一点。", ECOLOGY)
        await service.consult(MARKET).InviteUnit(invite("ecology", owes=True))
        seen = (await service.read(key, ECOLOGY)).consultation
        assert {one.unit_id: one.role for one in seen.participants}["ecology"] == pb.PARTICIPANT_ROLE_CONSULTED


async def test_lists_show_what_is_owed_what_is_unread_and_what_words_find(tmp_path: Path) -> None:
    """Each unit its own; pages follow each other without a repeat."""
    async with running_service(tmp_path) as service:
        keys = []
        for number in range(5):
            keys.append((await service.ask(title=f"第{number}个问题")).id)
            await service.later(minutes=1)
        await service.say(keys[0], "需要鉴定意见书。")
        owed = await service.consult(POLICE).ListConsultations(rpc.ListConsultationsRequest(answer_owed=True))
        assert [line.consultation_id for line in owed.consultations] == keys[::-1]
        assert owed.consultations[-1].unread == 1
        found = await service.consult(POLICE).ListConsultations(rpc.ListConsultationsRequest(text="鉴定意见"))
        assert [line.consultation_id for line in found.consultations] == keys[:1]
        nobody = await service.consult(ECOLOGY).ListConsultations(rpc.ListConsultationsRequest(text="鉴定意见"))
        assert not nobody.consultations
        pages: list[str] = []
        token = ""
        while not pages or token:
            page = await service.consult().ListConsultations(
                rpc.ListConsultationsRequest(page_size=2, page_token=token)
            )
            pages += [line.consultation_id for line in page.consultations]
            token = page.next_page_token
        assert pages == keys[::-1]
        with pytest.raises(Invalid):
            await service.consult().ListConsultations(rpc.ListConsultationsRequest(page_token="x"))
