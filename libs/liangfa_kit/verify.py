"""Checking a stored journal against its own hash chain, and the files that it names: what `liangfa verify` does."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from liangfa_kit.errors import NotFound
from liangfa_kit.journal import Entry, Fault, Head, faults
from liangfa_kit.store.tables import journal_position

if TYPE_CHECKING:
    from liangfa_kit.objects import ObjectStore
    from liangfa_kit.store.port import Store
    from liangfa_kit.store.tables import KitTables

_CHUNK = 2_000


def journal_faults(store: Store, tables: KitTables) -> Iterator[Fault]:
    """Yield everything that is wrong with the stored journal, reading it once, on one snapshot."""
    with store.reading() as connection:
        heads = [(row.stream, Head(row.version, row.hash)) for row in connection.execute(sa.select(tables.streams))]
        yield from faults(entries(connection, tables), heads, journal_position(connection, tables))


def journal_length(store: Store, tables: KitTables) -> int:
    """Return how many entries the journal holds."""
    with store.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(tables.journal)).scalar() or 0)


def applied_positions(store: Store, tables: KitTables) -> dict[str, int]:
    """Return how far the service's consumers have applied other services' journals (or its own), by topic."""
    places = tables.consumer_positions.c
    with store.reading() as connection:
        rows = connection.execute(sa.select(places.key, places.source_position)).all()
    found: dict[str, int] = {}
    for key, position in rows:
        topic = key.split("/")[-2]
        found[topic] = max(found.get(topic, 0), position)
    return found


def entries(connection: sa.Connection, tables: KitTables, after: int = 0) -> Iterator[Entry]:
    """Yield the stored entries after a position, in order, a few at a time."""
    query = sa.select(tables.journal).where(tables.journal.c.position > after).order_by(tables.journal.c.position)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query):
        yield Entry(*row)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that the journal says is kept: the entry that names it, its SHA-256, and its size (None where unsaid)."""

    entry: Entry
    sha256: str
    size_bytes: int | None = None


async def file_faults(objects: ObjectStore, files: Iterable[KeptFile]) -> AsyncIterator[Fault]:
    """Yield every file that is missing or is not what its entry says, by reading each of them whole, once."""
    found: dict[str, tuple[str, int]] = {}
    for file in files:
        if file.sha256 not in found:
            found[file.sha256] = await _digest_and_size(objects, file.sha256)
        digest, size = found[file.sha256]
        if not digest:
            yield _file_fault(file, "FILE_MISSING", "the file is not in the store")
        elif digest != file.sha256:
            yield _file_fault(file, "FILE_CHANGED", f"the file was changed: its SHA-256 is now {digest}")
        elif file.size_bytes not in {None, size}:
            yield _file_fault(file, "FILE_SIZE", f"the file has {size} bytes, not {file.size_bytes}")


async def _digest_and_size(objects: ObjectStore, sha256: str) -> tuple[str, int]:
    """Return hash and size of a kept file as it is now; an empty hash when there is none of that name."""
    hasher, size = hashlib.sha256(), 0
    try:
        async for piece in objects.read(sha256):
            hasher.update(piece)
            size += len(piece)
    except (NotFound, ValueError):  # a name that is no hash comes from an entry that was itself changed
        return "", 0
    return hasher.hexdigest(), size


def _file_fault(file: KeptFile, rule: str, message: str) -> Fault:
    entry = file.entry
    return Fault(entry.position, entry.stream, entry.version, entry.id, rule, f"{file.sha256[:16]}…: {message}")
