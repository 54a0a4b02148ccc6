"""Brokers that die, hang and come back, and members that come and go: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from liangfa_kit.messaging.consumer import Consumer
from liangfa_kit.messaging.kafka import KafkaBroker
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.settings import Kafka
from tests.faults.figures import Outcome, Record
from tests.servers.kafka.brokers import fresh
from tests.servers.kafka.cluster import Cluster, cluster
from tests.servers.kafka.jars import class_path
from tests.tally import TOPIC, Tally, kept_up, model_service, seen, tally_service

pytestmark = [
    pytest.mark.fault,
    pytest.mark.asyncio,
    pytest.mark.timeout(420),
    pytest.mark.xdist_group("kafka-faults"),
    pytest.mark.usefixtures("kafka_sockets_swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TOPICS = (Topic(TOPIC, owner="tally", partitions=4),)


@pytest.fixture
def one_broker(tmp_path: Path) -> Iterator[Cluster]:
    """A broker of this test's own, to be killed."""
    yield from running_cluster(tmp_path, 1)


@pytest.fixture
def three_brokers(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that goes on while one of its brokers is down."""
    yield from running_cluster(tmp_path, 3)


def running_cluster(folder: Path, count: int) -> Iterator[Cluster]:
    class_path()
    brokers = cluster(folder / "kafka", count)
    try:
        brokers.start()
        yield brokers
    finally:
        brokers.stop()


@asynccontextmanager
async def working(folder: Path, settings: Kafka) -> AsyncIterator[tuple[Tally, Relay, Tally, Consumer]]:
    """Run a tally with its relay, and a consumer with its read model, over Kafka."""
    writing, reading = KafkaBroker(settings, TOPICS), KafkaBroker(settings, TOPICS)
    async with tally_service(folder) as tally, model_service(folder, reading) as (model, consumer):
        relay = tally.relay(writing)
        troubles: list[Exception] = []
        tasks = [asyncio.ensure_future(kept_up(work, troubles)) for work in (relay.run, consumer.run)]
        try:
            yield tally, relay, model, consumer
        except TimeoutError as error:
            raise AssertionError(f"waited in vain: {relay.state}, {consumer.state}, {troubles}") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(writing.close(), reading.close())


async def until(condition: Callable[[], bool], seconds: float = 150) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def file_some(tally: Tally, first: int, last: int) -> None:
    for number in range(first, last):
        await tally.raise_(f"t{number % 11}", number)


async def nothing_lost(
    model: Tally, consumer: Consumer, count: int, record: Record, fault: str, times: int, longest: float | None = None
) -> None:
    """Every event had its effect once, in the order of its tally (the model refuses a version out of order)."""
    rows = await model.rows(seen)
    applied, aside = sum(row["events"] for row in rows), await consumer.set_aside()
    lost, doubled = max(0, count - applied), max(0, applied - count)
    Outcome(fault, times, count, lost, doubled, len(aside), longest).tell(record)
    assert sum(row["total"] for row in rows) == sum(range(count))


async def test_a_killed_and_restarted_broker_loses_nothing_of_what_is_filed_meanwhile(
    tmp_path: Path, one_broker: Cluster, record_property: Record
) -> None:
    """kill -9 in the middle of publishing; filing goes on without Kafka; all arrives when it is back."""
    async with working(tmp_path, fresh(one_broker.servers, publish_seconds=3)) as (tally, relay, model, consumer):
        await file_some(tally, 0, 200)
        await until(lambda: relay.state.published > 0)
        one_broker.kill()
        await file_some(tally, 200, 400)
        await until(lambda: relay.state.trouble == "KAFKA_UNAVAILABLE")
        await file_some(tally, 400, 500)
        await asyncio.to_thread(one_broker.restart)
        back = time.monotonic()
        await file_some(tally, 500, 600)
        await until(lambda: consumer.state.applied >= 600)
        longest = time.monotonic() - back
        await nothing_lost(model, consumer, 600, record_property, "kill -9 of the only Kafka broker", 1, longest)
        assert relay.state.trouble == ""


async def test_a_broker_that_hangs_for_seconds_delays_events_and_keeps_their_order(
    tmp_path: Path, one_broker: Cluster, record_property: Record
) -> None:
    """A request whose outcome nobody knows is repeated; whether it was written or not, the effect is single."""
    async with working(tmp_path, fresh(one_broker.servers, publish_seconds=2)) as (tally, relay, model, consumer):
        await file_some(tally, 0, 100)
        await until(lambda: consumer.state.applied >= 100)
        for first in (100, 200, 300):
            one_broker.pause()
            await file_some(tally, first, first + 100)
            await until(lambda: relay.state.trouble == "KAFKA_UNAVAILABLE")
            one_broker.resume()
            await until(lambda: relay.state.trouble == "")
        await until(lambda: consumer.state.applied >= 400)
        await nothing_lost(model, consumer, 400, record_property, "Kafka broker hangs, then goes on", 3)


async def test_members_that_join_and_leave_lose_and_repeat_nothing(
    tmp_path: Path, kafka_servers: str, record_property: Record
) -> None:
    """Partitions move between two members while events flow; each is applied once, by whoever has it."""
    settings = fresh(kafka_servers, session_seconds=3)
    brokers = [KafkaBroker(settings, TOPICS) for _ in range(4)]
    async with working(tmp_path, settings) as (tally, _, model, first):
        filing = asyncio.ensure_future(file_some(tally, 0, 900))
        joined: list[int] = []
        for broker in brokers:
            async with model_service(tmp_path, broker, batch_size=20) as (_, second):
                task = asyncio.ensure_future(kept_up(second.run, []))
                await until(lambda member=second: member.state.applied > 0 or filing.done())  # type: ignore[misc]
                joined.append(second.state.applied)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await filing
        rows = 0
        async with asyncio.timeout(150):
            while rows < 900:
                rows = sum(row["events"] for row in await model.rows(seen))
                await asyncio.sleep(0.05)
        await nothing_lost(model, first, 900, record_property, "members join and leave a consumer group", len(brokers))
        assert max(joined) > 0, "no partition ever moved: this test has shown nothing"
    await asyncio.gather(*(broker.close() for broker in brokers))


@pytest.mark.slow
async def test_three_brokers_lose_nothing_when_each_is_killed_in_turn(
    tmp_path: Path, three_brokers: Cluster, record_property: Record
) -> None:
    """With two of three copies acknowledged, any one broker may die while events flow."""
    settings = fresh(three_brokers.servers, replication=3, publish_seconds=10)
    async with working(tmp_path, settings) as (tally, _, model, consumer):
        longest = 0.0
        for number in range(3):
            await file_some(tally, number * 200, number * 200 + 100)
            three_brokers.kill(number)
            await file_some(tally, number * 200 + 100, number * 200 + 200)
            killed = time.monotonic()
            await until(lambda done=number * 200 + 200: consumer.state.applied >= done)  # type: ignore[misc]
            longest = max(longest, time.monotonic() - killed)
            await asyncio.to_thread(three_brokers.restart, number)
        await nothing_lost(model, consumer, 600, record_property, "kill -9 of one of three Kafka brokers", 3, longest)
