"""Meetings and limits as values: dates, quorum, special meetings, minutes; all pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_joint_meeting.meetings import drafted_minutes, has_quorum, months_later, special_is_due
from liangfa_joint_meeting.reply_clock import ReplyRule
from liangfa_kit.clock import BEIJING, from_micros
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2026-08-31T09:00", 6, "2027-02-28T09:00"),
        ("2026-03-02T09:00", 6, "2026-09-02T09:00"),
        ("2023-12-31T00:30", 2, "2024-02-29T00:30"),
        ("2026-12-05T09:00", 12, "2027-12-05T09:00"),
    ],
)
def test_a_regular_meeting_is_due_on_the_corresponding_day(start: str, months: int, expected: str) -> None:
    """Or on the month's last day where there is none; Beijing time."""
    begins = datetime.fromisoformat(start).replace(tzinfo=BEIJING)
    assert months_later(begins, months).replace(tzinfo=None) == datetime.fromisoformat(expected)


@given(st.integers(1, 100), st.integers(1, 40), st.integers(0, 40))
def test_a_quorum_is_the_share_that_the_rule_names(percent: int, members: int, present: int) -> None:
    """Never less than that share of the members, and everybody is always enough."""
    rule = pb.MeetingRule(quorum_percent=percent, member_unit_ids=[str(number) for number in range(members)])
    assert has_quorum(rule, members)
    assert has_quorum(rule, present) == (present / members >= percent / 100 or present * 100 == percent * members)


def test_special_meetings_need_enough_members_or_one_that_is_named() -> None:
    """As each region's rule says."""
    rule = pb.MeetingRule(special_requests=3, special_unit_ids=["police", "procuratorate"])
    assert not special_is_due(rule, {"a", "b"})
    assert special_is_due(rule, {"a", "b", "c"})
    assert special_is_due(rule, {"procuratorate"})


def test_the_same_record_gives_the_same_minutes() -> None:
    """And an item without a resolution says so."""
    meeting = pb.Meeting(title="例会", kind=pb.MEETING_KIND_REGULAR, document_number="甲〔2026〕1号")
    meeting.agenda.add(id="1", title="事项")
    at = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    assert drafted_minutes(meeting, [], at) == drafted_minutes(meeting, [], at)
    assert "未形成决议。" in drafted_minutes(meeting, [], at)


def test_a_limit_over_a_holiday_is_moved_and_explained() -> None:
    """Seven days from 25 September 2026 end on a holiday week: the first working day after it counts."""
    limit = ReplyRule().limit(datetime(2026, 9, 25, 2, 0, tzinfo=UTC))
    assert from_micros(limit.due_at - 1).astimezone(BEIJING).date().isoformat() == "2026-10-08"
    assert limit.remind_at < limit.due_at
    assert "顺延" in limit.told.explanation_zh


def test_a_limit_into_a_year_without_a_holiday_notice_says_so() -> None:
    """Weekends alone were counted, and a person is told."""
    limit = ReplyRule().limit(datetime(2031, 12, 30, 2, 0, tzinfo=UTC))
    assert list(limit.told.warnings) == ["HOLIDAYS_NOT_PUBLISHED"]
