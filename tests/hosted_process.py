"""A process that hosts the echo until it is told to stop: `python -m tests.hosted_process`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from liangfa_kit.clock import SystemClock
from liangfa_kit.hosting import Hosted, Service, serve
from liangfa_kit.identity import TokenVerifier
from liangfa_kit.logs import no_log
from liangfa_kit.rpc.served import Served
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import Telemetry
from tests.echo import NAME, EchoService


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@asynccontextmanager
async def lifetime() -> AsyncIterator[None]:
    say("open")
    yield
    say("closed")


def ready(hosted: Hosted) -> None:
    say(f"port {hosted.port}")


async def main() -> None:
    clock = SystemClock()
    service = Service(
        "echo", [Served(NAME, EchoService().handlers(), lambda *_: None)], lambda: say("migrated"), lifetime
    )
    await serve(
        [service],
        listen=Listen(port=0, drain_seconds=5),
        verifier=TokenVerifier({}, clock),
        log=no_log(clock),
        telemetry=Telemetry(),
        on_ready=ready,
    )
    say("ended")


if __name__ == "__main__":
    asyncio.run(main())
