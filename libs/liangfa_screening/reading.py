"""What an offence's standards ask for, found in a case: given facts first, then read, derived and assumed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liangfa_screening.derived import derive
from liangfa_screening.extraction import FactFound, Text, extract
from liangfa_screening.lexicon import Extractor
from liangfa_screening.library import Fact, Library, Offence
from liangfa_screening.needles import ALL

_AMOUNTS = frozenset({"sales_amount", "goods_value_unsold", "illegal_business_amount"})
_PARTS = frozenset({"sales_amount", "goods_value_unsold"})
"""What was sold and what was found unsold make up the business amount together."""
Cache = dict[str, FactFound | None]
"""What was read in a text, by fact; several offences ask for the same."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is looked for on behalf of one offence, settled once."""

    wanted: frozenset[str]
    steps: tuple[tuple[str, Extractor | None, Fact, int, FactFound | None], ...]
    """Facts to read: name, how, what it is, the patterns that could tell of it, and what is taken when none of them can."""
    assumed: tuple[FactFound, ...]


class FactReader:
    """Reads the facts of one library's offences."""

    def __init__(self, library: Library) -> None:
        self.labels = {fact.name: fact.label_zh for fact in library.facts.values()}
        self._plans = {offence.id: _plan(offence, library) for offence in library.offences.values()}

    def read(self, offence: Offence, text: Text, given: Mapping[str, FactFound], cache: Cache) -> dict[str, FactFound]:
        """Return the facts of `offence` that are known; `cache` belongs to `text`."""
        plan = self._plans[offence.id]
        facts: dict[str, FactFound] = {}
        live = text.live
        for name, extractor, fact, patterns, silent in plan.steps:
            found = given.get(name)
            if found is None:
                if not live & patterns:
                    found = silent
                elif name in cache:
                    found = cache[name]
                elif extractor is not None:
                    found = cache[name] = extract(extractor, fact.label_zh, text, fact.cel_type)
            if found is not None:
                facts[name] = found
        derive(facts, plan.wanted, text, self.labels)
        for found in plan.assumed:
            if found.name not in facts or (found.value and facts[found.name].origin == "assumed"):
                facts[found.name] = found
        if len(facts) > len(plan.wanted) or not facts.keys() <= plan.wanted:
            return {name: found for name, found in facts.items() if name in plan.wanted}
        return facts


def _plan(offence: Offence, library: Library) -> _Plan:
    wanted = frozenset(offence.facts)
    support = sorted(_PARTS - wanted) if "illegal_business_amount" in wanted else []
    support += ["goods_value"] if wanted & _AMOUNTS and "goods_value" not in wanted else []
    recognition = library.lexicon.recognitions.get(offence.id)
    presumed = dict(recognition.presumed) if recognition is not None else {}
    return _Plan(
        wanted=wanted,
        steps=tuple(
            _step(library.facts[name], library.lexicon.extractors.get(name)) for name in (*offence.facts, *support)
        ),
        assumed=tuple(
            _assumed(library.facts[name], presumed.get(name))
            for name in dict.fromkeys(name for standard in offence.standards for name in standard.facts)
            if name in presumed
            or name.startswith("prior_")
            or any(name in standard.exclusions for standard in offence.standards)
        ),
    )


def _step(fact: Fact, extractor: Extractor | None) -> tuple[str, Extractor | None, Fact, int, FactFound | None]:
    if extractor is None:
        return fact.name, None, fact, 0, None
    default = extractor.default
    silent = None if default is None else FactFound(fact.name, fact.label_zh, default, origin="assumed")
    patterns = ALL if extractor.falls_back else extractor.telling()
    return fact.name, extractor, fact, patterns, silent


def _assumed(fact: Fact, presumed: Any) -> FactFound:
    """Return the presumed value, or what an unmentioned exclusion or earlier penalty is: none."""
    value = presumed if presumed is not None else 0 if fact.cel_type == "int" else False
    return FactFound(fact.name, fact.label_zh, value, origin="assumed")
