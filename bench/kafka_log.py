"""Kafka: from an answered command to its applied event beside a bare produce and consume; our client beside others."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
from kafka import KafkaConsumer, KafkaProducer
from tests.servers.kafka.cluster import cluster

from bench.entry import METHOD, requests
from bench.report import Figure
from liangfa_cli.district import officer
from liangfa_cli.platform import running
from liangfa_kit.messaging.broker import Message
from liangfa_kit.messaging.events import Event
from liangfa_kit.messaging.kafka import KafkaBroker
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.settings import Kafka, Listen, Logging, PlatformSettings, Storage

EVENTS = 200
WARMING = 20
MESSAGES = 20_000
BATCH = 500
WAIT_SECONDS = 30.0
TOPIC = Topic("liangfa.bench.v1", owner="bench", partitions=12)
BARE = Topic("liangfa.bare.v1", owner="bare", partitions=12)
OTHER = Topic("liangfa.other.v1", owner="other", partitions=12)
HEADERS = {f"ce_attribute{number}": "0190a2066c9ffb7000afe9f8806f576566" for number in range(11)}
VALUE = b"v" * 500


def run() -> Iterator[Figure]:
    """Measure everything against one broker of this machine, started for it."""
    with tempfile.TemporaryDirectory() as name:
        brokers = cluster(Path(name) / "kafka")
        try:
            brokers.start()
            settings = Kafka(servers=brokers.servers, replication=1)
            yield from _delays(asyncio.run(_applied(Path(name), settings)), asyncio.run(bare_delays(settings)))
            yield from asyncio.run(_throughput(settings))
        finally:
            brokers.stop()


def _delays(ours: Sequence[float], bare: Sequence[float]) -> Iterator[Figure]:
    for part in (50, 99):
        mine, limit = (statistics.quantiles(delays, n=100)[part - 1] for delays in (ours, bare))
        what = f"answered command to applied event, p{part}"
        note = f"{EVENTS} events, one after another"
        yield Figure(what, mine, "ms", limit, "bare produce to consume", less_is_better=True, note=note)


async def _applied(folder: Path, kafka: Kafka) -> list[float]:
    """Return, in ms, how long after each answer supervision has committed what it makes of the event."""
    logging = Logging(file=folder / "log.jsonl")
    settings = PlatformSettings(storage=Storage(folder=folder), listen=Listen(port=0), logging=logging, kafka=kafka)
    async with running(settings) as platform:
        arrived: asyncio.Queue[float] = asyncio.Queue()

        def applied(events: Sequence[Event]) -> None:
            for event in events:
                if event.type.endswith("CaseRegistered"):
                    arrived.put_nowait(time.perf_counter())

        assert platform.supervision
        platform.supervision.consumer.on_applied.append(applied)
        call: Any = platform.channel_for(officer("market_regulation")).unary_unary(
            METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        bodies = requests()
        delays = []
        for _ in range(WARMING + EVENTS):
            await call(next(bodies))
            answered = time.perf_counter()
            moment = await asyncio.wait_for(arrived.get(), WAIT_SECONDS)
            delays.append(max(0.0, moment - answered) * 1_000)
        return delays[WARMING:]


async def bare_delays(settings: Kafka) -> list[float]:
    """Return, in ms, how long a message of the same size takes from `send` to `poll` with nothing around it."""
    await KafkaBroker(settings, (BARE,)).ensure_topics()
    producer, consumer = _producer(settings, 0), _consumer(settings, BARE.name)
    delays = []
    for number in range(WARMING + EVENTS):
        started = time.perf_counter()
        producer.send(BARE.name, key=f"case/{number}".encode(), value=VALUE, headers=_headers())
        until = started + WAIT_SECONDS
        while not consumer.poll(1_000) and time.perf_counter() < until:
            pass
        delays.append((time.perf_counter() - started) * 1_000)
    producer.close(timeout=5)
    consumer.close(autocommit=False)
    return delays[WARMING:]


async def _throughput(settings: Kafka) -> list[Figure]:
    messages = [Message(f"case/{number % 1_000}", VALUE, HEADERS) for number in range(MESSAGES)]
    broker = KafkaBroker(settings, (TOPIC, BARE, OTHER))
    await broker.ensure_topics()
    await broker.publish(TOPIC.name, messages[:1])
    started = time.perf_counter()
    for first in range(0, MESSAGES, BATCH):
        await broker.publish(TOPIC.name, messages[first : first + BATCH])
    ours = time.perf_counter() - started
    subscription = await broker.subscribe("bench", [TOPIC.name], lambda _topic, _partition: 0)
    await subscription.poll(1, WAIT_SECONDS)
    count, started = 1, time.perf_counter()
    while count < MESSAGES:
        count += len(await subscription.poll(BATCH, WAIT_SECONDS))
    read = time.perf_counter() - started
    await broker.close()
    bare_sent, bare_read = _kafka_python(settings), _kafka_python_read(settings)
    other_sent, other_read = _confluent(settings), _confluent_read(settings)
    size = f"{MESSAGES} messages of 500 bytes with {len(HEADERS)} headers"
    return [
        Figure("events published", MESSAGES / ours, "a second", bare_sent, "bare kafka-python", note=size),
        Figure("events consumed", MESSAGES / read, "a second", bare_read, "bare kafka-python"),
        Figure("kafka-python, produced", bare_sent, "a second", other_sent, "confluent-kafka"),
        Figure("kafka-python, consumed", bare_read, "a second", other_read, "confluent-kafka"),
    ]


def _headers() -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in HEADERS.items()]


def _producer(settings: Kafka, linger_ms: int) -> Any:
    return KafkaProducer(bootstrap_servers=settings.server_list, acks="all", linger_ms=linger_ms, batch_size=512 << 10)


def _consumer(settings: Kafka, topic: str) -> Any:
    consumer = KafkaConsumer(
        bootstrap_servers=settings.server_list, group_id=f"bare-{topic}", auto_offset_reset="earliest"
    )
    consumer.subscribe([topic])
    until = time.perf_counter() + WAIT_SECONDS
    while not consumer.assignment() and time.perf_counter() < until:
        consumer.poll(100)
    consumer.seek_to_beginning()
    return consumer


def _kafka_python(settings: Kafka) -> float:
    producer = _producer(settings, 5)
    started = time.perf_counter()
    for number in range(MESSAGES):
        producer.send(OTHER.name, key=f"case/{number % 1_000}".encode(), value=VALUE, headers=_headers())
    producer.flush()
    taken = time.perf_counter() - started
    producer.close(timeout=5)
    return MESSAGES / taken


def _kafka_python_read(settings: Kafka) -> float:
    consumer = _consumer(settings, OTHER.name)
    count, started = 0, time.perf_counter()
    while count < MESSAGES:
        count += sum(map(len, consumer.poll(1_000, max_records=BATCH).values()))
    taken = time.perf_counter() - started
    consumer.close(autocommit=False)
    return MESSAGES / taken


def _confluent(settings: Kafka) -> float:
    producer = confluent_kafka.Producer({"bootstrap.servers": settings.servers, "enable.idempotence": True})
    headers: Any = _headers()
    started = time.perf_counter()
    for number in range(MESSAGES):
        producer.produce(OTHER.name, key=f"case/{number % 1_000}".encode(), value=VALUE, headers=headers)
        producer.poll(0)
    producer.flush()
    return MESSAGES / (time.perf_counter() - started)


def _confluent_read(settings: Kafka) -> float:
    given = {"bootstrap.servers": settings.servers, "group.id": "other", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(given)
    consumer.subscribe([OTHER.name])
    consumer.consume(1, WAIT_SECONDS)
    count, started = 1, time.perf_counter()
    while count < MESSAGES:
        found = consumer.consume(BATCH, 1.0)
        for message in found:
            message.headers(), message.value(), message.key()
        count += len(found)
    taken = time.perf_counter() - started
    consumer.close()
    return MESSAGES / taken
