"""A journal's archive: its entries written out in segments that are never touched again, on a disk of somebody else.

The hash chain shows a changed entry. It does not show a journal that was written anew from some entry on with a chain of
its own: only who keeps an earlier copy sees that. A segment is gzip of one JSON object an entry; its name says which
positions it holds, so that ordinary tools read it, and copying the new files is all that a second place needs.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from liangfa_kit.errors import Precondition
from liangfa_kit.journal import Entry, Fault, Head, chain_faults

SEGMENT_ENTRIES = 100_000
_NAME = re.compile(r"(\d{12})-(\d{12})\.jsonl\.gz")
_HASHES = ("previous_hash", "hash")


class ArchiveBroken(Precondition):
    """Segments are missing, overlap, or cannot be read."""

    reason = "ARCHIVE_BROKEN"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The archive is not whole: {what}.",
            message_zh=f"归档不完整或无法读取：{what}。",
            remedy="Put the missing or damaged files back from a second copy; nothing was changed.",
            what=what,
        )


class ArchiveDiffers(Precondition):
    """The journal does not go on from where the archive ends: one of them was changed."""

    reason = "ARCHIVE_DIFFERS"

    def __init__(self, position: int) -> None:
        super().__init__(
            f"The entry at position {position} is not the one that was archived.",
            message_zh=f"第 {position} 条记录与归档不一致：数据库或归档被改动过。",
            remedy="Keep both as they are, run `liangfa archive --check`, and compare with the last backup that verifies.",
            position=position,
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the archive: the positions of its first and last entry."""

    first: int
    last: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a journal's archive in order. Raises `ArchiveBroken` for a gap or an overlap."""
    found = _sorted(folder)
    end = 0
    for one in found:
        if one.first != end + 1 or one.last < one.first:
            raise ArchiveBroken(f"{one.path.name} follows position {end}")
        end = one.last
    return found


def _sorted(folder: Path) -> list[Segment]:
    names = ((_NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    found = [Segment(int(match[1]), int(match[2]), path) for match, path in names if match]
    return sorted(found, key=lambda one: one.first)


def archived(folder: Path) -> Iterator[Entry]:
    """Yield the archived entries in order, a line at a time. Raises `ArchiveBroken`."""
    for segment in segments(folder):
        yield from _read(segment)


def _read(segment: Segment) -> Iterator[Entry]:
    try:
        with gzip.open(segment.path, "rb") as lines:
            for line in lines:
                yield _entry(orjson.loads(line))
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise ArchiveBroken(f"{segment.path.name}: {error}") from error


def extend(folder: Path, last: Entry | None, following: Iterable[Entry]) -> tuple[int, Entry | None]:
    """Add the entries after the archive's end, in segments; return how many, and the last one archived now.

    `last` is the stored entry at that end, None for an empty archive: it must be the archived one (`ArchiveDiffers`).
    """
    end = _last(folder)
    if (end.hash if end else None) != (last.hash if last else None):
        raise ArchiveDiffers(end.position if end else 0)
    count, rest = 0, iter(following)
    while part := list(islice(rest, SEGMENT_ENTRIES)):
        _write(folder, part)
        count, end = count + len(part), part[-1]
    return count, end


def end_of(folder: Path) -> int:
    """Return the last archived position, 0 for none."""
    found = segments(folder)
    return found[-1].last if found else 0


def _last(folder: Path) -> Entry | None:
    found = segments(folder)
    last = deque(_read(found[-1]), maxlen=1) if found else ()
    return last[0] if last else None


def archive_faults(folder: Path, stored: Iterable[Entry]) -> Iterator[Fault]:
    """Check the archive against its own chain, and the journal against the archive, entry by entry.

    Found are changes of the archive, and entries of the journal that are gone or are others than were archived, also
    where somebody has made the journal's chain fit again.
    """
    seen: dict[str, Head] = {}
    yield from chain_faults(archived(folder), seen)
    rest = iter(stored)
    for entry in archived(folder):
        found = next(rest, None)
        if found is None:
            yield _fault(entry, "ENTRY_LOST", "the entry was archived and is not in the journal any more")
        elif found != entry:
            yield _fault(entry, "ENTRY_DIFFERS", "the entry is not the one that was archived")


def _fault(entry: Entry, rule: str, message: str) -> Fault:
    return Fault(entry.position, entry.stream, entry.version, entry.id, rule, message)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold an archive against a second writer. Raises `Precondition`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Precondition(
                f"Somebody is writing to {folder} already.",
                message_zh=f"另一进程正在写入归档目录 {folder}。",
                remedy="Wait until it has ended, and start again.",
                reason="ARCHIVE_BUSY",
            ) from None
        yield


def _write(folder: Path, part: list[Entry]) -> None:
    """Write a segment: it has its name once it is whole and on the disk."""
    place = folder / f"{part[0].position:012d}-{part[-1].position:012d}.jsonl.gz"
    arriving = place.with_suffix(".part")
    with arriving.open("wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
            packed.writelines(orjson.dumps(_line(entry)) + b"\n" for entry in part)
        file.flush()
        os.fsync(file.fileno())
    arriving.rename(place)
    place.chmod(0o400)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(entry: Entry) -> dict[str, Any]:
    line = entry._asdict()
    return {**line, "payload": b64encode(entry.payload).decode(), **{n: line[n].hex() for n in _HASHES}}


def _entry(line: dict[str, Any]) -> Entry:
    hashes = {name: bytes.fromhex(line[name]) for name in _HASHES}
    return Entry(**{**line, "payload": b64decode(line["payload"], validate=True), **hashes})
