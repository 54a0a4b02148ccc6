"""When a limit ends. Instants are aware UTC; days are those of the Beijing calendar.

Counting (procedure table section 10): the day of the start does not count (刑事诉讼法第一百零五条); a last day that is a rest day
is moved to the next working day, never for a person in custody; months go to the same date, or to the last day of a
shorter month (最高人民法院关于适用刑事诉讼法的解释（2021）第二百零二条); hours run through nights and holidays. Hours are counted from
the minute of the start. The article leaves the hour of the start out too, so the law's own end may be up to an hour later:
who keeps to this clock is in time either way.
"""

from __future__ import annotations

import calendar as months_of
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from liangfa_procedure.rules import Duration, Rule, Use
from liangfa_standards.working_days import YearNotPublished, is_working_day

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
HOURS_WARNED = timedelta(hours=4)
"""How long before its end a limit counted in hours is spoken of: a product default."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Rest days of mainland China: the published years, and years that an operator has added.

    `added` maps a year to the days off and the days worked that differ from the week (State Council notice).
    """

    name: str = "国务院办公厅节假日安排"
    added: tuple[tuple[int, frozenset[date], frozenset[date]], ...] = ()

    def is_working_day(self, day: date) -> bool:
        """Tell whether `day` is worked. Raises `YearNotPublished` when the holidays of its year are not known."""
        for year, off, on in self.added:
            if year == day.year:
                return day in on or (day.weekday() < 5 and day not in off)
        return is_working_day(day)


@dataclass(frozen=True, slots=True)
class Extension:
    """A longer limit, granted by `approver` on `ground`: the whole length from the start, or a length added."""

    length: Duration
    ground: str
    approver: str
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A time that does not count: suspended, or excluded. `until` None: it lasts still."""

    since: datetime
    until: datetime | None
    ground: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a limit ends. `due_at` is the first instant that is too late; None while the clock is suspended.

    `last_day` is the last day in time, None for limits in hours. `warnings` are reason codes that a person must see:
    HOLIDAYS_NOT_PUBLISHED says that weekends alone were counted in a year whose notice is not known.
    """

    due_at: datetime | None
    warn_at: datetime | None
    last_day: date | None
    calendar_name: str
    warnings: tuple[str, ...]
    explanation_zh: str
    explanation_en: str


def due(
    rule: Rule,
    started_at: datetime,
    calendar: Calendar,
    *,
    extensions: Sequence[Extension] = (),
    pauses: Sequence[Pause] = (),
    in_custody: bool = False,
    named_limit: date | None = None,
) -> Due:
    """Return when the limit of `rule` ends that `started_at` (aware). Raises `ValueError` for a naive instant.

    `named_limit` is a last day that the document itself states (the reply to an opinion); it goes before the rule.
    """
    if started_at.tzinfo is None:
        raise ValueError("a limit starts at an aware instant")
    if any(pause.until is None for pause in pauses):
        return Due(None, None, None, calendar.name, (), "已中止计算期限", "suspended: the time does not run")
    if named_limit is not None:
        due_at = datetime.combine(named_limit + _DAY, time(), BEIJING).astimezone(UTC)
        words = (f"文书载明的期限，至 {named_limit} 止", f"as the document states, to the end of {named_limit}")
        return Due(due_at, _warn_at(rule, due_at, named_limit), named_limit, "文书载明", (), *words)
    length, added = _length(rule, extensions)
    if length.hours:
        due_at = started_at + timedelta(hours=length.hours + added.hours, days=added.days)
        due_at += _paused_time(started_at, due_at, pauses)
        words = (f"{length.hours} 小时，夜间和节假日计入", f"{length.hours} hours, nights and holidays counted")
        return Due(due_at, _warn_at(rule, due_at, None), None, "时钟小时", (), *words)
    days = _Days(calendar)
    last = _last_day(rule, _beijing(started_at), length, days)
    if added.days or added.months:
        last = _last_day(rule, last, added, days)
    for since, until in _merged(started_at, pauses):
        if _beijing(since) <= last:
            held = days.between(_beijing(since), _beijing(until), working=rule.is_working_days)
            last = days.after(last, held, working=rule.is_working_days)
    moved = last
    if rule.rolls_over and not in_custody:
        moved = days.working_from(last)
    due_at = datetime.combine(moved + _DAY, time(), BEIJING).astimezone(UTC)
    zh, en = _words(rule, length, last, moved)
    ordinary = moved
    if rule.latest is not None and length == rule.latest:
        ordinary = _last_day(rule, _beijing(started_at), rule.duration, days)
        ordinary = days.working_from(ordinary) if rule.rolls_over and not in_custody else ordinary
        zh, en = f"通常至 {ordinary}，至迟{zh}", f"ordinarily to the end of {ordinary}, at the latest {en}"
    return Due(due_at, _warn_at(rule, due_at, ordinary), moved, days.name(rule), tuple(sorted(days.warnings)), zh, en)


