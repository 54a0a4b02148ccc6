"""Journal entries on the wire: CloudEvents 1.0 in Kafka's binary mode, and back.

Attributes travel as `ce_*` headers, the W3C trace context as `traceparent`, the value is the entry's payload: the
same bytes that were hashed. Extensions: `ce_position` (journal position), `ce_streamversion`, `ce_actor` (JSON, ASCII).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar, overload

import orjson
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message as ProtoMessage

from liangfa_kit.clock import beijing_date_of, from_micros, to_micros
from liangfa_kit.journal import Entry
from liangfa_kit.messaging.broker import Delivery, Message

T = TypeVar("T")


class _Once(Generic[T]):
    """A property that is worked out at its first use. The library's `cached_property` takes a lock until Python 3.12."""

    def __init__(self, work_out: Callable[[Any], T]) -> None:
        self._work_out = work_out
        self._name = work_out.__name__
        self.__doc__ = work_out.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> _Once[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> T | _Once[T]:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._work_out(instance)
        return value


@dataclass(frozen=True)
class Event:
    """One event as a consumer sees it. `at` is when the command was committed, aware UTC."""

    id: str
    source: str
    position: int
    stream: str
    version: int
    type: str
    at_micros: int
    actor_text: str
    payload: bytes
    traceparent: str | None
    topic: str
    partition: int
    offset: int

    @_Once
    def at(self) -> datetime:
        """When the event was recorded, aware UTC."""
        return from_micros(self.at_micros)

    @_Once
    def beijing_date(self) -> date:
        """The calendar date in China on which the event was recorded."""
        return beijing_date_of(self.at_micros)

    @property
    def trace_id(self) -> str:
        """The W3C trace id of the command that it came of, empty when none is known."""
        return self.traceparent[3:35] if self.traceparent else ""

    @_Once
    def actor(self) -> dict[str, Any]:
        """Who acted: person, name, agency, region, roles."""
        actor: dict[str, Any] = orjson.loads(self.actor_text)
        return actor

    @_Once
    def message(self) -> ProtoMessage:
        """The event itself. Raises KeyError for a type this process does not know, DecodeError for bad bytes."""
        return _message_class(self.type).FromString(self.payload)


@lru_cache(maxsize=512)
def _message_class(name: str) -> type[ProtoMessage]:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def to_message(entry: Entry, source: str) -> Message:
    """Return `entry` as it is published by the service `source`."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": entry.id,
        "ce_source": source,
        "ce_type": entry.type,
        "ce_subject": entry.stream,
        "ce_time": from_micros(entry.at_micros).isoformat(),
        "ce_datacontenttype": "application/protobuf",
        "ce_position": str(entry.position),
        "ce_streamversion": str(entry.version),
        "ce_schemaversion": str(entry.schema_version),
        "ce_actor": _ascii_json(entry.actor),
    }
    if entry.traceparent:
        headers["traceparent"] = entry.traceparent
    return Message(entry.stream, entry.payload, headers)


@lru_cache(maxsize=4096)
def _ascii_json(text: str) -> str:
    """Escape what is not ASCII: header values must be. Cached, since one actor does many things."""
    return text if text.isascii() else json.dumps(json.loads(text), separators=(",", ":"))


def to_event(delivery: Delivery) -> Event:
    """Return the event that a delivery carries. Raises `ValueError` when an attribute is missing or malformed."""
    headers = delivery.message.headers
    try:
        return Event(
            id=headers["ce_id"],
            source=headers["ce_source"],
            position=int(headers["ce_position"]),
            stream=headers["ce_subject"],
            version=int(headers["ce_streamversion"]),
            type=headers["ce_type"],
            at_micros=to_micros(datetime.fromisoformat(headers["ce_time"])),
            actor_text=headers["ce_actor"],
            payload=delivery.message.value,
            traceparent=headers.get("traceparent"),
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
        )
    except KeyError as error:
        raise ValueError(f"the event lacks the attribute {error}") from error
