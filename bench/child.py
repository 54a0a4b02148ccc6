"""Servers in processes of their own, so that what is measured shares neither interpreter nor core with who measures.

`python -m bench.child platform FOLDER`, `… echo`, `… stream`: serves on a free port of the loopback and prints it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc

from bench.rpc_echo import keep_to
from liangfa_cli.platform import running
from liangfa_kit.clock import SystemClock
from liangfa_kit.hosting import settle_memory
from liangfa_kit.identity import Actor, TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage

ECHO, PUSH, FOLLOW, TALK = "/bench.Bare/Echo", "/bench.Bare/Push", "/bench.Bare/Follow", "/bench.Bare/Talk"


@dataclass(frozen=True, slots=True)
class Child:
    """A server that runs."""

    port: int
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def peak_mib(self) -> float:
        """The most memory it ever had resident, in MiB (Linux; 0 elsewhere)."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return 0.0
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def serving(*arguments: str) -> Iterator[Child]:
    """Run a server for the length of a block."""
    command = [sys.executable, "-m", "bench.child", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        assert process.stdout
        yield Child(int(process.stdout.readline()), process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def kept_to(core: int) -> Iterator[None]:
    """Keep this process to one core for the length of a block, where the system can."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    keep_to(core)
    try:
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


def token_of(actor: Actor, folder: Path) -> str:
    """Return a token for the platform whose data is in `folder`, good for an hour."""
    return TokenIssuer(signing_key(folder / "identity"), SystemClock(), timedelta(hours=1)).issue(actor)


async def serve_platform(folder: Path) -> None:
    """Serve the whole platform, as `liangfa up` does, with its log in a file."""
    settings = PlatformSettings(
        storage=Storage(folder=folder), listen=Listen(port=0), logging=Logging(file=folder / "log.jsonl")
    )
    async with running(settings) as platform:
        settle_memory()
        print(platform.host.port, flush=True)
        await asyncio.Event().wait()


async def serve_bare() -> None:
    """Serve bytes with nothing around them: an echo, and a stream that gets whatever is pushed."""
    followers: set[asyncio.Queue[bytes]] = set()

    async def echo(request: bytes, _context: Any) -> bytes:
        return request

    async def push(request: bytes, _context: Any) -> bytes:
        for queue in followers:
            queue.put_nowait(request)
        return b""

    async def follow(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        followers.add(queue)
        yield b""  # says that it is live
        try:
            while True:
                yield await queue.get()
        finally:
            followers.discard(queue)

    async def talk(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    methods: dict[str, Any] = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Push": grpc.unary_unary_rpc_method_handler(push),
        "Follow": grpc.unary_stream_rpc_method_handler(follow),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Bare", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main(arguments: list[str]) -> None:
    """Serve what was asked for, on the first core."""
    keep_to(0)
    serve: Callable[[], Awaitable[None]] = serve_bare
    if arguments[0] == "platform":
        folder = Path(arguments[1])
        serve = lambda: serve_platform(folder)  # noqa: E731 - one line, used once
    with suppress(KeyboardInterrupt):
        asyncio.run(serve())  # type: ignore[arg-type]  # both are coroutine functions


if __name__ == "__main__":
    main(sys.argv[1:])
