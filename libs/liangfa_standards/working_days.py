"""Working days of mainland China with 调休, from the yearly notices of the State Council. Unknown years are an error."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from liangfa_standards.codes import load_data

_DAY = timedelta(days=1)


class YearNotPublished(ValueError):
    """The holidays of the year are not in the data: the notice is published each November for the year after.

    Nothing may be guessed here: a statutory period counted on weekends alone would end on the wrong day.
    """

    reason = "HOLIDAYS_NOT_PUBLISHED"

    def __init__(self, year: int) -> None:
        first, last = known_years()
        super().__init__(f"The holidays of {year} are not known: the data holds {first} to {last}.")
        self.year = year


@cache
def _days() -> tuple[frozenset[date], frozenset[date], tuple[int, ...]]:
    years = load_data("holidays.yaml")["years"]
    off = {date.fromisoformat(d) for year in years.values() for days in year["off_days"].values() for d in days}
    on = {date.fromisoformat(d) for year in years.values() for days in year["workdays"].values() for d in days}
    return frozenset(off), frozenset(on), tuple(sorted(int(year) for year in years))


def known_years() -> tuple[int, int]:
    """Return the first and the last year whose holidays are known."""
    years = _days()[2]
    return years[0], years[-1]


def is_working_day(day: date) -> bool:
    """Tell whether `day` (Beijing calendar) is worked. Raises `YearNotPublished` outside the known years."""
    off, on, years = _days()
    if not years[0] <= day.year <= years[-1]:
        raise YearNotPublished(day.year)
    return day in on or (day.weekday() < 5 and day not in off)


def add_working_days(start: date, count: int) -> date:
    """Return the `count`-th working day after `start`, which itself does not count (Civil Code article 201).

    `count` of 0 or more; 0 gives `start` or, when it is a day off, the next working day (article 203). Raises
    `YearNotPublished`, and `ValueError` for a negative count.
    """
    if count < 0:
        raise ValueError("count working days forward")
    day = start
    if count == 0:
        return next_working_day(start)
    while count:
        day += _DAY
        count -= is_working_day(day)
    return day


def next_working_day(day: date) -> date:
    """Return `day`, or the first working day after it when it is a day off. Raises `YearNotPublished`."""
    while not is_working_day(day):
        day += _DAY
    return day


def working_days_between(start: date, end: date) -> int:
    """Return how many working days lie after `start` up to and including `end`; negative when `end` is earlier."""
    if end < start:
        return -working_days_between(end, start)
    day, count = start, 0
    while day < end:
        day += _DAY
        count += is_working_day(day)
    return count
