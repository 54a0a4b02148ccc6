"""Clocks that jump and events that are published more than once: effects stay single and in order."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from liangfa_kit.clock import ManualClock
from liangfa_kit.store.copying import begin_log_anew
from tests.faults.checking import checked
from tests.faults.figures import Record
from tests.tally import KIT, MODEL_KIT, START, model_service, seen, tally_broker, tally_service

pytestmark = [pytest.mark.asyncio, pytest.mark.fault, pytest.mark.slow]
COUNT, ROUNDS = 400, 5


async def test_a_clock_that_jumps_by_days_loses_and_doubles_nothing(tmp_path: Path, record_property: Record) -> None:
    """Forward and backward between any two commands: order comes from positions, never from the time."""
    chance, clock, broker = random.Random(20261123), ManualClock(START), tally_broker(tmp_path)
    told: list[str] = []
    async with tally_service(tmp_path, clock) as tally, model_service(tmp_path, broker) as (model, consumer):
        for number in range(COUNT):
            clock.advance(timedelta(seconds=chance.uniform(-86_400, 86_400)))
            await tally.raise_(f"t{number % 5}", request_id=f"r{number}")
            told.append(f"r{number}")
            if number % 50 == 0:
                await tally.relay(broker).drain()
                await consumer.drain()
        await tally.relay(broker).drain()
        await consumer.drain()
        found = await checked(tally, model, consumer, told, fault="clock jumps by up to a day, both ways", times=COUNT)
    await broker.close()
    found.tell(record_property)


async def test_a_journal_that_is_published_again_and_again_has_its_effects_once(
    tmp_path: Path, record_property: Record
) -> None:
    """From the beginning each time, with new events in between: what has been applied is known by its position."""
    broker = tally_broker(tmp_path)
    told: list[str] = []
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        for _ in range(ROUNDS):
            for number in range(len(told), len(told) + COUNT // ROUNDS):
                await tally.raise_(f"t{number % 5}", request_id=f"r{number}")
                told.append(f"r{number}")
            begin_log_anew(tally.store, KIT)
            await tally.relay(broker).drain()
            begin_log_anew(model.store, MODEL_KIT)
            await consumer.drain()
        fault = "the whole journal published again, and read from the beginning"
        found = await checked(tally, model, consumer, told, fault=fault, times=ROUNDS)
    await broker.close()
    found.tell(record_property)


async def test_the_checker_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """An acknowledged request that is not there, effects that are missing, one that is there twice."""
    broker, sent = tally_broker(tmp_path), ["r0", "r1", "r2", "r3"]
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker) as (model, consumer):
        for number, request_id in enumerate(sent):
            await tally.raise_(f"t{number % 2}", request_id=request_id)
        unheard = await checked(tally, model, consumer, [*sent, "r4"])
        await tally.relay(broker).drain()
        await consumer.drain()
        whole = await checked(tally, model, consumer, sent)
        rows = await model.rows(seen)
        with model.store.transaction() as tx:
            tx.upsert(seen, [{**rows[0], "events": 3}])
        twice = await checked(tally, model, consumer, sent)
    await broker.close()
    assert (whole.acknowledged, whole.lost, whole.doubled, whole.disordered) == (4, 0, 0, 0)
    assert (unheard.lost, unheard.doubled) == (1 + 4, 0)
    assert (twice.lost, twice.doubled, twice.disordered) == (0, 1, 1)
