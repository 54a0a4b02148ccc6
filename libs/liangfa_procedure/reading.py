"""Reading the package's data files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

CONFIDENCES = frozenset({"confirmed", "single_source", "recalled", "product"})
"""How sure we are: the text was read; one page says so; from memory, not checked; a decision of the product."""


class ProcedureError(ValueError):
    """The data contradict themselves: what is wrong, and in which row."""


@cache
def read_data(name: str) -> dict[str, Any]:
    """Return the content of the data file `name`."""
    text = resources.files("liangfa_procedure").joinpath("data", name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
