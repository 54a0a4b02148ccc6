"""What a command handler sees, and how its changes are kept apart until it has succeeded.

A handler is a synchronous, pure function of (command, work). It reads only what it declared as needed, and
changes only the `Work`; it does no I/O, has no clock and makes no random choice of its own. That is what lets
a commit train run many of them on one transaction and drop the refused ones without a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from liangfa_kit.errors import Stale
from liangfa_kit.journal import NO_HEAD, Head
from liangfa_kit.search import index_terms
from liangfa_kit.store.port import IndexChange, Row, SearchIndex

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from liangfa_kit.identity import Actor

C = TypeVar("C")
R = TypeVar("R", bound="Message")


class Need(NamedTuple):
    """Rows to load before a handler runs: those of `table` whose `column` is one of `keys`.

    `column` is the primary key or an indexed column. All needs of a train on one (table, column) are one query.
    """

    table: sa.Table
    column: str
    keys: tuple[str | int, ...]


def _nothing(_command: object) -> Sequence[Any]:
    return ()


@dataclass(frozen=True, slots=True)
class Handler(Generic[C, R]):
    """A command's name, its function and what it needs. `reply` is the protobuf class that is stored and returned.

    `streams` names existing streams whose version the handler checks or appends to; new ones need no mention.
    """

    name: str
    handle: Callable[[C, Work], R]
    reply: type[R]
    needs: Callable[[C], Sequence[Need]] = _nothing
    streams: Callable[[C], Sequence[str]] = _nothing


class Call(NamedTuple):
    """Who sends a command and how it is recognised again.

    `request_id` makes the command idempotent for this caller; `fingerprint` is the SHA-256 of the request
    bytes, so that a reused id with another request is refused. `traceparent` is the W3C trace context.
    """

    actor: Actor
    request_id: str | None = None
    fingerprint: bytes = b""
    traceparent: str | None = None


@dataclass(slots=True)
class Recorded:
    """An event that a handler recorded, before it has a position and a hash."""

    stream: str
    version: int
    type: str
    payload: bytes
    id: str


@dataclass(slots=True)
class Changes:
    """What one handler, or a whole train, wants written."""

    saved: dict[sa.Table, dict[str | int, Row | None]] = field(default_factory=dict)
    indexed: list[IndexChange] = field(default_factory=list)
    events: list[Recorded] = field(default_factory=list)


class Loaded:
    """The rows and stream heads that a train has in memory, as the cars before have left them."""

    def __init__(self) -> None:
        self._rows: dict[sa.Table, dict[str | int, Row | None]] = {}
        self._by_column: dict[sa.Table, dict[str, dict[str | int, dict[str | int, None]]]] = {}
        self._heads: dict[str, Head] = {}

    def add(self, need: Need, rows: Iterable[Row]) -> None:
        """Take in the result of one query."""
        key_name = primary_key(need.table)
        known = self._rows.setdefault(need.table, {})
        if need.column == key_name:
            for key in need.keys:
                known.setdefault(key, None)
            known.update((row[key_name], row) for row in rows)
            return
        members = self._by_column.setdefault(need.table, {}).setdefault(need.column, {})
        for key in need.keys:
            members.setdefault(key, {})
        for row in rows:
            known[row[key_name]] = row
            members[row[need.column]][row[key_name]] = None

    def add_head(self, stream: str, head: Head) -> None:
        """Take in a stream's head."""
        self._heads[stream] = head

    def row(self, table: sa.Table, key: str | int) -> Row | None:
        """Return a row that was needed by its primary key (or that an earlier car saved)."""
        try:
            return self._rows[table][key]
        except KeyError:
            raise LookupError(f"{table.name}[{key}] was read but not declared as needed") from None

    def keys(self, table: sa.Table, column: str, key: str | int) -> dict[str | int, None]:
        """Return the primary keys of the rows whose `column` is `key`, in order of arrival."""
        try:
            return self._by_column[table][column][key]
        except KeyError:
            raise LookupError(f"{table.name}.{column}={key} was read but not declared as needed") from None

    def head(self, stream: str) -> Head:
        """Return a stream's head; a stream not loaded is taken as new."""
        return self._heads.get(stream, NO_HEAD)

    def merge(self, changes: Changes) -> None:
        """Make a successful car's changes visible to those after it."""
        for table, rows in changes.saved.items():
            known = self._rows.setdefault(table, {})
            for column, index in self._by_column.get(table, {}).items():
                for key, row in rows.items():
                    before = known.get(key)
                    if before is not None and before[column] in index:
                        index[before[column]].pop(key, None)
                    if row is not None and row.get(column) in index:
                        index[row[column]][key] = None
            known.update(rows)
        for event in changes.events:
            self._heads[event.stream] = Head(event.version, self.head(event.stream).hash)


