"""A service is a value; this runs one or several of them in one process, on one event loop, with one port.

Nothing is global: `hosted` can be entered several times in one process, which is what the tests do.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import structlog

from liangfa_kit.dependencies import Dependency, Watched
from liangfa_kit.identity import TokenVerifier
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.rpc.health import Health, Readiness
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.rpc.served import Served
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.rpc.tls import Certificates
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import BACKGROUND_RESTARTS, RPC_ACTIVE, RPC_STREAMS, TLS_REMAINING, Metric, Telemetry

_log = structlog.get_logger("liangfa.hosting")
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Background:
    """Work beside the calls (relay, consumer, timers): `run` goes on until it is cancelled.

    One that raises is logged, makes its service not ready, and is started again after a growing pause.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that is read whenever metrics are sent."""

    metric: Metric
    read: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a runner needs to know about a service.

    `migrate` brings its database to this release; it may block, and repeating it is harmless. `lifetime` opens what
    must be open before anything is served and closes it after everything has ended (the commit train, say).
    `dependencies` are asked while it runs: one that does not answer makes the service not ready.
    """

    name: str
    served: Sequence[Served]
    migrate: Callable[[], None] = lambda: None
    lifetime: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    background: Sequence[Background] = ()
    readiness: Readiness = tuple
    dependencies: Sequence[Dependency] = ()
    gauges: Sequence[Gauge] = ()


@dataclass(slots=True)
class Hosted:
    """What is running: the port, the pipeline (for channels in memory) and the state of health."""

    port: int
    pipeline: Pipeline
    health: Health


@dataclass(slots=True)
class _Troubles:
    """What is wrong with a service's background work now, by task, and with what it depends on."""

    watched: Watched
    by_task: dict[str, str] = field(default_factory=dict)

    def joined(self, readiness: Readiness) -> Readiness:
        return lambda: [*self.watched.troubles(), *self.by_task.values(), *readiness()]


def settle_memory() -> None:
    """Take what start-up has loaded out of the garbage collector's rounds, and make the rounds rarer.

    The rule library and the generated messages are hundreds of thousands of objects that live as long as the process;
    looking through them again and again took a tenth of the time of an import. Called once, by a process that serves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@asynccontextmanager
async def hosted(
    services: Sequence[Service],
    *,
    listen: Listen,
    verifier: TokenVerifier,
    log: CanonicalLog,
    telemetry: Telemetry,
    certificates: Certificates | None = None,
) -> AsyncIterator[Hosted]:
    """Run `services` for the length of a block: migrated, opened, background work started, then served.

    At the end the same backwards: streams are sent elsewhere and calls finish (`listen.drain_seconds`), background work
    is cancelled, lifetimes are closed. Raises what `migrate` raises, and `Unavailable` when the port cannot be had.
    """
    for service in services:
        await asyncio.to_thread(service.migrate)
    troubles = {service.name: _Troubles(Watched(service.dependencies)) for service in services}
    health = Health(
        {service.name: troubles[service.name].joined(service.readiness) for service in services},
        lambda: [found for one in troubles.values() for found in one.watched.troubles(only_calls=True)],
    )
    served = [one for service in services for one in service.served]
    pipeline = Pipeline(served, verifier=verifier, log=log, telemetry=telemetry, limits=listen)
    server = RpcServer(pipeline, health, listen, certificates)
    async with AsyncExitStack() as stack:
        stack.callback(log.flush)
        for service in services:
            await stack.enter_async_context(service.lifetime())
        for service in services:
            stack.push_async_callback(_ended, [
                asyncio.create_task(_kept_running(work, troubles[service.name], telemetry), name=work.name)
                for work in (*service.background, *_visiting(service, troubles[service.name].watched))
            ])  # fmt: skip
        await asyncio.gather(*(one.watched.ask_all() for one in troubles.values()))
        _observe(services, pipeline, telemetry)
        if certificates is not None:
            telemetry.observe(TLS_REMAINING, certificates.remaining_seconds)
        await server.start()
        stack.push_async_callback(server.drain)
        yield Hosted(server.port, pipeline, health)


async def serve(
    services: Sequence[Service],
    *,
    listen: Listen,
    verifier: TokenVerifier,
    log: CanonicalLog,
    telemetry: Telemetry,
    on_ready: Callable[[Hosted], object] = lambda _hosted: None,
) -> None:
    """Run `services` until SIGTERM or SIGINT, then end in order. A second signal ends at once."""
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        asked_to_stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        async with hosted(services, listen=listen, verifier=verifier, log=log, telemetry=telemetry) as running:
            on_ready(running)
            await asked_to_stop.wait()
            _log.info("draining", seconds=listen.drain_seconds)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        await asyncio.to_thread(telemetry.shutdown)


def _visiting(service: Service, watched: Watched) -> Sequence[Background]:
    return [Background(f"{service.name}.dependencies", watched.run)] if service.dependencies else []


def _observe(services: Sequence[Service], pipeline: Pipeline, telemetry: Telemetry) -> None:
    telemetry.observe(RPC_ACTIVE, lambda: pipeline.calls.active)
    telemetry.observe(RPC_STREAMS, lambda: pipeline.streams.active)
    for service in services:
        for gauge in service.gauges:
            telemetry.observe(gauge.metric, gauge.read, service=service.name)


async def _kept_running(work: Background, troubles: _Troubles, telemetry: Telemetry) -> None:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        try:
            await work.run()
        except Exception as error:  # noqa: BLE001 - work that fails is told and started again
            _log.exception("background_failed", task=work.name, exc_info=error)
            troubles.by_task[work.name] = f"{work.name} failed and is being restarted: {type(error).__name__}."
            telemetry.record(BACKGROUND_RESTARTS, 1, task=work.name)
        else:
            return
        if time.monotonic() - started > _LONGEST_PAUSE_SECONDS:
            pause = _FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        troubles.by_task.pop(work.name, None)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
