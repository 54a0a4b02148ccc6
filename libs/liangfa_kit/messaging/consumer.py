"""The consumer: every event's effect exactly once, by keeping the position with the effects in one transaction.

A reaction that raises is *poison*: its event is set aside with its cause, in the same commit, and so are the later
events of the same stream, so that a replay keeps their order. More than `limit` set aside stops the consumer: a bad
release must not set the whole topic aside. `Unavailable` is not poison: the batch is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import sqlalchemy as sa
import structlog
from opentelemetry.trace import SpanKind

from liangfa_kit.boarding import Batch, Outcome, Overtaken, Reaction
from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.errors import Exhausted, NotFound, PlatformError, Precondition, Unavailable
from liangfa_kit.identity import Actor
from liangfa_kit.messaging.broker import Broker, Delivery, Message
from liangfa_kit.messaging.events import Event, to_event
from liangfa_kit.store.port import Row, Transaction
from liangfa_kit.telemetry import CONSUMER_DELAY, OFF, Telemetry, end_span
from liangfa_kit.work import Call, Need, Work

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from liangfa_kit.logs import CanonicalLog
    from liangfa_kit.store.port import Store
    from liangfa_kit.store.tables import KitTables
    from liangfa_kit.train import Train

_log = structlog.get_logger("liangfa.consumer")
_RETRY_SECONDS = 0.5


class Reactions(Protocol):
    """What a consumer does with events: the same shape as a command handler."""

    tables: Sequence[sa.Table]
    """The read model: every table these reactions write, emptied and refilled by a rebuild."""

    def needs(self, event: Event) -> Sequence[Need]:
        """Return the rows to load before `handle` runs for `event`."""
        ...

    def streams(self, event: Event) -> Sequence[str]:
        """Return the existing streams that `handle` will append to."""
        ...

    def handle(self, event: Event, work: Work) -> None:
        """Apply `event` (types it does not know are none of its business). Raising sets the event aside."""
        ...


@dataclass(slots=True)
class ConsumerState:
    """What an operator sees of a consumer."""

    applied: int = 0
    set_aside: int = 0
    halted: str = ""
    trouble: str = ""


class _LimitReached(Exception):
    """Too much poison: the batch is rolled back and the consumer stops."""


class Consumer:
    """Applies `reactions` to the topics of other services (or its own), in batches.

    `on_applied` is called on the event loop after each commit with the batch's events (live feeds).
    """

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        tables: KitTables,
        train: Train,
        broker: Broker,
        clock: Clock,
        topics: Sequence[str],
        reactions: Reactions,
        limit: int = 100,
        batch_size: int = 500,
        telemetry: Telemetry = OFF,
    ) -> None:
        self.name = name
        self._telemetry = telemetry
        self._store = store
        self._tables = tables
        self._train = train
        self._broker = broker
        self._clock = clock
        self._topics = topics
        self._reactions = reactions
        self._limit = limit
        self._batch_size = batch_size
        self._canonical: CanonicalLog | None = None
        self._places: dict[tuple[str, int], _Place] = {}
        self._aside_streams: set[str] = set()
        self._actor = service_actor(name)
        self.state = ConsumerState()
        self.on_applied: list[Callable[[Sequence[Event]], None]] = []

    def log_to(self, log: CanonicalLog) -> None:
        """Write a canonical line for each message from now on."""
        self._canonical = log

    async def run(self) -> None:
        """Consume until cancelled, or until the limit of poison is reached (see `state.halted`)."""
        await self._recall()
        subscription = await self._broker.subscribe(self.name, self._topics, self._stored_offset)
        try:
            while not self.state.halted:
                deliveries = await subscription.poll(self._batch_size, 5.0)
                if deliveries:
                    await self._apply_until_done(deliveries)
        finally:
            await subscription.close()

    async def drain(self) -> int:
        """Apply what is in the topics now and return the number of events applied (tests, rebuilds)."""
        await self._recall()
        subscription = await self._broker.subscribe(self.name, self._topics, self._stored_offset)
        before = self.state.applied
        try:
            while not self.state.halted and (deliveries := await subscription.poll(self._batch_size, 0.0)):
                await self._apply_until_done(deliveries)
        finally:
            await subscription.close()
        return self.state.applied - before

    async def set_aside(self) -> list[Row]:
        """Return the events set aside, oldest first."""
        table = self._tables.set_aside
        query = sa.select(table).where(table.c.consumer == self.name).order_by(table.c.at, table.c.offset)
        rows = await self._store.read(lambda connection: connection.execute(query).mappings().all())
        return [dict(row) for row in rows]

    async def replay(self, event_id: str) -> None:
        """Apply one set-aside event, and the later ones of its stream that wait for it, in order.

        Raises `NotFound` for an unknown id, `Precondition` when it is poison still (it stays set aside).
        """
        rows = await self.set_aside()
        chosen = next((row for row in rows if row["key"] == f"{self.name}/{event_id}"), None)
        if chosen is None:
            raise NotFound(
                f"Event {event_id} is not set aside by {self.name}.",
                reason="EVENT_NOT_SET_ASIDE",
                event_id=event_id,
            )
        waiting = sorted((r for r in rows if r["stream"] == chosen["stream"]), key=lambda r: (r["topic"], r["offset"]))
        for row in waiting:
            await self._replay_one(row)
        self.state.set_aside -= len(waiting)
        self._aside_streams.discard(chosen["stream"])

    async def rebuild(self) -> int:
        """Empty the read model and apply every event from the beginning; return how many were applied.

        Must not run beside `run` of the same consumer. What is read meanwhile is a model on its way.
        """
        prefix = f"{self.name}/"
        places = [f"{prefix}{topic}/{partition}" for topic, partition in self._places]
        await self._recall()
        keys = [*places, *(f"{prefix}{topic}/{partition}" for topic, partition in self._places)]
        aside = [row["key"] for row in await self.set_aside()]

        def empty(tx: Transaction) -> None:
            for table in self._reactions.tables:
                tx.truncate(table)
            tx.delete(self._tables.consumer_positions, keys)
            tx.delete(self._tables.set_aside, aside)

        await self._train.write(empty)
        self.state = ConsumerState()
        return await self.drain()

    async def _recall(self) -> None:
        """Read the places and the set-aside streams from the database: it alone knows what was applied."""
        table, aside = self._tables.consumer_positions, self._tables.set_aside
        prefix = f"{self.name}/"
        query = sa.select(table).where(table.c.key.startswith(prefix, autoescape=True))
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        self._places = {}
        for key, next_offset, source_position in rows:
            topic, _, partition = key.removeprefix(prefix).rpartition("/")
            self._places[topic, int(partition)] = _Place(next_offset, source_position)
        streams = sa.select(aside.c.stream).where(aside.c.consumer == self.name)
        found = await self._store.read(lambda connection: connection.execute(streams).scalars().all())
        self._aside_streams = set(found)
        self.state.set_aside = len(found)

    def _stored_offset(self, topic: str, partition: int) -> int:
        """Return where to go on as the database knows it now: another member may have had the partition meanwhile."""
        table = self._tables.consumer_positions
        query = sa.select(table.c.next_offset).where(table.c.key == f"{self.name}/{topic}/{partition}")
        with self._store.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def _start_at(self, topic: str, partition: int) -> int:
        place = self._places.get((topic, partition))
        return place.next_offset if place else 0

    async def _apply_until_done(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch; on a refusal by the database halve it down to the one delivery that causes it."""
        refusal: Exception | None = None
        while True:
            try:
                await self._apply(deliveries, refusal)
            except Overtaken:
                _log.warning("consumer_overtaken", consumer=self.name)
                await self._recall()
            except (Unavailable, Exhausted) as error:  # a full disk is nobody's poison: it passes
                self.state.trouble = error.reason
                await asyncio.sleep(_RETRY_SECONDS)
            except _LimitReached:
                self.state.halted = f"more than {self._limit} events are set aside"
                _log.error("consumer_halted", consumer=self.name, limit=self._limit)
                return
            except Exception as error:
                if len(deliveries) == 1:
                    if refusal is not None:
                        raise  # not even its cause can be stored
                    refusal = error
                    continue
                middle = len(deliveries) // 2
                await self._apply_until_done(deliveries[:middle])
                if not self.state.halted:
                    await self._apply_until_done(deliveries[middle:])
                return
            else:
                self.state.trouble = ""
                return

    async def _apply(self, deliveries: Sequence[Delivery], refusal: Exception | None = None) -> None:
        """Apply deliveries and move the places of their partitions, no others: those may be another member's by now.

        With `refusal` they are set aside for that cause.
        """
        places: dict[tuple[str, int], _Place] = {}
        riding: list[tuple[Delivery, Reaction]] = []
        events: list[Event] = []
        aside_now: set[str] = set()
        for delivery in deliveries:
            where = (delivery.topic, delivery.partition)
            place = places.get(where) or self._places.get(where, _Place(0, 0))
            position = _position(delivery)
            if delivery.offset < place.next_offset:
                continue
            repeated = position is not None and position <= place.source_position
            places[where] = _Place(delivery.offset + 1, max(place.source_position, position or 0))
            if not repeated:
                reaction, event = self._reaction(delivery, aside_now, refusal)
                riding.append((delivery, reaction))
                events.extend([event] if event else [])
        if not places:
            return
        room = self._limit - self.state.set_aside
        count = 0

        def refused(number: int, error: Exception) -> Row:
            nonlocal count
            count += 1
            if count > room:
                raise _LimitReached
            aside_now.add(riding[number][0].message.key)
            return self._aside_row(riding[number][0], error)

        expected = {f"{self.name}/{t}/{p}": self._start_at(t, p) for t, p in places}
        batch = Batch([reaction for _, reaction in riding], self._place_rows(places), refused, expected)
        spans = self._spans(events)
        started = time.perf_counter()
        outcomes = await self._train.apply(batch)
        self._measure(events, spans)
        self._places |= places
        self._aside_streams |= aside_now
        self.state.set_aside += count
        self._tell(riding, events, outcomes)
        if self._canonical is not None and riding:
            self._log_consumed(self._canonical, riding, outcomes, (time.perf_counter() - started) / len(riding))

    def _spans(self, events: Sequence[Event]) -> list[Span]:
        """Begin a span for each event below its command's, so that one trace leads from the click to the effect."""
        if not self._telemetry.enabled:
            return []
        name, begin = f"{self.name} apply", self._telemetry.start_span
        spans = [begin(name, event.traceparent or "", SpanKind.CONSUMER, event_type=event.type) for event in events]
        return [span for span in spans if span is not None]

    def _measure(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        if not self._telemetry.enabled:
            return
        for span in spans:
            end_span(span, "OK", "")
        now = self._clock.now()
        for event in events:
            self._telemetry.record(CONSUMER_DELAY, (now - event.at).total_seconds(), consumer=self.name)

    def _tell(
        self,
        riding: Sequence[tuple[Delivery, Reaction]],
        events: Sequence[Event],
        outcomes: Sequence[Outcome],
    ) -> None:
        for (delivery, _), outcome in zip(riding, outcomes, strict=True):
            if outcome.error is not None:
                _log.error(
                    "event_set_aside",
                    consumer=self.name,
                    stream=delivery.message.key,
                    type=delivery.message.headers.get("ce_type", ""),
                    cause=_cause(outcome.error),
                )
        self.state.applied += len(riding)
        for listener in self.on_applied:
            listener(events)

    def _log_consumed(
        self,
        log: CanonicalLog,
        riding: Sequence[tuple[Delivery, Reaction]],
        outcomes: Sequence[Outcome],
        seconds: float,
    ) -> None:
        """Write a canonical line for each message; `seconds` is its share of the batch that it rode in."""
        for (delivery, _), outcome in zip(riding, outcomes, strict=True):
            headers, error = delivery.message.headers, outcome.error
            reason = "" if error is None else error.reason if isinstance(error, PlatformError) else type(error).__name__
            told = "OK" if error is None else "SET_ASIDE"
            kind, trace = headers.get("ce_type", ""), headers.get("traceparent", "")
            log.consumed(self.name, kind, delivery.message.key, told, reason, seconds, trace)

    def _reaction(
        self, delivery: Delivery, aside_now: set[str], refusal: Exception | None
    ) -> tuple[Reaction, Event | None]:
        """Return the delivery's reaction; one that is refused, or cannot even be read, becomes one that raises its cause."""
        if refusal is not None:
            return _poisoned(refusal, self._actor), None
        try:
            event = to_event(delivery)
            needs, streams = self._reactions.needs(event), self._reactions.streams(event)
        except Exception as error:  # noqa: BLE001 - an unreadable event is poison, not the end of the consumer
            return _poisoned(error, self._actor), None

        may_wait = event.stream in self._aside_streams
        if may_wait:
            needs = [*needs, Need(self._tables.set_aside, "stream", (event.stream,))]

        def handle(work: Work) -> None:
            if event.stream in aside_now or (may_wait and self._waits(event.stream, work)):
                raise Precondition(
                    f"An earlier event of {event.stream} is set aside; this one waits for it.",
                    reason="WAITS_FOR_EARLIER_EVENT",
                )
            self._reactions.handle(event, work)

        return Reaction(needs, streams, handle, Call(self._actor, traceparent=event.traceparent), event), event

    def _waits(self, stream: str, work: Work) -> bool:
        """Tell whether an event of `stream` is set aside still: an operator may have replayed it in another process."""
        if any(row["consumer"] == self.name for row in work.rows(self._tables.set_aside, "stream", stream)):
            return True
        self._aside_streams.discard(stream)
        return False

    async def _replay_one(self, row: Row) -> None:
        message = Message(row["stream"], row["payload"], orjson.loads(row["headers"]))
        event = to_event(Delivery(row["topic"], row["partition"], row["offset"], message))

        def handle(work: Work) -> None:
            self._reactions.handle(event, work)
            work.remove(self._tables.set_aside, row["key"])

        def still_poison(_number: int, error: Exception) -> Row:
            raise Precondition(
                f"Event {event.id} still fails: {_cause(error)}",
                remedy="Mend the cause (see the message), then replay it again. It stays set aside.",
                reason="EVENT_STILL_FAILS",
                event_id=event.id,
            ) from error

        needs = [*self._reactions.needs(event), Need(self._tables.set_aside, "key", (row["key"],))]
        reaction = Reaction(needs, self._reactions.streams(event), handle, Call(self._actor), event)
        await self._train.apply(Batch([reaction], (), still_poison))
        for listener in self.on_applied:
            listener([event])

    def _aside_row(self, delivery: Delivery, error: Exception) -> Row:
        headers = delivery.message.headers
        identity = headers.get("ce_id") or f"{delivery.topic}@{delivery.partition}:{delivery.offset}"
        return {
            "key": f"{self.name}/{identity}",
            "consumer": self.name,
            "topic": delivery.topic,
            "partition": delivery.partition,
            "offset": delivery.offset,
            "stream": delivery.message.key,
            "type": headers.get("ce_type", ""),
            "headers": orjson.dumps(dict(headers)).decode(),
            "payload": delivery.message.value,
            "cause": _cause(error),
            "at": to_micros(self._clock.now()),
        }

    def _place_rows(self, places: dict[tuple[str, int], _Place]) -> list[Row]:
        return [
            {
                "key": f"{self.name}/{topic}/{partition}",
                "next_offset": place.next_offset,
                "source_position": place.source_position,
            }
            for (topic, partition), place in places.items()
        ]


@dataclass(frozen=True, slots=True)
class _Place:
    next_offset: int
    source_position: int


def _position(delivery: Delivery) -> int | None:
    text = delivery.message.headers.get("ce_position", "")
    return int(text) if text.isdecimal() else None


def _cause(error: Exception) -> str:
    return f"{error.reason}: {error}" if isinstance(error, PlatformError) else f"{type(error).__name__}: {error}"


def _poisoned(error: Exception, actor: Actor) -> Reaction:
    def handle(_work: Work) -> None:
        raise error

    return Reaction((), (), handle, Call(actor))


def service_actor(name: str) -> Actor:
    """Return the actor under which a service's own reactions are journalled: no person, no agency, no rights."""
    fields: dict[str, Any] = {
        "person_id": f"service/{name}",
        "person_name": name,
        "agency_id": "",
        "agency_name": "",
        "agency_type": "",
        "region": "",
        "roles": frozenset({"service"}),
    }
    return Actor(**fields)
