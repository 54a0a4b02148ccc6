"""A scenario file: a story told as dated steps, to be played against the procedure and its limits.

The format is described in docs/simulation.md. Reading is strict: a misspelt key, an unknown step or role, a date out of
order is an error that names the line of the story, never something that silently does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

import yaml

from liangfa_procedure.clocks import BEIJING, Calendar
from liangfa_procedure.reading import ProcedureError
from liangfa_procedure.rules import FIELDS, Rules
from liangfa_procedure.steps import Procedure, Scope, Step


class ScenarioInvalid(ProcedureError):
    """A scenario cannot be read or played. `where` is the step it concerns, from 1; 0 for the file as a whole."""

    reason = "SCENARIO_INVALID"

    def __init__(self, text: str, where: int = 0) -> None:
        super().__init__(f"step {where} of the story: {text}" if where else text)
        self.where = where


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
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                raise ScenarioInvalid(f"{value!r} is no day or day and time (2026-03-02 09:30)", where) from None
        if isinstance(value, datetime):
            return cls.of(value)
        if isinstance(value, date):
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


_FILE_KEYS = frozenset(
    ["title", "source", "sector", "begins_in", "suspects", "steps", "until", "expected", "final_state", "holidays"]
)
_STEP_KEYS = frozenset(
    ["on", "step", "by", "organisation", "received", "suspect", "custody", "documents", "fields", "note"]
)
_EXTENSION_KEYS = frozenset(["on", "extend", "track", "ground", "approver", "suspect", "note"])


def read_scenario(text: str) -> Scenario:
    """Read a scenario file. Raises `ScenarioInvalid` with what is wrong and where."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioInvalid(f"this is no YAML: {error}") from None
    if not isinstance(data, dict):
        raise ScenarioInvalid("a scenario is a mapping with a list of steps")
    _only(data, _FILE_KEYS, 0)
    rows = data.get("steps")
    if not isinstance(rows, list) or not rows:
        raise ScenarioInvalid("a scenario has a list of steps")
    sector = str(data.get("sector") or "")
    known = Rules.load().sectors() | FIELDS.keys()
    if sector not in {"", *known}:
        raise ScenarioInvalid(f"there is no sector {sector}; known are {sorted(known)}")
    suspects = tuple(map(str, data.get("suspects", ["suspect"])))
    events = tuple(_event(row, number, suspects) for number, row in enumerate(rows, start=1))
    dated = [event.moment for event in events if event.moment is not None]
    if not dated:
        raise ScenarioInvalid("no step has a date")
    _in_order(events)
    until = data.get("until") or max(moment.latest for moment in dated).date()
    if not isinstance(until, date) or isinstance(until, datetime):
        raise ScenarioInvalid("until is a day (2026-04-30)")
    return Scenario(
        title=str(data.get("title", "")),
        sector=sector,
        begins_in=_state(data.get("begins_in")),
        suspects=suspects,
        events=events,
        until=until,
        expected=_expected(data["expected"]) if "expected" in data else None,
        final_state=_state(data.get("final_state")),
        calendar=_calendar(data.get("holidays", {})),
    )


def _only(row: Mapping[str, Any], known: frozenset[str], where: int) -> None:
    # YAML 1.1 reads a bare `on` as true.
    if extra := {str(key) for key in row} - known - {"True"}:
        raise ScenarioInvalid(f"unknown keys {sorted(extra)}; known are {sorted(known)}", where)


def _event(row: Any, where: int, suspects: tuple[str, ...]) -> Told | Extended:
    if not isinstance(row, dict):
        raise ScenarioInvalid("a step is a mapping", where)
    when = row.get("on", row.get(True))
    moment = None if when is None else Moment.read(when, where)
    suspect = row.get("suspect")
    if suspect is not None and suspect not in suspects:
        raise ScenarioInvalid(f"{suspect} is not among the suspects {list(suspects)}", where)
    if "extend" in row:
        return _extension(row, where, moment, suspect)
    _only(row, _STEP_KEYS, where)
    table = Procedure.load()
    step = table.steps.get(str(row.get("step")))
    if step is None:
        raise ScenarioInvalid(f"there is no step {row.get('step')}", where)
    by = row.get("by", [])
    roles = frozenset([by] if isinstance(by, str) else by) or step.roles
    if unknown := roles - set(table.roles):
        raise ScenarioInvalid(f"there is no role {sorted(unknown)}; known are {sorted(table.roles)}", where)
    if step.scope is Scope.SUSPECT and suspect is None:
        if len(suspects) > 1:
            raise ScenarioInvalid(f"{step.id} concerns one of the suspects {list(suspects)}: name him", where)
        suspect = suspects[0]
    fields = row.get("fields", {})
    if not isinstance(fields.get("reply_by", date.min), date):
        raise ScenarioInvalid("fields.reply_by is the last day that the document names (2026-05-20)", where)
    received = None if row.get("received") is None else Moment.read(row["received"], where)
    if received is not None and moment is not None and received.latest < moment.earliest:
        raise ScenarioInvalid("it is received before it is taken", where)
    return Told(
        where=where,
        step=step,
        roles=roles,
        moment=moment,
        received=received,
        suspect=suspect if step.scope is Scope.SUSPECT else None,
        custody=row.get("custody"),
        documents=tuple(row.get("documents", ())),
        fields=fields,
        organisation=row.get("organisation"),
    )


def _extension(row: dict[str, Any], where: int, moment: Moment | None, suspect: str | None) -> Extended:
    _only(row, _EXTENSION_KEYS, where)
    rule = Rules.load().by_id.get(str(row["extend"]))
    if rule is None:
        raise ScenarioInvalid(f"there is no rule {row['extend']}", where)
    track = next((track for track in rule.tracks if track.name == row.get("track")), None)
    if track is None or track.length is None:
        known = [track.name for track in rule.tracks if track.length]
        raise ScenarioInvalid(f"{rule.id} has no track {row.get('track')} with a length; it has {known}", where)
    ground, approver = str(row.get("ground") or ""), str(row.get("approver") or "")
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


def _state(name: Any) -> str | None:
    if name is not None and name not in Procedure.load().states[Scope.TRANSFER]:
        raise ScenarioInvalid(f"there is no state {name} of a transfer")
    return name if name is None else str(name)


def _expected(rows: list[dict[str, Any]]) -> tuple[Alert, ...]:
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            to, level = row["to"], Level(row["level"])
            day, rule, suspect = row["day"], str(row["rule"]), str(row.get("suspect", ""))
        except (KeyError, ValueError) as error:
            raise ScenarioInvalid(f"expected alert {number}: {error}") from None
        if not isinstance(day, date) or rule not in Rules.load().by_id:
            raise ScenarioInvalid(f"expected alert {number}: no such day or rule")
        found += [Alert(day, rule, name, level, suspect) for name in ([to] if isinstance(to, str) else to)]
    return tuple(sorted(found))


def _calendar(years: Mapping[int, Mapping[str, list[date]]]) -> Calendar:
    if not years:
        return Calendar()
    added = tuple(
        (year, frozenset(row.get("days_off", ())), frozenset(row.get("days_worked", ()))) for year, row in years.items()
    )
    return Calendar(Calendar().name, added)
