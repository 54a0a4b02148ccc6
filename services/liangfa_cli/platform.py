"""Putting services together in one process: broker, services, pipeline, server, background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

import liangfa_enforcement_record.wiring as record_wiring
import liangfa_supervision.wiring as supervision_wiring
from liangfa_kit import logs
from liangfa_kit.clock import Clock, SystemClock
from liangfa_kit.errors import NotFound
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import signing_key, trusted_keys
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.rpc.client import Channel, Outgoing
from liangfa_kit.rpc.health import Health, Readiness
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.rpc.served import Served
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.settings import PlatformSettings
from liangfa_kit.telemetry import telemetry

SERVICES = (record_wiring.NAME, supervision_wiring.NAME)
_log = structlog.get_logger("liangfa.platform")


@dataclass
class Platform:
    """A running platform, or the part of it that this process serves."""

    settings: PlatformSettings
    issuer: TokenIssuer
    pipeline: Pipeline
    server: RpcServer
    record: record_wiring.EnforcementRecord | None = None
    supervision: supervision_wiring.Supervision | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"{self.settings.listen.host}:{self.server.port}"

    def channel_for(self, actor: Actor, *, call_seconds: float = 60.0) -> Channel:
        """Return a channel in this process on which `actor` calls; every call gets a fresh enough token."""
        return local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(actor), call_seconds=call_seconds))

    def troubles(self) -> list[str]:
        """Return what keeps the platform from doing its work."""
        found = [f"a background task has ended: {task.get_name()}" for task in self.tasks if task.done()]
        if self.record is not None and self.record.relay.state.trouble:
            found.append(f"events wait in the journal: {self.record.relay.state.trouble}")
        if self.supervision is not None and self.supervision.consumer.state.halted:
            found.append(f"the supervision consumer has stopped: {self.supervision.consumer.state.halted}")
        return found


@asynccontextmanager
async def running(
    settings: PlatformSettings, only: str | None = None, *, clock: Clock | None = None
) -> AsyncIterator[Platform]:
    """Run the platform, or the service `only`, until the block ends; then drain it in order."""
    if only is not None and only not in SERVICES:
        raise NotFound(
            f"There is no service {only!r}.", remedy=f"Services are: {', '.join(SERVICES)}.", reason="SERVICE_UNKNOWN"
        )
    clock = clock or SystemClock()
    folder = settings.storage.folder
    broker = LocalBroker(folder / "events" / "events.sqlite3")
    record = record_wiring.build(folder, broker, clock) if only in {None, record_wiring.NAME} else None
    supervision = supervision_wiring.build(folder, broker, clock) if only in {None, supervision_wiring.NAME} else None
    parts = [part for part in (record, supervision) if part is not None]
    platform = _assembled(settings, clock, [service for part in parts for service in part.services])
    platform.record, platform.supervision = record, supervision
    for part in parts:
        part.start()
        platform.tasks += [
            asyncio.create_task(run(), name=f"{type(part).__name__}.{run.__qualname__}") for run in part.background
        ]
    for task in platform.tasks:
        task.add_done_callback(_report)
    await platform.server.start()
    try:
        yield platform
    finally:
        await platform.server.drain()
        for task in platform.tasks:
            task.cancel()
        await asyncio.gather(*platform.tasks, return_exceptions=True)
        for part in parts:
            await part.stop()
        await broker.close()
        platform.pipeline.log.close()


def _assembled(settings: PlatformSettings, clock: Clock, services: Sequence[Served]) -> Platform:
    identity = settings.identity
    key = signing_key(settings.key_folder)
    issuer = TokenIssuer(key, clock, timedelta(seconds=identity.token_ttl_seconds), issuer=identity.issuer)
    verifier = TokenVerifier(
        trusted_keys(settings.key_folder),
        clock,
        audience=identity.audience,
        issuer=identity.issuer,
        leeway=timedelta(seconds=identity.leeway_seconds),
    )
    pipeline = Pipeline(
        services,
        verifier=verifier,
        log=logs.configure(settings.logging, clock),
        telemetry=telemetry(settings.telemetry, "liangfa"),
        limits=settings.listen,
    )
    holder: list[Platform] = []

    def readiness() -> Sequence[str]:
        return holder[0].troubles()

    ready: dict[str, Readiness] = {service.name: readiness for service in services}
    server = RpcServer(pipeline, Health(ready), settings.listen)
    holder.append(Platform(settings, issuer, pipeline, server))
    return holder[0]


def _report(task: asyncio.Task[None]) -> None:
    """Log a background task that ended by itself: the platform is not ready without it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background_task_failed", task=task.get_name(), exc_info=error)
