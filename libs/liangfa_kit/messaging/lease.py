"""The lease by which one replica's relay publishes while the others stand by.

It saves work and guards nothing: two that publish at once are harmless, because consumers know an event by its position.
So nothing here waits for certainty.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from liangfa_kit.clock import Clock, to_micros

if TYPE_CHECKING:
    from liangfa_kit.store.port import Store, Transaction
    from liangfa_kit.store.tables import KitTables
    from liangfa_kit.train import Train

_log = structlog.get_logger("liangfa.relay")
LEASE_SECONDS = 6.0
"""How long events may wait when the replica that publishes was killed."""
_RENEWALS = 3
_NONE = -1


class Lease:
    """One row in the service's own database: until when (microseconds UTC) its holder has it.

    What stands there also says whose it is: nobody else wrote it, because each writes more than he finds. A replica takes
    it once it has lapsed, by the clock or because nobody has renewed it for `seconds` that this process itself has waited:
    so a clock that is wrong delays nobody.
    """

    def __init__(
        self,
        store: Store,
        tables: KitTables,
        train: Train,
        clock: Clock,
        topic: str,
        *,
        seconds: float = LEASE_SECONDS,
    ) -> None:
        self._store = store
        self._counters = tables.counters
        self._train = train
        self._clock = clock
        self._name = f"lease/{topic}"
        self._seconds = seconds
        self._own = _NONE
        self._renew_at = 0.0
        self._seen = _NONE
        self._seen_at = 0.0

    async def is_held(self) -> bool:
        """Return whether this replica has it now, taking or renewing it if it may. Raises `Unavailable`."""
        began = time.monotonic()
        if self._own != _NONE and began < self._renew_at:
            return True
        found = await self._store.read(self._value)
        if found != self._own and not self._has_lapsed(found):
            self._lose()
            return False
        held = self._own != _NONE
        self._own = await self._train.write(lambda tx: self._prolonged(tx, found))
        self._renew_at = began + self._seconds / _RENEWALS
        if self._own != _NONE and not held:
            _log.info("relay_publishes", lease=self._name)
        return self._own != _NONE

    async def release(self) -> None:
        """Let another replica have it at once (orderly shutdown); nothing when it is not ours."""
        own, self._own = self._own, _NONE
        if own != _NONE:
            await self._train.write(lambda tx: tx.set_counter(self._name, 0) if self._is(tx, own) else None)

    def _prolonged(self, tx: Transaction, found: int) -> int:
        """Write a later end over `found` and return it; `_NONE` when another replica was faster."""
        if not self._is(tx, found):
            return _NONE
        until = max(to_micros(self._clock.now() + timedelta(seconds=self._seconds)), found + 1)
        tx.set_counter(self._name, until)
        return until

    def _is(self, tx: Transaction, value: int) -> bool:
        return tx.lock_counter(self._name) == value

    def _has_lapsed(self, found: int) -> bool:
        now = time.monotonic()
        if found != self._seen:
            self._seen, self._seen_at = found, now
        return found <= to_micros(self._clock.now()) or now - self._seen_at > self._seconds

    def _lose(self) -> None:
        if self._own != _NONE:
            _log.info("relay_stands_by", lease=self._name)
        self._own = _NONE

    def _value(self, connection: sa.Connection) -> int:
        query = sa.select(self._counters.c.value).where(self._counters.c.name == self._name)
        return int(connection.execute(query).scalar() or 0)


def lease_on(store: Store, tables: KitTables, train: Train, clock: Clock, topic: str) -> Lease | None:
    """Return the lease of the relay to `topic`; none on a database of one process, whose relay need not ask."""
    return Lease(store, tables, train, clock, topic) if store.is_shared else None
