"""`liangfa meetings`: from the notice to the minutes and the task that is reported."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from icalendar import Calendar

from liangfa_cli.platform import Platform
from liangfa_kit.errors import PlatformError
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import unit_service_pb2
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub
from tests.consulting import OPERATOR, PROCURATOR, START, unit
from tests.terminal import Terminal, terminal

MEMBERS = ["procuratorate", "police", "market"]
TITLE = "第一次联席会议"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("platform")) as found:
        found.ask(_prepared)
        yield found


async def _prepared(platform: Platform) -> None:
    units: Any = UnitServiceStub(platform.channel_for(OPERATOR))
    for key in MEMBERS:
        await units.EnrolUnit(unit_service_pb2.EnrolUnitRequest(request_id=key, unit=unit(key)))
    rule = pb.MeetingRule(
        region="420111", convener_unit_id="procuratorate", member_unit_ids=MEMBERS, months_between=6,
        special_requests=3, quorum_percent=50, remind_days=14,
    )  # fmt: skip
    stub: Any = MeetingServiceStub(platform.channel_for(OPERATOR))
    await stub.SetMeetingRule(rpc.SetMeetingRuleRequest(request_id="rule", rule=rule))


async def convened(platform: Platform) -> pb.Meeting:
    stub: Any = MeetingServiceStub(platform.channel_for(PROCURATOR))
    request = rpc.ConveneMeetingRequest(
        request_id=str(uuid.uuid4()), kind=pb.MEETING_KIND_REGULAR, title=TITLE, place="区检察院"
    )
    request.starts_at.FromDatetime(START + timedelta(days=1))
    reply = await stub.ConveneMeeting(request)
    meeting: pb.Meeting = reply.meeting
    return meeting


async def resolved(platform: Platform, meeting: pb.Meeting) -> None:
    """Hold the meeting: one resolution with a task for the market regulator, minutes drafted."""
    stub: Any = MeetingServiceStub(platform.channel_for(PROCURATOR))
    about: Any = {"meeting_id": meeting.id}
    await stub.OpenMeeting(rpc.OpenMeetingRequest(request_id="o", present_unit_ids=MEMBERS, **about))
    draft = rpc.TaskDraft(
        owner_unit_id="market", text="移送甲案", due_on="2099-12-31", case_id="c1", required_step="deliver_transfer"
    )
    adopt: Any = {"item_id": meeting.agenda[0].id, "text": "限期移送", "tasks": [draft]}
    await stub.AdoptResolution(rpc.AdoptResolutionRequest(request_id="a", **about, **adopt))
    await stub.CloseMeeting(rpc.CloseMeetingRequest(request_id="c", **about))


def said(running: Terminal, *words: str, who: tuple[str, str] = ("officer", "market")) -> str:
    done = running.say("meetings", *words, who=who)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_a_member_follows_a_meeting_from_the_notice_to_its_task(running: Terminal, tmp_path: Path) -> None:
    """Proposed, received, shown with its resolution; the task reported; minutes, calendar and bulletin saved."""
    assert "No meeting was convened yet" in said(running, "list")
    assert "proposed" in said(running, "propose", "统一鉴定标准", "--text", "由谁出具")
    meeting = running.ask(convened)
    assert TITLE in said(running, "list")
    assert "received" in said(running, "receive", meeting.id, "--attendee", "某甲")
    running.ask(lambda platform: resolved(platform, meeting))
    shown = said(running, "show", meeting.id)
    for words in ("1. 统一鉴定标准：由谁出具", "resolved: 限期移送", "notice received: ", "suspected"):
        assert words in shown
    listed = said(running, "tasks", "--own")
    assert re.search(r"2099-12-31 .*移送甲案.*移送公安机关.*未办 open", listed)
    task = re.search(r"(\S+)  移送甲案", listed)
    assert task is not None
    assert "the convener judges" in said(running, "report", task.group(1), "已移送")
    assert "已报告 reported" in said(running, "tasks")
    assert "No task is open" in said(running, "tasks", "--own", who=("police", "police"))
    papers = {"m.docx": ("minutes", meeting.id), "b.docx": ("bulletin", "2026-03-01", "2026-03-31")}
    for name, asked in papers.items():
        said(running, *asked, "--output", str(tmp_path / name))
        assert Document(str(tmp_path / name)).paragraphs
    said(running, "calendar", "--output", str(tmp_path / "c.ics"))
    events = list(Calendar.from_ical((tmp_path / "c.ics").read_bytes()).walk("VEVENT"))
    assert len(events) == 2


def test_a_unit_that_is_no_member_is_told_so(running: Terminal) -> None:
    """And learns nothing of the meetings."""
    done = running.say("meetings", "list", who=("judge", "court"))
    assert isinstance(done.exception, PlatformError)
    assert done.exception.reason == "NOT_A_MEMBER"
    assert TITLE not in done.output
