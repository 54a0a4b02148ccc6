"""Reading the local log again: several topics come side by side, as their events went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liangfa_kit.messaging.broker import Message
from liangfa_kit.messaging.local import LocalBroker

pytestmark = pytest.mark.asyncio
TOPICS = ("cases", "transfers", "meetings")
START = datetime(2026, 3, 2, tzinfo=UTC)


def message(topic: str, seconds: float) -> Message:
    at = (START + timedelta(seconds=seconds)).isoformat()
    return Message("k", f"{topic} {seconds:g}".encode(), {"ce_time": at})


async def read(broker: LocalBroker, size: int = 2) -> list[str]:
    """Return what a new reader of all topics gets, `size` messages a poll."""
    subscription = await broker.subscribe("g", TOPICS, lambda _topic, _partition: 0)
    found: list[str] = []
    while deliveries := await subscription.poll(size, 0.0):
        found += [delivery.message.value.decode() for delivery in deliveries]
    await subscription.close()
    return found


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[LocalBroker]:
    broker = LocalBroker(tmp_path / "events.sqlite3")
    yield broker
    await broker.close()


async def test_a_new_reader_meets_the_topics_in_the_order_of_their_times(broker: LocalBroker) -> None:
    """Whatever was published first; also where a moment has no fraction of a second."""
    await broker.publish("cases", [message("cases", 1), message("cases", 1.5), message("cases", 5)])
    await broker.publish("transfers", [message("transfers", 1.25), message("transfers", 2)])
    await broker.publish("meetings", [message("meetings", 0), message("meetings", 4)])
    assert await read(broker) == [
        "meetings 0", "cases 1", "transfers 1.25", "cases 1.5", "transfers 2", "meetings 4", "cases 5"
    ]  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 20)), max_size=30), size=st.integers(1, 40))
async def test_every_message_comes_once_and_in_the_order_of_its_topic(
    tmp_path_factory: pytest.TempPathFactory, times: list[tuple[str, int]], size: int
) -> None:
    """Even where a service's clock was set back: its own order is the order of what it published."""
    broker = LocalBroker(tmp_path_factory.mktemp("log") / "events.sqlite3")
    for topic, seconds in times:
        await broker.publish(topic, [message(topic, seconds)])
    found = await read(broker, size)
    await broker.close()
    assert sorted(found) == sorted(f"{topic} {seconds}" for topic, seconds in times)
    for topic in TOPICS:
        mine = [text for text in found if text.startswith(topic)]
        assert mine == [f"{topic} {seconds}" for name, seconds in times if name == topic]
