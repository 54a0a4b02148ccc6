"""Who is told of a clock, rung by rung: handler, head, procuratorate, superior. Defaults of this product, from data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from liangfa_procedure.reading import ProcedureError, read_data
from liangfa_procedure.rules import Rule, Rules, Use
from liangfa_procedure.steps import Procedure


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can be told: whoever has one of `roles` (empty: any) in the organisation that stands so to the transfer.

    `organisation`: agency, police, procuratorate and court of the transfer; superior_agency and upper_procuratorate above
    them; justice_bureau of the level; consulted and consulting in a consultation.
    """

    id: str
    name_zh: str
    name_en: str
    organisation: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rung:
    """Who is told how long after a limit was missed; zero means at once."""

    after: timedelta
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who is told of one clock: in advance, on the last day, and rung by rung once it is missed."""

    warned: tuple[str, ...]
    on_the_day: tuple[str, ...]
    missed: tuple[Rung, ...]


@cache
def recipients() -> dict[str, Recipient]:
    """Return everybody who can be told, by id. Raises `ProcedureError` when the data name what does not exist."""
    known = Procedure.load().roles
    found = {}
    for name, row in read_data("escalation.yaml")["recipients"].items():
        if stray := set(row["roles"]) - set(known):
            raise ProcedureError(f"escalation.yaml, {name}: there is no role {sorted(stray)}")
        found[name] = Recipient(name, row["zh"], row["en"], row["organisation"], frozenset(row["roles"]))
    return found


@cache
def ladder(rule: Rule) -> Ladder:
    """Return who is told of a clock of `rule`. A right is missed by nobody; a window warns nobody in advance.

    Raises `ProcedureError` when the data name nobody for who owes it, or somebody unknown.
    """
    data = read_data("escalation.yaml")
    row: dict[str, Any] | None = data["ladders"].get(rule.owes)
    if row is None:
        raise ProcedureError(f"escalation.yaml has no ladder for {rule.owes}, who owes {rule.id}")
    superiors = tuple(name for name in row["superiors"] if name not in rule.tells)
    missed = [Rung(timedelta(), rule.tells)] if rule.tells else []
    if missed and superiors:
        missed.append(Rung(timedelta(days=data["superiors_after_days"]), superiors))
    found = Ladder(rule.tells[:1], tuple(row["on_the_day"]), tuple(missed))
    named = {*found.warned, *found.on_the_day, *(name for rung in missed for name in rung.recipients)}
    if unknown := named - recipients().keys():
        raise ProcedureError(f"{rule.id} tells somebody unknown: {sorted(unknown)}")
    if rule.use is Use.RIGHT:
        return Ladder(found.warned, found.on_the_day, ())
    return Ladder((), (), found.missed) if rule.use is Use.WINDOW else found


def check_ladders() -> None:
    """Raise `ProcedureError` unless every rule has a ladder whose recipients exist."""
    for rule in Rules.load().by_id.values():
        ladder(rule)
