"""Instants and the calendar date in China."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from liangfa_kit.clock import beijing_date, beijing_date_of, from_micros, to_micros


@given(st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))
@example(datetime(1970, 1, 1, tzinfo=UTC))
@example(datetime(2026, 3, 1, 15, 59, 59, 999_999, tzinfo=UTC))
@example(datetime(2026, 3, 1, 16, tzinfo=UTC))
@example(datetime(1949, 9, 30, 16, tzinfo=UTC))
def test_a_stored_instant_has_the_date_in_china_of_the_instant_itself(at: datetime) -> None:
    """Also before 1970 and at midnight in Beijing, which is 16:00 UTC; and it comes back whole."""
    assert beijing_date_of(to_micros(at)) == beijing_date(at)
    assert from_micros(to_micros(at)) == at
