"""Starting and stopping under traffic, again and again: no cancellation is lost, nothing hangs, nothing is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.hub import FeedFilter, FeedRow, Hub
from tests.tally import TOPIC, model_service, tally_broker, tally_service

pytestmark = pytest.mark.asyncio
ROUNDS = 50
AT_MOST_SECONDS = 30.0
"""A lost cancellation hangs for ever; a busy machine takes a while."""


async def stopped(*running: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; fail when one of them goes on."""
    for task in running:
        task.cancel()
    _, going_on = await asyncio.wait(running, timeout=AT_MOST_SECONDS)
    assert not going_on, f"{[task.get_name() for task in going_on]} did not end"
    for task in running:
        assert task.cancelled() or task.exception() is None, task.exception()


def started(name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work, name=name)


@pytest.mark.timeout(240)
async def test_relay_and_consumer_stop_at_any_moment_and_go_on_where_they_were(tmp_path: Path) -> None:
    """Fifty starts and stops while commands commit; each stop falls at another moment of their work."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (_, consumer):
        total = 0
        for number in range(ROUNDS):
            running = [started("relay", tally.relay(broker).run()), started("consumer", consumer.run())]
            for step in range(1 + number % 5):
                await tally.raise_(f"t{step}")
                total += 1
            for _ in range(number):
                await asyncio.sleep(0)
            await stopped(*running)
        await tally.relay(broker).drain()
        await consumer.drain()
        assert await consumer.set_aside() == []
        seen = sum(row["events"] for row in await _seen(tmp_path, broker))
        assert seen == total
    async with asyncio.timeout(AT_MOST_SECONDS):
        await broker.close()


async def _seen(folder: Path, broker: Any) -> list[dict[str, Any]]:
    from tests.tally import seen

    async with model_service(folder, broker) as (model, _):
        return await model.rows(seen)


@pytest.mark.timeout(240)
async def test_a_subscription_closes_at_any_moment_of_a_poll(tmp_path: Path) -> None:
    """Waiting for a message, reading one, or just woken: the poll ends, the subscription closes, the broker too."""
    from liangfa_kit.messaging.broker import Message

    for number in range(ROUNDS):
        broker = tally_broker(tmp_path)
        subscription = await broker.subscribe("readers", [TOPIC], lambda _topic, _partition: 0)
        polling = started("poll", _polling(subscription))
        await broker.publish(TOPIC, [Message("k", b"v", {})])
        for _ in range(number):
            await asyncio.sleep(0)
        await stopped(polling)
        async with asyncio.timeout(AT_MOST_SECONDS):
            await broker.close()


async def _polling(subscription: Any) -> None:
    while True:
        await subscription.poll(10, 5.0)


@pytest.mark.timeout(240)
async def test_watchers_leave_at_any_moment_and_none_stays_behind() -> None:
    """Fifty times twenty watchers, leaving while items arrive: all end, and the hub forgets them."""
    rows: list[FeedRow] = []

    async def page(wanted: FeedFilter, after: int, limit: int) -> Sequence[FeedRow]:
        await asyncio.sleep(0)
        return [row for row in rows if row.cursor > after and wanted.matches(row)][:limit]

    async def newest() -> int:
        await asyncio.sleep(0)
        return len(rows)

    hub = Hub(page, newest, heartbeat_seconds=0.001)
    for number in range(ROUNDS):
        watching = [started(f"watcher {n}", _watching(hub)) for n in range(20)]
        for _ in range(number):
            cursor = len(rows) + 1
            rows.append(FeedRow(cursor, 1, 1, "420111", "a", "c", pb.FeedItem(cursor=cursor).SerializeToString()))
            hub.refresh()
            await asyncio.sleep(0)
        await stopped(*watching)
        assert hub.watchers == 0


async def _watching(hub: Hub) -> None:
    stream = hub.watch(FeedFilter(), 0)
    try:
        async for _ in stream:
            pass
    finally:
        await stream.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
