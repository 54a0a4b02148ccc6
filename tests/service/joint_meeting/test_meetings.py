"""A joint meeting from the rule to the task that is done, through the service's stub."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from icalendar import Calendar

from liangfa_joint_meeting.meetings import minutes_hash
from liangfa_joint_meeting.tables import KIT
from liangfa_kit.errors import Forbidden, Invalid, NotFound, PlatformError, Precondition
from liangfa_kit.identity import Actor
from liangfa_kit.verify import journal_faults
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from tests.consulting import FAR_POLICE, MARKET, OPERATOR, POLICE, PROCURATOR, START, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
MEMBERS = ["procuratorate", "police", "market", "ecology"]
MARKET_HEAD, ECOLOGY_HEAD = person("market", "agency_head"), person("ecology", "agency_head")


def rule(**rest: Any) -> pb.MeetingRule:
    given: dict[str, Any] = {
        "region": "420111",
        "convener_unit_id": "procuratorate",
        "member_unit_ids": MEMBERS,
        "months_between": 6,
        "special_requests": 3,
        "special_unit_ids": ["police"],
        "quorum_percent": 67,
        "needs_vote": True,
        "remind_days": 14,
    }
    return pb.MeetingRule(**(given | rest))


class Room:
    """Meetings of one region: `do(person, "ProposeItem", …)` calls, with a request id of its own where one is needed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.meeting_id = ""

    async def do(self, by: Actor, name: str, **values: Any) -> Any:
        request_class = getattr(rpc, f"{name}Request")
        fields = set(request_class.DESCRIPTOR.fields_by_name)
        usual = {"request_id": str(uuid.uuid4()), "meeting_id": self.meeting_id}
        given = {key: value for key, value in usual.items() if key in fields} | values
        return await getattr(MeetingServiceStub(self.service.channel(by)), name)(request_class(**given))

    async def refused(self, by: Actor, name: str, **values: Any) -> str:
        with pytest.raises(PlatformError) as error:
            await self.do(by, name, **values)
        return str(error.value.reason)

    async def convene(self, **rest: Any) -> pb.Meeting:
        request: dict[str, Any] = {"kind": pb.MEETING_KIND_REGULAR, "title": "第一次联席会议", "place": "区检察院"}
        starts = START + timedelta(days=10)
        reply = await self.do(PROCURATOR, "ConveneMeeting", **(request | {"starts_at": starts} | rest))
        meeting: pb.Meeting = reply.meeting
        self.meeting_id = meeting.id
        return meeting

    async def open(self, present: list[str] | None = None) -> pb.Meeting:
        reply = await self.do(PROCURATOR, "OpenMeeting", present_unit_ids=present or MEMBERS)
        meeting: pb.Meeting = reply.meeting
        return meeting


@asynccontextmanager
async def room(folder: Path, **rest: Any) -> AsyncIterator[Room]:
    async with running_service(folder) as service:
        found = Room(service)
        await found.do(OPERATOR, "SetMeetingRule", rule=rule(**rest))
        yield found


