"""A scenario file: a story told as dated steps, to be played against the procedure and its limits.

The format is described in docs/simulation.md. Steps and roles may be told in the words of the field (`naming`). A misspelt key,
an unknown word, a date out of order is an error that names the line of the story, never something that silently does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from liangfa_procedure import naming, shapes, wording
from liangfa_procedure.clocks import BEIJING, Calendar
from liangfa_procedure.holidays import with_years
from liangfa_procedure.meaning import Line, Meant, meanings
from liangfa_procedure.rules import FIELDS, Rules
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.steps import ANY_OPEN, Procedure, Scope, Step

FILED = "filed"
"""Where the courses of the suspects begin."""


class Level(StrEnum):
    """What an alert says: the limit comes near, or it has been missed."""

    WARN = "warn"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, Beijing time: at one instant, or at an unknown hour between two."""

    earliest: datetime
    latest: datetime

    @classmethod
    def read(cls, value: Any, where: int) -> Moment:
        """Read a day (its hour unknown) or a day and time. Raises `ScenarioInvalid`."""
        if isinstance(value, str):
            try:
                value = shapes.written(value)
            except ValueError:
                raise ScenarioInvalid(f"{value!r} is no day or day and time (2026-03-02 09:30)", where) from None
        if isinstance(value, datetime) and value.year in shapes.YEARS:
            return cls.of(value)
        if isinstance(value, date) and value.year in shapes.YEARS:
            start = datetime.combine(value, time(), BEIJING)
            return cls(start, start + timedelta(days=1, minutes=-1))
        raise ScenarioInvalid(f"{value!r} is no day or day and time (2026-03-02 09:30)", where)

    @classmethod
    def of(cls, at: datetime) -> Moment:
        """Return the moment at exactly `at`; a naive time is Beijing time."""
        exact = at.replace(tzinfo=BEIJING) if at.tzinfo is None else at.astimezone(BEIJING)
        return cls(exact, exact)

    def not_before(self, other: datetime) -> Moment:
        """Return this moment with what lies before `other` cut off."""
        return replace(self, earliest=max(self.earliest, other), latest=max(self.latest, other))


@dataclass(frozen=True, slots=True)
class Told:
    """One step of a story. `moment` None: the story does not say when. `received` None: at once."""

    where: int
    step: Step
    roles: frozenset[str]
    moment: Moment | None
    received: Moment | None
    suspect: str | None
    custody: bool | None
    documents: tuple[str, ...]
    fields: Mapping[str, Any]
    organisation: str | None


@dataclass(frozen=True, slots=True)
class Extended:
    """A limit made longer in the story, on a track of its rule."""

    where: int
    rule_id: str
    track: str
    ground: str
    approver: str
    moment: Moment
    suspect: str | None


