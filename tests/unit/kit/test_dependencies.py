"""Readiness by round trips: what does not answer is named, what is only busy is not, and what comes back is ready."""

from __future__ import annotations

import asyncio

import pytest

from liangfa_kit.dependencies import Dependency, Watched
from liangfa_kit.errors import Unavailable
from liangfa_kit.messaging.kafka import KafkaBroker
from liangfa_kit.settings import Kafka

pytestmark = pytest.mark.asyncio


class Visited:
    """Something that answers, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def visit(self) -> None:
        if self.error is not None:
            raise self.error


async def test_nothing_is_ready_before_it_has_answered_once() -> None:
    """A replica that has not reached its database yet gets no calls."""
    watched = Watched([Dependency("the database", Visited().visit)])
    assert watched.troubles() == ["the database has not answered yet."]
    await watched.ask_all()
    assert watched.troubles() == []


async def test_what_is_away_is_named_until_it_is_back() -> None:
    """With the reason that calls would get."""
    database = Visited()
    watched = Watched([Dependency("the database", database.visit)])
    database.error = Unavailable("Away.", reason="DATABASE_UNAVAILABLE")
    await watched.ask_all()
    assert watched.troubles(only_calls=True) == ["the database cannot be used: DATABASE_UNAVAILABLE."]
    database.error = None
    await watched.ask_all()
    assert watched.troubles() == []


@pytest.mark.parametrize("reason", ["DATABASE_TOO_SLOW", "DATABASE_BUSY"])
async def test_what_is_only_busy_stays_ready(reason: str) -> None:
    """Turning callers away from a busy replica would only make the next one busier."""
    database = Visited()
    watched = Watched([Dependency("the database", database.visit)])
    await watched.ask_all()
    database.error = Unavailable("Slow.", reason=reason)
    await watched.ask_all()
    assert watched.troubles() == []


async def test_an_answer_that_nobody_expected_is_a_trouble_and_asking_goes_on() -> None:
    """A driver's own error must not end the watch: what was said last would be believed."""
    database = Visited()
    watched = Watched([Dependency("the database", database.visit)])
    await watched.ask_all()
    database.error = ZeroDivisionError("a bug")
    await watched.ask_all()
    assert watched.troubles(only_calls=True) == ["the database cannot be used: ZeroDivisionError."]
    database.error = None
    await watched.ask_all()
    assert watched.troubles() == []


async def test_calls_go_on_without_what_they_do_not_need() -> None:
    """Events wait in the journal while the brokers are away; nobody is kept from filing."""
    log = Visited()
    log.error = Unavailable("Away.", reason="KAFKA_UNAVAILABLE")
    watched = Watched([Dependency("the database", Visited().visit), Dependency("the log", log.visit, calls_need=False)])
    await watched.ask_all()
    assert watched.troubles() == ["the log cannot be used: KAFKA_UNAVAILABLE."]
    assert watched.troubles(only_calls=True) == []


async def test_silence_is_a_trouble_too() -> None:
    """A network that swallows everything raises nothing."""
    silent = asyncio.Event()
    asked = asyncio.Event()

    async def visit() -> None:
        asked.set()
        await silent.wait()

    watched = Watched([Dependency("the database", visit)], silent_seconds=0.0)
    asking = asyncio.create_task(watched.ask_all())
    await asked.wait()
    assert "has not answered for" in watched.troubles(only_calls=True)[0]
    silent.set()
    await asking
    assert watched.troubles() == []


async def test_a_cluster_that_is_not_there_is_told() -> None:
    """At once, not at the end of a time-out."""
    broker = KafkaBroker(Kafka(servers="127.0.0.1:1"))
    try:
        with pytest.raises(Unavailable) as refusal:
            await broker.check()
        assert refusal.value.reason == "KAFKA_UNAVAILABLE"
    finally:
        await broker.close()
