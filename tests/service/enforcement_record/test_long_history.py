"""The history of a case is read page by page, each page at the same cost, however long the history and busy the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from liangfa_enforcement_record.queries import reading
from liangfa_enforcement_record.tables import KIT
from liangfa_kit.paging import Page, from_token
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from tests.enforcement import OFFICER
from tests.enforcement_service import Service, running_service
from tests.histories import old_case
from tests.reading_cost import cost, gather_statistics

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
YOUNG, OLD = 50, 5_000
PAGE = 20


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def first_page(connection: sa.Connection, case_id: str, after: tuple[int, int] = (0, 0)) -> Page:
    """Read a page of a history as somebody does whose reading is the newest entry of the journal."""
    newest = connection.execute(sa.select(sa.func.max(KIT.journal.c.position))).scalar_one()
    return reading.timeline(connection, case_id, PAGE, after, reading.View(newest))


async def test_a_page_of_five_thousand_entries_costs_what_one_of_fifty_does(service: Service, tmp_path: Path) -> None:
    """The first page, and one from the middle of the long history; nothing else is looked at on the way."""
    young, old = await old_case(service, YOUNG), await old_case(service, OLD)
    gather_statistics(tmp_path)
    asked = ((young, (0, 0)), (old, (0, 0)), (old, (OLD // 2, OLD // 2)))
    readings = [partial(first_page, case_id=case_id, after=after) for case_id, after in asked]
    costs = [await service.record.store.read(partial(cost, reading=one)) for one in readings]
    assert 0 < max(costs[1:]) < costs[0] * 1.1, costs


async def test_opening_a_case_costs_the_same_too(service: Service, tmp_path: Path) -> None:
    """What is read of it, and the search for the reading that was journalled just now among thousands of readings."""
    young, old = await old_case(service, YOUNG), await old_case(service, OLD)
    gather_statistics(tmp_path)

    def opened(connection: sa.Connection, case_id: str) -> None:
        reading.case_owner(connection, case_id)
        reading.case_body(connection, case_id)
        reading.newest_view(connection, case_id, OFFICER)

    costs = [
        await service.record.store.read(partial(cost, reading=partial(opened, case_id=one))) for one in (young, old)
    ]
    assert 0 < costs[1] < costs[0] * 1.1, costs


async def test_the_pages_follow_each_other_in_the_order_of_the_journal(service: Service) -> None:
    """Two streams that took turns, and then one of them alone: each entry once, none left out."""
    case_id = await old_case(service, 30)
    for purpose in ("一", "二", "三"):
        await service.cases().GetCase(rpc.GetCaseRequest(case_id=case_id, purpose=purpose))
    found, token = list[tuple[str, int]](), ""
    while True:
        request = rpc.GetCaseTimelineRequest(case_id=case_id, page_size=7, page_token=token)
        page = await service.cases().GetCaseTimeline(request)
        found += [(entry.type, entry.version) for entry in page.entries]
        if not (token := page.next_page_token):
            break
        assert from_token(token, int, int, int)[0] <= 30
    turns = [(name, version) for version in range(2, 31) for name in ("CaseRegistered", "CaseViewed")]
    alone = [("CaseViewed", version) for version in range(31, 35)]
    assert found == [("CaseRegistered", 1), ("CaseViewed", 1), *turns, *alone]
