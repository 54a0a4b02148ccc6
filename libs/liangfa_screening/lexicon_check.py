"""Looking over a lexicon before it is used: what the loader would refuse, and what it would accept but never match.

The loader (`liangfa_screening.lexicon`) refuses unknown names, unknown keys and bad expressions. This module also finds
what is allowed but useless or dangerous: characters that normalised text never holds, expressions that match nothing at
all, facts that no standard can get. Pure: it returns findings; `scripts/check_lexicon.py` prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liangfa_screening.lexicon import Lexicon, LexiconError, read_lexicon
from liangfa_screening.library import Library
from liangfa_screening.quantities import KINDS, normalised
from liangfa_screening.strict_yaml import read_yaml

_PATTERN_KEYS = ("before", "after", "not", "not_after", "prefer", "prefer_after", "until")
_PATTERN_LISTS = ("affirm", "deny", "never", "one_of")
_GATE_KEYS = ("gate", "also")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend. `file` is its name, `entry` the offence or fact; `is_error` means that the loader refuses."""

    file: str
    entry: str
    message: str
    is_error: bool = False


def check_lexicon(paths: list[Path], library: Library) -> list[Finding]:
    """Return what is wrong with the lexicon files, and which facts of the library none of them reads."""
    try:
        lexicon = read_lexicon(paths, set(library.offences), set(library.facts), set(library.agencies))
    except LexiconError as error:
        return [Finding(str(error).split(":", 1)[0], "", str(error), is_error=True)]
    found: list[Finding] = []
    for path in paths:
        data = read_yaml(path.read_bytes()) or {}
        for name, entry in (data.get("offences") or {}).items():
            found.extend(Finding(path.name, name, message) for message in _of_gates(entry))
        for name, entry in (data.get("facts") or {}).items():
            cel_type = library.facts[name].cel_type
            found.extend(Finding(path.name, name, message) for message in _of_fact(entry, cel_type))
    return [*found, *_uncovered(lexicon, library)]


def _of_gates(entry: Mapping[str, Any]) -> Iterator[str]:
    if not any(entry.get(key) for key in _GATE_KEYS):
        yield "has no gate"
    terms = [t for key in _GATE_KEYS for group in entry.get(key) or () for t in group] + list(
        entry.get("against") or ()
    )
    for term in terms:
        if normalised(str(term)) != str(term):
            yield f"term {term!r} is never found: normalised text has {normalised(str(term))!r}"


def _of_fact(entry: Mapping[str, Any], cel_type: str) -> Iterator[str]:
    patterns = [entry[key] for key in _PATTERN_KEYS if entry.get(key)]
    patterns += [pattern for key in _PATTERN_LISTS for pattern in entry.get(key) or ()]
    patterns += [pattern for group in entry.get("together") or () for pattern in group]
    patterns += list((entry.get("choose") or {}).values())
    for pattern in patterns:
        if re.search(pattern, ""):
            yield f"{pattern!r} matches the empty text"
        if unseen := sorted(set("，；（）：").intersection(map(_widened, _literal(pattern)))):
            yield f"{pattern!r} holds half-width punctuation; text has {''.join(unseen)}"
    yield from _of_kinds(entry, cel_type)


def _of_kinds(entry: Mapping[str, Any], cel_type: str) -> Iterator[str]:
    if unknown := set(entry.get("kinds") or ()) - KINDS:
        yield f"unknown kinds {', '.join(sorted(unknown))}; known are {', '.join(sorted(KINDS))}"
    if cel_type == "bool" and entry.get("kinds"):
        yield "is true or false, so it takes affirm and deny, not kinds"
    if cel_type in {"int", "double"} and not (entry.get("kinds") or entry.get("one_of") or "default" in entry):
        yield "is a figure, so it needs kinds"
    if cel_type == "string" and not entry.get("choose"):
        yield "has named values, so it needs choose"


def _literal(pattern: str) -> str:
    """Return the characters of a pattern that stand for themselves, roughly: groups, sets and counts taken out."""
    return re.sub(r"\\.|\(\?[:=!<]+|\{[^}]*\}|[()]|\[[^\]]*\]", "", pattern)


def _widened(character: str) -> str:
    return {",": "，", ";": "；", ":": "："}.get(character, "")


def _uncovered(lexicon: Lexicon, library: Library) -> Iterator[Finding]:
    for offence in library.offences.values():
        if offence.id not in lexicon.recognitions:
            yield Finding("", offence.id, "no file says how it is recognised; the library's own triggers are used")
    used = {name for offence in library.offences.values() for name in offence.facts}
    for name in sorted(used - set(lexicon.extractors) - DERIVED_ONLY):
        yield Finding("", name, "no file says how it is read")


DERIVED_ONLY = frozenset({"offender_is_unit"})
"""Facts that code derives (`liangfa_screening.derived`) and no lexicon reads."""
