"""When the scheduler looks, how often, and that nothing which cannot be told silences what can. No test waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from liangfa_kit.clock import ManualClock, to_micros
from liangfa_kit.scheduler import Scheduler, alarm_of

pytestmark = pytest.mark.asyncio
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class Enough(Exception):
    """The day of the test is over."""


@dataclass
class Day:
    """A day that passes only while the scheduler sleeps. `due` are the instants at which something is to be told."""

    due: list[datetime]
    length: timedelta
    added: dict[datetime, datetime] = field(default_factory=dict)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    told: list[tuple[datetime, datetime]] = field(default_factory=list)
    asked: int = 0
    looked: int = 0
    is_stuck: bool = False
    takes: timedelta = timedelta()

    async def next_at(self) -> int | None:
        self.asked += 1
        self.due += [self.added.pop(at) for at in list(self.added) if at <= self.clock.now()]
        return to_micros(min(self.due)) if self.due else None

    async def alarm(self, now: int) -> int:
        self.looked += 1
        self.clock.advance(self.takes)
        found = [at for at in self.due if to_micros(at) <= now and not self.is_stuck]
        self.told += [(at, self.clock.now()) for at in found]
        self.due = [at for at in self.due if at not in found]
        return len(found)

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        if self.clock.now() - START > self.length:
            raise Enough

    async def pass_by(self) -> None:
        with pytest.raises(Enough):
            await Scheduler(self.clock, [self.alarm], next_at=self.next_at, sleep=self.sleep).run()


async def test_what_falls_due_is_told_at_its_time() -> None:
    """Not at the next full second: the scheduler sleeps until then."""
    times = [START + timedelta(seconds=seconds) for seconds in (0, 0.25, 0.26, 7.5, 3_599.001)]
    day = Day(list(times), timedelta(hours=1))
    await day.pass_by()
    assert [at for at, _ in day.told] == times
    assert all(told - at < timedelta(milliseconds=1) for at, told in day.told)


async def test_what_falls_due_while_something_is_told_does_not_wait_for_a_pause() -> None:
    """Telling takes longer than the time between two of them, as on a busy machine."""
    times = [START + timedelta(milliseconds=50 * number) for number in range(1, 60)]
    day = Day(list(times), timedelta(minutes=1), takes=timedelta(milliseconds=80))
    await day.pass_by()
    assert [at for at, _ in day.told] == times
    assert max(told - at for at, told in day.told) <= timedelta(milliseconds=200)


async def test_an_idle_scheduler_asks_once_a_second_and_looks_for_nothing() -> None:
    """One row of an index a second is all that a hundred thousand running limits cost."""
    day = Day([START + timedelta(days=30)], timedelta(minutes=10))
    await day.pass_by()
    assert day.looked == 0
    assert day.asked <= 601


async def test_what_is_added_while_it_sleeps_is_told_within_a_pause() -> None:
    """By this process or by another replica: a second late at most, though due at once."""
    added = {START + timedelta(seconds=n + 0.4): START + timedelta(seconds=n + 0.5) for n in range(0, 50, 7)}
    day = Day([], timedelta(minutes=1), added=added)
    await day.pass_by()
    assert len(day.told) == 8
    assert max(told - at for at, told in day.told) <= timedelta(seconds=1)


async def test_what_cannot_be_told_makes_no_busy_loop() -> None:
    """It is due all the time: the scheduler looks once a pause."""
    day = Day([START], timedelta(minutes=1), is_stuck=True)
    await day.pass_by()
    assert day.looked <= 62


async def test_more_broken_ones_than_are_told_together_silence_nobody() -> None:
    """They are the longest due, and more than a page of them."""
    broken, healthy = [f"broken-{n}" for n in range(25)], [f"healthy-{n}" for n in range(33)]
    told: list[str] = []

    async def due(_now: int, limit: int) -> Sequence[str]:
        return [*broken, *(key for key in healthy if key not in told)][:limit]

    async def tell(key: str) -> None:
        if key in broken:
            raise ValueError(key)
        told.append(key)

    scheduler = Scheduler(ManualClock(START), [alarm_of(due, tell, at_once=10)])
    assert await scheduler.tick() == len(healthy)
    assert told == healthy


async def test_a_page_is_told_together() -> None:
    """So that it shares a commit: the first of a page is not waited for before the last is sent."""
    sent: list[int] = []
    everybody = asyncio.Event()

    async def due(_now: int, limit: int) -> Sequence[int]:
        return [key for key in range(30) if key not in sent][:limit]

    async def tell(key: int) -> None:
        sent.append(key)
        if len(sent) == 10:
            everybody.set()
        await everybody.wait()

    async with asyncio.timeout(60):
        assert await alarm_of(due, tell, at_once=10)(0) == 10
    assert sent == list(range(10))