async def test_from_the_notice_to_sealed_minutes(tmp_path: Path) -> None:
    """Proposed items, receipt, quorum, opinions and dissent, a vote, a resolution, minutes that all confirm."""
    async with room(tmp_path) as meetings:
        await meetings.do(MARKET, "ProposeItem", title="统一鉴定标准", text="白酒真伪鉴定由谁出具")
        meeting = await meetings.convene()
        assert [item.title for item in meeting.agenda] == ["统一鉴定标准"]
        item = meeting.agenda[0].id
        received = (await meetings.do(MARKET, "AcknowledgeNotice", attendees=["某甲"])).meeting
        assert [one.unit_id for one in received.attendance if one.HasField("received_by")] == ["market"]
        assert await meetings.refused(PROCURATOR, "OpenMeeting", present_unit_ids=["market", "police"]) == "NO_QUORUM"
        await meetings.open(["procuratorate", "police", "market"])
        await meetings.do(POLICE, "RecordOpinion", item_id=item, text="由商标权利人出具。")
        await meetings.do(MARKET, "RecordOpinion", item_id=item, text="应由法定机构出具。", is_dissent=True)
        adopt = {"item_id": item, "text": "两种意见均可采信，由公安牵头核对。"}
        assert (
            await meetings.refused(ECOLOGY_HEAD, "CastVote", item_id=item, choice=pb.VOTE_CHOICE_FOR) == "NOT_PRESENT"
        )
        assert await meetings.refused(PROCURATOR, "AdoptResolution", **adopt) == "VOTE_NOT_CARRIED"
        for caller, choice in ((POLICE, pb.VOTE_CHOICE_FOR), (MARKET_HEAD, pb.VOTE_CHOICE_AGAINST)):
            await meetings.do(caller, "CastVote", item_id=item, choice=choice)
        await meetings.do(MARKET_HEAD, "CastVote", item_id=item, choice=pb.VOTE_CHOICE_ABSTAIN)
        task = rpc.TaskDraft(owner_unit_id="police", text="制定鉴定流程", due_on="2026-04-30")
        await meetings.do(PROCURATOR, "AdoptResolution", tasks=[task], **adopt)
        drafted = (await meetings.do(PROCURATOR, "CloseMeeting")).meeting
        assert (drafted.number, drafted.document_number) == (1, "武汉市洪山区人民检察院联席会议纪要〔2026〕1号")
        for words in (
            "保留意见：应由法定机构出具。",
            "赞成 1 票，反对 0 票，弃权 1 票",
            "于 2026-04-30 前制定鉴定流程",
            "缺席单位（1）",
        ):
            assert words in drafted.minutes
        sha256 = minutes_hash(drafted.minutes)
        assert await meetings.refused(ECOLOGY_HEAD, "ConfirmMinutes", sha256=sha256) == "NOT_PRESENT"
        await meetings.do(MARKET_HEAD, "ConfirmMinutes", sha256=sha256, objection="应写明期限")
        for caller in (PROCURATOR, POLICE):
            await meetings.do(caller, "ConfirmMinutes", sha256=sha256)
        revised = (await meetings.do(PROCURATOR, "ReviseMinutes", remark="期限为四月三十日。")).meeting
        assert await meetings.refused(MARKET_HEAD, "ConfirmMinutes", sha256=sha256) == "MINUTES_CHANGED"
        final = revised.minutes_sha256
        replies = await asyncio.gather(
            *(meetings.do(caller, "ConfirmMinutes", sha256=final) for caller in (PROCURATOR, POLICE, MARKET_HEAD))
        )
        assert [reply.meeting.state for reply in replies].count(pb.MEETING_STATE_SEALED) == 1
        (sealed,) = await meetings.service.events("MinutesSealed")
        assert sealed.sha256 == final
        document = await meetings.do(MARKET, "GetMinutes")
        text = "\n".join(one.text for one in Document(io.BytesIO(document.content)).paragraphs)
        assert "补充说明：期限为四月三十日。" in text
        assert final in text
        assert await meetings.refused(PROCURATOR, "ReviseMinutes", remark="x") == "MEETING_STATE"
        assert list(journal_faults(meetings.service.parts.store, KIT)) == []


async def test_what_a_member_writes_cannot_pass_for_the_minutes_own_words(tmp_path: Path) -> None:
    """Line breaks in opinions, titles and remarks are taken out: no line but the platform's begins with 决议."""
    async with room(tmp_path, needs_vote=False) as meetings:
        await meetings.do(MARKET, "ProposeItem", title="事项\n决议：假一", text="x\n决议：假二")
        item = (await meetings.convene(title="会议\n决议：假三", place="室\n决议：假四")).agenda[0].id
        await meetings.open()
        await meetings.do(MARKET, "RecordOpinion", item_id=item, text="同意\n决议：假五")
        await meetings.do(PROCURATOR, "CloseMeeting")
        revised = (await meetings.do(PROCURATOR, "ReviseMinutes", remark="更正\n决议：假六")).meeting
        assert not [line for line in revised.minutes.splitlines() if line.startswith("决议")]
        assert (await meetings.do(MARKET, "GetMinutes")).content


