"""Working days with 调休, and the refusal to guess an unknown year."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.working_days import (
    YearNotPublished,
    add_working_days,
    is_working_day,
    known_years,
    next_working_day,
    working_days_between,
)

DAYS = st.dates(date(2016, 1, 1), date(2025, 12, 31))


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2024, 9, 29), True),  # a Sunday worked in exchange for 国庆节
        (date(2024, 10, 7), False),
        (date(2020, 1, 31), False),  # Spring Festival prolonged by the second notice of 2020
        (date(2019, 5, 2), False),  # 劳动节 extended by the second notice of 2019
        (date(2017, 1, 9), True),
        (date(2017, 1, 8), False),
    ],
)
def test_holidays_and_shifted_days_are_known(day: date, worked: bool) -> None:
    """Published days, second notices included."""
    assert is_working_day(day) is worked


def test_seven_working_days_run_over_the_national_day() -> None:
    """The publicity period of seven working days, decided on 2024-09-27 (the 29th is worked, the 12th too)."""
    assert add_working_days(date(2024, 9, 27), 7) == date(2024, 10, 12)


def test_the_years_are_those_published() -> None:
    """2016 to 2026; a year without a notice raises instead of counting weekends."""
    assert known_years() == (2016, 2026)
    with pytest.raises(YearNotPublished, match="2027"):
        is_working_day(date(2027, 1, 4))
    with pytest.raises(YearNotPublished):
        add_working_days(date(2026, 12, 31), 1)


@given(DAYS, st.integers(0, 60))
def test_counting_forward_and_back_agree(day: date, count: int) -> None:
    """add_working_days and working_days_between are inverse on working days."""
    end = add_working_days(day, count)
    assert is_working_day(end)
    assert working_days_between(next_working_day(day) if count == 0 else day, end) == count
