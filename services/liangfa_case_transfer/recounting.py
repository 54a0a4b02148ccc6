"""Counting running limits anew when the service starts with another calendar: the holidays of a year are published late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from liangfa_case_transfer.commands.recount_command import RecountCommand, RecountLimit, is_counted_otherwise
from liangfa_case_transfer.tables import clocks, transfers
from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_procedure.clocks import Calendar
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

_PAGE = 500
_log = structlog.get_logger("liangfa.case_transfer")


class Recounter:
    """Looks once at every limit that runs still. Several replicas may: who comes second finds nothing left to change."""

    def __init__(self, clock: Clock, store: Store, train: Train, calendar: Calendar, call: Call) -> None:
        self._clock = clock
        self._store = store
        self._train = train
        self._calendar = calendar
        self._command = RecountCommand(calendar)
        self._call = call

    async def run(self) -> None:
        """Go through the limits, page by page, and return."""
        ids, changed = await self._store.read(self._running), 0
        for place in range(0, len(ids), _PAGE):
            rows = await self._store.read(lambda c, some=ids[place : place + _PAGE]: _limits(c, some))  # type: ignore[misc]
            found = await asyncio.to_thread(self._differing, rows)
            for limit in found:
                await self._train.execute(self._command.recount, limit, self._call)
            changed += len(found)
        if changed:
            _log.info("limits_recounted", limits=changed)

    def _running(self, connection: sa.Connection) -> Sequence[str]:
        """Return the limits that have not ended yet, by the index of what is to be told: those that are over cost nothing."""
        now = to_micros(self._clock.now())
        query = sa.select(clocks.c.id).where(clocks.c.next_alarm_at.is_not(None), clocks.c.due_at > now)
        return connection.execute(query).scalars().all()

    def _differing(self, rows: Sequence[sa.Row[tuple[bytes, bytes]]]) -> list[RecountLimit]:
        pairs = ((pb.Clock.FromString(row.body), pb.Transfer.FromString(row.of)) for row in rows)
        return [
            RecountLimit(clock.id, transfer.id)
            for clock, transfer in pairs
            if is_counted_otherwise(clock, transfer, self._calendar)
        ]


def _limits(connection: sa.Connection, ids: Sequence[str]) -> Sequence[sa.Row[tuple[bytes, bytes]]]:
    """Return limits with their transfers."""
    columns = sa.select(clocks.c.body, transfers.c.body.label("of"))
    query = columns.join(transfers, transfers.c.id == clocks.c.transfer_id).where(clocks.c.id.in_(ids))
    return connection.execute(query).all()