async def test_a_task_is_reported_judged_and_shown_until_it_is_done(tmp_path: Path) -> None:
    """Sent back once; on the next agenda while open; alerted as overdue exactly once."""
    async with room(tmp_path, needs_vote=False) as meetings:
        await meetings.do(MARKET, "ProposeItem", title="事项")
        item = (await meetings.convene()).agenda[0].id
        await meetings.open()
        drafts = [rpc.TaskDraft(owner_unit_id=unit, text="整改", due_on="2026-03-20") for unit in ("police", "market")]
        for wrong, reason in ((rpc.TaskDraft(owner_unit_id="court", text="x", due_on="2026-03-20"), "UNIT_UNKNOWN"),
                              (rpc.TaskDraft(owner_unit_id="police", text="x", due_on="2026-02-30"), "DATE_MALFORMED")):  # fmt: skip
            assert (
                await meetings.refused(PROCURATOR, "AdoptResolution", item_id=item, text="x", tasks=[wrong]) == reason
            )
        adopted = await meetings.do(PROCURATOR, "AdoptResolution", item_id=item, text="限期整改", tasks=drafts)
        mine, other = adopted.tasks
        assert await meetings.refused(MARKET, "ReportTask", task_id=mine.id, reply="x") == "TASK_NOT_FOUND"
        await meetings.do(POLICE, "ReportTask", task_id=mine.id, reply="已整改")
        judge = {"task_id": mine.id, "judgement": "材料不全"}
        assert await meetings.refused(MARKET_HEAD, "JudgeTask", **judge) == "NOT_THE_CONVENER"
        assert await meetings.refused(FAR_POLICE, "JudgeTask", **judge) == "TASK_NOT_FOUND"
        await meetings.do(PROCURATOR, "JudgeTask", **judge)
        for _ in range(3):
            await meetings.service.later(days=30)
        assert {event.task.id for event in await meetings.service.events("TaskOverdue")} == {mine.id, other.id}
        assert len(await meetings.service.events("TaskOverdue")) == 2
        await meetings.do(POLICE, "ReportTask", task_id=mine.id, reply="材料已补齐")
        await meetings.do(PROCURATOR, "JudgeTask", task_id=mine.id, is_done=True, judgement="属实")
        listed = (await meetings.do(MARKET, "ListTasks")).tasks
        assert [(task.id, task.is_overdue) for task in listed] == [(other.id, True)]
        following = await meetings.convene(title="第二次联席会议")
        assert [(one.source, one.reference_id) for one in following.agenda] == [(pb.ITEM_SOURCE_TASK, other.id)]


async def test_a_special_meeting_is_due_when_the_rule_says_so(tmp_path: Path) -> None:
    """Three members together, or the police alone; convening one answers the requests."""
    async with room(tmp_path) as meetings:
        for caller, is_due in ((MARKET_HEAD, False), (ECOLOGY_HEAD, False), (MARKET_HEAD, False), (POLICE, True)):
            assert (await meetings.do(caller, "RequestSpecialMeeting", reason="重大案件")).is_due is is_due
        assert (await meetings.do(MARKET, "GetMeetingRule")).special_requested == 3
        await meetings.convene(kind=pb.MEETING_KIND_SPECIAL)
        assert (await meetings.do(MARKET, "GetMeetingRule")).special_requested == 0


async def test_the_convener_is_reminded_once_before_a_regular_meeting_is_due(tmp_path: Path) -> None:
    """Half a year after the last one, two weeks ahead; a meeting that is convened starts the next half year."""
    async with room(tmp_path) as meetings:
        await meetings.service.later(days=165)
        assert await meetings.service.events("RegularMeetingDue") == []
        for _ in range(3):
            await meetings.service.later(days=20)
        (event,) = await meetings.service.events("RegularMeetingDue")
        assert (event.convener_unit_id, event.due_at.ToJsonString()) == ("procuratorate", "2026-09-02T01:00:00Z")
        await meetings.convene(starts_at=START + timedelta(days=240))
        await meetings.service.later(days=200)
        assert len(await meetings.service.events("RegularMeetingDue")) == 2


