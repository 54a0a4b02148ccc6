"""Of several replicas one publishes, another goes on when it dies, and no event depends on who holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_kit.clock import ManualClock
from liangfa_kit.messaging.broker import Broker, Delivery
from liangfa_kit.messaging.lease import lease_on
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.messaging.relay import Relay
from tests.tally import KIT, START, TOPIC, Tally, model_service, seen, tally_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("either_database")]
_LONG = 3_600.0
"""Seconds that no test takes, however starved its machine: such a lease lapses by the test's own clock alone."""


@asynccontextmanager
async def replicas(folder: Path, clock: ManualClock) -> AsyncIterator[tuple[Tally, Tally]]:
    """Two processes' worth of one service on one database."""
    async with tally_service(folder, clock) as first, tally_service(folder, clock) as second:
        yield first, second


@asynccontextmanager
async def publishing(*relays: Relay) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def published(broker: Broker) -> list[int]:
    """Return the positions in the log, in its order."""
    subscription = await broker.subscribe("looking", [TOPIC], lambda _topic, _partition: 0)
    found: list[Delivery] = []
    while more := await subscription.poll(1_000, 0):
        found += more
    await subscription.close()
    return [int(delivery.message.headers["ce_position"]) for delivery in found]


async def until_published(broker: Broker, last: int) -> None:
    async with asyncio.timeout(60):
        while last not in await published(broker):
            await asyncio.sleep(0.02)


async def test_of_two_replicas_one_publishes_and_nothing_is_in_the_log_twice(tmp_path: Path) -> None:
    """Whoever committed it: the holder of the lease publishes what both have journalled."""
    clock, broker = ManualClock(START), LocalBroker(tmp_path / "log.sqlite3")
    async with replicas(tmp_path, clock) as (one, two):
        holding = one.lease(seconds=_LONG)
        assert await holding.is_held()
        standing_by = two.relay(broker, two.lease(seconds=_LONG))
        async with publishing(one.relay(broker, holding), standing_by):
            for number in range(40):
                await (one if number % 2 else two).raise_("a", number)
            await until_published(broker, 40)
            async with asyncio.timeout(60):
                while standing_by.state.published < 40:  # it follows, so that its figures are true
                    await asyncio.sleep(0.02)
        assert await published(broker) == list(range(1, 41))
    await broker.close()


async def test_when_the_holder_dies_another_goes_on_and_nothing_is_lost(tmp_path: Path) -> None:
    """It says no farewell and its place is not saved: what it published comes twice, and takes effect once."""
    clock, broker = ManualClock(START), LocalBroker(tmp_path / "log.sqlite3")
    async with replicas(tmp_path, clock) as (dead, living), model_service(tmp_path, broker) as (model, consumer):
        assert await dead.lease(seconds=_LONG).is_held()
        for number in range(10):
            await dead.raise_("a", number)
        await dead.relay(broker).drain()
        await dead.train.write(lambda tx: tx.set_counter(f"relay/{TOPIC}", 7))
        async with publishing(living.relay(broker, living.lease(seconds=_LONG))):
            for number in range(10, 20):
                await living.raise_("a", number)
            clock.advance(timedelta(seconds=_LONG + 1))
            await until_published(broker, 20)
        assert set(await published(broker)) == set(range(1, 21))
        await consumer.drain()
        assert [(row["total"], row["events"]) for row in await model.rows(seen)] == [(sum(range(20)), 20)]
        assert await consumer.set_aside() == []
    await broker.close()


async def test_a_holder_that_ends_in_order_gives_the_lease_away_at_once(tmp_path: Path) -> None:
    """A rolling restart makes nobody wait for a lease to lapse."""
    clock, broker = ManualClock(START), LocalBroker(tmp_path / "log.sqlite3")
    async with replicas(tmp_path, clock) as (one, two):
        async with publishing(one.relay(broker, one.lease(seconds=_LONG))):
            await one.raise_("a")
            await until_published(broker, 1)
        async with publishing(two.relay(broker, two.lease(seconds=_LONG))):
            await two.raise_("a")
            await until_published(broker, 2)
        assert await published(broker) == [1, 2]
    await broker.close()


