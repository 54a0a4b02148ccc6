"""What the screening says of a case, in values that explain themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from liangfa_screening.extraction import FactFound
from liangfa_screening.library import Offence, Standard


@dataclass(frozen=True, slots=True)
class ScreeningInput:
    """A case as the screening reads it. `facts` are the officer's: they count before what the text says.

    `agency_type` and facts may hold words that the library does not know; they are remarked, never an error.
    `dated_on` (YYYY-MM-DD) places the case among the party's earlier ones.
    """

    id: str = ""
    agency_type: str = ""
    cause: str = ""
    narrative: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    dated_on: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier case of the same party. `facts` is its `ScreeningResult.additive_facts()`."""

    case_id: str
    dated_on: str
    is_penalised: bool
    facts: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class OffenceFound:
    """A standard that is met, or nearly, with everything that led there.

    `distance` says how the deciding figures stand to the thresholds; `ratio` is the best of them (1.0 is met).
    `counted_case_ids` are the party's other cases whose amounts were added.
    """

    offence: Offence
    standard: Standard
    facts: tuple[FactFound, ...]
    distance: str
    ratio: float
    score: float
    missing: tuple[str, ...] = ()
    counted_case_ids: tuple[str, ...] = ()

    @property
    def is_cumulative(self) -> bool:
        """Whether amounts of other cases were added."""
        return bool(self.counted_case_ids)

    def to_json(self) -> dict[str, Any]:
        """Return the published form of the offline output."""
        return {
            "id": self.offence.id,
            "name_zh": self.offence.name_zh,
            "standard": self.standard.id,
            "article": self.offence.article,
            "facts": [_fact_json(fact) for fact in self.facts],
            "distance": self.distance,
            "missing": list(self.missing),
            "source": self.standard.source,
            "confidence": self.standard.confidence,
            "score": round(self.score, 2),
            "counted_cases": list(self.counted_case_ids),
        }


@dataclass(frozen=True, slots=True)
class ScreeningResult:
    """What was found under one version of the rules. Offences met come first to last by likelihood."""

    id: str
    offences: tuple[OffenceFound, ...]
    near_misses: tuple[OffenceFound, ...]
    missing: tuple[str, ...]
    library_version: str
    remarks: tuple[str, ...] = ()
    candidate_facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def suspected(self) -> bool:
        """Whether a standard is met: a prompt for review, never a finding of guilt."""
        return bool(self.offences)

    def additive_facts(self) -> Mapping[str, Mapping[str, float]]:
        """Return, by candidate offence, the amounts that later cases of the same party add to theirs."""
        return self.candidate_facts

    def to_json(self) -> dict[str, Any]:
        """Return one output line of `liangfa screen`."""
        return {
            "id": self.id,
            "suspected": self.suspected,
            "offences": [found.to_json() for found in self.offences],
            "near_misses": [found.to_json() for found in self.near_misses],
            "missing": list(self.missing),
            "library_version": self.library_version,
            "remarks": list(self.remarks),
        }


def _fact_json(fact: FactFound) -> dict[str, Any]:
    return {
        "name": fact.name,
        "value": fact.value,
        "text": fact.text,
        "start": fact.start,
        "end": fact.end,
        "origin": fact.origin,
        "part": fact.part,
    }
