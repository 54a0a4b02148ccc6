"""Record the demonstration as the picture that the README shows: docs/images/demo.svg."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path

from rich.console import Console

from liangfa_cli.demo import demo

TARGET = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"


def main() -> None:
    """Run the demonstration to its end and write what it showed."""
    console = Console(record=True, width=124, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(demo(Path(folder) / "demo", console, ends=True, shown=4))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(console.export_svg(title="make demo"), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
