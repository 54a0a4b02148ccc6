"""Time is an argument. All instants are aware UTC datetimes; business dates are Beijing dates.

Nothing else in the project may call `datetime.now` or `time.time` (tests/architecture holds it to that).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has used one zone without daylight saving since 1991: a fixed offset is exact for our dates."""


class Clock(Protocol):
    """Tells the present instant in aware UTC."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's present instant in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told: a year of procedure runs in a test in a second."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant that was set last."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move forward, or backward with a negative `by`."""
        self._at += by

    def set(self, at: datetime) -> None:
        """Jump to `at` (aware)."""
        self._at = at.astimezone(UTC)


def beijing_date(at: datetime) -> date:
    """Return the calendar date in China at the instant `at`."""
    return at.astimezone(BEIJING).date()


def beijing_date_of(micros: int) -> date:
    """Return the calendar date in China at an instant as tables keep it (microseconds since 1970-01-01T00:00Z)."""
    return date.fromordinal(_EPOCH_DAY + (micros + _AHEAD_MICROS) // _DAY_MICROS)


def to_micros(at: datetime) -> int:
    """Return microseconds since 1970-01-01T00:00Z: how instants are stored in every table."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """Return the aware UTC instant of `micros`, exactly (no float on the way)."""
    return _EPOCH + timedelta(microseconds=micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY_MICROS = 86_400_000_000
_AHEAD_MICROS = 8 * 3_600_000_000
