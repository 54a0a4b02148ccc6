"""What happens inside one train's transaction: load once, run the handlers in turn, write each table once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog

from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.errors import PlatformError, RequestIdReused, Stale
from liangfa_kit.journal import NO_HEAD, Entry, Head, entry_hash
from liangfa_kit.store.port import IndexChange, Row, Transaction
from liangfa_kit.work import Call, Changes, Handler, Loaded, Need, Recorded, Work

if TYPE_CHECKING:
    import sqlalchemy as sa

    from liangfa_kit.identity import Actor
    from liangfa_kit.store.tables import KitTables

_log = structlog.get_logger("liangfa.train")


class Overtaken(Stale):
    """The consumer's place is not where it left it: somebody else moved it. It reads its place again."""

    reason = "CONSUMER_OVERTAKEN"


@dataclass(slots=True)
class Outcome:
    """What became of a car: a reply or an error, never both."""

    reply: Any = None
    error: Exception | None = None


class Car(NamedTuple):
    """One command on the train."""

    handler: Handler[Any, Any]
    command: Any
    call: Call


class Reaction(NamedTuple):
    """One consumed event's work: like a handler, but its refusal is kept beside the position, not answered."""

    needs: Sequence[Need]
    streams: Sequence[str]
    handle: Callable[[Work], None]
    call: Call
    event: Any = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Reactions of one consumer that share a transaction with `positions`, the consumer's new place.

    `refused` makes the set-aside row of a reaction that raised; when it raises itself (the limit of poison is
    reached), the whole batch is rolled back.
    """

    reactions: Sequence[Reaction]
    positions: Sequence[Row]
    refused: Callable[[int, Exception], Row]
    expected: Mapping[str, int] = field(default_factory=dict)
    """Next offset by position key that the consumer started from: another one at work on the same group is found out."""


@dataclass(slots=True)
class _Journalled:
    event: Recorded
    call: Call
    at_micros: int


@dataclass(slots=True)
class _Manifest:
    """What the successful cars of a train want written, merged in order."""

    saved: dict[sa.Table, dict[str | int, Row | None]] = field(default_factory=dict)
    indexed: list[IndexChange] = field(default_factory=list)
    events: list[_Journalled] = field(default_factory=list)
    replies: list[Row] = field(default_factory=list)

    def take(self, changes: Changes, call: Call, at_micros: int) -> None:
        for table, rows in changes.saved.items():
            self.saved.setdefault(table, {}).update(rows)
        self.indexed.extend(changes.indexed)
        self.events.extend(_Journalled(event, call, at_micros) for event in changes.events)


class Board:
    """Runs cars and reactions on a transaction that somebody else commits.

    `source` names this service in its entries' ids of origin; `digest` is the hash of new entries.
    """

    def __init__(self, tables: KitTables, clock: Clock, ids: Callable[[], str], *, digest: str = "sha256") -> None:
        self._tables = tables
        self._clock = clock
        self._ids = ids
        self._digest = digest
        self.entries: Sequence[Entry] = ()
        """What the transaction under way has journalled; the train tells it to whoever listens, after the commit."""

    def ride(self, tx: Transaction, cars: Sequence[Car]) -> list[Outcome]:
        """Run commands one after the other; refused ones leave no trace, repeated ones get their first reply."""
        replies = self._known_replies(tx, cars)
        fresh = [car for car in cars if _reply_key(car.call) not in replies]
        loaded = _load(tx, self._tables, [(c.handler.needs(c.command), c.handler.streams(c.command)) for c in fresh])
        manifest = _Manifest()
        outcomes = [self._run_car(car, loaded, manifest, replies) for car in cars]
        self._write(tx, loaded, manifest)
        return outcomes

    def apply(self, tx: Transaction, batch: Batch) -> list[Outcome]:
        """Run reactions and store the consumer's positions; a refused reaction is set aside in the same commit."""
        self._check_places(tx, batch)
        loaded = _load(tx, self._tables, [(r.needs, r.streams) for r in batch.reactions])
        manifest = _Manifest()
        outcomes: list[Outcome] = []
        aside: list[Row] = []
        for number, reaction in enumerate(batch.reactions):
            outcome = self._react(reaction, loaded, manifest)
            if outcome.error is not None:
                aside.append(batch.refused(number, outcome.error))
            outcomes.append(outcome)
        self._write(tx, loaded, manifest)
        tx.upsert(self._tables.set_aside, aside)
        tx.upsert(self._tables.consumer_positions, batch.positions)
        return outcomes

    def _check_places(self, tx: Transaction, batch: Batch) -> None:
        """Refuse a batch whose consumer was overtaken: the place is read in the transaction that moves it."""
        if not batch.expected:
            return
        rows = tx.load(self._tables.consumer_positions, "key", list(batch.expected))
        found = {row["key"]: row["next_offset"] for row in rows}
        if any(found.get(key, 0) != offset for key, offset in batch.expected.items()):
            raise Overtaken(
                "Another process has applied these events already.",
                remedy="Run one process for each consumer group, or share the partitions out.",
                reason="CONSUMER_OVERTAKEN",
            )

    def _known_replies(self, tx: Transaction, cars: Sequence[Car]) -> dict[str, Row]:
        keys = [key for car in cars if (key := _reply_key(car.call))]
        rows = tx.load(self._tables.replies, "key", keys) if keys else []
        return {row["key"]: row for row in rows}

    def _run_car(self, car: Car, loaded: Loaded, manifest: _Manifest, replies: dict[str, Row]) -> Outcome:
        key = _reply_key(car.call)
        if key in replies:
            return _repeated(car, replies[key])
        now = self._clock.now()
        work = Work(loaded, now=now, call=car.call, ids=self._ids)
        try:
            reply = car.handler.handle(car.command, work)
        except PlatformError as refusal:
            return Outcome(error=refusal)
        except Exception as bug:  # noqa: BLE001 - a bug in one handler never fails its neighbours; the RPC layer reports it
            return Outcome(error=bug)
        loaded.merge(work.changes)
        at_micros = to_micros(now)
        manifest.take(work.changes, car.call, at_micros)
        if key:
            replies[key] = row = {
                "key": key,
                "command": car.handler.name,
                "fingerprint": car.call.fingerprint,
                "reply": reply.SerializeToString(),
                "at": at_micros,
            }
            manifest.replies.append(row)
        return Outcome(reply=reply)

    def _react(self, reaction: Reaction, loaded: Loaded, manifest: _Manifest) -> Outcome:
        now = self._clock.now()
        work = Work(loaded, now=now, call=reaction.call, ids=self._ids, event=reaction.event)
        try:
            reaction.handle(work)
        except Exception as poison:  # noqa: BLE001 - set aside with its cause: one event never stops the others
            return Outcome(error=poison)
        loaded.merge(work.changes)
        manifest.take(work.changes, reaction.call, to_micros(now))
        return Outcome()

    def _write(self, tx: Transaction, loaded: Loaded, manifest: _Manifest) -> None:
        for table, rows in manifest.saved.items():
            kept = [row for row in rows.values() if row is not None]
            gone = [key for key, row in rows.items() if row is None]
            if gone:
                tx.delete(table, gone)
            if kept:
                tx.upsert(table, kept)
        if manifest.indexed:
            tx.index(manifest.indexed)
        if manifest.events:
            self._append(tx, loaded, manifest.events)
        if manifest.replies:
            tx.insert(self._tables.replies, manifest.replies)

    def _append(self, tx: Transaction, loaded: Loaded, events: Sequence[_Journalled]) -> None:
        """Chain and store the entries. The journal's counter is locked until the commit, so positions leave no gap."""
        position = tx.lock_counter("journal")
        heads: dict[str, Head] = {}
        rows: list[Row] = []
        for item in events:
            position += 1
            event = item.event
            before = heads.get(event.stream) or _head_before(loaded, event)
            row = _entry_row(item, position, before.hash, self._digest)
            heads[event.stream] = Head(event.version, row["hash"])
            rows.append(row)
        tx.insert(self._tables.journal, rows)
        tx.upsert(
            self._tables.streams,
            ({"stream": stream, "version": head.version, "hash": head.hash} for stream, head in heads.items()),
        )
        tx.set_counter("journal", position)
        self.entries = [Entry(*row.values()) for row in rows]


