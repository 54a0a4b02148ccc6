"""What the screening has learnt it does not forget: the figures on the sets it was developed on stay high."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liangfa_screening import Screener, load_library
from liangfa_screening.evaluation import Labelled, evaluate
from liangfa_screening.offline import to_input

FOLDER = Path(__file__).parent


def labelled(name: str) -> list[Labelled]:
    cases = [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]
    return [
        Labelled(to_input(c), c["label"]["crime"], c["label"].get("offence"), c["label"].get("field") or "")
        for c in cases
    ]


@pytest.mark.parametrize(
    "name", ["cases_a.jsonl", "cases_b.jsonl", "cases_c.jsonl", "cases_d.jsonl", "cases_g.jsonl", "cases_h.jsonl"]
)
def test_the_development_sets_stay_at_their_figures(name: str) -> None:
    """Recall, specificity and top-1 of at least 0.95 on cases that were seen during development."""
    total = evaluate(labelled(name), Screener(load_library())).total
    assert total.recall >= 0.95
    assert total.specificity >= 0.95
    assert total.top1 >= 0.95


@pytest.mark.parametrize("name", ["cases_e.jsonl", "cases_f.jsonl"])
def test_strangers_cases_are_judged_as_well_as_is_asked(name: str) -> None:
    """Written by somebody who had not seen the engine: recall 0.90, specificity 0.80, the right offence first in 0.80."""
    total = evaluate(labelled(name), Screener(load_library())).total
    assert total.recall >= 0.90
    assert total.specificity >= 0.80
    assert total.top1 >= 0.80
