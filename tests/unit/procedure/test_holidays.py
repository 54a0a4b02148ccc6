"""Holidays of further years as an operator writes them down: taken exactly, or refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from liangfa_procedure.holidays import read_calendar
from liangfa_procedure.reading import ProcedureError


def written(folder: Path, text: str) -> Path:
    path = folder / "holidays.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_year_is_added_to_those_that_are_known(tmp_path: Path) -> None:
    """Days off and days worked of the new year, and the years before as they are."""
    path = written(tmp_path, "2027: {days_off: [2027-01-01, 2027-02-08], days_worked: [2027-02-13]}\n")
    calendar = read_calendar(path)
    days = (date(2027, 1, 1), date(2027, 2, 8), date(2027, 2, 13), date(2027, 2, 14), date(2027, 2, 15))
    assert [calendar.is_working_day(day) for day in days] == [False, False, True, False, True]
    assert not calendar.is_working_day(date(2026, 10, 1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no year"),
        ("[]", "names no year"),
        ("2027: {days_off: [2027-01-01", "no YAML"),
        ("2027: {}", "no day off"),
        ("2027: {days_off: []}", "no day off"),
        ("2027: {off_days: [2027-01-01]}", "there is no off_days"),
        ("2027: {days_off: [2026-01-01]}", "another year"),
        ("2027: {days_off: [2027-01-02], days_worked: [2027-01-02]}", "both off and worked"),
        ("2027: {days_off: [2027-01-01], days_worked: [2027-02-08]}", "is a weekday"),
        ("2027: {days_off: [someday]}", "is a day"),
        ("next: {days_off: [2027-01-01]}", "by year"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """A limit must not end on a wrong day because of a slip of the pen."""
    with pytest.raises(ProcedureError, match=why):
        read_calendar(written(tmp_path, text))
