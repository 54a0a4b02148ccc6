"""Meetings as documents: minutes and bulletins as DOCX, calendars as iCalendar. Pure but for the libraries' own files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from docx import Document
from icalendar import Calendar, Event

from liangfa_joint_meeting.meetings import day_text
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "单位", "录入案件", "疑似涉嫌犯罪", "移送", "立案", "不予立案", "逾期", "提出咨询", "应答复咨询", "按期答复",
)  # fmt: skip


def minutes_document(meeting: pb.Meeting) -> bytes:
    """Return the minutes as DOCX, with the hash of their text and what members said of them."""
    document = Document()
    title, kind, number, *rest = meeting.minutes.splitlines()
    document.add_heading(title, level=1)
    document.add_heading(kind, level=2)
    document.add_paragraph(number)
    for line in rest:
        document.add_paragraph(line)
    document.add_paragraph(f"纪要文本校验值（SHA-256）：{meeting.minutes_sha256}")
    names = {one.unit_id: one.unit_name for one in meeting.attendance}
    for one in meeting.confirmations:
        word = f"有异议：{one.objection}" if one.objection else "已确认"
        document.add_paragraph(f"{names.get(one.unit_id, one.unit_id)}（{one.by.person_name}）{word}")
    return _bytes(document)


def bulletin_document(region: str, since: str, until: str, figures: Sequence[pb.UnitFigures]) -> bytes:
    """Return a case bulletin (案情通报) of a period as DOCX: a draft, to be checked and signed by people."""
    document = Document()
    document.add_heading("案情通报（草稿）", level=1)
    document.add_paragraph(f"辖区：{region}　期间：{since} 至 {until}")
    cases, suspected = sum(line.cases for line in figures), sum(line.suspected for line in figures)
    owed, kept = sum(line.answers_owed for line in figures), sum(line.answers_in_time for line in figures)
    document.add_paragraph(
        f"期间各成员单位录入案件 {cases} 件，其中疑似涉嫌犯罪 {suspected} 件；应书面答复咨询 {owed} 件，按期答复 {kept} 件。"
    )
    table = document.add_table(rows=1, cols=len(_COLUMNS))
    for cell, text in zip(table.rows[0].cells, _COLUMNS, strict=True):
        cell.text = text
    for line in figures:
        values = (
            line.unit_name, line.cases, line.suspected, line.transferred, line.filed, line.refused, line.limits_missed,
            line.consultations_asked, line.answers_owed, line.answers_in_time,
        )  # fmt: skip
        for cell, value in zip(table.add_row().cells, values, strict=True):
            cell.text = str(value)
    document.add_paragraph(
        "移送、立案、不予立案按期间内发生的步骤计：分别列在移送的行政执法机关和受理的公安机关各一次，不可相加。"
    )
    document.add_paragraph("本草稿由平台数据生成，疑似结果为筛查提示，不是认定。")
    return _bytes(document)


def _bytes(document: Document) -> bytes:  # type: ignore[valid-type]  # the library's factory has the name of its class
    properties = document.core_properties  # type: ignore[attr-defined]  # likewise
    properties.author, properties.created, properties.modified = "", _EPOCH, _EPOCH
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]  # likewise
    return file.getvalue()


def calendar_document(meetings: Iterable[pb.Meeting], tasks: Iterable[pb.Task], now: datetime) -> bytes:
    """Return meetings and tasks as iCalendar (RFC 5545): meetings at their hour, tasks as whole days."""
    calendar = Calendar()
    calendar.add("prodid", "-//liangfa//joint_meeting//ZH")
    calendar.add("version", "2.0")
    for meeting in meetings:
        calendar.add_component(_meeting_event(meeting, now))
    for task in tasks:
        day = day_text(task.due_on)
        if day is not None:
            calendar.add_component(_task_event(task, day, now))
    return bytes(calendar.to_ical())


def _meeting_event(meeting: pb.Meeting, now: datetime) -> Event:
    starts = meeting.starts_at.ToDatetime(tzinfo=UTC)
    event = Event()
    event.add("uid", f"meeting-{meeting.id}@liangfa")
    event.add("dtstamp", now)
    event.add("dtstart", starts)
    event.add("dtend", starts + timedelta(hours=2))
    event.add("summary", meeting.title)
    event.add("location", meeting.place)
    event.add("status", "CANCELLED" if meeting.state == pb.MEETING_STATE_CANCELLED else "CONFIRMED")
    return event


def _task_event(task: pb.Task, day: date, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"task-{task.id}@liangfa")
    event.add("dtstamp", now)
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", f"任务到期：{task.owner_unit_name} {task.text}")
    event.add("status", "CONFIRMED")
    return event