def _head_before(loaded: Loaded, event: Recorded) -> Head:
    """Return the stored head under `event`: merged cars advance only the version, the hash stays the stored one."""
    return NO_HEAD if event.version == 1 else loaded.head(event.stream)


def _entry_row(item: _Journalled, position: int, previous_hash: bytes, digest: str) -> dict[str, Any]:
    event, call = item.event, item.call
    actor = actor_text(call.actor)
    header = (
        position, event.id, event.stream, event.version, event.type, 1,
        item.at_micros, actor, call.request_id, call.traceparent,
    )  # fmt: skip
    return {
        "position": position,
        "id": event.id,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "schema_version": 1,
        "at_micros": item.at_micros,
        "actor": actor,
        "request_id": call.request_id,
        "traceparent": call.traceparent,
        "payload": event.payload,
        "digest": digest,
        "previous_hash": previous_hash,
        "hash": entry_hash(digest, previous_hash, event.payload, header),
    }


def _load(tx: Transaction, tables: KitTables, wanted: Sequence[tuple[Sequence[Need], Sequence[str]]]) -> Loaded:
    """Load everything the cars named with one query per (table, column)."""
    keys: dict[tuple[sa.Table, str], dict[str | int, None]] = {}
    streams: dict[str, None] = {}
    for needs, named in wanted:
        for need in needs:
            keys.setdefault((need.table, need.column), {}).update(dict.fromkeys(need.keys))
        streams.update(dict.fromkeys(named))
    loaded = Loaded()
    for (table, column), found in keys.items():
        need = Need(table, column, tuple(found))
        loaded.add(need, tx.load(table, column, need.keys) if need.keys else ())
    for row in tx.load(tables.streams, "stream", list(streams)) if streams else ():
        loaded.add_head(row["stream"], Head(row["version"], row["hash"]))
    return loaded


