"""Replicas of a service as processes on fixed ports, so that one can be restarted while clients know its address."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.servers.databases import environment_of

LIANGFA = Path(sys.executable).parent / "liangfa"
_PATIENCE_SECONDS = 240


@dataclass
class Replica:
    """One process of a service; `settings` are variables over those that lead to the folder's database."""

    service: str
    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    health_port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        return self.folder / f"{self.service}-{self.port}.out"

    async def start(self) -> None:
        command = [str(LIANGFA), "serve", self.service, "--folder", str(self.folder), "--port", str(self.port)]
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *command, stdout=output, stderr=output, env=self._environment()
            )

    def _environment(self) -> dict[str, str]:
        health = {"LIANGFA_LISTEN__HEALTH_PORT": str(self.health_port)}
        return {**environment_of(self.folder), **health, **self.settings}

    async def ready(self, service: str = "calls", *, is_ready: bool = True) -> None:
        """Return when health says over gRPC that `service` is ready, or that it is not."""
        wanted = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await self.status(service) != wanted:
                assert self.process is not None
                assert self.process.returncode is None, self.output.read_text()
                await asyncio.sleep(0.05)

    async def status(self, service: str) -> int | None:
        """Return what health says, None when nobody answers. Asked at the port for probes if there is one."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.health_port or self.port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            try:
                return int((await check(health_pb2.HealthCheckRequest(service=service), timeout=5)).status)
            except grpc.aio.AioRpcError:
                return None

    async def stop(self) -> int:
        """Ask the process to end in order, wait until it has, return its exit code."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self.process.wait()

    async def end(self) -> None:
        """End what still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def lasting_ports(count: int) -> list[int]:
    """Return free ports that no outgoing connection is given: still free for a process that comes back to its own."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(10_000, max(lowest, 20_000))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


@asynccontextmanager
async def running(replicas: Sequence[Replica]) -> AsyncIterator[Sequence[Replica]]:
    """Start every replica, yield when all are ready, end what runs then."""
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.push_async_callback(replica.end)
            await replica.start()
        for replica in replicas:
            await replica.ready()
        yield replicas
