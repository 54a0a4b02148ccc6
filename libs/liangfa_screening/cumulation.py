"""Adding up a party's cases: amounts of untreated acts, and earlier penalties where a standard asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from liangfa_screening.extraction import FactFound
from liangfa_screening.library import Library, Offence
from liangfa_screening.results import Earlier

WINDOW_YEARS = 2
"""Acts within two years are added: the limit that most interpretations set (reading rules of the library)."""
_PRIOR_YEARS = {
    "prior_admin_penalties_1y": 1,
    "prior_admin_penalties_2y": 2,
    "prior_admin_penalties_3y": 3,
    "prior_admin_penalties_5y": 5,
    "prior_admin_penalties_total": 200,
}


def summed(
    offence: Offence,
    library: Library,
    facts: Mapping[str, FactFound],
    dated_on: str,
    earlier: Sequence[Earlier],
    only_untreated: bool,
) -> tuple[dict[str, FactFound], tuple[str, ...]]:
    """Return the facts with the earlier cases' amounts added, and the cases that were counted."""
    added = dict(facts)
    counted: list[str] = []
    for case in earlier:
        amounts = case.facts.get(offence.id)
        if not amounts or (only_untreated and case.is_penalised) or not _within(case.dated_on, dated_on, WINDOW_YEARS):
            continue
        for name, amount in amounts.items():
            if library.facts[name].is_additive:
                added[name] = _plus(added.get(name), name, library.facts[name].label_zh, amount)
        counted.append(case.case_id)
    return added, tuple(dict.fromkeys(counted))


def _plus(fact: FactFound | None, name: str, label: str, amount: float) -> FactFound:
    if fact is None:
        return FactFound(name, label, amount, origin="earlier")
    return fact._replace(value=fact.value + amount, origin="earlier")


def prior_penalties(
    offence: Offence,
    dated_on: str,
    earlier: Sequence[Earlier],
    facts: Mapping[str, FactFound],
    labels: Mapping[str, str],
) -> dict[str, FactFound]:
    """Return the counts of earlier penalties for the same kind of violation, where records tell more than the text.

    The same kind: the earlier case was a candidate for the same offence.
    """
    penalties = [case for case in earlier if case.is_penalised and offence.id in case.facts]
    found: dict[str, FactFound] = {}
    for name, years in _PRIOR_YEARS.items():
        if name not in offence.facts or not penalties:
            continue
        count = len({case.case_id for case in penalties if _within(case.dated_on, dated_on, years)})
        told: Any = facts[name].value if name in facts else 0
        if count > told:
            found[name] = FactFound(name, labels.get(name, name), count, origin="earlier")
    return found


def _within(earlier: str, later: str, years: int) -> bool:
    """Tell whether `earlier` lies at most `years` before `later`; an unknown date counts only without a limit."""
    try:
        before, after = date.fromisoformat(earlier), date.fromisoformat(later)
    except ValueError:
        return years >= 100
    return before <= after and (after - before).days <= years * 365 + years // 4
