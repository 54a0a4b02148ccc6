"""Screening: cases per second on one core, with all lexicons, and what its parts take."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.report import Figure
from liangfa_screening import Screener, ScreeningInput, load_library
from liangfa_screening.offline import screen_lines
from liangfa_screening.quantities import find_quantities, normalised

SETS = sorted((Path(__file__).parents[1] / "tests" / "evaluation").glob("*.jsonl"))
OPENING = "2024年3月5日，执法人员根据群众举报对当事人的经营场所依法进行现场检查，当事人在场配合。经查，"
CLOSING = "上述事实有现场笔录、询问笔录、照片、票据等证据证明。该局依法责令当事人改正违法行为，并作出行政处罚决定，当事人已签收。"
SECONDS = 3.0


def cases() -> list[ScreeningInput]:
    """Return the labelled cases, framed as decisions are written: about 200 characters each, half of them crimes."""
    found = []
    for path in SETS:
        for line in path.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            narrative = f"{OPENING}{data['narrative']}{CLOSING}"
            found.append(ScreeningInput(data["id"], data.get("agency_type", ""), data["cause"], narrative))
    return found


def per_second(work: Callable[[ScreeningInput], object], inputs: list[ScreeningInput]) -> float:
    """Return how many cases `work` does in a second, over some seconds."""
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < SECONDS:
        for case in inputs:
            work(case)
        done += len(inputs)
    return done / spent


def run() -> Iterator[Figure]:
    """Yield the figures: the whole, through JSON lines, and the parts by themselves."""
    inputs = cases()
    screener = Screener(load_library())
    characters = sum(len(case.narrative) for case in inputs) / len(inputs)
    finder = screener.recogniser
    texts = {id(case): normalised(f"{case.cause}\n{case.narrative}") for case in inputs}
    bare = per_second(lambda case: finder.finder.find(texts[id(case)]), inputs)
    note = f"{len(inputs)} cases of {characters:.0f} characters"
    whole = per_second(screener.screen, inputs)
    yield Figure("screen", whole, "cases/s", bare, "one bare automaton pass", note=note)
    lines = [json.dumps({"id": c.id, "cause": c.cause, "narrative": c.narrative}).encode() for c in inputs]
    begun = time.perf_counter()
    count = sum(1 for _ in screen_lines(lines * 4, screener))
    yield Figure("JSON lines in and out", count / (time.perf_counter() - begun), "cases/s", whole, "screen")
    parts: dict[str, Callable[[ScreeningInput], object]] = {
        "normalise": lambda case: normalised(f"{case.cause}\n{case.narrative}"),
        "recognise": lambda case: finder.candidates(texts[id(case)], len(case.cause), case.agency_type),
        "find figures": lambda case: find_quantities(texts[id(case)]),
    }
    rest = 1e6 / whole
    for name, work in parts.items():
        micros = 1e6 / per_second(work, inputs)
        rest -= micros
        yield Figure(f"part: {name}", micros, "us/case", 1e6 / whole, "the whole", less_is_better=True)
    yield Figure(
        "part: extract and evaluate",
        rest,
        "us/case",
        1e6 / whole,
        "the whole",
        note="the rest, figures found when asked for",
    )