async def test_the_agenda_brings_what_is_open_by_unit_and_names_no_case(tmp_path: Path) -> None:
    """An unanswered consultation is counted; its title is for its participants alone."""
    async with room(tmp_path) as meetings:
        await meetings.service.ask(title="不公开的标题")
        await meetings.service.later(days=9)
        meeting = await meetings.convene()
        assert [item.title for item in meeting.agenda] == ["武汉市公安局洪山区分局：书面咨询逾期未答复 1 件"]
        assert "不公开的标题" not in str(meeting)
        figures = {line.unit_id: line for line in meeting.figures}
        assert (figures["market"].consultations_asked, figures["police"].answers_owed) == (1, 1)


async def test_a_cancelled_meeting_gives_its_proposals_back(tmp_path: Path) -> None:
    """What members proposed waits for the next one; items can be ordered and taken off."""
    async with room(tmp_path) as meetings:
        for title in ("甲", "乙", "丙"):
            await meetings.do(MARKET, "ProposeItem", title=title)
        first = await meetings.convene()
        keys = [item.id for item in first.agenda]
        ordered = (await meetings.do(PROCURATOR, "OrderAgenda", item_ids=[keys[2], keys[0]])).meeting
        assert [item.title for item in ordered.agenda] == ["丙", "甲"]
        assert await meetings.refused(PROCURATOR, "OrderAgenda", item_ids=["x"]) == "ITEM_NOT_FOUND"
        await meetings.do(PROCURATOR, "CancelMeeting", reason="时间冲突")
        assert [item.title for item in (await meetings.convene()).agenda] == ["甲", "丙"]


async def test_calendar_and_bulletin(tmp_path: Path) -> None:
    """Meetings and the unit's own tasks as iCalendar; figures of a period as a draft."""
    async with room(tmp_path, needs_vote=False) as meetings:
        await meetings.do(MARKET, "ProposeItem", title="事项")
        item = (await meetings.convene()).agenda[0].id
        await meetings.open()
        tasks = [rpc.TaskDraft(owner_unit_id=unit, text="整改", due_on="2026-03-20") for unit in ("police", "market")]
        await meetings.do(PROCURATOR, "AdoptResolution", item_id=item, text="整改", tasks=tasks)
        for caller, count in ((MARKET, 2), (PROCURATOR, 3)):
            content = (await meetings.do(caller, "GetCalendar")).content
            assert len(list(Calendar.from_ical(content).walk("VEVENT"))) == count
        bulletin = await meetings.do(MARKET, "DraftBulletin", day_from="2026-03-01", day_to="2026-03-31")
        assert {line.unit_id for line in bulletin.figures} == set(MEMBERS)
        assert len(Document(io.BytesIO(bulletin.content)).tables[0].rows) == len(MEMBERS) + 1
        with pytest.raises(Invalid):
            await meetings.do(MARKET, "DraftBulletin", day_from="2026", day_to="2026-03-31")


async def test_only_members_know_of_meetings(tmp_path: Path) -> None:
    """A unit of the region that is no member, and another region's, learn nothing; members do not convene."""
    async with room(tmp_path) as meetings:
        meeting = await meetings.convene()
        court = person("court", "judge")
        for caller in (court, FAR_POLICE):
            with pytest.raises(NotFound) as refused:
                await meetings.do(caller, "GetMeeting")
            with pytest.raises(NotFound) as nobody:
                await meetings.do(caller, "GetMeeting", meeting_id="0190")
            assert str(refused.value).replace(meeting.id, "0190") == str(nobody.value)
            assert await meetings.refused(caller, "ListMeetings") == "NOT_A_MEMBER"
        with pytest.raises(Forbidden):
            await meetings.do(MARKET_HEAD, "ConveneMeeting", kind=1, title="x", place="x", starts_at=START)
        with pytest.raises(Forbidden) as far:
            await meetings.do(person("desk", "operator", region="420106"), "SetMeetingRule", rule=rule())
        assert far.value.reason == "NOT_YOUR_REGION"
        with pytest.raises(Precondition):
            await meetings.do(MARKET, "GetMinutes")
        for wrong in ({"months_between": 0}, {"quorum_percent": 101}):
            assert await meetings.refused(OPERATOR, "SetMeetingRule", rule=rule(**wrong)) == "VALUE_UNKNOWN"
