"""The case file (电子卷宗) as one ZIP, written while it is sent: memory holds one piece of one file, however long it is.

The catalogue (目录.csv) comes last, because it tells the SHA-256 of what was really packed; a file that is not what was
recorded of it is packed all the same and marked, so that nobody takes a silent gap for a whole file.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

CATALOGUE = "目录.csv"
_HEADINGS = ("序号", "文件", "题名", "字节", "SHA-256", "核对")
_AS_RECORDED, _DIFFERS, _NOT_RECORDED = "一致", "不一致", "未登记"
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff/\\:*?"<>|]')
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_NAME = 80
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the case: `folder` such as 证据, a title, an ending such as .pdf, its content, the SHA-256 recorded."""

    folder: str
    title: str
    ending: str
    content: AsyncIterable[bytes]
    sha256: str = ""


class _Outlet(io.RawIOBase):
    """Where the archive is written to; `taken` empties it. It cannot seek, so zipfile never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        content = bytes(piece)  # type: ignore[call-overload]  # any buffer, as the interface has it
        self._pieces.append(content)
        return len(content)

    def taken(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


async def case_file(parts: AsyncIterable[Part]) -> AsyncIterator[bytes]:
    """Yield the archive piece by piece. The same parts give the same bytes."""
    outlet = _Outlet()
    rows: list[tuple[str, ...]] = [_HEADINGS]
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        number = 0
        async for part in parts:
            number += 1
            name = _name(number, part)
            hasher, size = hashlib.sha256(), 0
            with archive.open(_entry(name), "w", force_zip64=True) as packed:
                async for piece in part.content:
                    size += len(piece)
                    await asyncio.to_thread(_pack, packed, hasher, piece)
                    if ready := outlet.taken():
                        yield ready
            rows.append(
                (str(number), name, part.title, str(size), hasher.hexdigest(), _checked(part, hasher.hexdigest()))
            )
        archive.writestr(_entry(CATALOGUE), table(rows))
    yield outlet.taken()


def _pack(packed: IO[bytes], hasher: Hash, piece: bytes) -> None:
    """Compress a piece away from the event loop: it takes milliseconds, and others are served meanwhile."""
    hasher.update(piece)
    packed.write(piece)


def table(rows: Iterable[Sequence[str]], *, begins: bool = True) -> bytes:
    """Return rows as spreadsheets open them (CSV): no cell runs as a formula; a byte order mark where the file `begins`."""
    text = io.StringIO()
    csv.writer(text).writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig" if begins else "utf-8", "replace")


def _name(number: int, part: Part) -> str:
    """Return a path that no other part has and that every system can unpack where it is told to."""
    folder, title, ending = (
        _NOT_IN_NAMES.sub("_", text).strip(" .") for text in (part.folder, part.title, part.ending)
    )
    return f"{folder[:_LONGEST_NAME] or '其他'}/{number:04d} {title[:_LONGEST_NAME]}" + (
        f".{ending[:10]}" if ending else ""
    )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _checked(part: Part, found: str) -> str:
    if not part.sha256:
        return _NOT_RECORDED
    return _AS_RECORDED if part.sha256 == found else _DIFFERS
