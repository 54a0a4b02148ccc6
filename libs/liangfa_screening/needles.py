"""Words that a pattern cannot match without: looked for once in a text, they spare most searches of it.

For every expression of the lexicon a set of literals is derived of which at least one must stand in any text that it
matches. One pass of an automaton finds all of them at once; expressions whose words are absent are not tried.
"""

from __future__ import annotations

import re
import re._constants as sre  # type: ignore[import-not-found]  # the expression as the standard library reads it
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import ahocorasick

_MOST = 60
"""A larger set of alternatives says too little to be worth looking for."""
_MOST_OF_A_CLASS = 8
_MOST_LETTERS = 3
Needles = frozenset[str]


def needles(pattern: str) -> Needles | None:
    """Return literals of which at least one stands in every text that `pattern` matches; None when there are none."""
    found = _of_sequence(list(sre_parser.parse(pattern)))
    return found if found and len(found) <= _MOST else None


def _of_sequence(items: Sequence[tuple[Any, Any]]) -> Needles | None:
    """Return the most telling requirement of a sequence: the one whose shortest word is longest, then the smallest."""
    found: list[Needles] = []
    run = ""
    for operation, argument in items:
        if operation is sre.LITERAL:
            run += chr(argument)
            continue
        found.extend([frozenset({run})] if run else [])
        run = ""
        inner = _of_item(operation, argument)
        if inner is not None:
            found.append(inner)
    found.extend([frozenset({run})] if run else [])
    return max(found, key=_worth, default=None)


def _worth(words: Needles) -> tuple[int, int]:
    return min(_MOST_LETTERS, *map(len, words)), -len(words)


def _of_item(operation: Any, argument: Any) -> Needles | None:
    if operation is sre.SUBPATTERN:
        return _of_sequence(list(argument[3]))
    if operation is sre.BRANCH:
        return _of_branches([_of_sequence(list(branch)) for branch in argument[1]])
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[0] > 0:
        return _of_sequence(list(argument[2]))
    if operation is sre.IN and len(argument) <= _MOST_OF_A_CLASS and all(kind is sre.LITERAL for kind, _ in argument):
        return frozenset(chr(code) for _, code in argument)
    return None


def _of_branches(branches: Iterable[Needles | None]) -> Needles | None:
    words: set[str] = set()
    for branch in branches:
        if branch is None:
            return None
        words |= branch
    return frozenset(words)


class Pattern:
    """An expression with the words it cannot do without. `within` places it in a larger one.

    `bit` is its own bit in the sets of patterns that a text may match; until it is numbered it may match any text.
    """

    __slots__ = ("bit", "compiled", "words")

    def __init__(self, text: str, within: Callable[[str], str] | None = None) -> None:
        self.words = needles(text)
        self.compiled: re.Pattern[str] = re.compile(within(text) if within is not None else text)
        self.bit = 1

    def search(self, text: str) -> re.Match[str] | None:
        """Return the first match."""
        return self.compiled.search(text)


class Patterns:
    """Several expressions, any of which may match. `mask` has the bits of all of them."""

    __slots__ = ("alternatives", "mask")

    def __init__(self, texts: Iterable[str]) -> None:
        self.alternatives = tuple(Pattern(text) for text in texts)
        self.mask = 1

    def matches(self, text: str, live: int) -> list[re.Match[str]]:
        """Return the matches of the alternatives that `text` may match, in order of their places."""
        if not live & self.mask:
            return []
        found: list[re.Match[str]] = []
        for pattern in self.alternatives:
            if live & pattern.bit:
                found.extend(pattern.compiled.finditer(text))
        if len(found) > 1:
            found.sort(key=re.Match.start)
        return found


class Sieve:
    """Numbers patterns and tells, from the words of a text, which of them it may match: a set of bits."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._always = 1
        self._by_word: dict[str, int] = {}
        for place, pattern in enumerate(patterns, 1):
            pattern.bit = 1 << place
            if pattern.words is None:
                self._always |= pattern.bit
            for word in pattern.words or ():
                self._by_word[word] = self._by_word.get(word, 0) | pattern.bit
        self.words = frozenset(self._by_word)

    def live(self, present: AbstractSet[str]) -> int:
        """Return the bits of the patterns that a text with the words `present` may match."""
        bits, by_word = self._always, self._by_word
        for word in present:
            if word in by_word:
                bits |= by_word[word]
        return bits


ALL = -1
"""Every bit: nobody looked, so any pattern may match."""


class WordFinder:
    """Finds which of many words stand in a text, in one pass of an automaton.

    The automaton reads UTF-8 bytes (as Latin-1 characters), not Chinese characters: it looks through the branches of a
    node one by one, and where words begin with a thousand different characters that makes four times as slow.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        for word in sorted(set(words)):
            self._automaton.add_word(_bytewise(word), word)
        self._automaton.make_automaton()

    def find(self, text: str) -> frozenset[str]:
        """Return the words that stand in `text`."""
        return frozenset([word for _, word in self._automaton.iter(_bytewise(text))])


def _bytewise(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")