def _reply_key(call: Call) -> str:
    """Return the key of a stored reply: a request id counts within its caller, so nobody reads another's reply."""
    return f"{call.actor.person_id}/{call.request_id}" if call.request_id else ""


def _repeated(car: Car, row: Row) -> Outcome:
    if row["fingerprint"] != car.call.fingerprint or row["command"] != car.handler.name:
        return Outcome(
            error=RequestIdReused(
                f"Request id {car.call.request_id} was used before for another request, which stands.",
                message_zh="该请求编号已用于另一项请求，原请求结果保持不变。",
                remedy="Send the new request with a new request id.",
                request_id=car.call.request_id,
            )
        )
    reply = car.handler.reply()
    reply.ParseFromString(row["reply"])
    return Outcome(reply=reply)


_ACTOR_TEXTS: dict[Actor, str] = {}


def actor_text(actor: Actor) -> str:
    """Return the actor as journalled: compact JSON of who acted and for whom."""
    text = _ACTOR_TEXTS.get(actor)
    if text is None:
        if len(_ACTOR_TEXTS) > 10_000:
            _ACTOR_TEXTS.clear()
        text = _ACTOR_TEXTS[actor] = orjson.dumps(
            {
                "person": actor.person_id,
                "name": actor.person_name,
                "agency": actor.agency_id,
                "region": actor.region,
                "roles": sorted(actor.roles),
            }
        ).decode()
    return text