class _Days:
    """Counts days on a calendar; a year that it does not know is counted by weekends, and told."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.warnings: set[str] = set()

    def name(self, rule: Rule) -> str:
        return f"{'工作日' if rule.is_working_days else '自然日'}（{self._calendar.name}）"

    def is_working(self, day: date) -> bool:
        try:
            return self._calendar.is_working_day(day)
        except YearNotPublished:
            self.warnings.add("HOLIDAYS_NOT_PUBLISHED")
            return day.weekday() < 5

    def after(self, day: date, count: int, *, working: bool) -> date:
        if not working:
            return day + count * _DAY
        while count:
            day += _DAY
            count -= self.is_working(day)
        return day

    def working_from(self, day: date) -> date:
        while not self.is_working(day):
            day += _DAY
        return day

    def between(self, since: date, until: date, *, working: bool) -> int:
        if not working:
            return (until - since).days
        days = (since + (n + 1) * _DAY for n in range((until - since).days))
        return sum(self.is_working(day) for day in days)


def _length(rule: Rule, extensions: Sequence[Extension]) -> tuple[Duration, Duration]:
    """Return the whole length, and what is added to it: of several whole lengths the last one granted counts.

    Where the text says 至迟 (at the latest), nobody has failed before that; the ordinary limit only warns.
    """
    length, days, months, hours = rule.latest or rule.duration, 0, 0, 0
    for extension in extensions:
        if extension.is_added:
            days, months = days + extension.length.days, months + extension.length.months
            hours += extension.length.hours
        else:
            length = extension.length
    return length, Duration(hours, days, months)


def _last_day(rule: Rule, start: date, length: Duration, days: _Days) -> date:
    last = _months_after(start, length.months) if length.months else start
    return days.after(last, length.days, working=rule.is_working_days)


def _months_after(day: date, count: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    last = months_of.monthrange(year, month + 1)[1]
    ends_month = day.day == months_of.monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if ends_month else min(day.day, last))


def _merged(started_at: datetime, pauses: Sequence[Pause]) -> list[tuple[datetime, datetime]]:
    """Return the paused times after the start, in order and without overlap: an hour is left out once."""
    merged: list[tuple[datetime, datetime]] = []
    for since, until in sorted((p.since, p.until) for p in pauses if p.until is not None and p.until > started_at):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        else:
            merged.append((max(since, started_at), until))
    return merged


def _paused_time(started_at: datetime, due_at: datetime, pauses: Sequence[Pause]) -> timedelta:
    """Return by how much an end in hours moves; what was suspended after the end was late already."""
    moved = timedelta()
    for since, until in _merged(started_at, pauses):
        if since < due_at + moved:
            moved += until - since
    return moved


def _warn_at(rule: Rule, due_at: datetime, last_day: date | None) -> datetime | None:
    """Return when it is first spoken of: hours before, or at the beginning of a day before the last one.

    A product default: no text gives a number. Nobody is warned of a window that may simply pass.
    """
    if rule.use is Use.WINDOW:
        return None
    if last_day is None:
        return due_at - HOURS_WARNED
    days = rule.duration.days or 30 * rule.duration.months
    before = 1 if days <= 7 else 3 if days <= 30 else 7
    return datetime.combine(last_day - before * _DAY, time(), BEIJING).astimezone(UTC)


def _words(rule: Rule, length: Duration, last: date, moved: date) -> tuple[str, str]:
    unit = ("个工作日", "working days") if rule.is_working_days else ("日", "days")
    zh = f"{length.months} 个月" if length.months else f"{length.days} {unit[0]}"
    en = f"{length.months} months" if length.months else f"{length.days} {unit[1]}"
    zh, en = f"{zh}，开始当日不计，至 {moved} 止", f"{en}, the first day not counted, to the end of {moved}"
    if moved != last:
        zh, en = f"{zh}（{last} 为休息日，顺延）", f"{en} ({last} is a rest day)"
    return zh, en


def _beijing(at: datetime) -> date:
    return at.astimezone(BEIJING).date()