@dataclass(frozen=True, slots=True, order=True)
class Alert:
    """Somebody is told of a limit. `day` is the Beijing day on which that happens."""

    day: date
    rule: str
    recipient: str
    level: Level
    suspect: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story as read. `until` is the last day on which limits are watched, inclusive."""

    title: str
    sector: str
    begins_in: str | None
    suspects: tuple[str, ...]
    events: tuple[Told | Extended, ...]
    until: date
    expected: tuple[Alert, ...] | None
    final_state: str | None
    calendar: Calendar = field(default_factory=Calendar)
    passed: tuple[str, ...] = ()
    """Reason codes for lines that are rows of the procedure table without a step: read, and passed over."""

    @property
    def begins(self) -> datetime:
        """Return the first instant that the story may mean: what it tells before, without a day, is taken to be no later."""
        return next(event.moment.earliest for event in self.events if event.moment is not None)

    @property
    def end(self) -> datetime:
        """Return the last instant on which limits are watched."""
        return datetime.combine(self.until + timedelta(days=1), time(), BEIJING) - timedelta.resolution

    @property
    def first_state(self) -> str | None:
        """Return the state of the transfer when the story begins; None: no crime is suspected yet.

        Left out of the file it is the first state in the table from which the first step is possible; a story that
        begins with the course of a suspect begins after filing.
        """
        if self.begins_in is not None:
            return self.begins_in
        for step in (event.step for event in self.events if isinstance(event, Told)):
            if step.scope is Scope.SUSPECT:
                return FILED
            if ANY_OPEN not in step.from_states:
                return Procedure.load().first_from(step)
        return None


_FILE_KEYS = frozenset(
    ["title", "source", "sector", "begins_in", "suspects", "steps", "until", "expected", "final_state", "holidays"]
)
_STEP_KEYS = frozenset(
    ["on", "step", "by", "organisation", "received", "suspect", "custody", "documents", "fields", "reply_by", "note"]
)
_EXTENSION_KEYS = frozenset(["on", "extend", "track", "ground", "approver", "suspect", "note"])


def read_scenario(text: str) -> Scenario:
    """Read a scenario file. Raises `ScenarioInvalid` with what is wrong and where."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2026-02-30 is a ValueError of its reader
        raise ScenarioInvalid(f"this is no YAML: {error}") from None
    if not isinstance(data, dict):
        raise ScenarioInvalid("a scenario is a mapping with a list of steps")
    data = naming.renamed(data, naming.KEYS)
    _only(data, _FILE_KEYS, 0)
    if not (rows := shapes.rows(data, "steps")):
        raise ScenarioInvalid("a scenario has a list of steps")
    sector = shapes.word(data, "sector")
    sector = naming.sector_called(sector)
    known = Rules.load().sectors() | FIELDS.keys()
    if sector not in {"", *known}:
        raise ScenarioInvalid(f"there is no sector {sector}; known are {sorted(known)}")
    suspects = shapes.words(data, "suspects") or ("suspect",)
    if len(set(suspects)) != len(suspects):
        raise ScenarioInvalid("two suspects have one name: tell them apart")
    begins_in = _state(shapes.word(data, "begins_in"))
    events, passed = _events(rows, suspects, begins_in, sector)
    dated = [event.moment for event in events if event.moment is not None]
    if not dated:
        raise ScenarioInvalid("no step has a date")
    _in_order(events)
    events = _not_after_the_next(events)
    received = [event.received for event in events if isinstance(event, Told) and event.received is not None]
    until = data.get("until") or max(moment.latest for moment in [*dated, *received]).date()
    return Scenario(
        title=shapes.word(data, "title"),
        sector=sector,
        begins_in=begins_in,
        suspects=suspects,
        events=events,
        until=shapes.day(until, "until"),
        expected=_expected(shapes.rows(data, "expected")) if "expected" in data else None,
        final_state=_state(shapes.word(data, "final_state")),
        calendar=with_years(shapes.mapping(data, "holidays")),
        passed=passed,
    )


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file in UTF-8. Raises `ScenarioInvalid` and `OSError`."""
    try:
        return read_scenario(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ScenarioInvalid(f"the file is not UTF-8: {error}") from None


def _only(row: Mapping[str, Any], known: frozenset[str], where: int) -> None:
    if extra := {str(key) for key in row} - known:
        raise ScenarioInvalid(f"unknown keys {sorted(extra)}; known are {sorted(known)}", where)


def _events(
    told: list[Mapping[Any, Any]], suspects: tuple[str, ...], begins_in: str | None, sector: str
) -> tuple[tuple[Told | Extended, ...], tuple[str, ...]]:
    """Return what the lines of the story mean, and reason codes for those that are no step."""
    given = dict(enumerate((naming.renamed(row, naming.STEP_KEYS) for row in told), start=1))
    rows = _by_day(given)
    passed = {n for n, row in rows.items() if "extend" not in row and _is_passed_over(row)}
    steps = [n for n, row in rows.items() if "extend" not in row and n not in passed]
    meant = meanings([_line(rows[n], n, suspects) for n in steps], suspects, begins_in)
    means = dict(zip(steps, meant, strict=True))
    events: list[Told | Extended] = []
    for where, row in rows.items():
        if where in means:
            events += _told(row, where, means[where])
        elif where not in passed:
            events.append(_extension(row, where, suspects, sector))
    codes = [f"NO_STEP {rows[n]['step']}" for n in sorted(passed)]
    guesses = {
        f"READ_AS {rows[n]['step']} {means[n].step.id}": None for n in steps if naming.is_guess(str(rows[n]["step"]))
    }
    moved = ["REORDERED"] if list(rows) != list(given) else []
    return tuple(events), (*moved, *codes, *guesses)


def _by_day(rows: dict[int, dict[Any, Any]]) -> dict[int, dict[Any, Any]]:
    """Return the lines by their days when each has one: a story may tell them in another order. Of one day, as told."""
    if any(row.get("on") is None for row in rows.values()):
        return rows
    days = {where: Moment.read(row["on"], where).earliest.date() for where, row in rows.items()}
    return {where: rows[where] for where in sorted(rows, key=days.__getitem__)}


def _is_passed_over(row: Mapping[str, Any]) -> bool:
    word = str(row.get("step"))
    return naming.is_row_without_step(word) and not naming.steps_called(word)


def _names(row: Mapping[str, Any], where: int, suspects: tuple[str, ...]) -> tuple[str, ...]:
    named = shapes.words(row, "suspect", where)
    for name in named:
        if name not in suspects:
            raise ScenarioInvalid(f"{name} is not among the suspects {list(suspects)}", where)
    return named


def _line(row: Mapping[str, Any], where: int, suspects: tuple[str, ...]) -> Line:
    _only(row, _STEP_KEYS, where)
    word = str(row.get("step"))
    choices = naming.steps_called(word) or naming.steps_called(wording.without_names(word, suspects))
    if not choices:
        raise ScenarioInvalid(f"there is no step {word}; {naming.nearest(word)}", where)
    # Of steps with one name those are meant that whoever is named may take.
    mine = tuple(step for step in choices if _roles(row, where, step) & step.roles)
    return Line(mine or choices, _names(row, where, suspects))


def _roles(row: Mapping[str, Any], where: int, step: Step) -> frozenset[str]:
    roles: frozenset[str] = frozenset()
    for word in shapes.words(row, "by", where):
        named = naming.roles_called(word, step)
        if not named:
            raise ScenarioInvalid(f"there is no role {word}; known are {sorted(Procedure.load().roles)}", where)
        roles |= named
    return roles or step.roles


def _told(row: Mapping[str, Any], where: int, meant: Meant) -> list[Told]:
    """Return the step of this line, once for each suspect whom it concerns."""
    when = row.get("on")
    moment = None if when is None else Moment.read(when, where)
    fields = naming.renamed(shapes.mapping(row, "fields", where), naming.STEP_KEYS)
    if row.get("reply_by") is not None:
        fields["reply_by"] = row["reply_by"]
    if "reply_by" in fields:
        fields["reply_by"] = shapes.day(fields["reply_by"], "reply_by, the last day that the document names,", where)
    received = None if row.get("received") is None else Moment.read(row["received"], where)
    if received is not None and moment is not None and received.latest < moment.earliest:
        raise ScenarioInvalid("it is received before it is taken", where)
    one = Told(
        where=where,
        step=meant.step,
        roles=_roles(row, where, meant.step),
        moment=moment,
        received=received,
        suspect=None,
        custody=shapes.truth(row, "custody", where),
        documents=shapes.words(row, "documents", where),
        fields={str(name): value for name, value in fields.items()},
        organisation=shapes.word(row, "organisation", where) or None,
    )
    return [replace(one, suspect=name) for name in meant.names] or [one]


def _extension(row: Mapping[str, Any], where: int, suspects: tuple[str, ...], sector: str) -> Extended:
    _only(row, _EXTENSION_KEYS, where)
    moment = None if row.get("on") is None else Moment.read(row["on"], where)
    suspect = next(iter(_names(row, where, suspects)), None)
    rule = Rules.load().by_id.get(naming.rule_called(shapes.word(row, "extend", where), sector))
    if rule is None:
        raise ScenarioInvalid(f"there is no rule {row['extend']}", where)
    track = naming.track_called(shapes.word(row, "track", where), rule)
    if track is None:
        known = [track.name for track in rule.tracks if track.length]
        raise ScenarioInvalid(f"{rule.id} has no track {row.get('track')} with a length; it has {known}", where)
    ground, approver = shapes.word(row, "ground", where), shapes.word(row, "approver", where)
    if not ground or not approver or moment is None:
        raise ScenarioInvalid("a longer limit needs its day, a recorded ground and an approver", where)
    return Extended(where, rule.id, track.name, ground, approver, moment, suspect)


def _in_order(events: tuple[Told | Extended, ...]) -> None:
    before: datetime | None = None
    for event in events:
        if event.moment is None:
            continue
        if before is not None and event.moment.latest < before:
            raise ScenarioInvalid("it lies before the step above it", event.where)
        before = event.moment.earliest if before is None else max(before, event.moment.earliest)


def _not_after_the_next(events: tuple[Told | Extended, ...]) -> tuple[Told | Extended, ...]:
    """Cut off of each unknown hour what lies after the step below it: the story is told in order."""
    kept: list[Told | Extended] = []
    for event in reversed(events):
        if event.moment is not None:
            later = [one.moment.latest for one in kept if one.moment is not None]
            event = replace(event, moment=replace(event.moment, latest=min([event.moment.latest, *later])))  # noqa: PLW2901 - cut
        kept.append(event)
    return tuple(reversed(kept))


def _state(name: str) -> str | None:
    known, state = Procedure.load().states[Scope.TRANSFER], naming.state_called(name)
    if state and state not in known:
        raise ScenarioInvalid(f"there is no state {name} of a transfer; known are {sorted(known)}")
    return state or None


def _expected(rows: list[Mapping[Any, Any]]) -> tuple[Alert, ...]:
    found = []
    for number, row in enumerate(rows, start=1):
        of = f"expected alert {number}: "
        level, rule = shapes.word(row, "level"), shapes.word(row, "rule")
        if rule not in Rules.load().by_id or level not in set(Level):
            raise ScenarioInvalid(f"{of}no such rule or level")
        if not (names := shapes.words(row, "to")):
            raise ScenarioInvalid(f"{of}whom is it for?")
        on = shapes.day(row.get("day"), f"{of}day")
        found += [Alert(on, rule, name, Level(level), shapes.word(row, "suspect")) for name in names]
    return tuple(sorted(found))
