"""One event at a time to 1,000 watchers: deliveries per second, and from the commit's answer to the receipt."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.child import FOLLOW, PUSH, kept_to, serving, token_of
from bench.entry import METHOD, requests
from bench.report import Figure
from bench.rpc_echo import keep_to
from liangfa_cli.district import PROCURATOR, officer
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb

WATCH = "/liangfa_protos.supervision.v1.SupervisionService/Watch"
WATCHERS = 1_000
PROCESSES = 2
CHANNELS = 4
EVENTS = 25
EVENT_SECONDS = 10.0
REGISTERED = pb.WatchRequest(after_cursor=-1, kinds=[pb.FEED_KIND_CASE_REGISTERED]).SerializeToString()


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was measured of every event: milliseconds of each delivery, seconds to the last; bytes of one delivery."""

    delays: list[list[float]]
    seconds: list[float]
    size: int

    @property
    def per_second(self) -> float:
        """Deliveries per second while one event goes out, the median of the events."""
        return WATCHERS / statistics.median(self.seconds)

    def percentile(self, part: int) -> float:
        """Return the ms that `part` of a hundred watchers of an event did not exceed, the median of the events."""
        return statistics.median(statistics.quantiles(event, n=100)[part - 1] for event in self.delays)

    @property
    def worst(self) -> float:
        """The longest delay of all, in ms."""
        return max(map(max, self.delays))


def run() -> Iterator[Figure]:
    """Measure the platform, then a bare stream that pushes as many bytes; server on one core, watchers on the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        enters, watches = token_of(officer("market_regulation"), folder), token_of(PROCURATOR, folder)
        with serving("platform", name) as platform, kept_to(1):
            bodies = requests()
            ours = measured(platform.address, WATCH, watches, METHOD, enters, lambda: next(bodies))
        with serving("echo") as bare, kept_to(1):
            body = b"x" * ours.size
            limit = measured(bare.address, FOLLOW, "", PUSH, "", lambda: body)
    note = f"{EVENTS} events of {ours.size} bytes; worst {ours.worst:.0f} ms, bare {limit.worst:.0f} ms"
    yield Figure("watch: deliveries", ours.per_second, "a second", limit.per_second, "bare stream", note=note)
    for part in (50, 99):
        figure = ours.percentile(part)
        yield Figure(f"watch: p{part}", figure, "ms", limit.percentile(part), "bare stream", less_is_better=True)


def measured(
    address: str, follow: str, follow_token: str, act: str, act_token: str, body: Any, *, acts_at: str = ""
) -> Pushed:
    """Connect all watchers from several processes, cause the events one after another, gather the receipts.

    `acts_at` is where the events are caused, when that is not where they are watched.
    """
    share = WATCHERS // PROCESSES
    with ExitStack() as stack:
        clients = []
        for _ in range(PROCESSES):
            command = [sys.executable, "-m", "bench.watch", address, follow, follow_token, str(share)]
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1)
            stack.callback(client.communicate)
            stack.callback(client.kill)
            clients.append(client)
        for client in clients:
            assert client.stdout
            assert client.stdout.readline() == "live\n"
        return asyncio.run(_events(clients, acts_at or address, act, act_token, body))


async def _events(clients: list[subprocess.Popen[str]], address: str, act: str, token: str, body: Any) -> Pushed:
    headers = (("authorization", f"Bearer {token}"),) if token else ()
    delays: list[list[float]] = []
    seconds: list[float] = []
    size = 0
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(act)
        for number in range(EVENTS + 1):
            sent = time.monotonic()
            await call(body(), timeout=EVENT_SECONDS, metadata=headers)
            answered = time.monotonic()
            told = [await asyncio.wait_for(asyncio.to_thread(_told, c), EVENT_SECONDS) for c in clients]
            if number == 0:
                continue  # the first one warms up
            receipts = [moment for moments, _ in told for moment in moments]
            # A watcher may be told before the caller is: that counts as no delay.
            delays.append([max(0.0, moment - answered) * 1_000 for moment in receipts])
            seconds.append(max(receipts) - sent)
            size = told[0][1]
    return Pushed(delays, seconds, size)


def _told(client: subprocess.Popen[str]) -> tuple[list[float], int]:
    assert client.stdout
    size, *moments = client.stdout.readline().split()
    return [float(moment) for moment in moments], int(size)


async def stay(address: str, method: str, token: str, count: int) -> None:
    """Watch `count` times over a few channels; print one line for each event: its size, then every receipt's moment."""
    headers = (("authorization", f"Bearer {token}"),) if token else ()
    options = [("grpc.use_local_subchannel_pool", 1)]
    live = 0
    moments: list[str] = []

    async def watcher(channel: grpc.aio.Channel) -> None:
        nonlocal live
        call: Any = channel.unary_stream(method)
        is_first = True
        async for content in call(REGISTERED, metadata=headers):
            moment = time.monotonic()
            if is_first:  # the platform's first heartbeat, or the bare stream's empty message
                is_first, live = False, live + 1
                if live == count:
                    print("live", flush=True)
            elif not method.endswith("Watch") or content[0] == _ITEM:
                moments.append(f"{moment:.6f}")
                if len(moments) == count:
                    print(len(content), *moments, flush=True)
                    moments.clear()

    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]
    await asyncio.gather(*(watcher(channels[number % CHANNELS]) for number in range(count)))


_ITEM = pb.WatchResponse.ITEM_FIELD_NUMBER << 3 | 2

if __name__ == "__main__":
    keep_to(1)
    asyncio.run(stay(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
