"""The case file as one ZIP: whole, catalogued, streamed, and safe to unpack."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_procedure.case_file import CATALOGUE, Part, case_file

CONTENT = bytes(range(256)) * 40


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for place in range(0, len(content), size):
        yield content[place : place + size]


def part(
    title: str = "现场笔录", folder: str = "证据", content: bytes = CONTENT, sha256: str = "", ending: str = ".pdf"
) -> Part:
    return Part(folder, title, ending, pieces(content), sha256)


async def _each(parts: Sequence[Part]) -> AsyncIterator[Part]:
    for one in parts:
        yield one


def packed(*parts: Part) -> bytes:
    async def whole() -> bytes:
        return b"".join([piece async for piece in case_file(_each(parts))])

    return asyncio.run(whole())


def opened(*parts: Part) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(packed(*parts)))


def catalogue(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(CATALOGUE).decode("utf-8-sig"))))


def test_every_part_comes_back_and_is_catalogued_with_its_hash() -> None:
    """In the order given."""
    archive = opened(part(), part("移送书", "文书", b"x", ending="docx"))
    assert archive.testzip() is None
    assert [archive.read(row["文件"]) for row in catalogue(archive)] == [CONTENT, b"x"]
    assert [row["SHA-256"] for row in catalogue(archive)] == [hashlib.sha256(c).hexdigest() for c in (CONTENT, b"x")]
    assert [row["文件"] for row in catalogue(archive)] == ["证据/0001 现场笔录.pdf", "文书/0002 移送书.docx"]


def test_a_file_that_is_not_what_was_recorded_is_marked() -> None:
    """Beside one that is, and one of which nothing was recorded."""
    good = hashlib.sha256(CONTENT).hexdigest()
    rows = catalogue(opened(part(sha256=good), part(sha256="00" * 32), part()))
    assert [row["核对"] for row in rows] == ["一致", "不一致", "未登记"]


def test_a_case_without_files_has_a_catalogue() -> None:
    """An empty archive would look like a failed one."""
    assert opened().namelist() == [CATALOGUE]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=4))
def test_no_title_leads_out_of_the_folder_or_onto_another_part(names: list[tuple[str, str, str]]) -> None:
    """Whatever titles, folders and endings are typed: names are relative, apart, and as many as the parts."""
    found = opened(*(part(title, folder, b"x", ending=ending) for title, folder, ending in names)).namelist()
    assert len({name.casefold() for name in found}) == len(names) + 1
    assert [
        n for n in found if ".." in PurePosixPath(n).parts or n.startswith("/") or "\\" in n or n.count("/") > 1
    ] == []


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@A1"])
def test_no_title_runs_as_a_formula(title: str) -> None:
    """The catalogue is opened in spreadsheets."""
    assert catalogue(opened(part(title)))[0]["题名"] == f"'{title}"


def test_the_same_parts_give_the_same_bytes() -> None:
    """No time of packing stands in it."""
    assert packed(part()) == packed(part())


def test_memory_does_not_grow_with_the_file() -> None:
    """32 MiB that cannot be compressed pass through less than 4 MiB."""
    piece = hashlib.shake_256(b"noise").digest(1 << 16)

    async def long() -> AsyncIterator[bytes]:
        for number in range(512):
            yield number.to_bytes(8, "big") + piece[8:]

    async def passed() -> int:
        parts = [Part("证据", "录像", ".mp4", long())]
        return sum([len(piece) async for piece in case_file(_each(parts))])

    tracemalloc.start()
    try:
        size = asyncio.run(passed())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 31 << 20
    assert peak < 4 << 20
