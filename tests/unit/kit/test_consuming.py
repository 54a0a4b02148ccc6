"""Relay and consumer: at least once on the wire, exactly once in effect, in order, poison set aside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from liangfa_kit.errors import Precondition, Unavailable
from liangfa_kit.messaging.broker import Broker, Message
from liangfa_kit.messaging.events import Event
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.messaging.relay import entries_after
from liangfa_kit.train import Train
from liangfa_kit.work import Work
from tests.tally import (
    KIT,
    MODEL_KIT,
    TOPIC,
    SeenTallies,
    model_service,
    seen,
    tally_broker,
    tally_service,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("either_database", "either_broker")]


async def totals(model: Any) -> dict[str, tuple[int, int]]:
    return {row["name"]: (row["total"], row["events"]) for row in await model.rows(seen)}


async def published_positions(broker: Broker) -> dict[int, list[int]]:
    """Return the journal positions in each partition of the topic, in their order there."""
    subscription = await broker.subscribe("t", [TOPIC], lambda _t, _p: 0)
    found: dict[int, list[int]] = {}
    while deliveries := await subscription.poll(1_000, 0):
        for delivery in deliveries:
            found.setdefault(delivery.partition, []).append(int(delivery.message.headers["ce_position"]))
    return found


async def test_every_event_reaches_the_read_model_once(tmp_path: Path) -> None:
    """Command, journal, relay, broker, consumer: the sums agree."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        await asyncio.gather(*(tally.raise_(f"t{i % 5}", i) for i in range(100)))
        await tally.relay(broker).drain()
        assert await consumer.drain() == 100
        assert sum(total for total, _ in (await totals(model)).values()) == sum(range(100))
    await broker.close()


async def test_a_relay_that_forgot_its_place_publishes_again_and_the_effect_stays_single(tmp_path: Path) -> None:
    """A crash after publishing and before saving the place repeats messages, not effects."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        for i in range(20):
            await tally.raise_("a", i)
        await tally.relay(broker).drain()
        await consumer.drain()
        await tally.train.write(lambda tx: tx.set_counter(f"relay/{TOPIC}", 3))
        await tally.relay(broker).drain()
        await consumer.drain()
        assert await totals(model) == {"tally/a": (190, 20)}
    await broker.close()


async def test_events_published_again_after_a_crash_take_effect_once_in_every_partition(tmp_path: Path) -> None:
    """Each partition knows by its own highest position what it has seen; what is new among the repeated is applied."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, batch_size=7) as (model, consumer):
        for i in range(60):
            await tally.raise_(f"t{i % 9}", i)
        await tally.relay(broker).drain()
        await consumer.drain()
        for i in range(60, 80):
            await tally.raise_(f"t{i % 9}", i)
        await tally.train.write(lambda tx: tx.set_counter(f"relay/{TOPIC}", 31))
        await tally.relay(broker).drain()
        await tally.train.write(lambda tx: tx.set_counter(f"relay/{TOPIC}", 5))
        await tally.relay(broker).drain()
        await consumer.drain()
        found = await totals(model)
        assert {name: events for name, (_, events) in found.items()} == {
            f"tally/t{n}": len(range(n, 80, 9)) for n in range(9)
        }
        assert sum(total for total, _ in found.values()) == sum(range(80))
        assert await consumer.set_aside() == []
    await broker.close()


