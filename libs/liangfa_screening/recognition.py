"""Which offences a text may be about: one pass of an automaton over all terms, then groups and scores."""

from __future__ import annotations

from dataclasses import dataclass

import ahocorasick

from liangfa_screening.lexicon import Groups, Recognition
from liangfa_screening.library import Library, Offence

_CAUSE_WEIGHT = 2.0
_KEYWORD_WEIGHT = 1.0
_EXACT_CAUSE_WEIGHT = 4.0
_AGENCY_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offence that the text may be about, with how strongly."""

    offence: Offence
    score: float
    rank: int


class Recogniser:
    """Finds candidate offences. An agency is a prior only: agencies meet facts of other fields."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._automaton = ahocorasick.Automaton()
        self._gates: dict[str, Recognition] = {
            offence.id: library.lexicon.recognitions.get(offence.id) or _from_triggers(offence)
            for offence in library.offences.values()
        }
        self._by_term: dict[str, set[str]] = {}
        for offence in library.offences.values():
            gate = self._gates[offence.id]
            for groups in gate.gates:
                for term in _most_telling(groups):
                    self._by_term.setdefault(term, set()).add(offence.id)
            looked_at = (t for groups in gate.gates for group in groups for t in group)
            for term in (*looked_at, *gate.against, *offence.keywords, *offence.causes):
                self._by_term.setdefault(term, set())
        for term in self._by_term:
            self._automaton.add_word(term, term)
        self._automaton.make_automaton()
        self._agency_names = {name: key for key, name in library.agencies.items()}

    def candidates(self, text: str, cause_length: int, agency_type: str) -> list[Candidate]:
        """Return candidates, strongest first; `text` is cause and narrative, normalised."""
        hits: dict[str, float] = {}
        for end, term in self._automaton.iter(text):
            weight = _CAUSE_WEIGHT if end < cause_length else 1.0
            hits[term] = max(hits.get(term, 0.0), weight)
        if not hits:
            return []
        possible = {offence_id for term in hits for offence_id in self._by_term[term]}
        found = [candidate for offence_id in possible if (candidate := self._candidate(offence_id, hits, agency_type))]
        found.sort(key=lambda c: (-c.rank, -c.score, c.offence.id))
        return found

    def _candidate(self, offence_id: str, hits: dict[str, float], agency_type: str) -> Candidate | None:
        gate = self._gates[offence_id]
        present = hits.keys()
        if not present.isdisjoint(gate.against):
            return None
        if not any(all(not group.isdisjoint(present) for group in groups) for groups in gate.gates):
            return None
        offence = self._library.offences[offence_id]
        terms = {term for groups in gate.gates for group in groups for term in group if term in hits}
        score = sum(hits[term] for term in terms)
        score += sum(_KEYWORD_WEIGHT * hits[term] for term in offence.keywords if term in hits and term not in terms)
        score += sum(_EXACT_CAUSE_WEIGHT for term in offence.causes if term in hits)
        key = self._agency_names.get(agency_type, agency_type)
        if key in offence.agencies:
            score += _AGENCY_WEIGHT
        return Candidate(offence, score, gate.rank)


def _most_telling(groups: Groups) -> frozenset[str]:
    """Return the group whose terms call for a closer look: long terms before short ones, few before many.

    All groups of a gate must hit, so one of them is enough to find it; common words (食, 药) would call too often.
    """
    return max(groups, key=lambda group: (min(map(len, group)), -len(group)))


def _from_triggers(offence: Offence) -> Recognition:
    """Return the library's own triggers as a gate, for an offence that the lexicon does not describe."""
    return Recognition(((frozenset((*offence.keywords, *offence.causes)),),), frozenset())
