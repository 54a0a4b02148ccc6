"""Holidays of years that the package does not know yet, from a file that an operator adds (国务院办公厅 放假安排通知)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from liangfa_procedure import shapes
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.reading import ProcedureError

_SATURDAY = 5


def with_years(years: Mapping[Any, Any]) -> Calendar:
    """Return the calendar with years like `{2027: {days_off: [...], days_worked: [...]}}`. Raises `ScenarioInvalid`."""
    added = []
    for year in years:
        if not isinstance(year, int) or year not in shapes.YEARS:
            raise shapes.ScenarioInvalid("holidays are given by year ({2027: {days_off: [2027-02-08]}})")
        row = shapes.mapping(years, year)
        added.append((year, shapes.days(row, "days_off"), shapes.days(row, "days_worked")))
    return Calendar(Calendar().name, tuple(added))


def read_calendar(path: Path) -> Calendar:
    """Return the calendar with the years of a file. Raises `ProcedureError` for one that cannot be right, `OSError`.

    Nothing of it is guessed: a year without days off, a day of another year, a working day in the middle of the week that
    is said to be moved there, and a day that is both are refused.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProcedureError(f"it is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or not content:
        raise ProcedureError("it names no year ({2027: {days_off: [2027-01-01], days_worked: []}})")
    calendar = with_years(content)
    for year, off, worked in calendar.added:
        if unknown := content[year].keys() - {"days_off", "days_worked"}:
            raise ProcedureError(f"{year}: there is no {min(map(str, unknown))}: a year has days_off and days_worked")
        if wrong := _wrong(year, off, worked):
            raise ProcedureError(f"{year}: {wrong}")
    return calendar


def _wrong(year: int, off: frozenset[date], worked: frozenset[date]) -> str:
    if not off:
        return "no day off is named, and every year has some"
    if strange := [day for day in off | worked if day.year != year]:
        return f"{min(strange)} is a day of another year"
    if both := off & worked:
        return f"{min(both)} is both off and worked"
    if plain := [day for day in worked if day.weekday() < _SATURDAY]:
        return f"{min(plain)} is a weekday: days_worked are Saturdays and Sundays that are worked (调休)"
    return ""