async def test_the_relay_waits_for_a_missing_position_and_never_skips_it(tmp_path: Path) -> None:
    """When a later position is visible first, nothing after the gap is published until the gap is filled."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally:
        for i in range(6):
            await tally.raise_("a", i)
        entries = await tally.store.read(lambda c: entries_after(c, KIT.journal, 0, 100))
        late = next(row for row in await tally.rows(KIT.journal) if row["position"] == 3)
        await tally.train.write(lambda tx: tx.delete(KIT.journal, [3]))
        relay = tally.relay(broker)
        await relay.drain()
        assert (relay.state.published, relay.state.gap_before) == (2, 4)
        await tally.train.write(lambda tx: tx.insert(KIT.journal, [late]))
        await relay.drain()
        assert (relay.state.published, relay.state.gap_before) == (6, None)
        assert list((await published_positions(broker)).values()) == [[entry.position for entry in entries]]
    await broker.close()


async def test_a_broker_that_is_away_delays_events_and_stops_nobody_from_filing(tmp_path: Path) -> None:
    """Commands commit while publishing fails; the events follow when the broker is back."""
    broker = tally_broker(tmp_path)
    publish = broker.publish
    away = True

    async def unreliable(topic: str, messages: Any) -> None:
        if away:
            raise Unavailable("the broker is away")
        await publish(topic, messages)

    broker.publish = unreliable  # type: ignore[method-assign]  # the network between us and the broker
    async with tally_service(tmp_path) as tally:
        relay = tally.relay(broker)
        running = asyncio.ensure_future(relay.run())
        assert [await tally.raise_("a") for _ in range(5)] == [1, 2, 3, 4, 5]
        while not relay.state.trouble:
            await asyncio.sleep(0.01)
        assert relay.state.published == 0
        away = False
        while relay.state.published < 5:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await broker.close()


async def test_poison_is_set_aside_with_its_cause_and_the_rest_goes_on(tmp_path: Path) -> None:
    """The poisoned stream waits as a whole, so that its order survives; other streams do not notice."""
    broker = tally_broker(tmp_path)
    reactions = SeenTallies()
    reactions.poison = {13}
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        for name, by in [("a", 1), ("a", 13), ("a", 2), ("b", 5)]:
            await tally.raise_(name, by)
        await tally.relay(broker).drain()
        await consumer.drain()
        assert await totals(model) == {"tally/a": (1, 1), "tally/b": (5, 1)}
        aside = await consumer.set_aside()
        assert [row["cause"].split(":")[0] for row in aside] == ["ValueError", "WAITS_FOR_EARLIER_EVENT"]
        event_id = aside[0]["key"].split("/")[1]
        with pytest.raises(Precondition, match="still fails"):
            await consumer.replay(event_id)
        assert len(await consumer.set_aside()) == 2
        reactions.poison = set()
        await consumer.replay(event_id)
        assert await consumer.set_aside() == []
        assert await totals(model) == {"tally/a": (16, 3), "tally/b": (5, 1)}
        await tally.raise_("a", 4)
        await tally.relay(broker).drain()
        await consumer.drain()
        assert (await totals(model))["tally/a"] == (20, 4)
    await broker.close()


async def test_too_much_poison_stops_the_consumer_instead_of_setting_everything_aside(tmp_path: Path) -> None:
    """A limit halts it; a mended release goes on from there and loses nothing."""
    broker = tally_broker(tmp_path)
    reactions = SeenTallies()
    reactions.poison = {13}
    async with tally_service(tmp_path) as tally:
        for i in range(30):
            await tally.raise_(f"t{i}", 13)
        await tally.relay(broker).drain()
    async with model_service(tmp_path, broker, reactions, limit=5, batch_size=3) as (_, consumer):
        await consumer.drain()
        assert consumer.state.halted
        assert len(await consumer.set_aside()) == 3
    async with model_service(tmp_path, broker, limit=5) as (model, consumer):
        assert await consumer.drain() == 27
        assert sum(total for total, _ in (await totals(model)).values()) == 27 * 13
    await broker.close()


async def test_unreadable_messages_are_set_aside_not_fatal(tmp_path: Path) -> None:
    """Missing attributes, unknown types and garbage bytes each become one row for an operator."""
    broker = tally_broker(tmp_path)
    good = {
        "ce_id": "e1", "ce_source": "tally", "ce_position": "1", "ce_subject": "tally/x", "ce_streamversion": "1",
        "ce_type": "google.protobuf.Struct", "ce_time": "2026-03-02T01:00:00+00:00", "ce_actor": "{}",
    }  # fmt: skip
    await broker.publish(
        TOPIC,
        [
            Message("k1", b"", {}),
            Message("k2", b"", {**good, "ce_type": "nobody.Knows", "ce_id": "e2", "ce_subject": "k2"}),
            Message("k3", b"\xff\xff", {**good, "ce_id": "e3", "ce_position": "3", "ce_subject": "k3"}),
        ],
    )
    async with model_service(tmp_path, broker) as (model, consumer):
        await consumer.drain()
        assert sorted(row["stream"] for row in await consumer.set_aside()) == ["k1", "k2", "k3"]
        assert await totals(model) == {}
    await broker.close()


async def test_a_rebuilt_read_model_is_identical_row_by_row(tmp_path: Path) -> None:
    """Emptied and refilled from the log, every row is the same."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        for i in range(60):
            await tally.raise_(f"t{i % 7}", i)
        await tally.relay(broker).drain()
        await consumer.drain()
        before, places = await model.rows(seen), await model.rows(MODEL_KIT.consumer_positions)
        await model.train.write(lambda tx: tx.upsert(seen, [{**before[0], "total": -1}]))
        assert await consumer.rebuild() == 60
        assert await model.rows(seen) == before
        assert await model.rows(MODEL_KIT.consumer_positions) == places
    await broker.close()


