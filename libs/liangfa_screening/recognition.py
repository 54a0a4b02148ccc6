"""Which offences a text may be about: one pass of an automaton over all terms, then groups and scores."""

from __future__ import annotations

from dataclasses import dataclass

import ahocorasick

from liangfa_screening.lexicon import Groups, Recognition
from liangfa_screening.library import Library, Offence

_EXACT_CAUSE_WEIGHT = 4.0
_AGENCY_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offence that the text may be about, with how strongly. `in_cause`: the cause speaks of it too."""

    offence: Offence
    score: float
    rank: int
    in_cause: bool


@dataclass(frozen=True, slots=True)
class _Gate:
    """An offence's terms, ready for set operations."""

    offence: Offence
    gates: tuple[Groups, ...]
    against: frozenset[str]
    terms: frozenset[str]
    causes: frozenset[str]
    telling: frozenset[str]
    rank: int


class Recogniser:
    """Finds candidate offences. An agency is a prior only: agencies meet facts of other fields."""

    def __init__(self, library: Library) -> None:
        self.automaton = ahocorasick.Automaton()
        self._calls: dict[str, list[_Gate]] = {}
        terms: set[str] = set()
        for offence in library.offences.values():
            gate = _gate(offence, library.lexicon.recognitions.get(offence.id) or _from_triggers(offence))
            for term in {term for groups in gate.gates for term in _most_telling(groups)}:
                self._calls.setdefault(term, []).append(gate)
            terms.update(gate.terms, gate.against, gate.causes)
        for term in sorted(terms):
            self.automaton.add_word(term, term)
        self.automaton.make_automaton()
        self._lexicon = library.lexicon

    def candidates(self, text: str, cause_length: int, agency_type: str) -> list[Candidate]:
        """Return candidates, strongest first; `text` is cause and narrative, normalised."""
        hits = {term for _, term in self.automaton.iter(text)}
        called = {gate.offence.id: gate for term in hits for gate in self._calls.get(term, ())}
        if not called:
            return []
        in_cause = {term for _, term in self.automaton.iter(text, 0, cause_length)}
        agency = self._lexicon.agency(agency_type) if agency_type else ""
        found = [
            Candidate(
                gate.offence, _score(gate, hits, in_cause, agency), gate.rank, not in_cause.isdisjoint(gate.telling)
            )
            for gate in called.values()
            if _is_open(gate, hits)
        ]
        found.sort(key=lambda c: (-c.rank, -c.score, c.offence.id))
        return found


def _is_open(gate: _Gate, hits: set[str]) -> bool:
    if not hits.isdisjoint(gate.against):
        return False
    for groups in gate.gates:
        for group in groups:
            if hits.isdisjoint(group):
                break
        else:
            return True
    return False


def _score(gate: _Gate, hits: set[str], in_cause: set[str], agency: str) -> float:
    """Return how strongly: each term once, in the cause twice; an exact cause and the agency's field more."""
    score = float(len(gate.terms & hits) + len(gate.terms & in_cause))
    score += _EXACT_CAUSE_WEIGHT * len(gate.causes & hits)
    return score + _AGENCY_WEIGHT if agency in gate.offence.agencies else score


def _gate(offence: Offence, recognition: Recognition) -> _Gate:
    terms = {term for groups in recognition.gates for group in groups for term in group}
    return _Gate(
        offence=offence,
        gates=recognition.gates,
        against=recognition.against,
        terms=frozenset(terms.union(offence.keywords)),
        causes=frozenset(offence.causes),
        telling=frozenset({term for term in terms if len(term) > 1}.union(offence.causes)),
        rank=recognition.rank,
    )


def _most_telling(groups: Groups) -> frozenset[str]:
    """Return the group whose terms call for a closer look: long terms before short ones, few before many.

    All groups of a gate must hit, so one of them is enough to find it; common words (食, 药) would call too often.
    """
    return max(groups, key=lambda group: (min(map(len, group)), -len(group)))


def _from_triggers(offence: Offence) -> Recognition:
    """Return the library's own triggers as a gate, for an offence that the lexicon does not describe."""
    return Recognition(((frozenset((*offence.keywords, *offence.causes)),),), frozenset())
