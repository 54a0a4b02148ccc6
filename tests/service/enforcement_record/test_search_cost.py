"""What a search by words asks of the database: common words are found in a sixth of a million cases, so they are found once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from liangfa_enforcement_record.authority import Scope
from liangfa_enforcement_record.queries.searching import search_cases
from liangfa_enforcement_record.tables import CASE_TEXT
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from tests.enforcement import case
from tests.enforcement_service import Service, running_service
from tests.reading_cost import statements

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
DISTRICT = Scope(region="420111")


async def enter(service: Service, count: int) -> None:
    for number in range(count):
        request = rpc.RegisterCaseRequest(request_id=f"r{number}", case=case(cause=f"未悬挂营业执照{number}"))
        await service.cases().RegisterCase(request)


async def test_words_are_looked_up_once_for_the_counts_and_the_page(tmp_path: Path) -> None:
    """On the first page and on the next one; the lines are then read by their ids."""
    async with running_service(tmp_path) as service:
        await enter(service, 7)
        store, token = service.record.store, ""
        for left in (4, 3):
            request = rpc.SearchCasesRequest(text="营业执照", page_size=4, page_token=token)
            search = partial(search_cases, store=store, scope=DISTRICT, request=request)
            noted = await store.read(partial(statements, reading=search))
            assert [CASE_TEXT.name in text for text, _ in noted] == [True, False]
            found = await store.read(search)
            assert (len(found.page.rows), found.page.total) == (left, 7)
            assert sum(found.by_stage.values()) == (0 if token else 7)
            token = found.page.next_token
        assert not token


async def test_words_that_nothing_holds_find_nothing(tmp_path: Path) -> None:
    """Neither a count nor a page."""
    async with running_service(tmp_path) as service:
        await enter(service, 1)
        for text in ("危险废物", "，。"):
            found = await service.cases().SearchCases(rpc.SearchCasesRequest(text=text))
            assert (found.total, list(found.cases), list(found.stage_counts)) == (0, [], [])


async def test_nothing_is_not_looked_for_twice(tmp_path: Path) -> None:
    """When the counts say that no case has these conditions, no page is read: it would go through all of them."""
    async with running_service(tmp_path) as service:
        await enter(service, 2)
        for stage, asked, found in ((case_pb2.STAGE_CLOSED, 1, 0), (case_pb2.STAGE_RECEIVED, 2, 2)):
            request = rpc.SearchCasesRequest(stages=[stage])
            search = partial(search_cases, store=service.record.store, scope=DISTRICT, request=request)
            noted = await service.record.store.read(partial(statements, reading=search))
            page = (await service.record.store.read(search)).page
            assert (len(noted), len(page.rows), page.total, page.next_token) == (asked, found, found, "")