async def test_running_relay_and_consumer_deliver_while_commands_go_on(tmp_path: Path) -> None:
    """As tasks, woken by commits, with nobody draining by hand."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        tasks = [asyncio.ensure_future(tally.relay(broker).run()), asyncio.ensure_future(consumer.run())]
        for i in range(50):
            await tally.raise_("a", i)
        while consumer.state.applied < 50:
            await asyncio.sleep(0.005)
        assert await totals(model) == {"tally/a": (sum(range(50)), 50)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await broker.close()


async def test_a_relay_follows_what_another_process_commits_between_its_own_commits(tmp_path: Path) -> None:
    """What it holds in memory never makes it step over a position that only the journal has."""
    broker = tally_broker(tmp_path)
    async with tally_service(tmp_path) as own, tally_service(tmp_path) as other:
        relay = own.relay(broker)
        task = asyncio.ensure_future(relay.run())
        for i in range(90):
            await (other if i % 3 == 1 else own).raise_(f"t{i % 5}", i)
        await asyncio.gather(*(writer.raise_("a", 1) for writer in (own, other) * 60))
        while relay.state.published < 210:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert relay.state.saved == 210
    by_partition = await published_positions(broker)
    assert sorted(position for positions in by_partition.values() for position in positions) == list(range(1, 211))
    assert all(positions == sorted(positions) for positions in by_partition.values())
    await broker.close()


async def test_two_consumers_of_one_group_at_once_apply_each_event_once(tmp_path: Path) -> None:
    """The place is checked in the transaction that moves it: the one that is overtaken reads it again."""
    broker = LocalBroker(tmp_path / "shared.sqlite3")  # whose members all see the whole topic
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, batch_size=7) as (model, one):
        async with model_service(tmp_path, broker, batch_size=5) as (_, two):
            for i in range(120):
                await tally.raise_(f"t{i % 4}", i)
            await tally.relay(broker).drain()
            await asyncio.gather(one.drain(), two.drain(), one.drain())
        found = await totals(model)
        assert sum(total for total, _ in found.values()) == sum(range(120))
        assert sum(events for _, events in found.values()) == 120
        assert await one.set_aside() == []
    await broker.close()


class Unstorable(SeenTallies):
    """Reactions whose effect of one event is more than a column holds: the database refuses it, not the reaction.

    Whenever that happens another member of the group stores a place, before anybody else writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.place: dict[str, Any] = {}
        self.writing: set[asyncio.Future[None]] = set()
        self.train: Train | None = None

    def handle(self, event: Event, work: Work) -> None:
        super().handle(event, work)
        message: Any = event.message
        if int(message["by"]) == 13:
            self.loop.call_soon_threadsafe(self._others_go_on)
            row = work.row(seen, event.stream)
            assert row is not None
            work.save(seen, {**row, "total": 2**80})

    def _others_go_on(self) -> None:
        assert self.train is not None
        place = self.place = {**self.place, "next_offset": self.place["next_offset"] + 1}
        write = self.train.write(lambda tx: tx.upsert(MODEL_KIT.consumer_positions, [place]))
        self.writing.add(asyncio.ensure_future(write))


async def test_what_the_database_refuses_is_set_aside_and_moves_no_other_members_place(tmp_path: Path) -> None:
    """A place of another member that went back would send it over events again that have taken effect."""
    broker, reactions = tally_broker(tmp_path), Unstorable()
    reactions.place = {"key": f"seen/{TOPIC}/99", "next_offset": 5, "source_position": 50}
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        reactions.train = model.train
        await model.train.write(lambda tx: tx.upsert(MODEL_KIT.consumer_positions, [reactions.place]))
        for name, by in (("a", 1), ("b", 13), ("a", 2), ("b", 4)):
            await tally.raise_(name, by)
        await tally.relay(broker).drain()
        await consumer.drain()
        await asyncio.gather(*reactions.writing)
        assert await totals(model) == {"tally/a": (3, 2)}
        assert [row["stream"] for row in await consumer.set_aside()] == ["tally/b", "tally/b"]
        assert len(reactions.writing) > 0
        places = {row["key"]: row["next_offset"] for row in await model.rows(MODEL_KIT.consumer_positions)}
        assert places[reactions.place["key"]] == reactions.place["next_offset"]
    await broker.close()


async def test_what_another_member_has_handled_meanwhile_is_not_set_aside_again(tmp_path: Path) -> None:
    """The place is checked there too: it does not go back over what the other one has applied."""
    broker, reactions = LocalBroker(tmp_path / "shared.sqlite3"), Unstorable()
    reactions.place = {"key": f"seen/{TOPIC}/0", "next_offset": 1, "source_position": 2}
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        reactions.train = model.train
        await tally.raise_("a", 1)
        await tally.relay(broker).drain()
        assert await consumer.drain() == 1
        await tally.raise_("b", 13)
        await tally.relay(broker).drain()
        await consumer.drain()
        await asyncio.gather(*reactions.writing)
        assert await consumer.set_aside() == []
        (place,) = await model.rows(MODEL_KIT.consumer_positions)
        assert place == {"key": f"seen/{TOPIC}/0", "next_offset": 2, "source_position": 2}
    await broker.close()
