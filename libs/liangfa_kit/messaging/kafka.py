"""The broker of distributed mode: topics of a Kafka cluster, in the same words as the local log.

Two rules make `repeated = position <= highest position seen in the partition` safe for consumers:

- Within a partition a message is appended only after everything before it is. So each publication is one batch for each
  partition, acknowledged by all in-sync replicas before the next one is sent, and a failed one is repeated whole.
- Offsets live with the effects. A member asks its owner where to go on whenever it is given a partition; what it tells
  Kafka is for people who look at the lag.

kafka-python blocks and polls, so every producer and every subscription has a thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

import structlog
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.partitioner import murmur2

from liangfa_kit.messaging.broker import Message, StartAt
from liangfa_kit.messaging.kafka_connection import Connection, away
from liangfa_kit.messaging.kafka_subscription import KafkaSubscription
from liangfa_kit.messaging.topics import TOPICS, Topic
from liangfa_kit.settings import Kafka

_log = structlog.get_logger("liangfa.kafka")
_BATCH_BYTES = 900 << 10
_ROUND_BYTES = 600 << 10
_MESSAGE_OVERHEAD_BYTES = 40
_HEADER_OVERHEAD_BYTES = 4
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_VISIT_MILLISECONDS = 5_000


class KafkaBroker:
    """The topics declared in `topics` on the cluster that `settings` name. Opening it connects to nothing yet."""

    def __init__(self, settings: Kafka, topics: Sequence[Topic] = TOPICS) -> None:
        self._connection = Connection(settings)
        self._topics = {topic.name: topic for topic in topics}
        self._publishers: dict[str, _Publisher] = {}
        self._subscriptions: set[KafkaSubscription] = set()
        self._visitor = _Visitor(self._connection)

    async def ensure_topics(self) -> None:
        """Make every declared topic that is missing. Raises `Unavailable`, `Precondition` for one that differs."""
        await asyncio.to_thread(self._connection.ensure, list(self._topics.values()))

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append messages in order of their keys' partitions; return when all in-sync replicas have them."""
        publisher = self._publishers.get(topic)
        if publisher is None:
            publisher = self._publishers[topic] = _Publisher(self._connection, self._topics[topic])
        await publisher.publish(messages)

    async def subscribe(self, group: str, topics: Sequence[str], start_at: StartAt) -> KafkaSubscription:
        """Join `group`: its members share the partitions out, and each starts where `start_at` says.

        `start_at` is called in a thread of the client's, not in the event loop's.
        """
        declared = [self._topics[topic] for topic in topics]
        subscription = KafkaSubscription(self._connection, group, declared, start_at)
        await subscription.open()
        self._subscriptions = {one for one in self._subscriptions if not one.is_closed} | {subscription}
        return subscription

    async def check(self) -> None:
        """Ask the cluster who is in it. Raises `Unavailable` when nobody answers."""
        await self._visitor.visit()

    async def close(self) -> None:
        """Leave the groups and end the producers. What was not acknowledged is not waited for."""
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))
        await asyncio.gather(*(publisher.close() for publisher in self._publishers.values()))
        await self._visitor.close()


class _Visitor:
    """Asks whether the cluster is there, over a connection that it keeps, in a thread of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-visit")
        self._admin: KafkaAdminClient | None = None

    async def visit(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._visit)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._discard)
        self._thread.shutdown()

    def _visit(self) -> None:
        if self._admin is None:
            self._admin = self._connection.open(KafkaAdminClient, request_timeout_ms=_VISIT_MILLISECONDS)
        try:
            self._admin.describe_cluster()
        except KafkaError as error:
            self._discard()
            raise away(error) from error

    def _discard(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(KafkaError):
                admin.close()


class _Publisher:
    """The one producer of a topic in this process, in a thread of its own."""

    def __init__(self, connection: Connection, topic: Topic) -> None:
        self._connection = connection
        self._topic = topic
        self._name = connection.name(topic.name)
        self._publish_seconds = connection.settings.publish_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"publish-{topic.owner}")
        self._producer: KafkaProducer | None = None

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._publish, messages)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._discard)
        self._thread.shutdown()

    def _publish(self, messages: Sequence[Message]) -> None:
        if self._producer is None:
            self._connection.ensure([self._topic])
            self._producer = self._open()
        try:
            for batch in rounds(messages, self._topic.partitions):
                self._publish_round(self._producer, batch)
        except KafkaError as error:
            self._discard()  # a batch that expired leaves its producer without a way on; a new one repeats the round
            raise away(error) from error

    def _open(self) -> KafkaProducer:
        seconds = self._publish_seconds
        return self._connection.open(
            KafkaProducer,
            acks="all",
            enable_idempotence=True,
            batch_size=_BATCH_BYTES,
            max_request_size=self._topic.max_message_bytes,
            linger_ms=int(seconds * 250),  # nothing goes before the flush: a partition's messages are one batch
            request_timeout_ms=int(seconds * 700),
            delivery_timeout_ms=int(seconds * 1_000),
            max_block_ms=int(seconds * 1_000),
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _publish_round(self, producer: KafkaProducer, batch: Sequence[tuple[int, Message]]) -> None:
        sent = [
            producer.send(
                self._name,
                key=message.key.encode(),
                value=message.value,
                headers=[(name, text.encode()) for name, text in message.headers.items()],
                partition=partition,
            )
            for partition, message in batch
        ]
        until = time.monotonic() + self._publish_seconds + 2 * _LOOK_SECONDS  # no batch takes longer
        while any(not future.is_done for future in sent) and time.monotonic() < until:
            with suppress(KafkaTimeoutError):
                producer.flush(_LOOK_SECONDS)
            if any(future.failed() for future in sent):
                break  # what is still under way may wait for ever then: the round is repeated whole
        for future in sent:
            future.get(0)

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            sender = producer._sender  # noqa: SLF001 - `close` alone waits for what never ends, and leaves it behind
            sender.force_close()
            sender.join(_CLOSE_SECONDS)
            with suppress(KafkaError):
                producer.close(timeout=_CLOSE_SECONDS)


def rounds(messages: Sequence[Message], partitions: int) -> Iterator[list[tuple[int, Message]]]:
    """Yield messages with their partitions, in order, so that each round is one batch at most in every partition."""
    batch: list[tuple[int, Message]] = []
    sizes = [0] * partitions
    for message in messages:
        partition = partition_of(message.key, partitions)
        size = _size(message)
        if sizes[partition] and sizes[partition] + size > _ROUND_BYTES:
            yield batch
            batch, sizes = [], [0] * partitions
        batch.append((partition, message))
        sizes[partition] += size
    if batch:
        yield batch


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key, as every Kafka client computes it (murmur2)."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


def _size(message: Message) -> int:
    headers = sum(len(name) + len(text) for name, text in message.headers.items())
    overhead = _MESSAGE_OVERHEAD_BYTES + _HEADER_OVERHEAD_BYTES * len(message.headers)
    return 3 * len(message.key) + len(message.value) + headers + overhead
