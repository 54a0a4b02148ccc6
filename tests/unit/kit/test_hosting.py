"""Running services: in order up, in order down, and background work that does not die quietly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import Precondition
from liangfa_kit.hosting import Background, Hosted, Service, hosted
from liangfa_kit.identity import TokenVerifier
from liangfa_kit.keys import public_key
from liangfa_kit.logs import no_log
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.served import Served
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import Telemetry
from tests.echo import ISSUER, KEY, NAME, EchoService, authority
from tests.tally import CLERK

pytestmark = pytest.mark.asyncio
CLOCK = SystemClock()


def host(services: Sequence[Service]) -> AbstractAsyncContextManager[Hosted]:
    return hosted(
        services,
        listen=Listen(port=0, drain_seconds=1),
        verifier=TokenVerifier({KEY.kid: public_key(KEY)}, CLOCK),
        log=no_log(CLOCK),
        telemetry=Telemetry(),
    )


def echo() -> Served:
    return Served(NAME, EchoService().handlers(), authority)


async def test_services_start_and_stop_in_order() -> None:
    """Migrations, then resources, then work, then calls; and back."""
    told: list[str] = []

    def service(name: str, served: Sequence[Served] = ()) -> Service:
        @asynccontextmanager
        async def lifetime() -> AsyncIterator[None]:
            told.append(f"{name} opened")
            yield
            told.append(f"{name} closed")

        async def work() -> None:
            told.append(f"{name} works")
            try:
                await asyncio.Event().wait()
            finally:
                told.append(f"{name} rests")

        return Service(
            name, served, lambda: told.append(f"{name} migrated"), lifetime, [Background(f"{name} work", work)]
        )

    async with host([service("a", [echo()]), service("b")]) as running:
        outgoing = Outgoing(lambda: ISSUER.issue(CLERK))
        for channel in (connect(f"127.0.0.1:{running.port}", outgoing), local_channel(running.pipeline, outgoing)):
            async with channel:
                say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
                assert (await say(StringValue(value="x"))).value == "x"
        assert running.health.troubles() == []
    assert told == [
        *("a migrated", "b migrated", "a opened", "b opened", "a works", "b works"),
        *("b rests", "a rests", "b closed", "a closed"),
    ]


async def test_failed_background_work_shows_and_starts_again() -> None:
    """Its service is not ready meanwhile; the others are."""
    attempts = 0
    works, mended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        if not mended.is_set():
            raise ConnectionError("no broker")
        works.set()
        await asyncio.Event().wait()

    services = [Service("a", (), background=[Background("relay", work)]), Service("b", ())]
    async with host(services) as running:
        while not running.health.troubles("a"):
            await asyncio.sleep(0.005)
        assert running.health.troubles("a") == ["relay failed and is being restarted: ConnectionError."]
        assert running.health.troubles("b") == []
        mended.set()
        await asyncio.wait_for(works.wait(), 60)
        assert running.health.troubles() == []
        assert attempts > 1


async def test_a_failed_start_closes_what_was_opened() -> None:
    """And says what failed."""
    told: list[str] = []

    @asynccontextmanager
    async def fine() -> AsyncIterator[None]:
        try:
            yield
        finally:
            told.append("closed")

    def broken() -> AbstractAsyncContextManager[None]:
        raise Precondition("The database is of a later release.", reason="DATABASE_TOO_NEW")

    with pytest.raises(Precondition, match="later release"):
        async with host([Service("a", (), lifetime=fine), Service("b", (), lifetime=broken)]):
            pass
    assert told == ["closed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_in_order(number: signal.Signals) -> None:
    """Exit code 0, everything closed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hosted_process", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        lines = [(await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip() for _ in range(3)]
        assert lines[:2] == ["migrated", "open"]
        process.send_signal(number)
        rest = (await asyncio.wait_for(process.stdout.read(), 60)).decode().splitlines()
        assert (await process.wait(), rest[-2:]) == (0, ["closed", "ended"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
