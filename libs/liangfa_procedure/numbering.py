"""Numbers of official documents, one series for each code word and year: 洪市监移〔2026〕3号. Pure.

Who hands numbers out keeps the last one of each series and takes `after` of it in the same transaction as the document:
then a series has neither gaps nor repeats.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from liangfa_procedure.reading import ProcedureError

_BEIJING = timezone(timedelta(hours=8))
_CODE_WORD = re.compile(r"[\u3400-\u9fff]{1,20}")
_BRACKETS = str.maketrans("[({<【〖﹝《〈", "〔" * 9) | str.maketrans("])}>】〗﹞》〉", "〕" * 9)
_CARELESS = re.compile(r"〔(\d{4})年?〕第?0*([1-9])")
_NUMBER = re.compile(r"(?P<code_word>[\u3400-\u9fff]{1,20})〔(?P<year>[0-9]{4})〕(?P<serial>[1-9][0-9]{0,8})号")


@dataclass(frozen=True, slots=True, order=True)
class DocumentNumber:
    """A number: the issuer's code word (机关代字, Chinese characters only), the year in Beijing, the serial from 1."""

    code_word: str
    year: int
    serial: int

    def __post_init__(self) -> None:
        """Raise `ProcedureError` for what would not be read back from its own text."""
        if not _NUMBER.fullmatch(str(self)):
            raise ProcedureError(f"{self} is no document number like 洪市监移〔2026〕3号")

    def __str__(self) -> str:
        """Return the number as it stands in the document."""
        return f"{self.code_word}〔{self.year:04d}〕{self.serial}号"

    @classmethod
    def read(cls, text: str) -> DocumentNumber:
        """Return the number that `text` is. Raises `ProcedureError`."""
        found = _NUMBER.fullmatch(text)
        if found is None:
            raise ProcedureError(f"{text!r} is no document number like 洪市监移〔2026〕3号")
        return cls(found["code_word"], int(found["year"]), int(found["serial"]))


def meant(text: str) -> DocumentNumber | None:
    """Return the number that a person who wrote `text` means, None when it is in no form of a series.

    Other brackets, full-width digits, spaces, 第 and noughts before the serial make no other number of it.
    """
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).translate(_BRACKETS)
    try:
        return DocumentNumber.read(_CARELESS.sub(r"〔\1〕\2", plain))
    except ProcedureError:
        return None


def is_code_word(text: str) -> bool:
    """Tell whether `text` may be a code word (机关代字): 1 to 20 Chinese characters."""
    return _CODE_WORD.fullmatch(text) is not None


def after(last: DocumentNumber | None, code_word: str, at: datetime) -> DocumentNumber:
    """Return the number that follows `last` in the series of `code_word` and of the year that `at` falls in, in Beijing.

    `last` is the newest number of that series, None when it has none. Raises `ProcedureError` when `last` is of another
    series: a serial must never be counted on from there.
    """
    if at.tzinfo is None:
        raise ProcedureError("the time of a document must have a time zone")
    if not is_code_word(code_word):
        raise ProcedureError(f"{code_word!r} is no code word of 1 to 20 Chinese characters")
    year = at.astimezone(_BEIJING).year
    if last is None:
        return DocumentNumber(code_word, year, 1)
    if (last.code_word, last.year) != (code_word, year):
        raise ProcedureError(f"{last} is not of the series {code_word}〔{year}〕")
    return DocumentNumber(code_word, year, last.serial + 1)
