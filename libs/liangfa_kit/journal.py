"""The journal's entries and the hash chain that makes tampering visible. Pure: no database, no clock.

One stream is one entity's history. Each entry holds the hash of the entry before it in its stream, so that
a changed, removed or inserted entry breaks the chain at a place that can be named. The bytes that are hashed
(and that another implementation must rebuild) are::

    previous hash (32 bytes; zeros for the first entry of a stream)
    length of the header as 8 bytes big-endian, header
    payload

where the header is a compact UTF-8 JSON array: [digest, position, id, stream, version, type, schema_version,
at (microseconds UTC), actor (JSON text), request_id or null, traceparent or null].
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson

ZERO_HASH = bytes(32)
DIGESTS = ("sha256", "sm3")
"""Digests an entry may name. SM3 (GB/T 32905) is used where the operator asks for it and OpenSSL has it."""


class Entry(NamedTuple):
    """One journal entry, as stored, published and verified.

    `position` counts without gaps over the whole journal from 1; `version` counts without gaps within the
    stream from 1. `at_micros` is microseconds UTC. `payload` is the serialised event: these very bytes are
    hashed, published and sent to every watcher.
    """

    position: int
    id: str
    stream: str
    version: int
    type: str
    schema_version: int
    at_micros: int
    actor: str
    request_id: str | None
    traceparent: str | None
    payload: bytes
    digest: str
    previous_hash: bytes
    hash: bytes


def entry_hash(
    digest: str,
    previous_hash: bytes,
    payload: bytes,
    header: tuple[int, str, str, int, str, int, int, str, str | None, str | None],
) -> bytes:
    """Return the hash of an entry whose header fields are `header`, in the order of the module's docstring."""
    head = orjson.dumps((digest, *header))
    hasher = hashlib.new(digest, previous_hash) if digest != "sha256" else hashlib.sha256(previous_hash)
    hasher.update(len(head).to_bytes(8, "big"))
    hasher.update(head)
    hasher.update(payload)
    return hasher.digest()


def recomputed_hash(entry: Entry) -> bytes:
    """Return the hash that `entry` must have for its own content."""
    return entry_hash(
        entry.digest,
        entry.previous_hash,
        entry.payload,
        (
            entry.position,
            entry.id,
            entry.stream,
            entry.version,
            entry.type,
            entry.schema_version,
            entry.at_micros,
            entry.actor,
            entry.request_id,
            entry.traceparent,
        ),
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a journal: which entry, which rule it breaks, in words."""

    position: int
    stream: str
    version: int
    entry_id: str
    rule: str
    message: str


class Head(NamedTuple):
    """The last version and hash of a stream, kept beside the journal."""

    version: int
    hash: bytes


NO_HEAD = Head(version=0, hash=ZERO_HASH)


def faults(entries: Iterable[Entry], heads: Iterable[tuple[str, Head]], last_position: int) -> Iterator[Fault]:
    """Check a whole journal, given in position order, against its chain and its recorded heads.

    Memory grows with the number of streams (one head each), not with the number of entries. Found are: a
    changed field or payload, a broken link, a missing or repeated version or position, a truncated stream
    and a truncated journal.
    """
    seen: dict[str, Head] = {}
    last = yield from chain_faults(entries, seen)
    for stream, head in heads:
        found = seen.pop(stream, NO_HEAD)
        if found != head:
            yield Fault(
                0, stream, head.version, "", "HEAD_MISMATCH",
                f"stream {stream} is recorded at version {head.version} but its entries end at {found.version}",
            )  # fmt: skip
    for stream, found in seen.items():
        yield Fault(0, stream, found.version, "", "HEAD_MISSING", f"stream {stream} has entries but no head")
    if last != last_position:
        yield Fault(
            last_position, "", 0, "", "JOURNAL_TRUNCATED",
            f"the journal is recorded to position {last_position} but ends at {last}",
        )  # fmt: skip


def chain_faults(entries: Iterable[Entry], seen: dict[str, Head]) -> Generator[Fault, None, int]:
    """Check entries from position 1 on against each other alone; return the last position.

    `seen` is left with the head of every stream.
    """
    last = 0
    for entry in entries:
        if entry.position != last + 1:
            yield _fault(entry, "POSITION_GAP", f"position {last + 1} is missing before {entry.position}")
        last = entry.position
        yield from _entry_faults(entry, seen.get(entry.stream, NO_HEAD))
        seen[entry.stream] = Head(entry.version, entry.hash)
    return last


def _entry_faults(entry: Entry, before: Head) -> Iterator[Fault]:
    if entry.version != before.version + 1:
        yield _fault(entry, "VERSION_GAP", f"version {entry.version} follows {before.version}")
    if entry.previous_hash != before.hash:
        yield _fault(entry, "BROKEN_LINK", "the link to the entry before it does not match")
    if entry.digest not in DIGESTS:
        yield _fault(entry, "UNKNOWN_DIGEST", f"digest {entry.digest!r} is not known")
    elif recomputed_hash(entry) != entry.hash:
        yield _fault(entry, "HASH_MISMATCH", "the content does not match its hash: it was changed")


def _fault(entry: Entry, rule: str, message: str) -> Fault:
    return Fault(entry.position, entry.stream, entry.version, entry.id, rule, message)
