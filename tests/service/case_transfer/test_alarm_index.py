"""The scheduler asks an index: limits that have ended and limits that are not due yet cost it nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from liangfa_case_transfer.queries import transferring
from liangfa_case_transfer.tables import clocks
from liangfa_kit.clock import to_micros
from tests.reading_cost import cost, gather_statistics, plans
from tests.transferring import START, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
HOUR = 3_600_000_000
FEW, MANY = 40, 6_000
DUE = 3


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def fill(service: Service, count: int) -> None:
    """Put `count` limits into the table: nine in ten have ended, three are due now, the others later, hour after hour."""
    transfer = await service.open()
    await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer"))
    now = to_micros(service.clock.now())
    with service.parts.store.transaction() as tx:
        rows = tx.load(clocks, "transfer_id", [transfer.id])
        tx.delete(clocks, [row["id"] for row in rows])
        for n in range(count):
            at = None if n % 10 else now + (n // 10 - DUE + 1) * HOUR
            place = {"id": f"{transfer.id}/copy/{n}", "number": 1_000 + n, "next_alarm_at": at, "open_of": None}
            tx.insert(clocks, [{**rows[0], **place, "is_running": at is not None}])


def look(connection: sa.Connection) -> None:
    """Read what the scheduler reads."""
    transferring.due_alarms(connection, to_micros(START), 200)
    transferring.next_alarm_at(connection)


async def test_what_is_due_is_found_by_the_index(service: Service, tmp_path: Path) -> None:
    """Both questions: what is due, and when something is due next."""
    await fill(service, MANY)
    gather_statistics(tmp_path)
    found = await service.parts.store.read(partial(plans, reading=look))
    assert len(found) == 2
    assert all("clocks_alarm" in plan and "scan clocks" not in plan.lower() for plan in found), found
    due = await service.parts.store.read(lambda c: transferring.due_alarms(c, to_micros(START), 200))
    assert len(due) == DUE


async def test_looking_costs_the_same_among_few_and_among_many(service: Service, tmp_path: Path) -> None:
    """As many are due before as after; thousands of others were added, most of them ended."""
    costs = []
    for count in (FEW, MANY):
        with service.parts.store.transaction() as tx:
            tx.truncate(clocks)
        await fill(service, count)
        gather_statistics(tmp_path)
        costs.append(await service.parts.store.read(partial(cost, reading=look)))
    assert 0 < costs[1] < costs[0] * 1.1, costs