async def test_two_that_both_believe_they_hold_it_lose_and_double_no_effect(tmp_path: Path) -> None:
    """A process that was stopped for an hour wakes with the lease of another day: correctness asks for no lease."""
    clock, broker = ManualClock(START), LocalBroker(tmp_path / "log.sqlite3")
    async with replicas(tmp_path, clock) as (one, two), model_service(tmp_path, broker) as (model, consumer):
        async with publishing(one.relay(broker), two.relay(broker)):
            for number in range(60):
                await (one if number % 3 else two).raise_(f"t{number % 4}", number)
            await until_published(broker, 60)
        await consumer.drain()
        rows = await model.rows(seen)
        assert sum(row["events"] for row in rows) == 60
        assert sum(row["total"] for row in rows) == sum(range(60))
        assert await consumer.set_aside() == []
    await broker.close()


async def test_the_saved_place_never_goes_back(tmp_path: Path) -> None:
    """A replica that wakes late and ends does not send its successor over old events again."""
    clock, broker = ManualClock(START), LocalBroker(tmp_path / "log.sqlite3")
    async with replicas(tmp_path, clock) as (late, other):
        for number in range(5):
            await late.raise_("a", number)
        relay = late.relay(broker)
        publish = broker.publish

        async def slowly(topic: str, messages: object) -> None:
            await publish(topic, messages)  # type: ignore[arg-type]
            await other.train.write(lambda tx: tx.set_counter(f"relay/{TOPIC}", 9))

        broker.publish = slowly  # type: ignore[method-assign]  # another replica is further meanwhile
        await relay.drain()
        counters = {row["name"]: row["value"] for row in await late.rows(KIT.counters)}
        assert counters[f"relay/{TOPIC}"] == 9
    await broker.close()


async def test_a_lease_that_ends_in_a_wrong_clocks_future_is_taken_by_who_has_waited_long_enough(
    tmp_path: Path,
) -> None:
    """The holder's clock was a year ahead when it died: who sees nobody renew it does not wait a year."""
    async with replicas(tmp_path, ManualClock(START)) as (dead, living):
        assert await dead.lease(ManualClock(START + timedelta(days=365)), seconds=_LONG).is_held()
        lease = living.lease(seconds=0.05)
        async with asyncio.timeout(60):
            while not await lease.is_held():
                await asyncio.sleep(0.01)


async def test_a_lease_is_held_by_one_and_kept_by_renewing_it(tmp_path: Path) -> None:
    """Renewed, it outlives its first end; once another has it, the first stands by and gives nothing away."""
    clock = ManualClock(START)
    async with replicas(tmp_path, clock) as (one, two):
        mine, yours = one.lease(seconds=0.0), two.lease(seconds=_LONG)  # renews at every look
        assert await mine.is_held()
        clock.advance(timedelta(hours=3))
        assert await mine.is_held()
        assert await yours.is_held()
        assert not await mine.is_held()
        await mine.release()
        assert not await one.lease(seconds=_LONG).is_held()
        await yours.release()
        assert await one.lease(seconds=_LONG).is_held()


async def test_a_database_of_one_process_needs_no_lease(tmp_path: Path, either_database: str) -> None:
    """An embedded platform that was killed publishes at once when it starts again."""
    async with tally_service(tmp_path) as tally:
        lease = lease_on(tally.store, KIT, tally.train, tally.clock, TOPIC)
        assert (lease is None) == (either_database == "sqlite")
        if lease is not None:
            assert await lease.is_held()
            names = sa.select(KIT.counters.c.name)
            assert f"lease/{TOPIC}" in await tally.store.read(lambda c: c.execute(names).scalars().all())
