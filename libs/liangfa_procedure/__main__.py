"""`python -m liangfa_procedure > docs/procedure.md`; `python -m liangfa_procedure simulate SCENARIO.yaml`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from liangfa_procedure.page import page
from liangfa_procedure.scenario import load_scenario
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.simulation import play


def _lines(path: str) -> Iterator[str]:
    yield from play(load_scenario(Path(path))).lines()


def main(arguments: list[str]) -> int:
    """Write the page, or play a scenario; return the exit code: 2 when the scenario cannot be played."""
    if arguments[:1] != ["simulate"]:
        sys.stdout.write(page())
        return 0
    try:
        sys.stdout.write("".join(f"{line}\n" for path in arguments[1:] for line in _lines(path)))
    except (ScenarioInvalid, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
