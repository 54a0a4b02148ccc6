"""Text of cells made comparable: invisible characters, full-width letters and digits. Wording is never changed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_SUSPECT = re.compile(
    f"[{_CONTROL}{_INVISIBLE}\u00a0\u2000-\u200a\u202f\u3000\r\t\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
)
_REMOVED = re.compile(f"[{_CONTROL}{_INVISIBLE}]")
_WIDE = ((0xFF10, 0xFF1A), (0xFF21, 0xFF3B), (0xFF41, 0xFF5B))
_FOLD: dict[int, int] = {code: code - 0xFEE0 for span in _WIDE for code in range(*span)}
_FOLD |= dict.fromkeys([0xA0, 0x202F, 0x3000, *range(0x2000, 0x200B), 0x09], 0x20)
_BLANKS = re.compile(r"\s+")
REPLACEMENT = "\ufffd"
"""What a wrong decoding leaves behind; a text that holds it has lost characters for good."""


def clean_text(text: str) -> str:
    """Return `text` trimmed, without control and invisible characters, full-width letters and digits made half-width.

    Line breaks stay (as line feeds), punctuation stays as written. The usual clean cell costs one scan.
    """
    if _SUSPECT.search(text) is None:
        return text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _REMOVED.sub("", text).translate(_FOLD).strip()


def clean_name(text: str) -> str:
    """Return the name of a person, body or place on one line: `clean_text` without line breaks or runs of blanks.

    Blanks between Chinese characters (`张 三`) are typing and go; those between Latin words stay.
    """
    text = clean_text(text)
    if " " not in text and "\n" not in text:
        return text
    parts = _BLANKS.split(text)
    joined = parts[0]
    for part in parts[1:]:
        latin = joined[-1:].isascii() and part[:1].isascii() and joined[-1:].isalnum() and part[:1].isalnum()
        joined += f" {part}" if latin else part
    return joined


_LONGEST_NAME = 100
_DOTS = re.compile("[·•．‧・∙⋅･.]")
_BRACKETS = str.maketrans("〔［【｛[{〈《〕］】｝]}〉》", "((((((((" + "))))))))")


def name_key(text: str) -> str:
    """Return the form in which two spellings of one name are equal: brackets, dots, width, case and blanks aside."""
    if text.isascii() and text.isalnum():
        return text.upper()
    return _name_key(text) if len(text) <= _LONGEST_NAME else _compared(text)


@lru_cache(maxsize=8192)
def _name_key(text: str) -> str:
    return _compared(text)


def _compared(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_BRACKETS)
    return _DOTS.sub("·", "".join(text.split())).upper()


def has_control_characters(text: str) -> bool:
    """Tell whether the text holds NULs or other control characters that no writer types."""
    return not text.isprintable() and _REMOVED.search(text) is not None
