"""Meetings as values: members, quorum, votes, the dates of regular meetings, minutes as text. Pure."""

from __future__ import annotations

import calendar
import hashlib
from collections import Counter
from datetime import UTC, date, datetime

from liangfa_kit.clock import BEIJING
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb

KINDS = {pb.MEETING_KIND_REGULAR: "例会", pb.MEETING_KIND_SPECIAL: "专题会议"}
CHOICES = {pb.VOTE_CHOICE_FOR: "赞成", pb.VOTE_CHOICE_AGAINST: "反对", pb.VOTE_CHOICE_ABSTAIN: "弃权"}


def meeting_stream(meeting_id: str) -> str:
    """Return the journal stream of a meeting."""
    return f"meeting/{meeting_id}"


def months_later(at: datetime, months: int) -> datetime:
    """Return the same time of day on the corresponding day `months` later, Beijing calendar; its last day if none."""
    local = at.astimezone(BEIJING)
    month = local.month - 1 + months
    year, month = local.year + month // 12, month % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, calendar.monthrange(year, month)[1]))


def has_quorum(rule: pb.MeetingRule, present: int) -> bool:
    """Tell whether enough members are present."""
    return present * 100 >= rule.quorum_percent * len(rule.member_unit_ids)


def special_is_due(rule: pb.MeetingRule, requesting: set[str]) -> bool:
    """Tell whether these members together get a special meeting."""
    return bool(requesting & set(rule.special_unit_ids)) or len(requesting) >= rule.special_requests


def carried(item: pb.AgendaItem) -> tuple[int, int]:
    """Return the votes for an item, and against it."""
    votes = Counter(vote.choice for vote in item.votes)
    return votes[pb.VOTE_CHOICE_FOR], votes[pb.VOTE_CHOICE_AGAINST]


def minutes_hash(minutes: str) -> str:
    """Return the SHA-256 of minutes, 64 hexadecimal digits."""
    return hashlib.sha256(minutes.encode()).hexdigest()


def drafted_minutes(meeting: pb.Meeting, tasks: list[pb.Task], ended_at: datetime) -> str:
    """Return the minutes (会议纪要) of what was recorded, nothing else: the same record gives the same text."""
    begun, ended = _at(meeting.starts_at.ToDatetime(tzinfo=UTC)), _at(ended_at)
    present = [one.unit_name for one in meeting.attendance if one.is_present]
    absent = [one.unit_name for one in meeting.attendance if not one.is_present]
    lines = [
        one_line(meeting.title), "会议纪要", meeting.document_number, "",
        f"时间：{begun} 至 {ended}", f"地点：{one_line(meeting.place)}", f"会议类别：{KINDS.get(meeting.kind, '')}",
        f"召集人：{meeting.convened_by.person_name}", f"到会单位（{len(present)}）：{'、'.join(present)}",
        f"缺席单位（{len(absent)}）：{'、'.join(absent) or '无'}", "",
    ]  # fmt: skip
    for number, item in enumerate(meeting.agenda, 1):
        lines += _item_lines(number, item, {task.id: task for task in tasks})
    return "\n".join(lines).rstrip() + "\n"


def _item_lines(number: int, item: pb.AgendaItem, tasks: dict[str, pb.Task]) -> list[str]:
    lines = [f"{number}. {one_line(item.title)}"]
    lines += [f"事项：{one_line(item.text)}"] if item.text else []
    for opinion in item.opinions:
        lines.append(f"{opinion.unit_name}{'保留意见' if opinion.is_dissent else '意见'}：{one_line(opinion.text)}")
    if item.votes:
        counts = Counter(vote.choice for vote in item.votes)
        lines.append("表决：" + "，".join(f"{word} {counts[choice]} 票" for choice, word in CHOICES.items()))
    lines.append(f"决议：{one_line(item.resolution.text)}" if item.HasField("resolution") else "未形成决议。")
    for task_id in item.resolution.task_ids:
        if task := tasks.get(task_id):
            lines.append(f"任务：{task.owner_unit_name}于 {task.due_on} 前{one_line(task.text)}")
    return [*lines, ""]


def one_line(text: str) -> str:
    """Return a text without line breaks: what a member writes must not look like a line of the minutes' own."""
    return " ".join(text.split())


def _at(at: datetime) -> str:
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M}"


def day_text(day: str) -> date | None:
    """Return the date of `YYYY-MM-DD`, None for anything else."""
    try:
        return date.fromisoformat(day) if len(day) == len("2026-01-01") else None
    except ValueError:
        return None
