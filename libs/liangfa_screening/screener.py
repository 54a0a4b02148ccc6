"""Screening one case: recognise candidates, extract their facts, evaluate their standards, explain.

The same case under the same library gives the same result: there is no clock, no chance and no state here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liangfa_screening.cumulation import prior_penalties, summed
from liangfa_screening.extraction import SIGNS, FactFound, Text, is_denied, number_text
from liangfa_screening.library import Library, Offence, Standard
from liangfa_screening.needles import ALL
from liangfa_screening.quantities import normalised
from liangfa_screening.reading import Cache, FactReader
from liangfa_screening.recognition import Candidate, Recogniser
from liangfa_screening.results import Earlier, OffenceFound, ScreeningInput, ScreeningResult

MAX_CHARACTERS = 200_000
"""Longer narratives are read to this length and the result says so."""
_MOST_CANDIDATES = 12
_CAUSE_BONUS = 12.0
"""An offence of which the cause speaks ranks above a more special one of which only the narrative does."""
_PRESUMED_MALUS = 15.0
"""An offence that rests on a presumption ranks below one whose facts the text tells."""
_MOST_MISSING = 6


class Screener:
    """Screens cases under `library`."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._reader = FactReader(library)
        self.recogniser = Recogniser(library, library.lexicon.sieve.words | SIGNS)
        self._labels = self._reader.labels
        self._added = frozenset(fact.name for fact in library.facts.values() if fact.is_additive)

    def screen(self, case: ScreeningInput, earlier: Sequence[Earlier] = ()) -> ScreeningResult:
        """Return what the rules say of `case`, by itself and together with the party's `earlier` cases."""
        remarks: list[str] = []
        cause, narrative = _texts(case, remarks)
        plain = normalised(f"{cause}\n{narrative}")
        present = self.recogniser.finder.find(plain)
        candidates = self.recogniser.candidates(plain, len(cause), case.agency_type, present)[:_MOST_CANDIDATES]
        given = self._given(case.facts, remarks)
        text = Text(plain, len(cause) + 1, self.library.lexicon.sieve.live(present) if candidates else ALL, present)
        met: list[OffenceFound] = []
        near: list[OffenceFound] = []
        undecided: list[tuple[Offence, Mapping[str, FactFound]]] = []
        additive: dict[str, dict[str, float]] = {}
        cache: Cache = {}
        for candidate in candidates:
            facts = self._reader.read(candidate.offence, text, given, cache)
            if earlier:
                facts.update(prior_penalties(candidate.offence, case.dated_on, earlier, facts, self._labels))
            additive.update(self._additive(candidate.offence, facts))
            self._judge(candidate, facts, case, earlier, (met, near, undecided))
        standing = [found for found in met if not self._is_denied(found.offence, text)]
        offences = tuple(_without_shadows(sorted(standing, key=_likelihood)))
        return ScreeningResult(
            id=case.id,
            offences=offences,
            near_misses=tuple(sorted(near, key=_likelihood)),
            missing=() if offences else self._missing(undecided),
            library_version=self.library.version,
            remarks=tuple(remarks),
            candidate_facts=additive,
        )

    def _is_denied(self, offence: Offence, text: Text) -> bool:
        """Tell whether the text names the deed only to deny it (未发现虚构诊疗、伪造病历)."""
        recognition = self.library.lexicon.recognitions.get(offence.id)
        return recognition is not None and recognition.acts is not None and is_denied(recognition.acts, text)

    def _judge(
        self,
        candidate: Candidate,
        facts: Mapping[str, FactFound],
        case: ScreeningInput,
        earlier: Sequence[Earlier],
        into: tuple[list[OffenceFound], list[OffenceFound], list[tuple[Offence, Mapping[str, FactFound]]]],
    ) -> None:
        """Put the candidate's best standard where it belongs: met, near, or undecided."""
        met, near, undecided = into
        values = self._values(facts)
        found = self._met(candidate, facts, values)
        if found is None and earlier:
            found = self._cumulative(candidate, facts, case.dated_on, earlier)
        if found is not None:
            (met if found.ratio >= 1.0 else near).append(found)
            return
        close = self._near(candidate, facts, values)
        if close is not None:
            near.append(close)
            return
        undecided.append((candidate.offence, facts))

    def _met(
        self, candidate: Candidate, facts: Mapping[str, FactFound], values: Mapping[str, Any]
    ) -> OffenceFound | None:
        for standard in candidate.offence.standards:
            if standard.met(values) is True:
                return self._found(candidate, standard, facts, values, 1.0)
        return None

    def _near(
        self, candidate: Candidate, facts: Mapping[str, FactFound], values: Mapping[str, Any]
    ) -> OffenceFound | None:
        for standard in candidate.offence.standards:
            if standard.near is not None and standard.near(values) is True:
                return self._found(candidate, standard, facts, values, 0.0)
        return None

    def _cumulative(
        self, candidate: Candidate, facts: Mapping[str, FactFound], dated_on: str, earlier: Sequence[Earlier]
    ) -> OffenceFound | None:
        """Judge the sums over the party's cases; with penalised ones among them it is a near miss, to be examined."""
        for only_untreated in (True, False):
            added, counted = summed(candidate.offence, self.library, facts, dated_on, earlier, only_untreated)
            found = self._met(candidate, added, self._values(added)) if counted else None
            if found is not None:
                note = "" if only_untreated else "；累计含已作行政处罚的案件，须核实是否属于未经处理"
                ratio = 1.0 if only_untreated else min(found.ratio, 0.999)
                return replace(found, counted_case_ids=counted, distance=found.distance + note, ratio=ratio)
        return None

    def _found(
        self,
        candidate: Candidate,
        standard: Standard,
        facts: Mapping[str, FactFound],
        values: Mapping[str, Any],
        least: float,
    ) -> OffenceFound:
        distance, ratio = self._distance(standard, values)
        used = tuple(facts[name] for name in standard.facts if name in facts)
        unknown = tuple(dict.fromkeys(name for name in standard.facts if name not in facts and not least))
        return OffenceFound(
            offence=candidate.offence,
            standard=standard,
            facts=used,
            distance=distance,
            ratio=max(ratio, least),
            score=_score(candidate, used),
            missing=unknown,
        )

    def _distance(self, standard: Standard, values: Mapping[str, Any]) -> tuple[str, float]:
        """Return how the known figures stand to their lower bounds, nearest first, and the best ratio."""
        parts: list[tuple[float, str]] = []
        for bound in standard.bounds:
            left, right = bound.left(values), bound.right(values)
            if isinstance(left, bool) or not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
                continue
            ratio = left / right if right else 1.0
            label = self._labels.get(bound.name, "合计")
            if left:
                share = f"{ratio:.0%}" if ratio < 2 else f"{ratio:,.1f} 倍"
                parts.append((ratio, f"{label} {number_text(left)}，标准 {number_text(right)}（{share}）"))
        parts.sort(key=lambda part: -part[0])
        return "；".join(text for _, text in parts[:3]), parts[0][0] if parts else 0.0

    def _missing(self, undecided: Sequence[tuple[Offence, Mapping[str, FactFound]]]) -> tuple[str, ...]:
        """Return the facts to ask for: those of the standards for which the text already says something."""
        wanted: dict[str, None] = {}
        for offence, facts in undecided:
            values = self._values(facts)
            for standard in offence.standards:
                told = [n for n in standard.facts if n in facts and facts[n].origin != "assumed" and facts[n].value]
                if told and standard.met(values) is None:
                    wanted.update(dict.fromkeys(name for name in standard.undecided(values) if name not in facts))
        return tuple(wanted)[:_MOST_MISSING]

    def _values(self, facts: Mapping[str, FactFound]) -> dict[str, Any]:
        return {**self.library.parameters, **{name: fact.value for name, fact in facts.items()}}

    def _additive(self, offence: Offence, facts: Mapping[str, FactFound]) -> dict[str, dict[str, float]]:
        amounts = {
            name: fact.value
            for name, fact in facts.items()
            if name in self._added and fact.origin != "assumed" and fact.value
        }
        return {offence.id: amounts} if amounts else {offence.id: {}}

    def _given(self, facts: Mapping[str, Any], remarks: list[str]) -> dict[str, FactFound]:
        """Return the officer's facts in their types; what cannot be used is remarked."""
        given: dict[str, FactFound] = {}
        for name, value in facts.items():
            fact = self.library.facts.get(str(name))
            if fact is None:
                remarks.append(f"UNKNOWN_FACT: {str(name)[:60]}")
                continue
            typed = _typed(value, fact.cel_type, fact.values)
            if typed is None:
                remarks.append(f"UNUSABLE_VALUE: {fact.name}={str(value)[:40]}")
            else:
                given[fact.name] = FactFound(fact.name, fact.label_zh, typed, origin="given")
        return given


