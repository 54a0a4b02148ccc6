"""One member of a Kafka consumer group: its partitions, where it is in them, and how far that is from their ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, OffsetOutOfRangeError
from kafka.structs import MemberState

from liangfa_kit.errors import PlatformError, Precondition
from liangfa_kit.messaging.broker import NEWEST, Delivery, Message, StartAt
from liangfa_kit.messaging.kafka_connection import Connection, away
from liangfa_kit.messaging.topics import Topic

_log = structlog.get_logger("liangfa.kafka")
_LOOK_AGAIN_SECONDS = 0.25
_LOOK_NOW_SECONDS = 0.02
_NOTHING_ASSIGNED_SECONDS = 3.0
_SETTLE_SECONDS = 60.0
_LONGEST_BATCH_MS = 60_000
_TELL_EVERY_SECONDS = 1.0
_ASK_SECONDS = 10.0


class KafkaSubscription:
    """A running subscription. Its blocking client is used in one thread; a call that is cancelled loses nothing."""

    def __init__(self, connection: Connection, group: str, topics: Sequence[Topic], start_at: StartAt) -> None:
        self._connection = connection
        self._group = connection.name(group)
        self._topics = {connection.name(topic.name): topic for topic in topics}
        self._start_at = start_at
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"consume-{group}")
        self._consumer: KafkaConsumer | None = None
        self._arrived: list[Delivery] = []
        self._delivered: dict[TopicPartition, int] = {}
        self._told_at = 0.0
        self._stable_since = 0.0
        self._unsettled_since = 0.0
        self.is_closed = False

    async def open(self) -> None:
        """Connect and join the group (which goes on in the background). Raises `Unavailable`."""
        try:
            await self._run(self._open)
        except BaseException:
            self.is_closed = True
            self._thread.shutdown(wait=False)
            raise

    async def poll(self, max_messages: int, timeout_seconds: float) -> Sequence[Delivery]:
        """Return what has arrived, waiting at most `timeout_seconds` for the first message.

        Without a time-out it returns nothing only at the end of the partitions that are assigned. Raises `Unavailable`,
        and `Precondition` when the owner's place is not in the log: messages were lost, or removed too early.
        """
        if not self._arrived:
            await self._run(self._poll, max_messages, timeout_seconds)
        found, self._arrived = self._arrived[:max_messages], self._arrived[max_messages:]
        return found

    async def lag(self) -> int:
        """Return how many messages of the assigned partitions have not been delivered yet. Raises `Unavailable`."""
        waiting: dict[TopicPartition, int] = await self._run(self._lags)
        return len(self._arrived) + sum(waiting.values())

    async def close(self) -> None:
        """Leave the group (a named instance keeps its partitions for a while, to come back to)."""
        if not self.is_closed:
            self.is_closed = True
            await self._run(self._close)
            self._thread.shutdown()

    async def _run(self, blocking: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, blocking, *arguments)

    def _open(self) -> None:
        self._connection.ensure(list(self._topics.values()))
        settings = self._connection.settings
        session = int(settings.session_seconds * 1_000)
        self._consumer = self._connection.open(
            KafkaConsumer,
            group_id=self._group,
            group_instance_id=f"{self._group}-{settings.instance}" if settings.instance else None,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=session,
            request_timeout_ms=session,
            heartbeat_interval_ms=session // 5,
            max_poll_interval_ms=_LONGEST_BATCH_MS,
            fetch_max_wait_ms=500,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        try:
            for name in self._topics:  # a leader that does not know the topic yet would assign nothing, and stay so
                self._consumer.partitions_for_topic(name)
        except KafkaError as error:
            self._close()  # nobody gets a subscription that did not open: its client's thread would stay for ever
            raise _told(error) from error
        self._consumer.subscribe(list(self._topics), listener=_Assigned(self))
        self._unsettled_since = time.monotonic()

    def place(self, partitions: Collection[TopicPartition]) -> None:
        """Go to the owner's places in partitions that were just assigned."""
        assert self._consumer is not None  # noqa: S101 - it is what calls us
        for partition in partitions:
            offset = self._start_at(self._topics[partition.topic].name, partition.partition)
            if offset == NEWEST:
                self._consumer.seek_to_end(partition)
            else:
                self._consumer.seek(partition, offset)
        _log.info("partitions_assigned", group=self._group, partitions=sorted(p.partition for p in partitions))

    def _poll(self, max_messages: int, timeout_seconds: float) -> None:
        assert self._consumer is not None  # noqa: S101 - opened before
        until = time.monotonic() + timeout_seconds
        try:
            self._tell_kafka()
            while not self.is_closed:
                left = max(0.0, until - time.monotonic())
                is_now = not timeout_seconds and self._consumer.assignment()
                wait = _LOOK_NOW_SECONDS if is_now else min(left or _LOOK_AGAIN_SECONDS, _LOOK_AGAIN_SECONDS)
                records = self._consumer.poll(int(wait * 1_000), max_records=max_messages)
                self._take(records)
                self._check_settled()
                if self._arrived or (left <= 0 and (timeout_seconds or self._is_at_end())):
                    return
        except KafkaError as error:
            raise _told(error) from error

    def _take(self, records: dict[TopicPartition, list[Any]]) -> None:
        for partition, found in records.items():
            topic = self._topics[partition.topic].name
            for record in found:
                headers = {name: value.decode() for name, value in record.headers}
                message = Message((record.key or b"").decode(), record.value, headers)
                self._arrived.append(Delivery(topic, partition.partition, record.offset, message))
            self._delivered[partition] = found[-1].offset + 1

    def _check_settled(self) -> None:
        """Raise `Unavailable` when the group takes too long to settle: a new membership may do better."""
        assert self._consumer is not None  # noqa: S101 - opened before
        now = time.monotonic()
        if self._consumer.group_metadata().state == MemberState.STABLE:
            self._stable_since = self._stable_since or now
            self._unsettled_since = 0.0
            return
        self._stable_since = 0.0
        self._unsettled_since = self._unsettled_since or now
        if now - self._unsettled_since > _SETTLE_SECONDS:
            raise away(f"the group {self._group} does not settle")

    def _is_at_end(self) -> bool:
        assert self._consumer is not None  # noqa: S101 - opened before
        if not self._consumer.assignment():  # told late, or there are more members than partitions
            return self._stable_since > 0 and time.monotonic() - self._stable_since > _NOTHING_ASSIGNED_SECONDS
        return not any(self._lags().values())

    def _lags(self) -> dict[TopicPartition, int]:
        assert self._consumer is not None  # noqa: S101 - opened before
        partitions = list(self._consumer.assignment())
        try:
            ends = self._consumer.end_offsets(partitions, timeout_ms=int(_ASK_SECONDS * 1_000)) if partitions else {}
            return {p: ends[p] - (self._consumer.position(p, timeout_ms=0) or 0) for p in partitions}
        except KafkaError as error:
            raise _told(error) from error

    def _tell_kafka(self) -> None:
        """Commit what was delivered before, now and then: for people who watch the lag, never to start from."""
        now = time.monotonic()
        if self._consumer is None or now - self._told_at < _TELL_EVERY_SECONDS or not self._delivered:
            return
        owned = self._consumer.assignment()
        offsets = {p: OffsetAndMetadata(o, "", -1) for p, o in self._delivered.items() if p in owned}
        self._told_at, self._delivered = now, {}
        if offsets:
            self._consumer.commit_async(offsets)

    def _close(self) -> None:
        if self._consumer is not None:
            with suppress(KafkaError):
                self._consumer.close(autocommit=False, timeout_ms=2_000)


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc] # the client has no types
    """Puts the subscription to its owner's places before the first message of a partition is fetched."""

    def __init__(self, subscription: KafkaSubscription) -> None:
        self._subscription = subscription

    def on_partitions_assigned(self, partitions: Collection[TopicPartition]) -> None:
        self._subscription.place(partitions)

    def on_partitions_revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Nothing to save: what is applied is stored with its place."""


def _told(error: KafkaError) -> PlatformError:
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, OffsetOutOfRangeError) or "OffsetOutOfRange" in str(error):
        return Precondition(
            f"The place of this consumer is not in the log: {error}",
            message_zh="消费位置不在日志中：消息已丢失或被过早清除。",
            remedy="Let the owner publish its journal again (or restore the topic), then rebuild the read models.",
            reason="EVENTS_MISSING",
        )
    return away(error)
