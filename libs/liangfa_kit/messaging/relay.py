"""The relay: the journal is the outbox, and this publishes it in position order, at least once, skipping nothing.

Positions are handed out under a lock that is held to the commit, so they leave no gap. The relay still checks: it
never goes past a missing position, it waits for it. What this process has just committed it takes from memory, all
else from the journal: at the start, behind a gap, after a failure, and when nothing was heard for a while. The place
it has reached is written now and then only; after a crash some events are published again, and consumers know them by
their position. Of several replicas one publishes, by a lease; it reads the journal for what the others commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from liangfa_kit.errors import PlatformError
from liangfa_kit.hosting import Gauge
from liangfa_kit.journal import Entry
from liangfa_kit.messaging.events import to_message
from liangfa_kit.store.tables import journal_position
from liangfa_kit.telemetry import JOURNAL_POSITION, RELAY_POSITION

if TYPE_CHECKING:
    from liangfa_kit.messaging.broker import Broker
    from liangfa_kit.messaging.lease import Lease
    from liangfa_kit.store.port import Store, Transaction
    from liangfa_kit.store.tables import KitTables
    from liangfa_kit.train import Train

_log = structlog.get_logger("liangfa.relay")
_BATCH = 500
_SAVE_EVERY = 2_000
_FRESH_LIMIT = 2_000
_RETRY_SECONDS = 0.5
_STANDBY_SECONDS = 1.0


@dataclass(slots=True)
class RelayState:
    """How far the relay is, for readiness and for people: `published` of the journal's `committed` positions."""

    published: int = 0
    saved: int = 0
    gap_before: int | None = None
    trouble: str = ""


class Relay:
    """Publishes the journal of the service `source` to `topic`; with a `lease`, while this replica holds it."""

    def __init__(
        self,
        store: Store,
        tables: KitTables,
        train: Train,
        broker: Broker,
        *,
        source: str,
        topic: str,
        lease: Lease | None = None,
    ) -> None:
        self._store = store
        self._tables = tables
        self._journal = tables.journal
        self._counters = tables.counters
        self._train = train
        self._broker = broker
        self._source = source
        self._topic = topic
        self._lease = lease
        self._stands_by = lease is not None
        self._counter = f"relay/{topic}"
        self._wake = asyncio.Event()
        self._fresh: deque[Entry] = deque()
        self._must_look = True
        self.state = RelayState()

    @property
    def gauges(self) -> Sequence[Gauge]:
        """Return how far the journal is, and how much of it is published."""
        return (
            Gauge(JOURNAL_POSITION, self._journal_position),
            Gauge(RELAY_POSITION, lambda: self.state.published),
        )

    def _journal_position(self) -> int:
        with self._store.reading() as connection:
            return journal_position(connection, self._tables)

    async def run(self) -> None:
        """Publish until cancelled. A broker that is away delays events and loses none."""
        loop = asyncio.get_running_loop()

        def on_commit(entries: Sequence[Entry]) -> None:
            if entries:
                loop.call_soon_threadsafe(self._offer, entries)

        self._train.on_commit.append(on_commit)
        self._must_look = True
        try:
            self.state.saved = self.state.published = await self._store.read(self._saved_position)
            while True:
                self._wake.clear()
                if not await self._is_its_turn():
                    await asyncio.sleep(_STANDBY_SECONDS)
                elif not await self._publish_some() and not await self._woken_within(_RETRY_SECONDS):
                    await self._save_position()
                    self._must_look = True
        except asyncio.CancelledError:
            with suppress(PlatformError):  # what is not saved is published again, and known by its position
                await self._save_position()
                if self._lease is not None:
                    await self._lease.release()
            raise
        finally:
            self._train.on_commit.remove(on_commit)

    def _offer(self, entries: Sequence[Entry]) -> None:
        """Keep committed entries for the next round; a relay that has fallen behind reads the journal instead."""
        self._fresh.extend(entries)
        if len(self._fresh) > _FRESH_LIMIT:
            self._fresh.clear()
            self._must_look = True
        self._wake.set()

    async def _is_its_turn(self) -> bool:
        """Return whether this replica publishes; one that stands by follows the place that another saves."""
        if self._lease is None:
            return True
        held = await self._lease.is_held()
        if self._stands_by or not held:
            self._fresh.clear()
            self.state.trouble = ""
            await self._follow_saved()
        self._stands_by = not held
        return held

    async def _follow_saved(self) -> None:
        self.state.saved = await self._store.read(self._saved_position)
        self.state.published = max(self.state.published, self.state.saved)

    async def drain(self) -> None:
        """Publish what is committed now and save the place (orderly shutdown, tests)."""
        await self._follow_saved()
        self._must_look = True
        while await self._publish_some():
            pass
        await self._save_position()

    async def _publish_some(self) -> bool:
        entries = self._taken()
        if not entries and (self._must_look or self._fresh or self._lease is not None):
            self._must_look = False
            entries = self._contiguous(await self._store.read(self._next_entries))
            self._must_look |= bool(entries)  # there may be more
        if not entries:
            return False
        try:
            await self._broker.publish(self._topic, [to_message(entry, self._source) for entry in entries])
        except PlatformError as error:
            if self.state.trouble != error.reason:
                _log.warning("relay_waits", reason=error.reason, published=self.state.published)
            self.state.trouble = error.reason
            self._must_look = True
            await asyncio.sleep(_RETRY_SECONDS)
            return True
        self.state.trouble = ""
        self.state.published = entries[-1].position
        if self.state.published - self.state.saved >= _SAVE_EVERY:
            await self._save_position()
        return True

    def _taken(self) -> Sequence[Entry]:
        """Take the next entries from memory, if they are there without a gap; forget those published before."""
        fresh, taken = self._fresh, list[Entry]()
        expected = self.state.published + 1
        while fresh and fresh[0].position <= expected and len(taken) < _BATCH:
            entry = fresh.popleft()
            if entry.position == expected:
                taken.append(entry)
                expected += 1
        if taken:
            self.state.gap_before = None
        return taken

    def _contiguous(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return the entries up to the first missing position: a gap is waited for, never stepped over."""
        expected = self.state.published + 1
        for count, entry in enumerate(entries):
            if entry.position != expected:
                self.state.gap_before = entry.position
                return entries[:count]
            expected += 1
        self.state.gap_before = None
        return entries

    def _next_entries(self, connection: sa.Connection) -> list[Entry]:
        return entries_after(connection, self._journal, self.state.published, _BATCH)

    def _saved_position(self, connection: sa.Connection) -> int:
        query = sa.select(self._counters.c.value).where(self._counters.c.name == self._counter)
        return int(connection.execute(query).scalar() or 0)

    async def _save_position(self) -> None:
        if self.state.published > self.state.saved:
            published = self.state.published
            await self._train.write(lambda tx: self._raise_saved(tx, published))
            self.state.saved = published

    def _raise_saved(self, tx: Transaction, published: int) -> None:
        if tx.lock_counter(self._counter) < published:  # another replica may be further
            tx.set_counter(self._counter, published)

    async def _woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 can lose a cancellation
                await self._wake.wait()
        except TimeoutError:
            return False
        return True


def entries_after(connection: sa.Connection, journal: sa.Table, position: int, limit: int) -> list[Entry]:
    """Return at most `limit` entries after `position`, in position order."""
    query = sa.select(journal).where(journal.c.position > position).order_by(journal.c.position).limit(limit)
    return [Entry(*row) for row in connection.execute(query)]
