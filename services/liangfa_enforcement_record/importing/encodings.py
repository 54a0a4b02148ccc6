"""Which encoding a text file is in: BOM, UTF-16 without one, UTF-8, GB18030. Judged on the whole file, in bounded memory."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import BinaryIO

from liangfa_enforcement_record.importing.refusals import TableRefused

_CHUNK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding as detected: name for `codecs`, bytes of BOM to skip, and whether some bytes do not fit it."""

    name: str
    bom_bytes: int = 0
    has_losses: bool = False


def detect_encoding(file: BinaryIO) -> Encoding:
    """Return the encoding of a seekable file; leaves its position anywhere. Refuses what is no text."""
    file.seek(0)
    head = file.read(65_536)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return Encoding(name, len(bom), not _fits(file, name, len(bom)))
    if wide := _utf16_without_bom(head):
        return Encoding(wide, 0, not _fits(file, wide, 0))
    if head.count(0) > len(head) // 10:
        raise TableRefused("FILE_FORMAT_UNKNOWN", found="binary")
    if _fits(file, "utf-8", 0):
        return Encoding("utf-8")
    if _fits(file, "gb18030", 0):
        return Encoding("gb18030")
    # Damaged somewhere: take the encoding that loses less of the head.
    losses = {name: _losses(head, name) for name in ("utf-8", "gb18030")}
    return Encoding(min(losses, key=lambda name: losses[name]), 0, has_losses=True)


def _utf16_without_bom(head: bytes) -> str:
    """Return the byte order when one half of the byte pairs is mostly zero, as for digits, commas and line ends."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    enough = len(head) // 2 // 10
    if odd > enough and odd > 10 * even:
        return "utf-16-le"
    return "utf-16-be" if even > enough and even > 10 * odd else ""


def _fits(file: BinaryIO, name: str, skip: int) -> bool:
    decoder = codecs.getincrementaldecoder(name)("strict")
    file.seek(skip)
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _losses(head: bytes, name: str) -> float:
    text = head.decode(name, "replace")
    return text.count("\ufffd") / max(1, sum(1 for c in text if c > "\x7f"))
