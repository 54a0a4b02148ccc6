"""Screening JSON lines without a running platform: one line in, one line out, whatever the line holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from liangfa_screening.results import ScreeningInput
from liangfa_screening.screener import Screener

MAX_LINE_BYTES = 8 * 1024 * 1024


def screen_lines(lines: Iterable[bytes], screener: Screener) -> Iterator[bytes]:
    """Yield an output line for every input line that is not blank; an unusable one yields an error line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield orjson.dumps(screened_line(line, number, screener)) + b"\n"


def screened_line(line: bytes, number: int, screener: Screener) -> dict[str, Any]:
    """Return the output object of one input line."""
    if len(line) > MAX_LINE_BYTES:
        return _refused(number, "LINE_TOO_LONG", f"{len(line)} bytes, at most {MAX_LINE_BYTES} are taken", screener)
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _refused(number, "MALFORMED_JSON", str(error), screener)
    if not isinstance(data, dict):
        return _refused(number, "NOT_AN_OBJECT", "a line must be a JSON object", screener)
    return {**screener.screen(to_input(data)).to_json(), "id": data.get("id", "")}


def to_input(data: dict[str, Any]) -> ScreeningInput:
    """Return the screening's view of a line; absent or odd parts count as empty."""
    facts = data.get("facts")
    return ScreeningInput(
        id=_text(data.get("id")),
        agency_type=_text(data.get("agency_type")),
        cause=_text(data.get("cause")),
        narrative=_text(data.get("narrative")),
        facts=facts if isinstance(facts, dict) else {},
        dated_on=_text(data.get("dated_on")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _refused(number: int, reason: str, message: str, screener: Screener) -> dict[str, Any]:
    return {
        "id": "",
        "suspected": False,
        "offences": [],
        "near_misses": [],
        "missing": [],
        "library_version": screener.library.version,
        "error": {"line": number, "reason": reason, "message": message},
    }
