"""The standards' expressions: every example, a full CEL engine beside ours, and three-valued logic."""

from __future__ import annotations

from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_screening import load_library
from liangfa_screening.expressions import ExpressionError, compiled, lower_bounds, parse, undecided
from liangfa_screening.library import Standard

LIBRARY = load_library()
STANDARDS = [standard for offence in LIBRARY.offences.values() for standard in offence.standards]
EXAMPLES = [(standard, example) for standard in STANDARDS for example in standard.examples]


def test_the_library_is_whole() -> None:
    """119 offences, 347 standards, a lexicon entry for each offence and nearly each fact."""
    assert len(LIBRARY.offences) == 119
    assert len(STANDARDS) == 347
    assert set(LIBRARY.lexicon.recognitions) == set(LIBRARY.offences)
    assert set(LIBRARY.facts) - set(LIBRARY.lexicon.extractors) == {"offender_is_unit"}


@pytest.mark.parametrize(("standard", "example"), EXAMPLES, ids=lambda value: getattr(value, "id", ""))
def test_a_just_met_example_is_met_and_a_just_missed_one_is_not(standard: Standard, example: Any) -> None:
    """The pivot fact alone decides."""
    assert standard.met({**LIBRARY.parameters, **example["met"]}) is True
    assert standard.met({**LIBRARY.parameters, **example["missed"]}) is False


@pytest.mark.parametrize("standard", STANDARDS, ids=lambda standard: standard.id)
def test_our_evaluator_agrees_with_a_full_cel_engine(standard: Standard) -> None:
    """On every example, met and missed."""
    for example in standard.examples:
        for facts in (example["met"], example["missed"]):
            values = {**LIBRARY.parameters, **facts}
            assert standard.met(values) == cel.evaluate(standard.expression, values)


def _values(standard: Standard) -> st.SearchStrategy[dict[str, Any]]:
    """Return facts around the standard's thresholds; each may be missing."""
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for name in standard.facts:
        fact = LIBRARY.facts[name]
        strategies[name] = {
            "bool": st.booleans(),
            "int": st.integers(0, 40_000),
            "double": st.one_of(st.floats(0, 5_000_000), st.sampled_from([0.0, 30_000.0, 50_000.0, 100_000.0])),
            "string": st.sampled_from(fact.values or ("other",)),
        }[fact.cel_type]
    return st.fixed_dictionaries({}, optional=strategies)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_our_evaluator_agrees_with_a_full_cel_engine_on_any_facts(data: st.DataObject) -> None:
    """Known facts: the same value. Facts missing: CEL fails just where we say unknown."""
    standard = data.draw(st.sampled_from(STANDARDS))
    values = {**LIBRARY.parameters, **data.draw(_values(standard))}
    try:
        expected = cel.evaluate(standard.expression, values)
    except (RuntimeError, ValueError, TypeError):
        expected = None
    assert standard.met(values) is expected


@given(st.booleans() | st.none(), st.booleans() | st.none(), st.floats(0, 100) | st.none())
def test_unknown_is_absorbed_only_when_the_other_side_decides(
    a: bool | None, b: bool | None, amount: float | None
) -> None:
    """Kleene's tables: false && unknown is false, true || unknown is true, otherwise unknown stays unknown."""
    facts = {name: value for name, value in {"a": a, "b": b, "x": amount}.items() if value is not None}
    both, either = compiled(parse("a && b"))(facts), compiled(parse("a || b"))(facts)
    assert both == (False if False in {a, b} else None if None in {a, b} else True)
    assert either == (True if True in {a, b} else None if None in {a, b} else False)
    bound = compiled(parse("x >= 50.0"))(facts)
    assert bound == (None if amount is None else amount >= 50)


@pytest.mark.parametrize("text", ["a &&", "(a", "a b", "a ? b", "@", "size(a)", "'x", ""])
def test_an_expression_outside_the_subset_is_refused_with_its_text(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ExpressionError):
        parse(text)


def test_a_lowered_bound_scales_amounts_and_rounds_counts_up() -> None:
    """0.8 of 50,000 is 40,000; of 10 persons 8; of 1 person still 1. Upper bounds stay."""
    near = compiled(parse("x >= 50000.0 && n >= 1 && y < 100.0"), 0.8)
    assert near({"x": 40_000.0, "n": 1, "y": 99.0}) is True
    assert near({"x": 39_999.0, "n": 1, "y": 0.0}) is False
    assert near({"x": 40_000.0, "n": 0, "y": 0.0}) is False
    assert near({"x": 40_000.0, "n": 1, "y": 100.0}) is False


def test_what_would_decide_is_named_and_what_would_not_is_left_out() -> None:
    """With b false, c cannot matter any more."""
    assert undecided(parse("a >= 1.0 || (b && c)"))({"b": False}) == ["a"]
    assert [bound.name for bound in lower_bounds(parse("a >= 1.0 && !(b >= 2.0) && c < 3.0"))] == ["a"]
