"""What the values of a scenario file must look like before anybody asks what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from liangfa_procedure.reading import ProcedureError

YEARS = range(1949, 2200)
"""Years that a story may tell of: far more than any calendar knows, and safe to count in."""

_WRITTEN = re.compile(
    r"(\d{4})[年/.-](\d{1,2})[月/.-](\d{1,2})日?[\sT]*(?:(上午|下午)?(\d{1,2})[时点:：](?:(\d{1,2})分?)?(?::\d{2})?)?"
)


def written(text: str) -> date:
    """Return the day, or the day and time (a `datetime`), of a text in ISO 8601 or as in 2024年3月4日下午2时30分. Raises `ValueError`."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        at = datetime.fromisoformat(text.strip())
        return at if len(text.strip()) > len("2024-03-04") else at.date()
    year, month, day, half, hour, minute = found.groups()
    if hour is None:
        return date(int(year), int(month), int(day))
    noon = 12 if half == "下午" and int(hour) < 12 else 0
    return datetime(int(year), int(month), int(day), int(hour) + noon, int(minute or 0))  # noqa: DTZ001 - Beijing, read by the caller


class ScenarioInvalid(ProcedureError):
    """A scenario cannot be read or played. `where` is the step it concerns, from 1; 0 for the file as a whole."""

    reason = "SCENARIO_INVALID"

    def __init__(self, text: str, where: int = 0) -> None:
        super().__init__(f"step {where} of the story: {text}" if where else text)
        self.where = where


def mapping(row: Mapping[Any, Any], key: Any, where: int = 0) -> Mapping[Any, Any]:
    """Return the mapping at `key`, empty when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if value is not None and not isinstance(value, dict):
        raise ScenarioInvalid(f"{key} is a mapping", where)
    return value or {}


def rows(row: Mapping[Any, Any], key: str, where: int = 0) -> list[Mapping[Any, Any]]:
    """Return the list of mappings at `key`, empty when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if value is not None and (not isinstance(value, list) or any(not isinstance(one, dict) for one in value)):
        raise ScenarioInvalid(f"{key} is a list of mappings", where)
    return value or []


def words(row: Mapping[Any, Any], key: str, where: int = 0) -> tuple[str, ...]:
    """Return the words at `key`, one or a list, empty when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if value is None:
        return ()
    found = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list | None) for one in found):
        raise ScenarioInvalid(f"{key} is a word or a list of words", where)
    return tuple(map(str, found))


def word(row: Mapping[Any, Any], key: str, where: int = 0) -> str:
    """Return the word at `key`, empty when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if isinstance(value, dict | list):
        raise ScenarioInvalid(f"{key} is one word", where)
    return "" if value is None else str(value)


def truth(row: Mapping[Any, Any], key: str, where: int = 0) -> bool | None:
    """Return the truth at `key`, None when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if value is not None and not isinstance(value, bool):
        raise ScenarioInvalid(f"{key} is true or false", where)
    return value


def days(row: Mapping[Any, Any], key: str, where: int = 0) -> frozenset[date]:
    """Return the days at `key`, none when it is left out. Raises `ScenarioInvalid`."""
    value = row.get(key)
    if value is not None and not isinstance(value, list):
        raise ScenarioInvalid(f"{key} is a list of days", where)
    return frozenset(day(one, key, where) for one in value or ())


def day(value: Any, what: str, where: int = 0) -> date:
    """Return `value`, a day without a time, also as it is written (2025年11月20日). Raises `ScenarioInvalid`."""
    if isinstance(value, str):
        try:
            value = written(value)
        except ValueError:
            raise ScenarioInvalid(f"{what} is a day (2026-04-30)", where) from None
    if not isinstance(value, date) or isinstance(value, datetime) or value.year not in YEARS:
        raise ScenarioInvalid(f"{what} is a day (2026-04-30)", where)
    return value
