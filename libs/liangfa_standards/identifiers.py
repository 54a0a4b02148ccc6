"""Identity codes: 统一社会信用代码, 组织机构代码, 公民身份号码. Read, checked, never repaired.

Sources: GB 32100-2015 (18 characters, mod 31), GB 11714-1997 (8 characters and a check, mod 11), GB 11643-1999
(18 digits, ISO 7064 mod 11-2; 15 digits until 1999).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from operator import mul

from liangfa_standards.blanks import is_blank
from liangfa_standards.texts import clean_text

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# Values of ASCII codes as a table for bytes.translate: the sums run in C.
_USCC_VALUES = bytes(max(_USCC_ALPHABET.find(chr(code)), 0) for code in range(256))
_ORGANISATION_VALUES = bytes(int(chr(code), 36) if chr(code).isalnum() and code < 128 else 0 for code in range(256))
_USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_USCC_SHAPE = re.compile(rf"[{_USCC_ALPHABET[1:]}][{_USCC_ALPHABET}][0-9]{{6}}[{_USCC_ALPHABET}]{{10}}")
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_SHAPE = re.compile(r"[0-9A-Z]{8}[0-9X]")
_RESIDENT_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))
_RESIDENT_SHAPE = re.compile(r"[1-9][0-9]{16}[0-9X]")
_LONGEST = 64
_PROVINCES = frozenset(
    [
        *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43"),
        *("44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83", "91"),
    ]
)
_MASKED = re.compile(r"[*×XＸ#●]{3,}|[*×●#]")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]*)?E\+?[0-9]{1,3}")
PLACEHOLDERS = frozenset(["0" * 17 + "X", "0" * 18, "1" * 18, "9" * 18])
"""Written where a body has no code; the first is what the publicity platform itself asks for. Never an identity."""


class CodeState(StrEnum):
    """What a code cell turned out to be."""

    BLANK = "blank"
    VALID = "valid"
    PLACEHOLDER = "placeholder"
    MASKED = "masked"
    RUINED = "ruined"
    """A spreadsheet turned it into a number: digits are lost, nobody can restore them from here."""
    CHECK_FAILED = "check_failed"
    MALFORMED = "malformed"


class CodeKind(StrEnum):
    """Which kind of code a text is, judged by its shape and check characters alone."""

    USCC = "uscc"
    RESIDENT_ID = "resident_id"
    ORGANISATION = "organisation"
    REGISTRATION_OR_TAX = "registration_or_tax"


@dataclass(frozen=True, slots=True)
class CodeReading:
    """A code cell as read. `value` is set only when `state` is VALID; `proposal` is for a person to accept or not."""

    raw: str
    state: CodeState
    value: str = ""
    proposal: str = ""
    note: str = ""
    """`UPGRADED_FROM_15`: valid, but worth a second look."""


def _normalised(text: str) -> str:
    """Return a code as the standards write it: half-width capitals; no blanks, no apostrophe, no ="..." of exports."""
    text = "".join(clean_text(text).split()).upper()
    if text[:1] in {"'", "=", "’", "‘", "`"}:
        text = text.lstrip("'’‘`").removeprefix("=").strip('"')
    return text


def is_valid_uscc(text: str) -> bool:
    """Tell whether `text`, exactly as given, is a 统一社会信用代码 whose both check characters hold."""
    if _USCC_SHAPE.fullmatch(text) is None:
        return False
    values = text.encode("ascii").translate(_USCC_VALUES)
    total = sum(map(mul, values, _USCC_WEIGHTS))
    return values[17] == (31 - total % 31) % 31 and is_valid_organisation_code(text[8:17])


def is_valid_organisation_code(text: str) -> bool:
    """Tell whether `text` is a 组织机构代码 of nine characters, joined or written 8-1, whose check character holds."""
    if text[8:9] == "-":
        text = text[:8] + text[9:]
    if _ORGANISATION_SHAPE.fullmatch(text) is None:
        return False
    return text[8] == _organisation_check(text)


def _organisation_check(text: str) -> str:
    total = sum(map(mul, text.encode("ascii").translate(_ORGANISATION_VALUES), _ORGANISATION_WEIGHTS))
    return "0123456789X0"[11 - total % 11]


def is_valid_resident_id(text: str) -> bool:
    """Tell whether `text`, exactly as given, is an 18-character 公民身份号码: division, birth date and check hold.

    The division may be an abolished one. Also true of 港澳台居民居住证 (81, 82, 83) and the foreigner's card (9).
    """
    if _RESIDENT_SHAPE.fullmatch(text) is None or text[:2] not in _PROVINCES or birth_date(text) is None:
        return False
    return text[17] == _resident_check(text)


def _resident_check(text: str) -> str:
    return "10X98765432"[sum(int(c) * w for c, w in zip(text, _RESIDENT_WEIGHTS, strict=False)) % 11]


def birth_date(resident_id: str) -> date | None:
    """Return the birth date inside an 18-character number, or None when it is no date of 1850 to 2100."""
    try:
        value = date(int(resident_id[6:10]), int(resident_id[10:12]), int(resident_id[12:14]))
    except ValueError:
        return None
    return value if 1850 <= value.year <= 2100 else None


def mask_resident_id(text: str) -> str:
    """Return the number with its birth date and sequence hidden, `420111********1234`, as published tables write it."""
    return f"{text[:6]}{'*' * (len(text) - 10)}{text[-4:]}" if len(text) > 10 else "*" * len(text)


def read_uscc(text: str) -> CodeReading:
    """Read a cell that should hold a 统一社会信用代码. Never raises; see `CodeReading`."""
    if is_valid_uscc(text):
        return CodeReading(text, CodeState.VALID, text)
    return _read_uscc(text) if len(text) <= _LONGEST else CodeReading(text, CodeState.MALFORMED)


@lru_cache(maxsize=8192)
def _read_uscc(text: str) -> CodeReading:
    code = _normalised(text)
    if is_valid_uscc(code):
        return CodeReading(text, CodeState.VALID, code)
    return _unreadable(text, code, is_valid_uscc, 18)


def read_organisation_code(text: str) -> CodeReading:
    """Read a cell that should hold a 组织机构代码; the value is the joined form of nine characters."""
    return _read_organisation_code(text) if len(text) <= _LONGEST else CodeReading(text, CodeState.MALFORMED)


@lru_cache(maxsize=4096)
def _read_organisation_code(text: str) -> CodeReading:
    code = _normalised(text).replace("-", "").replace("—", "")
    if is_valid_organisation_code(code):
        return CodeReading(text, CodeState.VALID, code)
    return _unreadable(text, code, is_valid_organisation_code, 9)


def read_resident_id(text: str) -> CodeReading:
    """Read a cell that should hold a 公民身份号码; 15 digits are upgraded to 18 (19 inserted, check computed)."""
    return _read_resident_id(text) if len(text) <= _LONGEST else CodeReading(text, CodeState.MALFORMED)


@lru_cache(maxsize=8192)
def _read_resident_id(text: str) -> CodeReading:
    code = _normalised(text)
    # One rounded number in eleven passes the check by chance; a real one ends so once in a thousand.
    if is_valid_resident_id(code) and not code.endswith("000"):
        return CodeReading(text, CodeState.VALID, code)
    if len(code) == 15 and code.isascii() and code.isdigit():
        longer = f"{code[:6]}19{code[6:]}"
        longer += _resident_check(longer)
        if is_valid_resident_id(longer):
            return CodeReading(text, CodeState.VALID, longer, note="UPGRADED_FROM_15")
    return _unreadable(text, code, is_valid_resident_id, 18)


def _unreadable(text: str, code: str, is_valid: Callable[[str], bool], length: int) -> CodeReading:
    if is_blank(text, zero_is_blank=True):
        return CodeReading(text, CodeState.BLANK)
    if code in PLACEHOLDERS or (len(code) >= 8 and not code.strip("0X")):
        return CodeReading(text, CodeState.PLACEHOLDER)
    if _SCIENTIFIC.fullmatch(code) or (len(code) == 18 and code.isdigit() and code.endswith("000")):
        return CodeReading(text, CodeState.RUINED)
    if _MASKED.search(code):
        return CodeReading(text, CodeState.MASKED)
    likely = code.replace("I", "1").replace("O", "0")
    proposal = likely if likely != code and is_valid(likely) else ""
    shaped = len(code) == length and code.isascii() and code.isalnum()
    return CodeReading(text, CodeState.CHECK_FAILED if shaped else CodeState.MALFORMED, proposal=proposal)


def kind_of_code(text: str) -> CodeKind | None:
    """Tell which code a text is, by form alone, or None. 15 digits count as a registration number."""
    code = _normalised(text)
    if is_valid_uscc(code):
        return CodeKind.USCC
    if is_valid_resident_id(code):
        return CodeKind.RESIDENT_ID
    if is_valid_organisation_code(code):
        return CodeKind.ORGANISATION
    is_long_number = code.isascii() and code.isdigit() and len(code) in {13, 15, 20}
    return CodeKind.REGISTRATION_OR_TAX if is_long_number else None
