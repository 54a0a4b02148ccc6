"""Opening a case and a transfer with ten years of history, beside young ones and beside the rows alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests import enforcement_service, transferring
from tests.enforcement import OFFICER
from tests.histories import old_case, old_transfer
from tests.reading_cost import gather_statistics, statements

from bench.databases import databases
from bench.report import Figure
from liangfa_case_transfer.queries import transferring as transfer_queries
from liangfa_enforcement_record.queries import reading
from liangfa_enforcement_record.tables import KIT
from liangfa_kit.store.port import Store
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as transfer_rpc
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc

YOUNG, OLD, PAGE = 50, 5_000, 50
EACH = 4
"""So many young ones and so many old ones, asked in turn: opening a case adds to its history."""
CALLS, WARMING = 400, 20


@dataclass(frozen=True)
class Call:
    """A call that opens something by its id, and the same rows read by the driver alone (None: a page further on)."""

    name: str
    ask: Callable[[str], Awaitable[Any]]
    store: Store
    rows: Callable[[sa.Connection, str], Any] | None = None


def run() -> Iterator[Figure]:
    """Measure each database, young and old in turn so that both meet the same machine."""
    for name, folder in databases():
        for figures in (_cases, _transfers):
            for figure in asyncio.run(figures(folder)):
                yield Figure(
                    f"{name}, {figure.what}", figure.ours, "ms", figure.limit, figure.limit_name, less_is_better=True
                )


async def _cases(folder: Path) -> list[Figure]:
    async with enforcement_service.running_service(folder) as service:
        stub, store = service.cases(), service.record.store
        young, old = [[await old_case(service, length) for _ in range(EACH)] for length in (YOUNG, OLD)]
        gather_statistics(folder)
        calls = [
            Call("GetCase", lambda key: stub.GetCase(case_rpc.GetCaseRequest(case_id=key)), store, _case_rows),
            Call("GetCaseTimeline, first page", partial(_timeline_page, stub), store, _timeline_rows),
            Call("GetCaseTimeline, next page", await _next_page(stub, [*young, *old]), store),
        ]
        return [figure for call in calls for figure in await _compared(call, young, old)]


async def _transfers(folder: Path) -> list[Figure]:
    async with transferring.running_service(folder) as service:
        stub, store = service.stub(), service.parts.store
        young, old = [[(await old_transfer(service, length)).id for _ in range(EACH)] for length in (YOUNG, OLD)]
        gather_statistics(folder)

        async def newest(key: str) -> Any:
            return await stub.GetTransfer(transfer_rpc.GetTransferRequest(transfer_id=key, limit=PAGE))

        async def older(key: str) -> Any:
            last = (YOUNG if key in young else OLD) - 5
            request = transfer_rpc.GetTransferRequest(transfer_id=key, limit=20, before_sequence=last)
            return await stub.GetTransfer(request)

        calls = [
            Call("GetTransfer", newest, store, _transfer_rows),
            Call("GetTransfer, a page further back", older, store),
        ]
        return [figure for call in calls for figure in await _compared(call, young, old)]


async def _timeline_page(stub: Any, case_id: str, token: str = "") -> Any:
    request = case_rpc.GetCaseTimelineRequest(case_id=case_id, page_size=PAGE // 2, page_token=token)
    return await stub.GetCaseTimeline(request)


async def _next_page(stub: Any, case_ids: Sequence[str]) -> Callable[[str], Awaitable[Any]]:
    """Return the call that reads the second page of a history whose first page was read just now."""
    tokens = {case_id: (await _timeline_page(stub, case_id)).next_page_token for case_id in case_ids}
    return lambda case_id: _timeline_page(stub, case_id, tokens[case_id])


def _case_rows(connection: sa.Connection, case_id: str) -> None:
    reading.case_owner(connection, case_id)
    reading.newest_view(connection, case_id, OFFICER)
    reading.case_body(connection, case_id)


def _timeline_rows(connection: sa.Connection, case_id: str) -> None:
    newest = connection.execute(sa.select(sa.func.max(KIT.journal.c.position))).scalar_one()
    reading.timeline(connection, case_id, PAGE // 2, (0, 0), reading.View(newest))


def _transfer_rows(connection: sa.Connection, transfer_id: str) -> None:
    request = transfer_rpc.GetTransferRequest(transfer_id=transfer_id, limit=PAGE)
    transfer_queries.opened(connection, transferring.OFFICER, request)


async def _compared(call: Call, young: Sequence[str], old: Sequence[str]) -> list[Figure]:
    """Return the percentiles of a call on old ones beside those on young ones, and beside the rows alone."""
    taken: dict[str, list[float]] = {"young": [], "old": [], "rows": []}
    for number in range(WARMING + CALLS):
        one = {"young": young[number % EACH], "old": old[number % EACH]}
        for name, key in one.items():
            taken[name].append(await _milliseconds(lambda key=key: call.ask(key)))  # type: ignore[misc]
    if call.rows:
        taken["rows"] = _bare(call, old)
    figures = []
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        of = {which: _part(values[WARMING:], share) for which, values in taken.items() if values}
        what = f"{call.name}, {OLD:,} entries, {name}"
        figures.append(Figure(what, of["old"], "ms", of["young"], f"with {YOUNG} entries"))
        if call.rows:
            figures.append(Figure(what, of["old"], "ms", of["rows"], "its SQL by the driver alone"))
    return figures


async def _milliseconds(ask: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await ask()
    return (time.perf_counter() - begun) * 1000


def _bare(call: Call, keys: Sequence[str]) -> list[float]:
    """Return how long the statements of a page take by the driver alone, in milliseconds."""
    taken = []
    assert call.rows is not None
    with call.store.reading() as connection:
        driver: Any = connection.connection.driver_connection
        noted = [statements(connection, partial(_read, call.rows, key)) for key in keys]
        for number in range(WARMING + CALLS):
            begun = time.perf_counter()
            for text, given in noted[number % len(noted)]:
                driver.execute(text, given).fetchall()
            taken.append((time.perf_counter() - begun) * 1000)
    return taken


def _read(rows: Callable[[sa.Connection, str], Any], key: str, connection: sa.Connection) -> None:
    rows(connection, key)


def _part(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]