class Work:
    """One handler's view of the world and its wishes. Nothing in it is written unless the handler returns."""

    def __init__(self, loaded: Loaded, *, now: datetime, call: Call, ids: Callable[[], str], event: Any = None) -> None:
        self._loaded = loaded
        self._ids = ids
        self._versions: dict[str, int] = {}
        self._indexes: dict[sa.Table, dict[str, dict[Any, dict[str | int, None]]]] = {}
        self.changes = Changes()
        self.now = now
        self.actor = call.actor
        self.request_id = call.request_id
        self.event = event

    def new_id(self) -> str:
        """Return a fresh UUIDv7."""
        return self._ids()

    def row(self, table: sa.Table, key: str | int) -> Row | None:
        """Return the row with primary key `key`, or None. It must have been needed, or saved in this train."""
        own = self.changes.saved.get(table)
        if own is not None and key in own:
            return own[key]
        return self._loaded.row(table, key)

    def rows(self, table: sa.Table, column: str, key: str | int) -> list[Row]:
        """Return the rows whose `column` is `key`, in order of arrival. They must have been needed."""
        own = self.changes.saved.get(table, {})
        keys = [k for k in self._loaded.keys(table, column, key) if k not in own]
        found = [row for k in keys if (row := self._loaded.row(table, k)) is not None]
        mine = self._saved_keys(table, column).get(key, ())
        return found + [row for k in mine if (row := own.get(k)) is not None and row.get(column) == key]

    def _saved_keys(self, table: sa.Table, column: str) -> dict[Any, dict[str | int, None]]:
        """Return the primary keys of the rows saved here, by the values that `column` has had.

        A handler that saves hundreds of rows and asks after each one must not look through all of them every time.
        """
        indexes = self._indexes.setdefault(table, {})
        index = indexes.get(column)
        if index is None:
            index = indexes[column] = {}
            for key, row in self.changes.saved.get(table, {}).items():
                if row is not None:
                    index.setdefault(row.get(column), {})[key] = None
        return index

    def save(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        """Insert or replace a whole row by primary key. Columns left out become NULL."""
        key = row[primary_key(table)]
        saved = self.changes.saved
        if table in saved:
            saved[table][key] = row
        else:
            saved[table] = {key: row}
        if table in self._indexes:
            for column, index in self._indexes[table].items():
                index.setdefault(row.get(column), {})[key] = None

    def remove(self, table: sa.Table, key: str | int) -> None:
        """Delete a row by primary key."""
        self.changes.saved.setdefault(table, {})[key] = None

    def index(self, index: SearchIndex, key: str, text: str, previous: str | None = None) -> None:
        """Make `text` the searchable document of the entity `key`; `previous` is the text indexed before."""
        self.changes.indexed.append(
            IndexChange(
                index,
                key,
                index_terms(text),
                None if previous is None else index_terms(previous),
            )
        )

    def version(self, stream: str) -> int:
        """Return the stream's version as this handler sees it; 0 for a new one."""
        own = self._versions.get(stream)
        return self._loaded.head(stream).version if own is None else own

    def expect(self, stream: str, version: int) -> None:
        """Refuse with `Stale` unless the stream is at `version`, the one that the caller read."""
        found = self.version(stream)
        if found != version:
            raise Stale(
                f"{stream} is at version {found}, not {version}: somebody changed it since you read it.",
                message_zh=f"该记录已被他人修改（当前版本 {found}，您读取的是 {version}）。",
                remedy="Read it again, check the change, and send your command with the new version.",
                stream=stream, found=found, expected=version,
            )  # fmt: skip

    def record(self, stream: str, event: Message) -> None:
        """Append a domain event to `stream`. It gets its position and hash when the train is written."""
        version = self.version(stream) + 1
        self._versions[stream] = version
        self.changes.events.append(
            Recorded(
                stream,
                version,
                event.DESCRIPTOR.full_name,
                event.SerializeToString(deterministic=True),
                self._ids(),
            )
        )


_PRIMARY_KEYS: dict[sa.Table, str] = {}


def primary_key(table: sa.Table) -> str:
    """Return the name of the table's one primary-key column."""
    name = _PRIMARY_KEYS.get(table)
    if name is None:
        (column,) = table.primary_key.columns
        name = _PRIMARY_KEYS[table] = column.name
    return name
