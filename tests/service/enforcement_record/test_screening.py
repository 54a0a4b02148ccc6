"""ScreeningService through its stub: results explained, hits reviewed, quality counted."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liangfa_enforcement_record.queries.stored import stored_inputs
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_kit.errors import Invalid, NotFound
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as rpc
from liangfa_screening import Screener, load_library
from tests.enforcement import CRIME, HARMLESS, HEAD, LEGAL, OFFICER, PROCURATOR, STRANGER, case, party
from tests.enforcement import screening as rules
from tests.enforcement_service import Service, running_service

SHOP = party("武汉市洪山区红星皮鞋店")
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


async def test_what_is_stored_screens_again_as_it_was_screened_when_it_was_entered(tmp_path: Path) -> None:
    """A backtest must tell of changed rules alone: cumulative hits included."""
    async with running_service(tmp_path) as service:
        text = "销售假冒名牌皮鞋，销售金额{}万元。"
        for number in range(4):  # the party's amounts add up to 50,000 yuan with the third
            entered = case(
                cause="销售侵犯注册商标专用权的商品",
                narrative=text.format(2.1),
                parties=[SHOP],
                occurred_on="2026-02-01",
            )
            await service.cases().RegisterCase(case_rpc.RegisterCaseRequest(request_id=f"s{number}", case=entered))
        await crimes(service, 2)
        hits = (await service.screening(PROCURATOR).ListHits(rpc.ListHitsRequest(page_size=50))).hits
        with service.record.store.reading() as connection:
            again = {
                case.id: rules().screener.screen(taken, earlier) for case, taken, earlier in stored_inputs(connection)
            }
        assert len(again) == 6
        told = {hit.screening.case_id: hit.screening for hit in hits}
        assert {key for key, result in again.items() if result.suspected or result.near_misses} == set(told)
        for key, screening in told.items():
            offences = [found.offence.id for found in again[key].offences]
            assert offences == [found.offence_id for found in screening.offences]
        assert any(screening.is_cumulative for screening in told.values())


async def test_each_case_is_screened_with_the_figures_of_its_region(tmp_path: Path) -> None:
    """4,000 yuan: below the province's 5,000, above the national floor that holds elsewhere."""
    figures = tmp_path / "figures.yaml"
    figures.write_text('"420000": {rp_fraud_amount: {value: 5000, source: 某省文件}}', encoding="utf-8")
    regional = CaseScreening(Screener(load_library(figures=figures)))
    entered = case(cause="骗取医保基金", narrative="参保人伪造住院票据骗取医保基金4000元。")
    outcomes = {}
    for region in ("420111", "310101", "420111"):
        entered.region = region
        screened = regional.screen(entered, [])
        outcomes[region] = (screened.outcome, "+420000-" in screened.library_version)
    assert outcomes["310101"] == (pb.SCREENING_OUTCOME_SUSPECTED, False)
    assert outcomes["420111"] == (pb.SCREENING_OUTCOME_NEAR_MISS, True)
