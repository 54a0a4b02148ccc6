"""How late a limit is told of among a million ended and 100,000 running ones, what waiting costs, and 10,000 at once.

The service's own scheduler and writer, in this process; nothing is published.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.reading_cost import gather_statistics, plans
from tests.servers.databases import database_of
from tests.transferring import OFFICER, opening

from bench.clock_rows import ENDED_EACH, Models, clock_id, fall_due, fill, models
from bench.databases import databases
from bench.raw_alarms import raw_alarm_rate
from bench.report import Figure
from liangfa_case_transfer.commands.opening import Open, OpeningCommands
from liangfa_case_transfer.queries import transferring
from liangfa_case_transfer.wiring import CaseTransfer, build
from liangfa_kit.clock import SystemClock, to_micros
from liangfa_kit.journal import Entry
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.work import Call
from liangfa_procedure.clocks import Calendar

CASES = 100_000
"""Each with one limit that runs and ten that have ended."""
ONE_BY_ONE, SPREAD_SECONDS = 300, 15.0
AT_ONCE, MEANWHILE = 10_000, 100
IDLE_SECONDS, LEAD_SECONDS, LONGEST_SECONDS = 20.0, 3.0, 120.0
AIM_MILLISECONDS = 2_000.0
LOOKS = 500
_NEXT = "SELECT next_alarm_at FROM clocks WHERE next_alarm_at IS NOT NULL ORDER BY next_alarm_at LIMIT 1"
_CLOCK = SystemClock()


@dataclass
class Told:
    """When each limit was told of: the instant after the commit, by the stream of the limit (microseconds UTC)."""

    at: dict[str, int] = field(default_factory=dict)

    def note(self, entries: Sequence[Entry]) -> None:
        """Note what a commit has journalled."""
        now = to_micros(_CLOCK.now())
        self.at.update((entry.stream, now) for entry in entries if entry.stream.startswith("clock/"))

    async def lateness(self, moments: Sequence[tuple[str, int]]) -> list[float]:
        """Return how late each of `moments` was told of, in milliseconds, sorted; waits for them."""
        streams = [(f"clock/{clock_id(case)}", due) for case, due in moments]
        for _ in range(round(LONGEST_SECONDS / 0.05)):
            if all(stream in self.at for stream, _ in streams):
                return sorted((self.at[stream] - due) / 1000 for stream, due in streams)
            await asyncio.sleep(0.05)
        raise TimeoutError


def run(cases: int = CASES) -> Iterator[Figure]:
    """Measure each database with so many cases."""
    made = asyncio.run(models())
    for name, folder in databases():
        yield from _figures(folder, name, made, cases)


def _figures(folder: Path, name: str, made: Models, cases: int) -> list[Figure]:
    async def measured() -> list[Figure]:
        async with _running(folder) as (parts, told):
            ids = await asyncio.to_thread(fill, parts.store, made, cases, _now())
            await asyncio.to_thread(gather_statistics, folder)
            print(f"  {name}: {cases * ENDED_EACH:,} ended limits, {cases:,} running", flush=True)
            for plan in await parts.store.read(partial(plans, reading=_look)):
                print(f"    {plan}", flush=True)
            return [
                await _looking(parts),
                await _idle(parts),
                *await _one_by_one(parts, told, made, ids),
                *await _at_once(folder, parts, told, made, ids),
            ]

    return asyncio.run(measured())


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[tuple[CaseTransfer, Told]]:
    broker, told = LocalBroker(folder / "events.sqlite3"), Told()
    parts = build(folder, broker, _CLOCK, database=database_of(folder))
    parts.train.on_commit.append(told.note)
    parts.start()
    try:
        yield parts, told
    finally:
        await parts.stop()
        await broker.close()


@asynccontextmanager
async def _scheduled(parts: CaseTransfer) -> AsyncIterator[None]:
    """Let the service's own scheduler run for the length of a block."""
    task = asyncio.create_task(parts.scheduler.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _now() -> int:
    return to_micros(_CLOCK.now())


def _look(connection: sa.Connection) -> None:
    transferring.next_alarm_at(connection)
    transferring.due_alarms(connection, _now(), 200)


async def _looking(parts: CaseTransfer) -> Figure:
    """Measure the question that the scheduler asks once a second, beside the driver's own SELECT."""
    ours = [await _timed(lambda: parts.store.read(transferring.next_alarm_at)) * 1000 for _ in range(LOOKS)]
    bare = [await _timed(lambda: _bare_look(parts)) * 1000 for _ in range(LOOKS)]
    return Figure("asking what is due next, p50", _part(ours, 0.5), "µs", _part(bare, 0.5), "the driver's SELECT", True)


async def _bare_look(parts: CaseTransfer) -> None:
    """Ask by the driver alone, on a connection that is open."""
    with parts.store.reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(_NEXT).fetchall()


async def _idle(parts: CaseTransfer) -> Figure:
    """Measure the processor time of a scheduler that has nothing to tell, beside a loop that asks by the driver alone."""

    async def wait() -> None:
        async with _scheduled(parts):
            await asyncio.sleep(IDLE_SECONDS)

    async def ask() -> None:
        for _ in range(round(IDLE_SECONDS)):
            await _bare_look(parts)
            await asyncio.sleep(1)

    idle, bare = [await _processor_time(work) * 60_000 / IDLE_SECONDS for work in (wait, ask)]
    note = f"{idle / 600:.2f} % of a core"
    return Figure("idle scheduler, processor time a minute", idle, "ms", bare, "a loop of that SELECT", True, note)


async def _processor_time(work: Callable[[], Awaitable[None]]) -> float:
    before = time.process_time()
    await work()
    return time.process_time() - before


async def _one_by_one(parts: CaseTransfer, told: Told, made: Models, ids: list[str]) -> list[Figure]:
    """Measure how late limits are told of that run out one after the other."""
    begins, gap = _now() + int(LEAD_SECONDS * 1e6), int(SPREAD_SECONDS * 1e6 / ONE_BY_ONE)
    moments = [(case, begins + number * gap) for number, case in enumerate(ids[:ONE_BY_ONE])]
    async with _scheduled(parts):
        await _written_in_time(parts, made, moments)
        late = await told.lateness(moments)
    what = f"told late, {ONE_BY_ONE} in {SPREAD_SECONDS:.0f} s"
    return _shares(what, late, AIM_MILLISECONDS, "the aim")


async def _at_once(folder: Path, parts: CaseTransfer, told: Told, made: Models, ids: list[str]) -> list[Figure]:
    """Measure a second in which 10,000 limits run out: when the last is told of, and what others notice of it."""
    some = ids[ONE_BY_ONE : ONE_BY_ONE + AT_ONCE + MEANWHILE]
    calm_done: list[float] = []
    calm = await _openings(parts, lambda: len(calm_done) < MEANWHILE, calm_done)
    due = _now() + int(2 * LEAD_SECONDS * 1e6)
    crowd = [(case, due) for case in some[:AT_ONCE]]
    others = [(case, due + (number + 1) * 10_000) for number, case in enumerate(some[AT_ONCE:])]
    await _written_in_time(parts, made, [*crowd, *others])
    async with _scheduled(parts):
        await asyncio.sleep(max(0.0, (due - _now()) / 1e6))
        waiting = asyncio.create_task(told.lateness(crowd))
        busy = await _openings(parts, lambda: not waiting.done(), [])
        late, meanwhile = await waiting, await told.lateness(others)
    rate = AT_ONCE / (late[-1] / 1000)
    raw = await asyncio.to_thread(raw_alarm_rate, folder, parts.store, AT_ONCE)
    return [
        Figure(f"{AT_ONCE:,} due in one instant, all told after", late[-1], "ms", note=f"{rate:,.0f} a second"),
        Figure("the same, limits told a second", rate, "limits/s", raw, "the driver: the same rows, 200 a commit"),
        Figure("limits that run out meanwhile, told late, max", meanwhile[-1], "ms"),
        Figure("opening a transfer meanwhile, p50", _part(busy, 0.5), "ms", _part(calm, 0.5), "before", True),
        Figure("opening a transfer meanwhile, p99", _part(busy, 0.99), "ms", _part(calm, 0.99), "before", True),
    ]


async def _written_in_time(parts: CaseTransfer, made: Models, moments: Sequence[tuple[str, int]]) -> None:
    await asyncio.to_thread(fall_due, parts.store, made, moments)
    if _now() > min(due for _, due in moments):
        print("  (the machine was too slow: some limits ran out before they were written)")


async def _openings(parts: CaseTransfer, goes_on: Callable[[], bool], taken: list[float]) -> list[float]:
    """Open transfers one after the other while `goes_on`; add to `taken` how long each took, in milliseconds."""
    handler = OpeningCommands(Calendar()).open
    while goes_on():
        command = Open(str(uuid.uuid4()), opening())
        taken.append(await _timed(partial(parts.train.execute, handler, command, Call(OFFICER, str(uuid.uuid4())))))
    return taken


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


def _shares(what: str, values: list[float], limit: float, limit_name: str) -> list[Figure]:
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return [Figure(f"{what}, {name}", _part(values, share), "ms", limit, limit_name, True) for name, share in shares]


def _part(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
