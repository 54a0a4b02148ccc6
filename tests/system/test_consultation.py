"""What joint_meeting learns from the record, and what supervision shows of joint_meeting, on the whole platform."""

from __future__ import annotations

import asyncio
import hashlib
import io
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from liangfa_cli import district
from liangfa_cli.consulting import enrol_units
from liangfa_cli.following import follow
from liangfa_cli.journals import tend_consumer
from liangfa_cli.platform import Platform
from liangfa_joint_meeting.tables import cases_seen
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Invalid, NotFound
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as evidence_rpc
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from liangfa_protos.joint_meeting.v1 import consultation_pb2, meeting_pb2
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import file_service_pb2 as file_rpc
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as meeting_rpc
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.joint_meeting.v1.file_service_pb2_grpc import FileServiceStub
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from tests.unit.supervision.test_reactions import START, case, platform_at, register

pytestmark = pytest.mark.asyncio
MEMBERS = ["hs-procuratorate", "hs-police", "hs-market"]


async def settled(platform: Platform) -> None:
    assert platform.record is not None
    assert platform.meeting is not None
    assert platform.supervision is not None
    await platform.meeting.scheduler.tick()
    for part in (platform.record, platform.meeting):
        await part.relay.drain()
    await platform.meeting.consumer.drain()
    await platform.supervision.consumer.drain()


async def feed(platform: Platform, *kinds: Any) -> list[pb.FeedItem]:
    stub = SupervisionServiceStub(platform.channel_for(district.PROCURATOR))
    items = []
    async for message in stub.Watch(pb.WatchRequest(kinds=kinds)):
        if not message.HasField("item"):
            break
        items.append(message.item)
    return items


async def ask(platform: Platform) -> str:
    stub = ConsultationServiceStub(platform.channel_for(district.officer("market_regulation")))
    request = rpc.AskConsultationRequest(
        request_id=str(uuid.uuid4()), kind=consultation_pb2.CONSULTATION_KIND_NATURE, title="只给参与单位看的标题",
        question="只给参与单位看的问题", consulted_unit_ids=["hs-police"],
    )  # fmt: skip
    return str((await stub.AskConsultation(request)).consultation.id)


async def test_suspected_crimes_come_to_the_agenda_and_meetings_to_the_feed(tmp_path: Path) -> None:
    """Counted by agency, named to nobody; an overdue answer shows who is late and nothing of the question."""
    clock = ManualClock(START)
    async with platform_at(tmp_path / "d", clock) as platform:
        await enrol_units(platform)
        rule = meeting_pb2.MeetingRule(
            region=district.REGION, convener_unit_id="hs-procuratorate", member_unit_ids=MEMBERS, months_between=6,
            special_requests=3, quorum_percent=60, remind_days=14,
        )  # fmt: skip
        operator: Any = MeetingServiceStub(platform.channel_for(district.OPERATOR))
        await operator.SetMeetingRule(meeting_rpc.SetMeetingRuleRequest(request_id="r", rule=rule))
        await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        await register(platform, case("未按规定保存台账，已改正。", cause="未保存台账"))
        await ask(platform)
        clock.advance(timedelta(days=9))
        await settled(platform)
        convene: Any = meeting_rpc.ConveneMeetingRequest
        request = convene(
            request_id="c", kind=meeting_pb2.MEETING_KIND_REGULAR, title="例会", place="会议室",
            starts_at=clock.now() + timedelta(days=7),
        )  # fmt: skip
        stub: Any = MeetingServiceStub(platform.channel_for(district.PROCURATOR))
        meeting = (await stub.ConveneMeeting(request)).meeting
        assert [(item.source, item.unit_id) for item in meeting.agenda] == [
            (meeting_pb2.ITEM_SOURCE_SUSPECTED, "hs-market"), (meeting_pb2.ITEM_SOURCE_UNANSWERED, "hs-police"),
        ]  # fmt: skip
        market = next(line for line in meeting.figures if line.unit_id == "hs-market")
        assert (market.cases, market.suspected, market.consultations_asked) == (2, 1, 1)
        await settled(platform)
        shown = await feed(platform, pb.FEED_KIND_REPLY_OVERDUE, pb.FEED_KIND_MEETING_CONVENED)
        assert [(item.kind, item.agency_id) for item in shown] == [
            (pb.FEED_KIND_REPLY_OVERDUE, "hs-police"), (pb.FEED_KIND_MEETING_CONVENED, "hs-procuratorate"),
        ]  # fmt: skip
        assert "只给参与单位看" not in str(shown) + str(meeting)


