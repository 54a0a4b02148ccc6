"""The statutory limits as rules: what starts and ends them, how they are counted, who owes and who is told."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from liangfa_procedure.reading import ProcedureError, read_data

VERSION = "2026-11"
"""Version of the rules as data: a clock keeps the one that it was started under."""
_DURATION = re.compile(r"PT(?P<hours>\d+)H|P(?P<days>\d+)D|P(?P<months>\d+)M|P(?P<years>\d+)Y")
FIELDS = {
    "economic": "economic_crime",
    "tax": "economic_crime",
    "food": "general",
    "intellectual_property": "general",
    "labour": "general",
    "natural_resources": "general",
}
"""Fields of enforcement by the sector whose limits hold there: tax crimes are economic crimes; the others have no limits of
their own in a national text."""

NAMED_BY_DOCUMENT = frozenset({"penalty_opinion_received"})
"""Events whose document may itself name the last day (高检发释字〔2021〕4号第九条): it goes before the length of the rule."""


class Use(StrEnum):
    """How the platform uses a rule (data/clock_use.yaml)."""

    DUTY = "duty"
    RIGHT = "right"
    WINDOW = "window"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: exactly one unit is not 0. Days are natural or working days, as the rule says."""

    hours: int = 0
    days: int = 0
    months: int = 0

    @classmethod
    def read(cls, text: str) -> Duration:
        """Return the duration that an ISO 8601 text means (PT24H, P3D, P2M, P2Y). Raises `ProcedureError`."""
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ProcedureError(f"{text!r} is no duration like PT24H, P3D, P2M or P2Y")
        parts = {name: int(value) for name, value in found.groupdict().items() if value}
        return cls(parts.get("hours", 0), parts.get("days", 0), parts.get("months", 0) + 12 * parts.get("years", 0))

    def __str__(self) -> str:
        """Return the ISO 8601 text."""
        if self.hours:
            return f"PT{self.hours}H"
        return f"P{self.months}M" if self.months else f"P{self.days}D"


@dataclass(frozen=True, slots=True)
class Track:
    """A longer limit that may be chosen with a recorded ground and approver. `length` None: no number is given."""

    name: str
    condition: str
    length: Duration | None
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit. `source` names document and article; `confidence` says how sure we are of it.

    `is_working_days` counts working days with 调休; `rolls_over` moves a last day that is a rest day to the next working
    day, never for a person in custody. `tells` are the roles that are told in turn when it is missed.
    """

    id: str
    title_zh: str
    title_en: str
    starts_on: str
    ends_on: str
    duration: Duration
    is_working_days: bool
    rolls_over: bool
    owes: str
    tells: tuple[str, ...]
    tracks: tuple[Track, ...]
    source: str
    article: str
    sector: str
    confidence: str
    kind: str
    note: str
    use: Use
    stays: bool = False
    why_unused: str = ""
    way: frozenset[str] = frozenset()
    """Steps that lead to the one that keeps it, where several are needed."""
    asked_by: frozenset[str] = frozenset()
    """Steps of which one must have asked for what is owed; empty: it is owed unasked."""

    while_any: str = ""
    """State of a suspect's course: while one is in it, what ends the course of another does not end this limit."""

    @property
    def is_owed_if_taken(self) -> bool:
        """Whether nobody fails by leaving the step aside, but whoever takes it shall do so in time.

        Windows (24 hours for telling what is missing), and rights that the text words as a duty of whoever goes on
        (应当：国务院令第310号第九条第二款).
        """
        return self.use is Use.WINDOW or (self.use is Use.RIGHT and self.kind == "statutory")

    def goes_on(self, suspect: str | None, courses: Collection[str]) -> bool:
        """Whether a limit of `suspect` (None or empty: of the whole case) goes on while the suspects stand in `courses`."""
        return not suspect and bool(self.while_any) and self.while_any in courses

    @property
    def latest(self) -> Duration | None:
        """Return the outer limit that needs no ground (至迟), where the text sets one beside the ordinary limit."""
        return next((track.length for track in self.tracks if track.name == "ordinary_latest"), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and those that hold in one sector: a sector's rule for a pair of events wins over the general one."""

    by_id: dict[str, Rule] = field(repr=False)
    _started: dict[tuple[str, str], list[Rule]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def load(cls) -> Rules:
        """Return the rules of the package. Raises `ProcedureError` when the data are wrong."""
        return _load()

    def rule(self, rule_id: str) -> Rule:
        """Return a rule. Raises `KeyError`."""
        return self.by_id[rule_id]

    def in_sector(self, sector: str) -> list[Rule]:
        """Return the rules that run in `sector`, or in a field of `FIELDS` (empty: general)."""
        sector = FIELDS.get(sector, sector)
        chosen: dict[tuple[str, str], Rule] = {}
        for rule in self.by_id.values():
            if rule.use is Use.UNUSED or rule.sector not in {"general", sector}:
                continue
            pair = (rule.starts_on, rule.ends_on)
            if pair not in chosen or rule.sector != "general":
                chosen[pair] = rule
        return list(chosen.values())

    def started_by(self, event: str, sector: str) -> list[Rule]:
        """Return the rules that `event` starts in `sector`."""
        # Every step asks this of several events, and there are few pairs: each is looked for once.
        if (event, sector) not in self._started:
            self._started[event, sector] = [rule for rule in self.in_sector(sector) if rule.starts_on == event]
        return list(self._started[event, sector])

    def sectors(self) -> set[str]:
        """Return the sectors that have a rule of their own."""
        return {rule.sector for rule in self.by_id.values()} - {"general"}


@cache
def _load() -> Rules:
    uses = read_data("clock_use.yaml")["uses"]
    rows = read_data("deadlines.yaml")["rules"]
    unknown = set(uses) - {row["id"] for row in rows}
    if unknown:
        raise ProcedureError(f"clock_use.yaml names rules that do not exist: {sorted(unknown)}")
    return Rules({row["id"]: _rule(row, uses.get(row["id"], {"use": "duty"})) for row in rows})


def _rule(row: dict[str, Any], use: dict[str, Any]) -> Rule:
    return Rule(
        id=row["id"],
        title_zh=row["title_zh"],
        title_en=row["title_en"],
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        duration=Duration.read(row["duration"]),
        is_working_days=row["calendar"] == "working",
        rolls_over=row["rollover"],
        owes=row["responsible"],
        tells=tuple(row["on_breach"]),
        tracks=tuple(map(_track, row["extension"])),
        source=row["source"]["document"],
        article=row["source"].get("article") or "",
        sector=row["sector"],
        confidence="product" if row["kind"] == "design" else row["confidence"],  # of the number, not of the duty
        kind=row["kind"],
        note=row.get("note", ""),
        use=Use(use["use"]),
        stays=use.get("stays", False),
        why_unused=use.get("why", ""),
        way=frozenset(use.get("way", ())),
        asked_by=frozenset(use.get("asked_by", ())),
        while_any=use.get("while_any", ""),
    )


def _track(row: dict[str, Any]) -> Track:
    added = row.get("additional")
    length = added or row.get("max")
    return Track(row["track"], row.get("condition") or "", Duration.read(length) if length else None, bool(added))