def _texts(case: ScreeningInput, remarks: list[str]) -> tuple[str, str]:
    cause, narrative = case.cause[:2_000], case.narrative
    if len(narrative) > MAX_CHARACTERS:
        remarks.append(f"NARRATIVE_CUT: {len(narrative)} characters, {MAX_CHARACTERS} read")
        narrative = narrative[:MAX_CHARACTERS]
    return cause, narrative


def _typed(value: Any, cel_type: str, allowed: Sequence[str]) -> Any:
    """Return `value` in the fact's type, or None when it cannot be one."""
    if cel_type == "bool":
        words = {"true": True, "是": True, "1": True, "false": False, "否": False, "0": False}
        return value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if cel_type == "string":
        return value if isinstance(value, str) and (not allowed or value in allowed) else None
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not 0 <= number < 1e15:
        return None
    return int(number) if cel_type == "int" else number


def _score(candidate: Candidate, used: Sequence[FactFound]) -> float:
    score = candidate.rank * 10 + candidate.score + (_CAUSE_BONUS if candidate.in_cause else 0)
    return score - _PRESUMED_MALUS if any(fact.origin == "assumed" and fact.value for fact in used) else score


def _likelihood(found: OffenceFound) -> tuple[float, float, str]:
    return (-found.score, -found.ratio, found.offence.id)


def _without_shadows(found: list[OffenceFound]) -> list[OffenceFound]:
    """Keep one entry an offence, the likeliest."""
    return list({item.offence.id: item for item in reversed(found)}.values())[::-1]
