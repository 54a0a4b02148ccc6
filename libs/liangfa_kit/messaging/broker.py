"""What carries events between services. The local log implements it here; Kafka joins by the same conformance suite.

Promises: `publish` returns when the messages are durable; messages of one key keep their order within one
partition; a subscription starts at the offsets its owner gives (offsets live with the effects, never in the
broker); delivery is at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One message: `key` decides the partition, `headers` are CloudEvents attributes (`ce_*`, ASCII values)."""

    key: str
    value: bytes
    headers: Mapping[str, str]


class Delivery(NamedTuple):
    """A message as it arrived. `offset` counts within (topic, partition) and only grows."""

    topic: str
    partition: int
    offset: int
    message: Message


StartAt = Callable[[str, int], int]
"""(topic, partition) -> the next offset to deliver, or `NEWEST`. Called whenever a partition is assigned."""

NEWEST = -1
"""Start with what is published from now on."""


class Subscription(Protocol):
    """A running subscription of one consumer group member."""

    async def poll(self, max_messages: int, timeout_seconds: float) -> Sequence[Delivery]:
        """Return what has arrived, in order within each partition; wait at most `timeout_seconds` for the first."""
        ...

    async def lag(self) -> int:
        """Return how many messages of the assigned partitions have not been delivered yet."""
        ...

    async def close(self) -> None:
        """Give up the assigned partitions."""
        ...


class Broker(Protocol):
    """A durable, ordered log of messages by topic."""

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append messages in order and return when they are durable. Raises `Unavailable`; repeating is safe."""
        ...

    async def subscribe(self, group: str, topics: Sequence[str], start_at: StartAt) -> Subscription:
        """Join `group` and deliver `topics` from the offsets that `start_at` gives."""
        ...

    async def check(self) -> None:
        """Make a round trip to the log and return. Raises `Unavailable` when it cannot be used."""
        ...

    async def close(self) -> None:
        """Release connections and files."""
        ...
