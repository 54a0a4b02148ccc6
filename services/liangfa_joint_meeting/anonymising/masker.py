"""Masks a set of texts that belong together, so that the same name has the same mask in all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from liangfa_joint_meeting.anonymising import names, numbers
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as pb

Kind: TypeAlias = pb.MaskKind.ValueType
_TOKEN = re.compile(r"【某[^】]{0,20}】")
_WIDE = {code: code - 0xFEE0 for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)]}
"""Full-width letters and digits, and the half-width ones that patterns know."""
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_WORDS: dict[Kind, str] = {
    pb.MASK_KIND_PERSON: "某人", pb.MASK_KIND_COMPANY: "某企业", pb.MASK_KIND_IDENTIFIER: "某号码",
    pb.MASK_KIND_CONTACT: "某联系方式", pb.MASK_KIND_ADDRESS: "某地", pb.MASK_KIND_PLATE: "某车牌",
    pb.MASK_KIND_DOCUMENT: "某文号", pb.MASK_KIND_UNIT: "某机关", pb.MASK_KIND_NAMED: "某",
}  # fmt: skip
_TOLD_APART = frozenset({pb.MASK_KIND_PERSON, pb.MASK_KIND_COMPANY, pb.MASK_KIND_UNIT})
"""Kinds of which a reader must tell one from another."""
_FINDERS: tuple[tuple[Kind, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    (pb.MASK_KIND_CONTACT, numbers.contacts),
    (pb.MASK_KIND_PLATE, numbers.plates),
    (pb.MASK_KIND_DOCUMENT, numbers.documents),
    (pb.MASK_KIND_IDENTIFIER, numbers.identifiers),
    (pb.MASK_KIND_COMPANY, names.bodies),
    (pb.MASK_KIND_ADDRESS, names.places),
)


@dataclass(frozen=True, slots=True)
class Named:
    """A text that is masked wherever it stands, whatever stands around it."""

    text: str
    kind: Kind


@dataclass(slots=True)
class Replaced:
    """What was masked, by what, how often."""

    kind: Kind
    original: str
    replacement: str
    count: int = 0


class Masker:
    """Masks texts one after the other. `named` are masked first, the longest first; then persons, then what is found.

    `learn` shows it texts whose names it must know before it masks any: a name betrayed in one is masked in all.
    """

    def __init__(self, named: Iterable[Named] = ()) -> None:
        self._named = {_narrow(one.text): one.kind for one in named if one.text.strip()}
        self._replaced: dict[tuple[Kind, str], Replaced] = {}
        self._numbers: dict[Kind, int] = {}

    @property
    def replaced(self) -> list[Replaced]:
        """Everything that was masked, in the order in which it was met."""
        return list(self._replaced.values())

    def learn(self, text: str) -> None:
        """Remember the names of persons that `text` betrays."""
        for part, is_token in _parts(_narrow(text)):
            if not is_token:
                for name in names.persons(part):
                    self._named.setdefault(name, pb.MASK_KIND_PERSON)

    def masked(self, text: str) -> str:
        """Return `text` without what identifies. Masking it again changes nothing."""
        self.learn(text)
        text = _narrow(text)
        for name in sorted(self._named, key=len, reverse=True):
            text = self._outside(text, self._named[name], partial(_occurrences, name))
        for kind, finder in _FINDERS:
            text = self._outside(text, kind, finder)
        return text

    def _outside(self, text: str, kind: Kind, finder: Callable[[str], Iterator[tuple[int, int]]]) -> str:
        """Mask what `finder` finds in the parts of `text` that are not masks already."""
        return "".join(part if is_token else self._in(part, kind, finder) for part, is_token in _parts(text))

    def _in(self, part: str, kind: Kind, finder: Callable[[str], Iterator[tuple[int, int]]]) -> str:
        pieces: list[str] = []
        end = 0
        for start, stop in _joined(finder(part)):
            pieces += [part[end:start], self._mask(kind, part[start:stop])]
            end = stop
        return "".join([*pieces, part[end:]])

    def _mask(self, kind: Kind, original: str) -> str:
        replaced = self._replaced.get((kind, original))
        if replaced is None:
            replaced = self._replaced[kind, original] = Replaced(kind, original, self._next(kind))
        replaced.count += 1
        return replaced.replacement

    def _next(self, kind: Kind) -> str:
        if kind not in _TOLD_APART:
            return f"【{_WORDS[kind]}】"
        number = self._numbers.get(kind, 0)
        self._numbers[kind] = number + 1
        stem = _STEMS[number % len(_STEMS)] + (str(number // len(_STEMS)) if number >= len(_STEMS) else "")
        return f"【{_WORDS[kind]}{stem}】"


def _narrow(text: str) -> str:
    return text.translate(_WIDE)


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, and whether each is a mask."""
    end = 0
    for token in _TOKEN.finditer(text):
        yield text[end : token.start()], False
        yield token.group(), True
        end = token.end()
    yield text[end:], False


def _occurrences(name: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(name)
    while start >= 0:
        yield start, start + len(name)
        start = text.find(name, start + len(name))


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that overlap joined to one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        elif start < stop:
            joined.append((start, stop))
    return joined
