"""Record the demonstration as the picture that the README shows: docs/images/demo.svg."""

from __future__ import annotations

import asyncio
import contextlib
import html
import io
import re
import tempfile
from itertools import groupby
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from liangfa_cli.demo import demo

TARGET = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
_TEXT = re.compile(r'<text class="([^"]*)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"([^>]*)>([^<]*)</text>')
_LEFT_OUT = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*|font-variant-east-asian: full-width;\s*", re.DOTALL)
_CELL = 12.2
_FONTS = "Fira Code, Noto Sans Mono CJK SC, Microsoft YaHei, PingFang SC"


def portable(svg: str) -> str:
    """Return the picture without fonts from elsewhere, and with every run of characters on its own cells.

    The exporter counts characters where a terminal counts cells, and stretches a run over both kinds of width.
    """
    svg = _LEFT_OUT.sub("", svg)
    return _TEXT.sub(_runs, svg).replace("font-family: Fira Code, monospace", f"font-family: {_FONTS}, monospace")


def _runs(match: re.Match[str]) -> str:
    style, x, y, rest, content = match.groups()
    at, parts = float(x), []
    for (_, is_blank), run in groupby(html.unescape(content), lambda c: (cell_len(c), c in " \xa0")):
        text = "".join(run)
        width = cell_len(text.replace("\xa0", " ")) * _CELL
        if not is_blank:
            parts.append(
                f'<text class="{style}" x="{at:.1f}" y="{y}" textLength="{width:.1f}"{rest}>{html.escape(text)}</text>'
            )
        at += width
    return "".join(parts)


def main() -> None:
    """Run the demonstration to its end and write what it showed."""
    console = Console(record=True, width=124, file=io.StringIO(), force_terminal=False, color_system="truecolor")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        asyncio.run(demo(Path("var/demo"), console, ends=True, shown=4))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(portable(console.export_svg(title="make demo")), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
