"""Record the demonstration as the picture that the README shows: docs/images/demo.svg."""

from __future__ import annotations

import asyncio
import contextlib
import html
import io
import re
import tempfile
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from liangfa_cli.demo import demo

TARGET = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"


_TEXT = re.compile(r'textLength="[\d.]+"([^>]*)>([^<]*)</text>')
_CELL = 12.2
_FONTS = "Fira Code, Noto Sans Mono CJK SC, Microsoft YaHei, PingFang SC"


def widened(svg: str) -> str:
    """Give Chinese characters two cells: the exporter counts characters where the terminal counts cells."""

    def width(match: re.Match[str]) -> str:
        length = cell_len(html.unescape(match[2]).replace("\xa0", " ")) * _CELL
        return f'textLength="{length:.1f}"{match[1]}>{match[2]}</text>'

    return _TEXT.sub(width, svg).replace("font-family: Fira Code, monospace", f"font-family: {_FONTS}, monospace")


def main() -> None:
    """Run the demonstration to its end and write what it showed."""
    console = Console(record=True, width=124, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        asyncio.run(demo(Path("var/demo"), console, ends=True, shown=4))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(widened(console.export_svg(title="make demo")), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
