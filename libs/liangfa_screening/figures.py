"""Regional figures: what a province has fixed within the range that the law leaves to it.

    "420000":
      rp_fraud_amount: {value: 5000, source: the document of the province that fixes it}

By division code (six digits, GB/T 2260; trailing zeros hold what lies in it), then by parameter of the library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

_CODE = re.compile(r"[1-9]\d{5}")
_KEYS = {"value", "source"}


class FiguresError(ValueError):
    """A file of regional figures cannot be used. The message names the file, the entry and what is wrong."""


def read_figures(path: Path, parameters: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int]]:
    """Return the figures of `path` by division code and parameter. Raises `FiguresError`.

    Each must name a parameter of the library, lie in its range, and name the document that fixes it.
    """
    known = {item["name"]: item for item in parameters}
    try:
        data = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) or {}
    except (OSError, yaml.YAMLError) as error:
        raise FiguresError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise FiguresError(f"{path}: figures by division code are expected, not {type(data).__name__}")
    return {code: _of_region(path, code, entries, known) for code, entries in data.items()}


def _of_region(
    path: Path, code: object, entries: object, known: Mapping[str, Mapping[str, Any]]
) -> dict[str, float | int]:
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise FiguresError(f'{path}: {code!r} is no division code; write six digits in quotes, as "420000"')
    if not isinstance(entries, dict):
        raise FiguresError(f"{path}: {code}: figures by parameter are expected")
    return {
        str(name): _figure(f"{path}: {code}: {name}", known.get(str(name)), entry) for name, entry in entries.items()
    }


def _figure(where: str, parameter: Mapping[str, Any] | None, entry: object) -> float | int:
    if parameter is None:
        raise FiguresError(f"{where}: the library has no such parameter (regional_parameters in library/offences.yaml)")
    if not isinstance(entry, dict) or set(entry) != _KEYS or not str(entry["source"] or "").strip():
        raise FiguresError(f"{where}: write {{value: …, source: the document that fixes it}}")
    value = entry["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FiguresError(f"{where}: {value!r} is no number")
    if not parameter["min"] <= value <= parameter["max"]:
        raise FiguresError(
            f"{where}: {value} is outside {parameter['min']} to {parameter['max']} ({parameter['source']})"
        )
    return type(parameter["default"])(value)  # type: ignore[no-any-return] # int or float, as the standards compare it
