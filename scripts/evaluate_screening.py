"""Print recall, specificity and top-1 of the screening, by field, on labelled cases.

Usage: python scripts/evaluate_screening.py [--wrong] [FILE.jsonl ...]; without files, those in tests/evaluation.
A line is an input line of `liangfa screen` with "label": {"crime": bool, "offence": id or null, "field": key}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from liangfa_screening import Screener, load_library
from liangfa_screening.evaluation import Evaluation, Labelled, Tally, evaluate
from liangfa_screening.offline import to_input

ROOT = Path(__file__).parents[1]


def read(path: Path) -> Iterator[Labelled]:
    """Yield the labelled cases of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        data = json.loads(line)
        label = data["label"]
        yield Labelled(to_input(data), label["crime"], label.get("offence"), label.get("field") or "")


def row(name: str, tally: Tally) -> str:
    """Return one line of the table."""
    return (
        f"{name:<24}{tally.crimes:>7}{tally.recall:>9.2f}{tally.others:>8}{tally.specificity:>13.2f}{tally.top1:>8.2f}"
    )


def show(path: Path, evaluation: Evaluation, *, with_wrong: bool) -> None:
    """Print the table of one file, and the cases that went wrong when asked."""
    print(f"\n{path.name}\n{'field':<24}{'crimes':>7}{'recall':>9}{'others':>8}{'specificity':>13}{'top-1':>8}")
    for name, tally in sorted(evaluation.by_field.items()):
        print(row(name, tally))
    print(row("all", evaluation.total))
    for labelled, result in evaluation.wrong if with_wrong else ():
        found = [f"{item.offence.id}/{item.standard.id.split('.')[1]}" for item in result.offences]
        print(f"  {labelled.case.id}: is {labelled.offence or labelled.is_crime}, found {found}")
        print(f"    {labelled.case.cause}: {labelled.case.narrative}")


def main() -> None:
    """Run as a script."""
    paths = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("--")]
    screener = Screener(load_library())
    print(f"library {screener.library.version}: {screener.library.standard_count} standards")
    for path in paths or sorted((ROOT / "tests" / "evaluation").glob("*.jsonl")):
        show(path, evaluate(read(path), screener), with_wrong="--wrong" in sys.argv)


if __name__ == "__main__":
    main()
