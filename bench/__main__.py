"""Run the benchmarks: `python -m bench [NAME [COUNT] ...]`; a benchmark that fills a database takes how much."""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys
from itertools import pairwise
from pathlib import Path

NOT_BENCHMARKS = {"report", "__main__"}


def main(wanted: list[str]) -> None:
    """Run the named benchmarks, or all, and print their figures."""
    folder = str(Path(__file__).parent)
    names = [module.name for module in pkgutil.iter_modules([folder]) if module.name not in NOT_BENCHMARKS]
    counts = {name: int(after) for name, after in pairwise(wanted) if after.isdigit()}
    wanted = [name for name in wanted if not name.isdigit()]
    for name in wanted:
        if name not in names:
            sys.exit(f"No benchmark {name!r}; there are: {', '.join(names)}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    for name in wanted or names:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "run"):
            print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
            for figure in module.run(counts[name]) if name in counts else module.run():
                print("  " + figure.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
