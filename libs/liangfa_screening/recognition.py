"""Which offences a text may be about: one pass of an automaton over all terms, then groups and scores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from liangfa_screening.lexicon import Groups, Recognition
from liangfa_screening.library import Library, Offence
from liangfa_screening.needles import WordFinder

_EXACT_CAUSE_WEIGHT = 4.0
_AGENCY_WEIGHT = 1.5
_YIELD = 3
_BRACKETS = re.compile("（[^）]*）")
_SHORTEST_NAME = 4
_MOST_CAUSES = 1_024
_SHARED_NAMES = frozenset({"非法经营", "侵犯注册商标专用权", "生产", "销售", "伪造", "变造", "买卖"})


class Candidate(NamedTuple):
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
    yields: frozenset[str]
    terms: frozenset[str]
    causes: frozenset[str]
    telling: frozenset[str]
    rank: int


class Recogniser:
    """Finds candidate offences. An agency is a prior only: agencies meet facts of other fields."""

    def __init__(self, library: Library, words: Iterable[str] = ()) -> None:
        """Read the gates of `library`. `words` are looked for too, on behalf of others."""
        self._calls: dict[str, list[_Gate]] = {}
        self._named: dict[str, list[_Gate]] = {}
        terms: set[str] = set()
        for offence in library.offences.values():
            gate = _gate(offence, library.lexicon.recognitions.get(offence.id) or _from_triggers(offence))
            for term in {term for groups in gate.gates for term in _most_telling(groups)}:
                self._calls.setdefault(term, []).append(gate)
            for cause in gate.causes:
                self._named.setdefault(cause, []).append(gate)
            terms.update(gate.terms, gate.against, gate.yields, gate.causes)
        self.finder = WordFinder(terms.union(words))
        self._in_cause = lru_cache(_MOST_CAUSES)(self.finder.find)  # a few hundred causes make up most of the cases
        self._lexicon = library.lexicon

    def candidates(
        self, text: str, cause_length: int, agency_type: str, present: AbstractSet[str] | None = None
    ) -> list[Candidate]:
        """Return candidates, strongest first; `text` is cause and narrative, normalised, `present` what was found in it."""
        hits = self.finder.find(text) if present is None else present
        in_cause = self._in_cause(text[:cause_length])
        called = {gate.offence.id: gate for term in self._calls.keys() & hits for gate in self._calls[term]}
        called.update((gate.offence.id, gate) for term in in_cause for gate in self._named.get(term, ()))
        if not called:
            return []
        agency = self._lexicon.agency(agency_type) if agency_type else ""
        found = [
            Candidate(
                gate.offence,
                _score(gate, hits, in_cause, agency),
                _rank(gate, hits, is_open=is_open),
                not in_cause.isdisjoint(gate.telling),
            )
            for gate in called.values()
            if (is_open := _is_open(gate, hits))
            or not (in_cause.isdisjoint(gate.causes) or not hits.isdisjoint(gate.against))
        ]
        found.sort(key=lambda c: (-c.rank, -c.score, c.offence.id))
        return found


def _is_open(gate: _Gate, hits: AbstractSet[str]) -> bool:
    if not hits.isdisjoint(gate.against):
        return False
    for groups in gate.gates:
        for group in groups:
            if hits.isdisjoint(group):
                break
        else:
            return True
    return False


def _rank(gate: _Gate, hits: AbstractSet[str], *, is_open: bool) -> int:
    """Return the offence's rank; lower for one that gives way, and for one that only the cause names."""
    rank = gate.rank if is_open else 0
    return rank if hits.isdisjoint(gate.yields) else rank - _YIELD


def _score(gate: _Gate, hits: AbstractSet[str], in_cause: AbstractSet[str], agency: str) -> float:
    """Return how strongly: each term once, in the cause twice; an exact cause and the agency's field more."""
    score = float(len(gate.terms & hits) + len(gate.terms & in_cause))
    score += _EXACT_CAUSE_WEIGHT * len(gate.causes & hits)
    return score + _AGENCY_WEIGHT if agency in gate.offence.agencies else score


def _gate(offence: Offence, recognition: Recognition) -> _Gate:
    terms = {term for groups in recognition.gates for group in groups for term in group}
    causes = frozenset((*offence.causes, *_names(offence))) - _SHARED_NAMES | recognition.causes
    return _Gate(
        offence=offence,
        gates=recognition.gates,
        against=recognition.against,
        yields=recognition.yields,
        terms=frozenset(terms.union(offence.keywords)),
        causes=causes,
        telling=frozenset({term for term in terms if len(term) > 1}).union(causes),
        rank=recognition.rank,
    )


def _names(offence: Offence) -> Iterator[str]:
    """Yield what an offence is called in a cause: 假冒注册商标. One name that many share (非法经营) says nothing."""
    for name in _BRACKETS.sub("", offence.name_zh).replace("；", "、").split("、"):
        short = name.removesuffix("罪")
        if len(short) >= _SHORTEST_NAME and short not in _SHARED_NAMES:
            yield short


def _most_telling(groups: Groups) -> frozenset[str]:
    """Return the group whose terms call for a closer look: long terms before short ones, few before many.

    All groups of a gate must hit, so one of them is enough to find it; common words (食, 药) would call too often.
    """
    return max(groups, key=lambda group: (min(map(len, group)), -len(group)))


def _from_triggers(offence: Offence) -> Recognition:
    """Return the library's own triggers as a gate, for an offence that the lexicon does not describe."""
    return Recognition(((frozenset((*offence.keywords, *offence.causes)),),), frozenset())
