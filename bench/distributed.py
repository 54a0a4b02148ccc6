"""PostgreSQL, Kafka and every service as a process: entry at 1, 16 and 64 clients, 1 to 4 replicas, 1,000 watchers."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts.up_distributed import Topology, launched, running

from bench.child import ECHO, FOLLOW, PUSH, serving, token_of
from bench.entry import CLIENTS, METHOD, rate, requests
from bench.kafka_log import bare_delays
from bench.postgres import pgbench_rate, raw_tables
from bench.report import Figure
from bench.watch import WATCH, measured
from liangfa_cli.district import PROCURATOR, officer
from liangfa_kit.settings import Kafka

REPLICAS = (1, 2, 4)
SERVICE = "enforcement_record"


def run() -> Iterator[Figure]:
    """Measure on one machine, on whose cores servers, brokers and clients all live."""
    with tempfile.TemporaryDirectory(prefix="liangfa-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
        with running(folder) as (topology, _), serving("echo") as echo:
            enters = token_of(officer("market_regulation"), folder)
            yield from _entry(topology, folder, echo.address, enters)
            yield from _watchers(topology, folder, echo.address, enters)
            yield from _replicas(topology, folder, enters)


def _entry(topology: Topology, folder: Path, echo: str, token: str) -> Iterator[Figure]:
    """Enter cases through one process of the service, beside the echo, and beside the database's own limit."""
    raw = topology.database_url.replace("liangfa@", "liangfa_owner@")
    raw_tables(raw)
    for clients in CLIENTS:
        ours = asyncio.run(rate(topology.services[SERVICE], METHOD, token, clients))
        bare = asyncio.run(rate(echo, ECHO, "", clients))
        pgbench = pgbench_rate(raw, clients, folder)
        what = f"distributed entry, {clients} clients"
        yield Figure(what, ours, "cases/s", bare, "empty echo")
        yield Figure(what, ours, "cases/s", pgbench, "pgbench, a row and a journal row")


def _watchers(topology: Topology, folder: Path, echo: str, enters: str) -> Iterator[Figure]:
    """Follow one case at a time from its commit over Kafka and supervision to 1,000 watchers."""
    bodies = requests()
    address, watches = topology.services["supervision"], token_of(PROCURATOR, folder)
    ours = measured(address, WATCH, watches, METHOD, enters, lambda: next(bodies), acts_at=topology.services[SERVICE])
    body = b"x" * ours.size
    stream = measured(echo, FOLLOW, "", PUSH, "", lambda: body)
    kafka = asyncio.run(bare_delays(Kafka(servers=topology.kafka_servers, replication=1)))
    for part in (50, 99):
        bare = statistics.quantiles(kafka, n=100)[part - 1] + stream.percentile(part)
        what = f"commit to Kafka to 1,000 watchers, p{part}"
        limit = "bare produce to consume, and a bare stream"
        yield Figure(what, ours.percentile(part), "ms", bare, limit, less_is_better=True)


def _replicas(topology: Topology, folder: Path, token: str) -> Iterator[Figure]:
    """Enter cases with 64 clients, dealt out over 1, 2 and 4 processes of the service on one database."""
    first = 0.0
    for count in REPLICAS:
        with _more(topology, folder, count - 1) as others:
            addresses = [topology.services[SERVICE], *others]
            total = asyncio.run(_over(addresses, token, CLIENTS[-1]))
        first = first or total
        yield Figure(f"distributed entry, 64 clients, {count} replicas", total, "cases/s", first, "one replica")


@contextmanager
def _more(topology: Topology, folder: Path, count: int) -> Iterator[list[str]]:
    """Run further processes of the service for the length of a block; yield where they listen."""
    with ExitStack() as stack:
        yield [stack.enter_context(launched(topology, folder, SERVICE, f"{SERVICE}-{n}")) for n in range(count)]


async def _over(addresses: list[str], token: str, clients: int) -> float:
    share = clients // len(addresses)
    return sum(await asyncio.gather(*(rate(address, METHOD, token, share) for address in addresses)))
