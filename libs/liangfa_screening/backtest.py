"""Comparing two versions of the rules over the same cases: what flips, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from liangfa_screening.offline import to_input
from liangfa_screening.results import Earlier, ScreeningInput, ScreeningResult
from liangfa_screening.screener import Screener


@dataclass(frozen=True, slots=True)
class Flip:
    """A case whose result differs between two versions."""

    case_id: str
    before: str
    after: str
    why: str


Case = tuple[ScreeningInput, Sequence[Earlier]]


def from_lines(lines: Iterable[bytes]) -> Iterator[Case]:
    """Yield the cases of a file of JSON lines. Lines that are no JSON objects are passed over."""
    for line in lines:
        try:
            data = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(data, dict):
            yield to_input(data), ()


def flips(cases: Iterable[Case], old: Screener, new: Screener) -> Iterator[Flip]:
    """Yield the cases whose outcome or first offence differs."""
    for case, earlier in cases:
        before, after = old.screen(case, earlier), new.screen(case, earlier)
        if _told(before) != _told(after):
            yield Flip(case.id, _told(before), _told(after), _why(before, after))


def _told(result: ScreeningResult) -> str:
    if result.offences:
        return f"suspected: {result.offences[0].standard.id}"
    return f"near: {result.near_misses[0].standard.id}" if result.near_misses else "clear"


def _why(before: ScreeningResult, after: ScreeningResult) -> str:
    """Return what changed behind a flip: the facts read, or the standard."""
    old = {(f.name, f.value_text()) for found in before.offences[:1] for f in found.facts}
    new = {(f.name, f.value_text()) for found in after.offences[:1] for f in found.facts}
    gained = "; ".join(f"+{name}={value}" for name, value in sorted(new - old))
    lost = "; ".join(f"-{name}={value}" for name, value in sorted(old - new))
    return " ".join(part for part in (lost, gained) if part) or "the same facts under another standard"
