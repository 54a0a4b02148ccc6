"""ScreeningService through its stub: results explained, hits reviewed, quality counted."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liangfa_kit.errors import Invalid, NotFound
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as rpc
from tests.enforcement import CRIME, HARMLESS, HEAD, LEGAL, OFFICER, PROCURATOR, STRANGER, case
from tests.enforcement_service import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]


async def crimes(service: Service, count: int) -> list[Any]:
    """Enter `count` cases that are hits."""
    replies = []
    for number in range(count):
        entered = case(cause="销售侵犯注册商标专用权的商品", narrative=CRIME)
        request = case_rpc.RegisterCaseRequest(request_id=f"c{number}", case=entered)
        replies.append(await service.cases().RegisterCase(request))
    return replies


async def review(service: Service, screening_id: str, by: Any = LEGAL, **values: Any) -> Any:
    request = rpc.ReviewHitRequest(request_id=str(uuid.uuid4()), screening_id=screening_id, **values)
    return await service.screening(by).ReviewHit(request)


async def test_hits_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    """The supervisor works through them; reviewed ones can be left out."""
    async with running_service(tmp_path) as service:
        entered = await crimes(service, 3)
        request = case_rpc.RegisterCaseRequest(request_id="h", case=case(narrative=HARMLESS))
        await service.cases().RegisterCase(request)
        stub = service.screening(PROCURATOR)
        first = await stub.ListHits(rpc.ListHitsRequest(page_size=2))
        rest = await stub.ListHits(rpc.ListHitsRequest(page_size=2, page_token=first.next_page_token))
        assert (first.total, len(first.hits), len(rest.hits), rest.next_page_token) == (3, 2, 1, "")
        seen = [hit.screening.id for hit in (*first.hits, *rest.hits)]
        assert seen == [reply.screening.id for reply in reversed(entered)]
        assert first.hits[0].agency_name == "武汉市洪山区市场监督管理局"
        await review(service, seen[0], accepted=True, reason="数额达到标准")
        assert (await stub.ListHits(rpc.ListHitsRequest(unreviewed=True))).total == 2
        offence = entered[0].screening.offences[0].offence_id
        assert (await stub.ListHits(rpc.ListHitsRequest(offence_id=offence))).total == 3
        assert (await stub.ListHits(rpc.ListHitsRequest(offence_id="no_such"))).total == 0
        assert (await stub.ListHits(rpc.ListHitsRequest(region="420106"))).total == 0


async def test_verdicts_become_precision_and_recall_by_rule(tmp_path: Path) -> None:
    """Two accepted, one rejected, and one case that reviewers assign to another offence."""
    async with running_service(tmp_path) as service:
        entered = [reply.screening for reply in await crimes(service, 3)]
        await review(service, entered[0].id, accepted=True, reason="是")
        await review(service, entered[1].id, PROCURATOR, accepted=True, reason="是")
        await review(
            service,
            entered[2].id,
            HEAD,
            accepted=False,
            reason="应为假冒商标",
            corrected_offence_id="counterfeit_trademark",
        )
        quality = await service.screening(PROCURATOR).GetRuleQuality(rpc.GetRuleQualityRequest())
        by_standard = {rule.standard_id: rule for rule in quality.rules}
        rule = by_standard[entered[0].offences[0].standard_id]
        assert (rule.accepted, rule.rejected, rule.precision) == (2, 1, pytest.approx(2 / 3))
        assert (by_standard[""].name_zh, by_standard[""].missed, by_standard[""].recall) == ("假冒注册商标罪", 1, 0.0)


async def test_a_verdict_needs_a_reason_and_a_hit_that_is_there(tmp_path: Path) -> None:
    """And what the reviewer may not see is not there."""
    async with running_service(tmp_path) as service:
        hit = (await crimes(service, 1))[0].screening
        with pytest.raises(Invalid) as refusal:
            await review(service, hit.id, accepted=True, reason=" ")
        assert refusal.value.reason == "REASON_REQUIRED"
        for screening_id, by in (("0190", LEGAL), (hit.id, replace(STRANGER, roles=HEAD.roles))):
            with pytest.raises(NotFound) as missing:
                await review(service, screening_id, by, accepted=True, reason="x")
            assert missing.value.reason in {"SCREENING_NOT_FOUND", "CASE_NOT_FOUND"}


async def test_results_of_a_case_are_read_newest_first_and_the_reading_is_noted(tmp_path: Path) -> None:
    """Old results stay beside new ones."""
    async with running_service(tmp_path) as service:
        entered = (await crimes(service, 1))[0].case
        amend = case_rpc.AmendCaseRequest(
            request_id="a", case_id=entered.id, expected_version=1, case=pb.Case(cause="虚假宣传", narrative=HARMLESS),
            fields=["cause", "narrative"], reason="更正",
        )  # fmt: skip
        await service.cases().AmendCase(amend)
        request = rpc.ListScreeningsRequest(case_id=entered.id, purpose="复核", page_size=1)
        newest = await service.screening(PROCURATOR).ListScreenings(request)
        request.page_token = newest.next_page_token
        oldest = await service.screening(PROCURATOR).ListScreenings(request)
        outcomes = [found.screenings[0].outcome for found in (newest, oldest)]
        assert outcomes == [pb.SCREENING_OUTCOME_CLEAR, pb.SCREENING_OUTCOME_SUSPECTED]
        told = await service.cases().GetCaseTimeline(case_rpc.GetCaseTimelineRequest(case_id=entered.id))
        assert next(e.summary_zh for e in told.entries if e.type == "CaseViewed").startswith("查看筛查结果")


async def test_the_rules_in_force_are_named(tmp_path: Path) -> None:
    """Which version, how many offences and standards, as of when."""
    async with running_service(tmp_path) as service:
        library = await service.screening(OFFICER).GetLibrary(rpc.GetLibraryRequest())
        assert library.library_version
        assert (library.offences, library.standards) >= (100, 300)
        assert library.as_of
