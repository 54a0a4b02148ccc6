"""The topics as an operator sees them: what is declared, and messages as they pass by."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from google.protobuf import json_format
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liangfa_kit.errors import NotFound, PlatformError
from liangfa_kit.messaging.broker import NEWEST, Delivery
from liangfa_kit.messaging.events import to_event
from liangfa_kit.messaging.opening import open_broker
from liangfa_kit.messaging.topics import TOPICS, Topic
from liangfa_kit.settings import PlatformSettings

_WAIT_SECONDS = 5.0
_BATCH = 500


async def make_topics(settings: PlatformSettings, out: Console) -> None:
    """Make what is missing on Kafka, and show every declared topic. Raises `Unavailable`, `Precondition`."""
    if settings.kafka.servers:
        from liangfa_kit.messaging.kafka import KafkaBroker

        await KafkaBroker(settings.kafka).ensure_topics()
    table = Table(
        "topic", "owner", "partitions", "kept", title=f"Topics on {settings.kafka.servers or 'the local log'}"
    )
    for topic in TOPICS:
        kept = "for ever" if topic.retention is None else f"{topic.retention.days} days"
        table.add_row(settings.kafka.prefix + topic.name, topic.owner, str(topic.partitions), kept)
    out.print(table)


async def tail(
    settings: PlatformSettings, name: str, out: Console, *, from_start: bool, once: bool, payload: bool
) -> None:
    """Print messages as they come: of the topic, or of the service, called `name`, or of all.

    `once` ends where the log ends now. It reads as a group of its own and stores no place.
    """
    topics = [topic.name for topic in _named(name)]
    broker = open_broker(settings)
    start = 0 if from_start else NEWEST
    try:
        subscription = await broker.subscribe(f"tail-{uuid.uuid4().hex[:8]}", topics, lambda _topic, _partition: start)
        while deliveries := await subscription.poll(_BATCH, 0.0):
            _print(deliveries, out, payload=payload)
        while not once:
            _print(await subscription.poll(_BATCH, _WAIT_SECONDS), out, payload=payload)
    finally:
        await broker.close()


def _named(name: str) -> Sequence[Topic]:
    found = [topic for topic in TOPICS if name in {"", topic.name, topic.owner}]
    if not found:
        raise NotFound(
            f"There is no topic {name!r}.",
            message_zh=f"没有名为 {name} 的主题。",
            remedy=f"Topics are: {', '.join(topic.name for topic in TOPICS)}.",
            reason="TOPIC_UNKNOWN",
        )
    return found


def _print(deliveries: Sequence[Delivery], out: Console, *, payload: bool) -> None:
    for delivery in deliveries:
        out.print(escape(_line(delivery)), soft_wrap=True)
        if payload:
            out.print(escape(_content(delivery)), soft_wrap=True)


def _line(delivery: Delivery) -> str:
    headers = delivery.message.headers
    place = f"{delivery.topic}/{delivery.partition}@{delivery.offset}"
    kind = headers.get("ce_type", "?").rpartition(".")[2]
    return f"{headers.get('ce_time', '?')}  {place}  {kind}  {delivery.message.key}  v{headers.get('ce_streamversion', '?')}"


def _content(delivery: Delivery) -> str:
    try:
        message = to_event(delivery).message
        return json_format.MessageToJson(message, indent=None, ensure_ascii=False, preserving_proto_field_name=True)
    except (ValueError, KeyError, PlatformError) as error:
        return f"cannot be read: {error}"
