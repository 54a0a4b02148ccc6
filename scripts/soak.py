"""Run the embedded platform for a while at an even rate, and tell whether objects, latency and losses stay as they were.

Resident memory is shown and not judged: the page caches of SQLite's writers grow to 64 MiB each, those of its readers to 8.
Of leaks only those of Python objects are found.

Usage: soak.py [MINUTES] [CASES A SECOND]. Exit code 1 when something grew or was lost.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from liangfa_cli import district
from liangfa_cli.platform import Platform, running
from liangfa_enforcement_record.tables import cases
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_rpc
from liangfa_supervision.tables import feed

WINDOWS = 10
WARM_UP = 2
"""Windows that are shown and not judged: caches fill, code is met for the first time."""
OBJECT_GROWTH, LATENCY_GROWTH, LATENCY_FLOOR = 1.10, 1.5, 20.0
"""At most a tenth more objects and half more p99 in the last third than in the first after the warm-up; a p99 below 20 ms
is no finding: one pause of the machine makes it."""


@dataclass
class Window:
    """What was seen in a part of the run. Times in milliseconds, memory in MiB, blocks of Python objects."""

    entering: list[float] = field(default_factory=list)
    searching: list[float] = field(default_factory=list)
    memory: float = 0.0
    blocks: int = 0


def memory_mib() -> float:
    """Return the resident memory of this process, platform and clients together, in MiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentile(times: list[float], share: float) -> float:
    """Return the time within which `share` of the calls were answered; 0 for none."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else 0.0


async def one_round(stub: Any, number: int, window: Window) -> str:
    """Enter a case and, every tenth time, look for it; return its id."""
    name = f"武汉第{number}商贸有限公司"
    case = case_pb2.Case(
        cause="经营有毒有害食品",
        narrative=f"第{number}次检查，后厨使用罂粟壳熬制底料。",
        parties=[case_pb2.Party(name=name)],
    )
    begun = time.perf_counter()
    reply = await stub.RegisterCase(rpc.RegisterCaseRequest(request_id=f"soak-{number}", case=case))
    window.entering.append((time.perf_counter() - begun) * 1000)
    if number % 10 == 0:
        begun = time.perf_counter()
        await stub.SearchCases(rpc.SearchCasesRequest(party_name=name))
        window.searching.append((time.perf_counter() - begun) * 1000)
    return str(reply.case.id)


async def loaded(platform: Platform, seconds: float, rate: float) -> tuple[list[Window], set[str]]:
    """Keep the platform at `rate` cases a second for `seconds`, and tell each window as it ends."""
    stub = CaseServiceStub(platform.channel_for(district.officer("market_regulation")))
    windows, known = [Window() for _ in range(WINDOWS)], set[str]()
    begun, number = time.monotonic(), 0
    print(
        "| Minutes | Cases | Enter p50 / p99 | Search p50 / p99 | Memory | Object blocks |\n|---|---|---|---|---|---|"
    )
    for place, window in enumerate(windows, start=1):
        while time.monotonic() < begun + seconds * place / WINDOWS:
            known.add(await one_round(stub, number, window))
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        gc.collect()
        window.memory, window.blocks = memory_mib(), sys.getallocatedblocks()
        enter, search = (
            f"{percentile(t, 0.5):.1f} / {percentile(t, 0.99):.1f} ms" for t in (window.entering, window.searching)
        )
        print(
            f"| {seconds * place / WINDOWS / 60:.1f} | {number} | {enter} | {search} | {window.memory:.1f} MiB | {window.blocks:,} |",
            flush=True,
        )
    return windows, known


async def losses(platform: Platform, known: set[str]) -> tuple[int, int]:
    """Return how many cases are missing from the record or the feed, and how many are in the feed more than once."""
    if platform.record is None or platform.supervision is None:
        raise LookupError("the platform runs without record or supervision")
    store, chosen = (
        platform.supervision.store,
        sa.select(feed.c.case_id).where(feed.c.kind == watch_rpc.FEED_KIND_CASE_REGISTERED),
    )
    entered = set(await platform.record.store.read(lambda c: c.execute(sa.select(cases.c.id)).scalars().all()))
    until = time.monotonic() + 60
    while True:
        told = await store.read(lambda c: c.execute(chosen).scalars().all())
        if known <= set(told) or time.monotonic() > until:
            return len(known - entered) + len(known - set(told)), len(told) - len(set(told))
        await asyncio.sleep(0.2)


def findings(windows: list[Window], lost: int, doubled: int) -> list[str]:
    """Return what speaks against the run."""
    judged = windows[WARM_UP:]
    third = max(1, len(judged) // 3)
    first, last = judged[:third], judged[-third:]
    blocks = [statistics.median(window.blocks for window in part) for part in (first, last)]
    latency = [statistics.median(percentile(window.entering, 0.99) for window in part) for part in (first, last)]
    found = [f"{lost} lost"] * (lost > 0) + [f"{doubled} doubled"] * (doubled > 0)
    if blocks[1] > blocks[0] * OBJECT_GROWTH:
        found.append(f"Python objects grew from {blocks[0]:,.0f} to {blocks[1]:,.0f} blocks")
    if latency[1] > max(LATENCY_FLOOR, latency[0] * LATENCY_GROWTH):
        found.append(f"the 99th percentile grew from {latency[0]:.1f} to {latency[1]:.1f} ms")
    return found


async def soak(seconds: float, rate: float) -> list[str]:
    """Run it all in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        logging = Logging(level="error", file=Path(name) / "platform.log")
        settings = PlatformSettings(storage=Storage(folder=folder), listen=Listen(port=0), logging=logging)
        async with running(settings) as platform:
            windows, known = await loaded(platform, seconds, rate)
            lost, doubled = await losses(platform, known)
    print(f"\n{len(known)} acknowledged, {lost} lost, {doubled} doubled")
    return findings(windows, lost, doubled)


def main(arguments: list[str]) -> int:
    """Print the table and the verdict."""
    minutes, rate = ([float(given) for given in arguments] + [30.0, 10.0][len(arguments) :])[:2]
    found = asyncio.run(soak(minutes * 60, rate))
    print(f"Verdict: {'; '.join(found) or 'flat'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
