"""The broker of embedded mode: a durable log in one SQLite file, one partition a topic.

Processes on one machine may share the file (`liangfa serve NAME` for each service): a subscription is handed at once
what its own process publishes, and looks into the file for what others do: every 50 ms, and when it misses an offset.
Groups are not shared out: every subscription sees the whole topic, so one process a group is the rule here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from itertools import islice
from pathlib import Path

import orjson

from liangfa_kit.errors import Unavailable
from liangfa_kit.messaging.broker import NEWEST, Delivery, Message, StartAt
from liangfa_kit.store.sqlite import switch_to_wal

_LOOK_AGAIN_SECONDS = 0.05
_FRESH_LIMIT = 2_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  topic TEXT NOT NULL, "offset" INTEGER NOT NULL, key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (topic, "offset")
) WITHOUT ROWID
"""


class LocalBroker:
    """A durable log at `path`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._publishing = ThreadPoolExecutor(1, thread_name_prefix="broker")
        self._lock = threading.Lock()
        self._connection = self._connect()
        self._connection.execute(_SCHEMA)
        self._subscriptions: set[LocalSubscription] = set()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        switch_to_wal(connection, 10)
        connection.execute("PRAGMA synchronous=FULL")  # the relay forgets what the broker has accepted
        return connection

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append messages in one durable transaction."""
        append = asyncio.get_running_loop().run_in_executor(self._publishing, self._append, topic, messages)
        first = await append
        for subscription in self._subscriptions:
            subscription.offer(topic, first, messages)

    def _append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in one durable transaction and return the offset of the first message."""
        with self._lock:
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                first = end_of(connection, topic)
                connection.executemany(
                    "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
                    (
                        (topic, first + i, m.key, orjson.dumps(dict(m.headers)).decode(), m.value)
                        for i, m in enumerate(messages)
                    ),
                )
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise Unavailable("The event log cannot be written now; events wait in the journal.") from error
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return first

    async def subscribe(self, group: str, topics: Sequence[str], start_at: StartAt) -> LocalSubscription:
        """Deliver `topics` from the offsets that `start_at` gives; `group` only names the reader."""
        connection = self._connect()
        positions = {topic: start_at(topic, 0) for topic in topics}
        ends = {topic: end_of(connection, topic) for topic, offset in positions.items() if offset == NEWEST}
        subscription = LocalSubscription(self, group, connection, positions | ends)
        self._subscriptions.add(subscription)
        return subscription

    async def check(self) -> None:
        """Read the log once. Raises `Unavailable` when its file is not readable."""
        await asyncio.get_running_loop().run_in_executor(self._publishing, self._look)

    def _look(self) -> None:
        with self._lock:
            try:
                self._connection.execute("SELECT 1 FROM log LIMIT 1").fetchone()
            except sqlite3.Error as error:
                raise Unavailable("The event log cannot be read now; events wait in the journal.") from error

    def forget(self, subscription: LocalSubscription) -> None:
        """Stop waking a closed subscription."""
        self._subscriptions.discard(subscription)

    async def close(self) -> None:
        """Close the log; subscriptions first."""
        for subscription in list(self._subscriptions):
            await subscription.close()
        self._publishing.shutdown(wait=True)
        self._connection.close()


def end_of(connection: sqlite3.Connection, topic: str) -> int:
    """Return the offset of the topic's next message."""
    last = connection.execute('SELECT max("offset") FROM log WHERE topic = ?', (topic,)).fetchone()[0]
    return 0 if last is None else last + 1


class LocalSubscription:
    """One reader of the local log."""

    def __init__(
        self, broker: LocalBroker, group: str, connection: sqlite3.Connection, positions: dict[str, int]
    ) -> None:
        self._broker = broker
        self._connection = connection
        self._positions = positions
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"consume-{group}")
        self._arrived = asyncio.Event()
        self._fresh: deque[Delivery] = deque()
        self._look_at = 0.0
        """When the file is read next, on the scale of the event loop; a read that finds something is followed by another."""

    def offer(self, topic: str, first: int, messages: Sequence[Message]) -> None:
        """Take in what was published in this process, from the offset `first` on; a slow reader finds it in the file."""
        if topic in self._positions:
            self._fresh.extend(Delivery(topic, 0, first + place, message) for place, message in enumerate(messages))
            if len(self._fresh) > _FRESH_LIMIT:
                self._fresh.clear()
                self._look_at = 0.0
            self._arrived.set()

    async def poll(self, max_messages: int, timeout_seconds: float) -> Sequence[Delivery]:
        """Return what has arrived, waiting at most `timeout_seconds` for the first message."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        while True:
            self._arrived.clear()
            found = self._taken(max_messages)
            if not found and (self._fresh or loop.time() >= min(until, self._look_at)):
                found = await loop.run_in_executor(self._reading, self._fetch, max_messages)
                self._look_at = 0.0 if found else loop.time() + _LOOK_AGAIN_SECONDS
            if found or loop.time() >= until:
                return found
            try:
                async with asyncio.timeout_at(min(until, self._look_at)):  # not wait_for: see the relay
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _taken(self, max_messages: int) -> list[Delivery]:
        """Take from memory what follows without a gap on what was delivered; forget what was read from the file."""
        fresh, positions, taken = self._fresh, self._positions, list[Delivery]()
        while fresh and len(taken) < max_messages and fresh[0].offset <= positions[fresh[0].topic]:
            delivery = fresh.popleft()
            if delivery.offset == positions[delivery.topic]:
                taken.append(delivery)
                positions[delivery.topic] += 1
        return taken

    def _fetch(self, max_messages: int) -> list[Delivery]:
        """Return what follows in the file, topics side by side in the order of their times.

        Whoever reads again from the beginning meets the services' events as they went, not one service after the other.
        """
        topics = [self._following(topic, position, max_messages) for topic, position in self._positions.items()]
        found = list(islice(merge(*topics, key=_time), max_messages))
        for delivery in found:
            self._positions[delivery.topic] = delivery.offset + 1
        return found

    def _following(self, topic: str, position: int, most: int) -> list[Delivery]:
        rows = self._connection.execute(
            'SELECT "offset", key, headers, value FROM log WHERE topic = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?',
            (topic, position, most),
        )
        return [Delivery(topic, 0, o, Message(k, v, orjson.loads(h))) for o, k, h, v in rows]

    async def lag(self) -> int:
        """Return how many messages have not been delivered yet."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._lag)

    def _lag(self) -> int:
        total = 0
        for topic, position in self._positions.items():
            last = self._connection.execute('SELECT max("offset") FROM log WHERE topic = ?', (topic,)).fetchone()[0]
            total += 0 if last is None else max(0, last + 1 - position)
        return total

    async def close(self) -> None:
        """Stop reading."""
        self._broker.forget(self)
        self._reading.shutdown(wait=True)
        self._connection.close()


def _time(delivery: Delivery) -> str:
    """Return when an event happened: ISO 8601 in UTC, whose texts sort as the moments do."""
    return delivery.message.headers.get("ce_time", "")
