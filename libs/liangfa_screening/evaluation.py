"""Measuring the screening on labelled cases: recall of crimes, specificity, and whether the right offence comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from liangfa_screening.results import ScreeningInput, ScreeningResult
from liangfa_screening.screener import Screener


@dataclass(frozen=True, slots=True)
class Labelled:
    """A case with its label: whether it is a crime, which offence (None: not said), and the field it belongs to."""

    case: ScreeningInput
    is_crime: bool
    offence: str | None
    field: str


@dataclass(slots=True)
class Tally:
    """Counts of one field or of all."""

    crimes: int = 0
    found: int = 0
    first_right: int = 0
    first_judged: int = 0
    others: int = 0
    cleared: int = 0

    @property
    def recall(self) -> float:
        """Crimes found of all crimes."""
        return self.found / self.crimes if self.crimes else 1.0

    @property
    def specificity(self) -> float:
        """Other cases left alone of all others."""
        return self.cleared / self.others if self.others else 1.0

    @property
    def top1(self) -> float:
        """Crimes found whose labelled offence came first."""
        return self.first_right / self.first_judged if self.first_judged else 1.0


@dataclass(slots=True)
class Evaluation:
    """The counts by field and over all, and the cases that went wrong."""

    total: Tally = field(default_factory=Tally)
    by_field: dict[str, Tally] = field(default_factory=dict)
    wrong: list[tuple[Labelled, ScreeningResult]] = field(default_factory=list)


def evaluate(cases: Iterable[Labelled], screener: Screener) -> Evaluation:
    """Screen every case and count."""
    evaluation = Evaluation()
    for labelled in cases:
        result = screener.screen(labelled.case)
        right = True
        for tally in (evaluation.total, evaluation.by_field.setdefault(labelled.field, Tally())):
            right = _count(tally, labelled, result)
        if not right:
            evaluation.wrong.append((labelled, result))
    return evaluation


def _count(tally: Tally, labelled: Labelled, result: ScreeningResult) -> bool:
    if not labelled.is_crime:
        tally.others += 1
        tally.cleared += not result.suspected
        return not result.suspected
    tally.crimes += 1
    tally.found += result.suspected
    if not result.suspected:
        return False
    if labelled.offence is None:
        return True
    tally.first_judged += 1
    is_first = result.offences[0].offence.id == labelled.offence
    tally.first_right += is_first
    return is_first
