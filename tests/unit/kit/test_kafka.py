"""What Kafka adds to the broker's contract: rounds, places that are not in the log, topics that differ, the lag shown."""

from __future__ import annotations

import asyncio

import confluent_kafka
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from liangfa_kit.errors import Precondition, Unavailable
from liangfa_kit.messaging.broker import Message
from liangfa_kit.messaging.kafka import KafkaBroker, partition_of, rounds
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.settings import Kafka
from tests.servers.kafka.brokers import fresh

TOPIC = Topic("liangfa.tally.v1", owner="tally", partitions=1)


def messages(count: int) -> list[Message]:
    return [Message(f"case/{number}", b"x", {"ce_id": str(number)}) for number in range(count)]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400_000)), max_size=40), st.integers(1, 5))
def test_rounds_keep_every_message_in_order_and_fit_one_batch_a_partition(
    sizes: list[tuple[str, int]], partitions: int
) -> None:
    """A round holds at most a batch's bytes for each partition, unless one message alone is larger."""
    sent = [Message(key, bytes(size), {"n": str(number)}) for number, (key, size) in enumerate(sizes)]
    made = list(rounds(sent, partitions))
    assert [message for batch in made for _, message in batch] == sent
    for batch in made:
        for partition in range(partitions):
            own = [message for number, message in batch if number == partition]
            assert all(partition_of(message.key, partitions) == partition for message in own)
            assert len(own) <= 1 or sum(len(message.value) for message in own) < 900 << 10


@pytest.mark.asyncio
async def test_a_place_that_is_not_in_the_log_stops_the_consumer(kafka_servers: str) -> None:
    """Neither the oldest nor the newest message is taken for it: that would lose events silently."""
    broker = KafkaBroker(fresh(kafka_servers), (TOPIC,))
    await broker.publish(TOPIC.name, messages(5))
    subscription = await broker.subscribe("g", [TOPIC.name], lambda _t, _p: 50)
    with pytest.raises(Precondition) as refusal:
        await subscription.poll(10, 20.0)
    assert refusal.value.reason == "EVENTS_MISSING"
    await broker.close()


@pytest.mark.asyncio
async def test_a_topic_with_another_number_of_partitions_is_refused(kafka_servers: str) -> None:
    """An entity's later events would go past its earlier ones."""
    settings = fresh(kafka_servers)
    await KafkaBroker(settings, (TOPIC,)).ensure_topics()
    other = KafkaBroker(settings, (Topic(TOPIC.name, owner="tally", partitions=4),))
    with pytest.raises(Precondition) as refusal:
        await other.publish(TOPIC.name, messages(1))
    assert refusal.value.reason == "TOPIC_DIFFERS"
    await other.close()


@pytest.mark.asyncio
async def test_stock_tools_see_how_far_a_group_is(kafka_servers: str) -> None:
    """What was delivered is committed to Kafka, for people who watch the lag."""
    settings = fresh(kafka_servers)
    broker = KafkaBroker(settings, (TOPIC,))
    await broker.publish(TOPIC.name, messages(5))
    subscription = await broker.subscribe("g", [TOPIC.name], lambda _t, _p: 0)
    assert len(await subscription.poll(10, 20.0)) == 5
    stock = confluent_kafka.Consumer({"bootstrap.servers": kafka_servers, "group.id": f"{settings.prefix}g"})
    place = confluent_kafka.TopicPartition(settings.prefix + TOPIC.name, 0)
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(stock.committed, [place], 10))[0].offset != 5:
            await subscription.poll(10, 0.1)
    stock.close()
    await broker.close()


@pytest.mark.asyncio
async def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    """The relay keeps the events and tries again."""
    broker = KafkaBroker(Kafka(servers="localhost:1"), (TOPIC,))
    with pytest.raises(Unavailable) as refusal:
        await broker.publish(TOPIC.name, messages(1))
    assert refusal.value.reason == "KAFKA_UNAVAILABLE"
    await broker.close()


@pytest.mark.parametrize("servers", ["kafka", "kafka:", ":9092", "kafka:x", "a:1,b"])
def test_servers_without_a_host_or_a_port_are_refused_at_the_start(servers: str) -> None:
    """A slip of the pen is not found out at the first event."""
    with pytest.raises(ValidationError):
        Kafka(servers=servers)
