"""The RPC pipeline against a bare gRPC echo: 1 KB there and back, 64 callers, server and callers on a core each."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from bench.report import Figure
from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import signing_key, trusted_keys
from liangfa_kit.logs import configure
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_kit.rpc.health import Health
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.rpc.served import Served
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.settings import Listen, Logging
from liangfa_kit.telemetry import Telemetry

CALLERS = 64
SECONDS = 2.0
ROUNDS = 5
PAYLOAD = StringValue(value="x" * 1024)
METHOD = "/bench.Echo/Say"
OFFICER = Actor("p1", "某甲", "a1", "某市场监督管理局", "market_regulation", "420111", frozenset({"officer"}))


async def say(request: StringValue, _context: Any) -> StringValue:
    """Answer with what was asked."""
    return request


def handlers() -> dict[str, Any]:
    """Return the echo as generated code would register it."""
    return {"Say": grpc.unary_unary_rpc_method_handler(say, StringValue.FromString, StringValue.SerializeToString)}


async def serve_bare() -> None:
    """Serve the echo with nothing around it."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", handlers())])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


async def serve_pipeline(folder: Path) -> None:
    """Serve the echo in the pipeline: tokens verified, authority asked, every call logged to a file."""
    clock = SystemClock()
    pipeline = Pipeline(
        [Served("bench.Echo", handlers(), lambda *_: None)],
        verifier=TokenVerifier(trusted_keys(folder), clock),
        log=configure(Logging(file=folder / "log.jsonl"), clock),
        telemetry=Telemetry(),
        limits=Listen(),
    )
    server = RpcServer(pipeline, Health({}), Listen(port=0))
    await server.start()
    print(server.port, flush=True)
    await server.wait()


async def rate(call: Callable[[], Any]) -> float:
    """Return calls per second of all callers together."""
    count = 0
    until = time.perf_counter() + SECONDS

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < until:
            await call()
            count += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return count / SECONDS


async def bare_rate(port: int) -> float:
    """Measure the bare echo."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = channel.unary_unary(METHOD, StringValue.SerializeToString, StringValue.FromString)
        return await rate(lambda: stub(PAYLOAD))


async def pipeline_rate(port: int, token: str) -> float:
    """Measure the pipeline with a plain gRPC client that sends a token and a deadline."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = channel.unary_unary(METHOD, StringValue.SerializeToString, StringValue.FromString)
        metadata = (("authorization", f"Bearer {token}"),)
        return await rate(lambda: stub(PAYLOAD, timeout=30, metadata=metadata))


async def client_rate(port: int, token: str) -> float:
    """Measure the pipeline with our own channel."""
    async with connect(f"127.0.0.1:{port}", Outgoing(lambda: token)) as channel:
        stub = channel.unary_unary(METHOD, StringValue.SerializeToString, StringValue.FromString)
        return await rate(lambda: stub(PAYLOAD))


def keep_to(core: int) -> None:
    """Keep this process to one core, where the system can: they then measure themselves, not the scheduler."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > core:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Return the processor time that a process has used, where the system tells (Linux)."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def run() -> list[Figure]:
    """Measure bare and ours in turn, and return the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        token = TokenIssuer(signing_key(folder), SystemClock(), timedelta(hours=1)).issue(OFFICER)
        bare, ours = (
            subprocess.Popen(
                [sys.executable, "-m", "bench.rpc_echo", kind, name], stdout=subprocess.PIPE, text=True, bufsize=1
            )
            for kind in ("bare", "pipeline")
        )
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
        try:
            keep_to(1)
            return measured(bare, ours, token)
        finally:
            if cores:
                os.sched_setaffinity(0, cores)
            for process in (bare, ours):
                process.kill()
                process.communicate()


def measured(bare: subprocess.Popen[str], ours: subprocess.Popen[str], token: str) -> list[Figure]:
    """Run the rounds, alternating, so that a busy neighbour disturbs both alike."""
    assert bare.stdout
    assert ours.stdout
    bare_port, our_port = int(bare.stdout.readline()), int(ours.stdout.readline())
    rates: dict[str, list[float]] = {"bare": [], "ours": [], "client": []}
    costs: dict[str, list[float]] = {"bare": [], "ours": [], "client": []}
    runs: list[tuple[str, subprocess.Popen[str], Callable[[], Coroutine[Any, Any, float]]]] = [
        ("bare", bare, lambda: bare_rate(bare_port)),
        ("ours", ours, lambda: pipeline_rate(our_port, token)),
        ("client", ours, lambda: client_rate(our_port, token)),
    ]
    for kind, process, measure in runs * ROUNDS:
        before = cpu_seconds(process)
        rates[kind].append(asyncio.run(measure()))
        costs[kind].append((cpu_seconds(process) - before) * 1e6 / (rates[kind][-1] * SECONDS))
    limit = statistics.median(rates["bare"])
    notes = {kind: f"server CPU {statistics.median(cost):.0f} µs a call" for kind, cost in costs.items()}
    figures = [Figure("empty echo, bare gRPC, 64 callers", limit, "calls/s", note=notes["bare"])]
    for kind, what in (("ours", "in the pipeline, plain client"), ("client", "in the pipeline, our channel")):
        figures.append(Figure(what, statistics.median(rates[kind]), "calls/s", limit, "bare echo", note=notes[kind]))
    return figures


if __name__ == "__main__":
    keep_to(0)
    asyncio.run(serve_bare() if sys.argv[1] == "bare" else serve_pipeline(Path(sys.argv[2])))
