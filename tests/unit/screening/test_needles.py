"""Words that a pattern cannot do without: never a match is lost by looking for them first."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_screening import load_library
from liangfa_screening.needles import Pattern, Sieve, WordFinder, needles

LEXICON = load_library().lexicon
PATTERNS = [pattern for extractor in LEXICON.extractors.values() for pattern in extractor.patterns()]
FINDER = WordFinder(LEXICON.sieve.words)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(?:销售|出售)[^。]{0,9}假烟", {"假烟"}),
        ("严重超(?:标|过)", {"严重超"}),
        ("(?:没(?:有)?|未)装", {"装"}),
        ("[倒泼][^。]{0,3}", {"倒", "泼"}),
        ("(?:甲|乙)+丙丁", {"丙丁"}),
        ("(?:甲乙)?丙?", None),
        (r"\d{3}", None),
        ("甲乙|[^丙]", None),
    ],
)
def test_a_pattern_tells_the_words_it_needs(pattern: str, words: set[str] | None) -> None:
    """Optional parts, classes of many characters and alternatives without a word require nothing."""
    assert needles(pattern) == words


@given(st.text(alphabet="".join(sorted({c for p in PATTERNS[:400] for w in p.words or () for c in w})), max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_match_is_lost_by_looking_for_the_words_first(text: str) -> None:
    """Whatever the text, a pattern that is sorted out does not match it."""
    live = LEXICON.sieve.live(FINDER.find(text))
    assert not [p.compiled.pattern for p in PATTERNS if not live & p.bit and re.search(p.compiled.pattern, text)]


@given(
    st.lists(st.text(alphabet="甲乙丙ab1", min_size=1, max_size=4), min_size=1, max_size=8),
    st.text("甲乙丙ab1\ud800", max_size=30),
)
def test_all_words_of_a_text_are_found_and_no_others(words: list[str], text: str) -> None:
    """As a plain search for each of them would."""
    assert WordFinder(words).find(text) == {word for word in words if word in text}


def test_a_pattern_that_needs_nothing_is_always_tried() -> None:
    """It cannot be sorted out."""
    free, bound = Pattern(r"\d+"), Pattern("假烟")
    sieve = Sieve([free, bound])
    assert sieve.live(set()) & free.bit
    assert not sieve.live(set()) & bound.bit
    assert sieve.live({"假烟"}) & bound.bit