async def test_a_question_is_filled_in_from_a_hit_on_the_callers_own_authority(tmp_path: Path) -> None:
    """Offence, facts and their words; no party and no narrative; a case that the caller may not see is not found."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        entered = await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        officer = district.officer("market_regulation")
        stub = ConsultationServiceStub(platform.channel_for(officer))
        draft = (await stub.DraftConsultation(rpc.DraftConsultationRequest(case_id=entered.id))).draft
        assert (draft.case_id, draft.cause, bool(draft.screening_id)) == (entered.id, "经营有毒有害食品", True)
        assert "有毒、有害食品" in draft.offence_name_zh
        assert draft.facts
        assert all(fact.label and fact.value for fact in draft.facts)
        assert "洪山甲餐饮店" not in str(draft)
        await enrol_units(platform)
        draft.request_id, draft.question = str(uuid.uuid4()), "是否应当移送？"
        draft.consulted_unit_ids.append("hs-police")
        asked = (await stub.AskConsultation(draft)).consultation
        assert list(asked.facts) == list(draft.facts)
        stranger = ConsultationServiceStub(platform.channel_for(district.officer("labour")))
        with pytest.raises(NotFound):
            await stranger.DraftConsultation(rpc.DraftConsultationRequest(case_id=entered.id))


async def attach(platform: Platform, case_id: str, content: bytes) -> str:
    """Attach a file of evidence to a case of the market regulator and return its id."""
    stub: Any = EvidenceServiceStub(platform.channel_for(district.officer("market_regulation")))
    begin = evidence_rpc.BeginUploadRequest(
        request_id="b", case_id=case_id, file_name="进货单.jpg", media_type="image/jpeg", size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    upload = await stub.BeginUpload(begin)

    async def pieces() -> AsyncIterator[evidence_rpc.UploadEvidenceRequest]:
        yield evidence_rpc.UploadEvidenceRequest(upload_id=upload.upload_id, content=content)

    return str((await stub.UploadEvidence(pieces())).evidence.id)


async def test_evidence_is_shown_to_who_is_asked_without_the_case(tmp_path: Path) -> None:
    """Copied on the asker's authority; another agency reads the file while it takes part, and never the case."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        await enrol_units(platform)
        entered = await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        evidence_id = await attach(platform, entered.id, b"jpeg" * 100_000)
        officer, asked_unit = district.officer("market_regulation"), district.officer("health")
        copy = file_rpc.CopyEvidenceRequest(case_id=entered.id, evidence_id=evidence_id, purpose="案件双向咨询")
        for caller, reason in ((asked_unit, "CASE_NOT_FOUND"), (officer, "")):
            stub: Any = FileServiceStub(platform.channel_for(caller))
            if reason:
                with pytest.raises(NotFound) as refused:
                    await stub.CopyEvidence(copy)
                assert refused.value.reason == reason
        file = (await stub.CopyEvidence(copy)).file
        assert (file.name, file.evidence_id, file.size_bytes) == ("进货单.jpg", evidence_id, 400_000)
        assert (await stub.CopyEvidence(copy)).file == file
        unknown = file_rpc.CopyEvidenceRequest(case_id=entered.id, evidence_id="none", purpose="案件双向咨询")
        with pytest.raises(NotFound) as nothing:
            await stub.CopyEvidence(unknown)
        assert nothing.value.reason == "EVIDENCE_UNKNOWN"
        question = rpc.AskConsultationRequest(
            request_id="q", kind=consultation_pb2.CONSULTATION_KIND_TECHNICAL, title="进货单", question="笔迹是否一致？",
            consulted_unit_ids=[asked_unit.agency_id], files=[file], case_id=entered.id,
        )  # fmt: skip
        asked = (await ConsultationServiceStub(platform.channel_for(officer)).AskConsultation(question)).consultation
        stub = FileServiceStub(platform.channel_for(asked_unit))
        wanted = file_rpc.ReadFileRequest(consultation_id=asked.id, sha256=file.sha256)
        assert b"".join([piece.content async for piece in stub.ReadFile(wanted)]) == b"jpeg" * 100_000
        record: Any = EvidenceServiceStub(platform.channel_for(asked_unit))
        download = evidence_rpc.DownloadEvidenceRequest(evidence_id=evidence_id, purpose="咨询")
        with pytest.raises(NotFound):
            _ = [piece async for piece in record.DownloadEvidence(download)]


async def test_the_command_line_follows_a_conversation_and_says_something(tmp_path: Path) -> None:
    """Over a socket; what people wrote is shown as they wrote it."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        await enrol_units(platform)
        officer, police = district.officer("market_regulation"), district.POLICE
        key = await ask(platform)
        told = rpc.SendMessageRequest(request_id="m", consultation_id=key, text="[red]货值[/red]怎么算？")
        await ConsultationServiceStub(platform.channel_for(officer)).SendMessage(told)
        out = Console(file=io.StringIO(), width=200)
        issue = lambda: platform.issuer.issue(police)  # noqa: E731 - one line
        following = asyncio.create_task(follow(platform.address, issue, key, "按标价计算。", out))
        async with asyncio.timeout(60):
            while "按标价计算" not in out.file.getvalue():  # type: ignore[attr-defined]  # a StringIO
                await asyncio.sleep(0.02)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        shown = out.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
        assert "[red]货值[/red]怎么算？" in shown
        assert f"{police.agency_name} {police.person_name}" in shown


async def test_what_was_learnt_of_cases_is_rebuilt_from_the_events(tmp_path: Path) -> None:
    """The same rows come out, as an operator asks for them."""

    async def rows(platform: Platform) -> list[Any]:
        assert platform.meeting is not None
        query = cases_seen.select().order_by(cases_seen.c.case_id)
        return list(await platform.meeting.store.read(lambda c: c.execute(query).all()))

    clock = ManualClock(START)
    async with platform_at(tmp_path / "d", clock) as platform:
        await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        await register(platform, case("未按规定保存台账，已改正。", cause="未保存台账"))
        await settled(platform)
        before, wanted = await rows(platform), platform.settings
    assert [row.is_suspected for row in before].count(True) == 1
    out = Console(file=io.StringIO(), width=200)
    await tend_consumer(wanted, "rebuild", "", out, "joint_meeting")
    async with platform_at(tmp_path / "d", clock) as platform:
        assert await rows(platform) == before
    with pytest.raises(Invalid):
        await tend_consumer(wanted, "rebuild", "", out, "enforcement_record")
