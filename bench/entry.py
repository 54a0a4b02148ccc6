"""One case entered over gRPC, durable and screened, at 1, 16 and 64 clients, beside the raw driver and an empty echo."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc

from bench.child import ECHO, kept_to, serving, token_of
from bench.report import Figure
from bench.rpc_echo import cpu_seconds
from bench.train import raw_rate
from liangfa_cli.district import officer
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as pb

METHOD = "/liangfa_protos.enforcement_record.v1.CaseService/RegisterCase"
CLIENTS = (1, 16, 64)
SECONDS = 4.0
WARMING_SECONDS = 0.5
CALL_SECONDS = 30.0


def run() -> Iterator[Figure]:
    """Measure the echo and the platform in turn, a server on one core and its clients on the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with kept_to(0):
            raw = raw_rate(folder)
        token = token_of(officer("market_regulation"), folder)
        with serving("echo") as echo, serving("platform", name) as platform, kept_to(1):
            for clients in CLIENTS:
                bare = asyncio.run(rate(echo.address, ECHO, "", clients))
                before = cpu_seconds(platform.process)
                ours = asyncio.run(rate(platform.address, METHOD, token, clients))
                spent = (cpu_seconds(platform.process) - before) * 1e6 / (ours * (SECONDS + WARMING_SECONDS))
                what, note = f"entry, {clients} clients", f"server CPU {spent:.0f} µs a case"
                yield Figure(what, ours, "cases/s", bare, "empty echo", note=note)
                yield Figure(what, ours, "cases/s", raw, "raw driver, row and journal row")


def requests() -> Iterator[bytes]:
    """Yield requests that each enter another case, a usual one in which no crime is suspected."""
    for number in count():
        case = case_pb2.Case(
            cause="经营超过保质期的食品",
            narrative="货架上摆着已过保质期的奶糖、糕点和奶粉，均由供货商送货上门，检查时仍在待售，货值金额86元，责令改正，罚款2000元。",
            parties=[case_pb2.Party(name=f"洪山区{number}号便利店")],
        )
        yield pb.RegisterCaseRequest(request_id=f"bench-{time.time_ns()}-{number}", case=case).SerializeToString()


async def rate(address: str, method: str, token: str, clients: int) -> float:
    """Return answered calls per second of all clients together, after a moment's warming up."""
    headers = (("authorization", f"Bearer {token}"),) if token else ()
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method)
        messages = requests()

        async def ask() -> None:
            await call(next(messages), timeout=CALL_SECONDS, metadata=headers)

        await _repeated(ask, clients, WARMING_SECONDS)
        return await _repeated(ask, clients, SECONDS) / SECONDS


async def _repeated(ask: Callable[[], Awaitable[None]], clients: int, seconds: float) -> int:
    answered, until = 0, time.perf_counter() + seconds

    async def client() -> None:
        nonlocal answered
        while time.perf_counter() < until:
            await ask()
            answered += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    return answered
