"""What can be wrong or doubtful about a value: reason code, sentences and remedy (texts in problems.yaml)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml


class Severity(StrEnum):
    """An error keeps the row aside; a warning goes with the case."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class _Words:
    severity: Severity
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str


def _read_words() -> dict[str, _Words]:
    text = Path(__file__).with_name("problems.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text).items()
    return {reason: _Words(Severity(row.pop("severity")), **row) for reason, row in rows}


_WORDS = _read_words()
PROBLEM_REASONS = frozenset(_WORDS)
"""Every reason code a problem of a row can have."""
_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong or doubtful about a value. `row` as a spreadsheet counts, `column` is the header in the file."""

    row: int
    column: str
    value: str
    reason: str
    detail: str = ""
    """What else is worth telling: a proposal that nobody applied, the other amount."""

    @property
    def severity(self) -> Severity:
        """Whether it keeps the row aside."""
        return _WORDS[self.reason].severity

    @property
    def is_error(self) -> bool:
        """Whether it keeps the row aside."""
        return _WORDS[self.reason].severity is Severity.ERROR

    @property
    def message_zh(self) -> str:
        """What is wrong, in Chinese."""
        return f"{_WORDS[self.reason].zh}（{self.detail}）" if self.detail else _WORDS[self.reason].zh

    @property
    def message_en(self) -> str:
        """What is wrong, in English."""
        return f"{_WORDS[self.reason].en} ({self.detail})" if self.detail else _WORDS[self.reason].en

    @property
    def remedy_zh(self) -> str:
        """What to do, in Chinese."""
        return _WORDS[self.reason].remedy_zh

    @property
    def remedy_en(self) -> str:
        """What to do, in English."""
        return _WORDS[self.reason].remedy_en


def problem(row: int, column: str, value: str, reason: str, detail: str = "") -> Problem:
    """Return a problem; long values are told by their beginning."""
    return Problem(row, column, value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "…", reason, detail)
