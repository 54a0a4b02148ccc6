"""Limits, counted by hand and by rule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_procedure.clocks import BEIJING, Calendar, Extension, Pause, due
from liangfa_procedure.rules import Duration, Rule, Rules
from liangfa_standards.working_days import is_working_day

RULES = Rules.load()
CALENDAR = Calendar()


def at(text: str) -> datetime:
    """Return the Beijing instant that `text` says."""
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("rule", "start", "last"),
    [
        ("approve_transfer", "2026-03-02T09:00", "2026-03-05"),  # Monday; three days, the first not counted
        ("approve_transfer", "2026-03-05T16:30", "2026-03-09"),  # ends on a Sunday: moved to Monday
        ("approve_transfer", "2026-02-12T10:00", "2026-02-24"),  # ends within the Spring Festival holiday
        ("approve_transfer", "2026-09-29T10:00", "2026-10-08"),  # ends within the National Day holiday
        ("police_explain_no_filing", "2026-03-02T10:00", "2026-03-09"),
        ("police_file_on_notice", "2026-03-02T10:00", "2026-03-17"),
        ("reverse_review", "2026-09-25T10:00", "2026-10-15"),  # ten working days over 中秋 and 国庆, 10-10 is worked
        ("internal_handover_to_admin_dept", "2026-03-05T10:00", "2026-03-10"),
        ("reply_to_penalty_opinion", "2026-01-31T10:00", "2026-03-31"),  # from a month's last day to a month's last day
        ("reply_to_penalty_opinion", "2025-12-30T10:00", "2026-02-28"),  # 02-30 does not exist; 02-28 is worked (调休)
        ("supervised_case_progress", "2026-03-02T10:00", "2026-06-02"),
    ],
)
def test_limits_end_on_the_day_that_was_counted_by_hand(rule: str, start: str, last: str) -> None:
    """The first instant too late is midnight in Beijing after the last day."""
    found = due(RULES.rule(rule), at(start), CALENDAR)
    assert found.last_day == date.fromisoformat(last)
    assert found.due_at == at(f"{last}T00:00") + timedelta(days=1)
    assert found.warnings == ()


def test_hours_run_through_night_and_holiday() -> None:
    """24 hours from the eve of National Day at 22:40 end at 22:40 on the day itself."""
    found = due(RULES.rule("send_to_police"), at("2026-09-30T22:40"), CALENDAR)
    assert found.due_at == at("2026-10-01T22:40")
    assert found.last_day is None
    assert found.warn_at == at("2026-10-01T18:40")


def test_custody_never_moves_to_a_working_day() -> None:
    """Criminal Procedure Law article 105: the time in custody ends on the day itself."""
    rule = RULES.rule("prosecution_review")
    assert due(rule, at("2026-09-03T10:00"), CALENDAR).last_day == date(2026, 10, 8)
    assert due(rule, at("2026-09-03T10:00"), CALENDAR, in_custody=True).last_day == date(2026, 10, 3)


def test_a_year_without_a_notice_is_told_and_never_guessed_in_silence() -> None:
    """The end is given by weekends alone, with a warning; an added year takes the warning away."""
    rule = RULES.rule("approve_transfer")
    start = at("2027-02-03T10:00")
    assert due(rule, start, CALENDAR).warnings == ("HOLIDAYS_NOT_PUBLISHED",)
    added = Calendar("added", ((2027, frozenset({date(2027, 2, 8)}), frozenset()),))
    found = due(rule, start, added)
    assert found.warnings == ()
    assert found.last_day == date(2027, 2, 9)


def test_a_longer_track_counts_from_the_start_and_an_addition_from_the_end() -> None:
    """30 days instead of three; a month and 15 days more."""
    approved = Extension(Duration(days=30), "major case", "head")
    found = due(RULES.rule("police_filing_decision"), at("2026-03-02T10:00"), CALENDAR, extensions=[approved])
    assert found.last_day == date(2026, 4, 1)
    more = Extension(Duration(days=15), "complex", "head", is_added=True)
    found = due(RULES.rule("prosecution_review"), at("2026-03-02T10:00"), CALENDAR, extensions=[more])
    assert found.last_day == date(2026, 4, 17)


def test_a_suspended_clock_has_no_end_and_goes_on_with_what_was_left() -> None:
    """Suspended for four working days: four working days later."""
    rule = RULES.rule("reverse_review")
    start = at("2026-03-02T10:00")
    assert due(rule, start, CALENDAR, pauses=[Pause(at("2026-03-03T10:00"), None, "appeal")]).due_at is None
    pause = Pause(at("2026-03-03T10:00"), at("2026-03-09T10:00"), "appeal")
    assert due(rule, start, CALENDAR).last_day == date(2026, 3, 16)
    assert due(rule, start, CALENDAR, pauses=[pause]).last_day == date(2026, 3, 20)


INSTANTS = st.datetimes(datetime(2017, 1, 1), datetime(2026, 6, 1)).map(lambda value: value.replace(tzinfo=UTC))
SHORT = [rule for rule in RULES.by_id.values() if not rule.duration.months]


@given(st.sampled_from(SHORT), INSTANTS, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_who_starts_later_never_ends_earlier(rule: Rule, start: datetime, later: timedelta) -> None:
    """Limits are monotone in their start."""
    first, second = due(rule, start, CALENDAR).due_at, due(rule, start + later, CALENDAR).due_at
    assert first is not None
    assert second is not None
    assert start < first <= second


@given(st.sampled_from([rule for rule in SHORT if rule.rolls_over or rule.is_working_days]), INSTANTS)
def test_a_last_day_that_is_moved_is_a_working_day(rule: Rule, start: datetime) -> None:
    """Nobody must act on a rest day, outside custody."""
    last = due(rule, start, CALENDAR).last_day
    assert last is not None
    assert is_working_day(last)


def test_a_naive_instant_is_refused() -> None:
    """Nothing is guessed about time zones."""
    with pytest.raises(ValueError, match="aware"):
        due(RULES.rule("approve_transfer"), datetime(2026, 1, 1), CALENDAR)


def test_an_outer_limit_that_needs_no_ground_is_the_one_that_counts() -> None:
    """Economic crime: three days, at the latest ten (2017 rules art. 16); warned before the third."""
    found = due(RULES.rule("police_filing_decision_economic"), at("2023-03-01T10:00"), CALENDAR)
    assert found.last_day == date(2023, 3, 13)  # the tenth day, 11 March, is a Saturday
    assert found.warn_at == at("2023-03-05T00:00")  # the third, 4 March, is a Saturday: Monday the 6th
    assert "至迟" in found.explanation_zh
    trial = due(RULES.rule("first_instance_trial"), at("2026-03-02T10:00"), CALENDAR)
    assert trial.last_day == date(2026, 6, 2)


def test_a_granted_track_goes_before_the_outer_limit() -> None:
    """30 days for a major economic case, counted from the start."""
    granted = Extension(Duration(days=30), "cross-region", "head")
    found = due(RULES.rule("police_filing_decision_economic"), at("2023-03-01T10:00"), CALENDAR, extensions=[granted])
    assert found.last_day == date(2023, 3, 31)


def test_two_pauses_over_the_same_days_count_once_and_one_after_the_end_not_at_all() -> None:
    """Whoever was late before the suspension stays late."""
    rule, start = RULES.rule("reverse_review"), at("2026-03-02T10:00")
    first = Pause(at("2026-03-03T10:00"), at("2026-03-09T10:00"), "appeal")
    within = Pause(at("2026-03-04T10:00"), at("2026-03-06T10:00"), "complaint")
    assert due(rule, start, CALENDAR, pauses=[within, first]).last_day == date(2026, 3, 20)
    after = Pause(at("2026-03-25T10:00"), at("2026-03-30T10:00"), "appeal")
    assert due(rule, start, CALENDAR, pauses=[after]).last_day == date(2026, 3, 16)
    hours = RULES.rule("send_to_police")
    late = Pause(at("2026-03-04T10:00"), at("2026-03-05T10:00"), "appeal")
    assert due(hours, start, CALENDAR, pauses=[late]).due_at == at("2026-03-03T10:00")
    half = Pause(at("2026-03-02T12:00"), at("2026-03-02T18:00"), "appeal")
    assert due(hours, start, CALENDAR, pauses=[half, half]).due_at == at("2026-03-03T16:00")


PAUSES = st.lists(
    st.tuples(st.timedeltas(timedelta(0), timedelta(days=20)), st.timedeltas(timedelta(0), timedelta(days=9))),
    max_size=4,
)


@given(st.sampled_from(list(RULES.by_id.values())), INSTANTS, PAUSES)
def test_a_pause_never_brings_the_end_forward_and_its_repetition_changes_nothing(
    rule: Rule, start: datetime, spans: list[tuple[timedelta, timedelta]]
) -> None:
    """The same pauses, in any order and told twice, give the same end, never before the end without them."""
    pauses = [Pause(start + after, start + after + length, "x") for after, length in spans]
    plain, once = due(rule, start, CALENDAR).due_at, due(rule, start, CALENDAR, pauses=pauses).due_at
    assert plain is not None
    assert once is not None
    assert plain <= once
    assert due(rule, start, CALENDAR, pauses=[*reversed(pauses), *pauses]).due_at == once
