"""The broker's contract. Every implementation joins through the `broker` fixture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_kit.messaging.broker import NEWEST, Broker, Delivery, Message
from liangfa_kit.messaging.topics import Topic
from tests.servers.kafka.brokers import open_broker

pytestmark = pytest.mark.asyncio
TOPIC = "liangfa.tally.v1"
OTHER = "liangfa.other.v1"
TOPICS = (Topic(TOPIC, owner="tally", partitions=1), Topic(OTHER, owner="other", partitions=1))


@pytest_asyncio.fixture
async def broker(tmp_path: Path, either_broker: str) -> AsyncIterator[Broker]:
    broker = open_broker(tmp_path, TOPICS)
    yield broker
    await broker.close()


def message(number: int, key: str = "k") -> Message:
    return Message(key, f"value {number}".encode(), {"ce_id": str(number)})


async def values(broker: Broker, start: int = 0, limit: int = 100) -> list[bytes]:
    subscription = await broker.subscribe("g", [TOPIC], lambda _t, _p: start)
    found = [d.message.value for d in await subscription.poll(limit, 0.0)]
    await subscription.close()
    return found


async def test_published_messages_arrive_whole_and_in_order(broker: Broker) -> None:
    """Key, value and headers survive; one key keeps its order over several publications."""
    await broker.publish(TOPIC, [message(1), message(2, "其他")])
    await broker.publish(TOPIC, [message(3)])
    subscription = await broker.subscribe("g", [TOPIC], lambda _t, _p: 0)
    deliveries = await subscription.poll(10, 20.0)
    assert [d.message for d in deliveries] == [message(1), message(2, "其他"), message(3)]
    assert [d.offset for d in deliveries] == [0, 1, 2]


async def test_a_log_that_is_there_says_so(broker: Broker) -> None:
    """A round trip ends without a word, again and again."""
    for _ in range(2):
        await broker.check()


async def test_a_subscription_starts_where_its_owner_says(broker: Broker) -> None:
    """Offsets live with the effects: the broker remembers nothing of a group."""
    await broker.publish(TOPIC, [message(i) for i in range(5)])
    assert await values(broker, start=3) == [b"value 3", b"value 4"]
    assert await values(broker) == [f"value {i}".encode() for i in range(5)]


async def test_a_subscription_may_begin_with_what_is_published_from_now_on(broker: Broker) -> None:
    """Who only watches does not read the past."""
    await broker.publish(TOPIC, [message(i) for i in range(5)])
    subscription = await broker.subscribe("g", [TOPIC], lambda _t, _p: NEWEST)
    assert await subscription.poll(10, 0.0) == []
    await broker.publish(TOPIC, [message(5)])
    assert [d.offset for d in await subscription.poll(10, 20.0)] == [5]


async def test_a_poll_returns_at_most_what_was_asked_and_goes_on_from_there(broker: Broker) -> None:
    """Batches neither overlap nor leave a gap, and the lag is what is left."""
    await broker.publish(TOPIC, [message(i) for i in range(5)])
    subscription = await broker.subscribe("g", [TOPIC], lambda _t, _p: 0)
    assert len(await subscription.poll(2, 0.0)) == 2
    assert await subscription.lag() == 3
    assert [d.offset for d in await subscription.poll(10, 0.0)] == [2, 3, 4]
    assert await subscription.poll(10, 0.0) == []


async def test_a_waiting_poll_is_woken_by_a_publication(broker: Broker) -> None:
    """Nobody waits for the end of a time-out when there is something to read."""
    subscription = await broker.subscribe("g", [TOPIC], lambda _t, _p: 0)
    waiting = asyncio.ensure_future(subscription.poll(10, 20.0))
    await asyncio.sleep(0)
    await broker.publish(TOPIC, [message(1)])
    deliveries = await asyncio.wait_for(waiting, 60)
    assert [d.message for d in deliveries] == [message(1)]


async def test_topics_do_not_mix(broker: Broker) -> None:
    """A subscription sees its topics only."""
    await broker.publish(OTHER, [message(9)])
    await broker.publish(TOPIC, [message(1)])
    assert await values(broker) == [b"value 1"]


async def test_published_messages_survive_a_restart(tmp_path: Path, either_broker: str) -> None:
    """What `publish` has accepted is on disk."""
    first = open_broker(tmp_path, TOPICS)
    await first.publish(TOPIC, [message(1)])
    await first.close()
    second = open_broker(tmp_path, TOPICS)
    assert await values(second) == [b"value 1"]
    await second.close()


async def test_two_processes_may_share_the_log(tmp_path: Path, either_broker: str) -> None:
    """A message published elsewhere is found by looking again."""
    one, two = open_broker(tmp_path, TOPICS), open_broker(tmp_path, TOPICS)
    subscription = await one.subscribe("g", [TOPIC], lambda _t, _p: 0)
    waiting = asyncio.ensure_future(subscription.poll(10, 20.0))
    await two.publish(TOPIC, [message(1)])
    assert [d.message for d in await asyncio.wait_for(waiting, 60)] == [message(1)]
    await one.close()
    await two.close()


async def test_a_reader_gets_its_own_process_messages_and_another_s_in_one_order(
    tmp_path: Path, either_broker: str
) -> None:
    """What is handed over in memory never hides what only the file has, nor comes twice; a slow reader loses nothing."""
    one, two = open_broker(tmp_path, TOPICS), open_broker(tmp_path, TOPICS)
    subscription = await one.subscribe("g", [TOPIC], lambda _t, _p: 0)
    for number in range(0, 60, 3):
        await one.publish(TOPIC, [message(number), message(number + 1)])
        await two.publish(TOPIC, [message(number + 2)])
    await one.publish(TOPIC, [message(number) for number in range(60, 2_600)])
    found: list[Delivery] = []
    while batch := await subscription.poll(7 if len(found) < 100 else 500, 0.0):
        found += batch
    assert [d.offset for d in found] == list(range(2_600))
    assert [d.message for d in found] == [message(number) for number in range(2_600)]
    await one.close()
    await two.close()
