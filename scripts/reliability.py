"""Run the fault tests and write what they counted into docs/reliability.md: `make reliability`.

Real processes are killed, one test after the other; it takes some minutes. Without PostgreSQL or Kafka their rows are left out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
TESTS = ("tests/faults", "tests/system/test_rolling_restart.py")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEAD = (
    "| Fault | times | acknowledged | lost | doubled | out of order | longest recovery |\n|---|---|---|---|---|---|---|"
)


def outcomes(report: Path) -> Iterator[dict[str, str]]:
    """Yield what each test has told of itself."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        told = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        if "fault" in told:
            yield told


def line(told: dict[str, str]) -> str:
    """Return one row of the table."""
    recovery = f"{float(told['recovery']):.1f} s" if "recovery" in told else "–"
    counts = " | ".join(f"{int(told[name]):,}" for name in ("times", "acknowledged", "lost", "doubled", "disordered"))
    return f"| {told['fault']} | {counts} | {recovery} |"


def main() -> int:
    """Run, print and write; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"--junitxml={report}", *TESTS]
        done = subprocess.run(command, cwd=ROOT, check=False)
        rows = sorted(outcomes(report), key=lambda told: told["fault"])
    table = "\n".join([HEAD, *(line(told) for told in rows)])
    print(table)
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
