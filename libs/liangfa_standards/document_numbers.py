"""文号: numbers of official documents, `洪市监处罚〔2017〕12号`. Split and made comparable; never completed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from liangfa_standards.blanks import is_blank
from liangfa_standards.texts import clean_text

_LONGEST = 256
_BRACKETS = str.maketrans("[［(（【{｛<《「〈]］)）】}｝>》」〉＊×－—–", "〔" * 11 + "〕" * 11 + "**---")
_ROUND = str.maketrans("〔〕", "（）")
_NUMBER = re.compile(
    r"(?P<head>(?:[^〔〕]|〔[^〔〕0-9]{1,12}〕){1,24}?)〔(?P<year>(?:19|20)[0-9]{2})年?〕第?(?P<serial>[0-9A-Za-z*\-]{1,24})号?"
)
_USUAL = re.compile(r"(?P<head>[\u4e00-\u9fff]{2,20})〔(?P<year>(?:19|20)[0-9]{2})〕(?P<serial>[0-9]{1,24})号")
_WITHOUT_YEAR = re.compile(r"(?P<head>[^〔〕0-9]{1,20}?)(?:第)?(?P<serial>[0-9A-Z][0-9A-Za-z*\-]{0,23})号")
_SEVERAL = re.compile(r"(?<=号)[,，;；、\s]+|[;；、\n]+")


@dataclass(frozen=True, slots=True)
class DocumentNumber:
    """A 文号 as read. `text` is the uniform spelling (〔〕, no blanks, half-width), empty when the cell holds none."""

    raw: str
    text: str = ""
    head: str = ""
    """Agency and kind of document, `洪市监处罚`; empty when the number has no recognised form."""
    year: int | None = None
    serial: str = ""
    """As written: leading zeros and sub-numbers (`13-6`) are significant."""
    is_masked: bool = False
    parts: tuple[str, ...] = ()
    """The single numbers when the cell holds several."""

    @property
    def has_known_form(self) -> bool:
        """Whether head, year and serial were told apart."""
        return bool(self.head) and self.year is not None

    @property
    def key(self) -> str:
        """What two spellings of one number share; empty for blank and masked ones, which identify nothing."""
        if not self.text or self.is_masked:
            return ""
        return f"{self.head}〔{self.year}〕{self.serial}".upper() if self.has_known_form else self.text.upper()


def read_document_number(text: str) -> DocumentNumber:
    """Read a cell that should hold a 文号. Any kind of brackets, `第` and `号` optional; the year may be missing.

    A text of no known form is kept as it is: agencies invent forms. Never raises.
    """
    if usual := _USUAL.fullmatch(text):
        return DocumentNumber(text, text, usual["head"], int(usual["year"]), usual["serial"])
    if len(text) > _LONGEST:
        return DocumentNumber(text, text)
    return _read(text)


@lru_cache(maxsize=8192)
def _read(raw: str) -> DocumentNumber:
    if is_blank(raw, zero_is_blank=True):
        return DocumentNumber(raw)
    text = clean_text(raw).lstrip("'")
    several = tuple(part for part in _SEVERAL.split(text) if part and not is_blank(part))
    text = "".join(text.split()).translate(_BRACKETS)
    if len(several) > 1:
        return DocumentNumber(raw, text, is_masked="*" in text, parts=several)
    found = _NUMBER.fullmatch(text) or _WITHOUT_YEAR.fullmatch(text)
    if found is None:
        return DocumentNumber(raw, text, is_masked="*" in text)
    named = found.groupdict()
    year = int(named["year"]) if named.get("year") else None
    masked = "*" in named["serial"]
    head = named["head"].translate(_ROUND).removesuffix("第")
    return DocumentNumber(raw, head + text[found.end("head") :], head, year, named["serial"], masked)
