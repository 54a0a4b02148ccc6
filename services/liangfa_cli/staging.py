"""A stage for stories: case_transfer as it is served, on SQLite in a folder, under a clock that moves when it is told."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import liangfa_case_transfer.wiring as transfer_wiring
from liangfa_case_transfer.tables import KIT
from liangfa_kit.clock import ManualClock, from_micros
from liangfa_kit.errors import PlatformError
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import new_signing_key, public_key
from liangfa_kit.logs import no_log
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import OFF
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

REGION = "420111"
_PAGE = 1_000


class SchedulerStuck(PlatformError):
    """The scheduler was asked to tell what is due, and told nothing."""

    reason = "SCHEDULER_STUCK"


@dataclass
class Stage:
    """The services, running. `organisations` are the bodies that take part, by side; the police may change."""

    transfer: transfer_wiring.CaseTransfer
    clock: ManualClock
    pipeline: Pipeline
    issuer: TokenIssuer
    organisations: dict[str, str]

    def stub(self, role: str, body: str = "") -> Any:
        """Return the transfer service as somebody with `role` calls it, in the side's organisation or in `body`."""
        side = Procedure.load().roles[role].side
        body = body or self.organisations[side]
        actor = Actor(f"{body}-{role}", role, body, body, side, REGION, frozenset({role}))
        return TransferServiceStub(local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(actor))))

    async def advance(self, to: datetime) -> None:
        """Let time pass up to and including `to`, from one due moment to the next; each is told at its own time."""
        while True:
            due = await self.transfer.next_alarm_at()
            if due is None or from_micros(due) > to:
                break
            self.clock.set(max(self.clock.now(), from_micros(due)))
            if not await self.transfer.scheduler.tick():
                raise SchedulerStuck(
                    "Something is due, and the scheduler tells nothing.",
                    remedy="The log names the limit and the cause.",
                )
        self.clock.set(max(self.clock.now(), to))

    async def told(self) -> list[events_pb2.ClockWarned | events_pb2.ClockMissed]:
        """Return what the service has journalled of limits that come near or were missed, in its order."""
        found: list[events_pb2.ClockWarned | events_pb2.ClockMissed] = []
        last = 0
        while rows := await self.transfer.store.read(partial(_journalled, after=last)):
            for row in rows:
                name = row.type.rpartition(".")[2]
                if name in {"ClockWarned", "ClockMissed"}:
                    found.append(getattr(events_pb2, name).FromString(row.payload))
            last = rows[-1].position
        return found


def _journalled(connection: sa.Connection, after: int) -> Any:
    journal = KIT.journal.c
    query = sa.select(journal.position, journal.type, journal.payload).where(journal.position > after)
    return connection.execute(query.order_by(journal.position).limit(_PAGE)).all()


@asynccontextmanager
async def stage(folder: Path, start: datetime, calendar: Calendar) -> AsyncIterator[Stage]:
    """Run the services on `folder` from the instant `start`."""
    clock = ManualClock(start)
    broker = LocalBroker(folder / "events.sqlite3")
    transfer = transfer_wiring.build(folder, broker, clock, calendar)
    key = new_signing_key()
    log = no_log(clock)
    pipeline = Pipeline(
        transfer.services,
        verifier=TokenVerifier({key.kid: public_key(key)}, clock),
        log=log,
        telemetry=OFF,
        limits=Listen(),
    )
    transfer.start()
    try:
        bodies = {"agency": "移送机关", "police": "公安机关", "procuratorate": "人民检察院", "court": "人民法院"}
        yield Stage(transfer, clock, pipeline, TokenIssuer(key, clock, timedelta(minutes=15)), bodies)
    finally:
        await transfer.stop()
        await broker.close()
        log.close()


def request_id() -> str:
    """Return a fresh request id."""
    return str(uuid.uuid4())
