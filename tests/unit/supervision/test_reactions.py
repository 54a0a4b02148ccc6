"""What supervision makes of the record's events: feed, alerts, counts; told by running the real consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from liangfa_cli import district
from liangfa_cli.platform import Platform, running
from liangfa_kit.clock import ManualClock
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from liangfa_supervision.tables import feed
from tests.servers.databases import database_of

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@asynccontextmanager
async def platform_at(folder: Path, clock: ManualClock) -> AsyncIterator[Platform]:
    settings = PlatformSettings(
        storage=Storage(folder=folder),
        database=database_of(folder),
        listen=Listen(port=0),
        logging=Logging(file=folder / "log.json"),
    )
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with running(settings, clock=clock) as platform:
        yield platform


def case(narrative: str, cause: str = "经营有毒有害食品", decided_on: str = "", fine: str = "") -> case_pb2.Case:
    found = case_pb2.Case(cause=cause, narrative=narrative, parties=[case_pb2.Party(name="洪山甲餐饮店")])
    if decided_on:
        found.decision.decided_on, found.decision.fine_yuan = decided_on, fine
        found.decision.document_number = f"洪市监处罚〔2026〕{len(narrative)}{fine.replace('.', '')}号"
    return found


async def register(platform: Platform, wanted: case_pb2.Case, kind: str = "market_regulation") -> case_pb2.Case:
    stub = CaseServiceStub(platform.channel_for(district.officer(kind)))
    reply = await stub.RegisterCase(rpc.RegisterCaseRequest(request_id=wanted.narrative[:40], case=wanted))
    return reply.case


async def caught_up(platform: Platform) -> None:
    assert platform.record is not None
    assert platform.supervision is not None
    await platform.record.relay.drain()
    await platform.supervision.consumer.drain()


def watcher(platform: Platform, actor: Any = district.PROCURATOR) -> Any:
    return SupervisionServiceStub(platform.channel_for(actor))


async def alerts(platform: Platform, **wanted: Any) -> list[pb.Alert]:
    return list((await watcher(platform).ListAlerts(pb.ListAlertsRequest(**wanted))).alerts)


async def test_a_suspected_crime_raises_an_alert_that_counts_its_open_days(tmp_path: Path) -> None:
    """It stays open, with the day it was raised, until a reviewer rejects the hit."""
    clock = ManualClock(START)
    async with platform_at(tmp_path / "d", clock) as platform:
        entered = await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        await caught_up(platform)
        clock.advance(timedelta(days=9))
        (alert,) = await alerts(platform)
        assert alert.kind == pb.ALERT_KIND_SUSPECTED_NOT_TRANSFERRED
        assert (alert.case_id, alert.open_days, alert.offence_id) == (entered.id, 9, "toxic_food")
        stub = ScreeningServiceStub(platform.channel_for(district.PROCURATOR))
        hit = (await stub.ListHits(screening_rpc.ListHitsRequest())).hits[0]
        review = screening_rpc.ReviewHitRequest(
            request_id="r", screening_id=hit.screening.id, accepted=False, reason="底料经检测未检出"
        )
        await stub.ReviewHit(review)
        await caught_up(platform)
        assert await alerts(platform) == []
        assert [a.closed for a in await alerts(platform, include_closed=True)] == [True]


async def test_an_agency_that_rejects_a_hit_on_its_own_case_closes_no_alert(tmp_path: Path) -> None:
    """Whoever is watched does not end the watching: the verdict is told as a warning, the alert stays open."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        entered = await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        await caught_up(platform)
        head = replace(district.officer("market_regulation"), person_id="head", roles=frozenset({"agency_head"}))
        stub = ScreeningServiceStub(platform.channel_for(head))
        hit = (await stub.ListHits(screening_rpc.ListHitsRequest())).hits[0]
        review = screening_rpc.ReviewHitRequest(
            request_id="r", screening_id=hit.screening.id, accepted=False, reason="本机关认为不构成"
        )
        await stub.ReviewHit(review)
        await caught_up(platform)
        assert [alert.case_id for alert in await alerts(platform)] == [entered.id]
        feed_of = await watcher(platform).GetCaseFeed(pb.GetCaseFeedRequest(case_id=entered.id, purpose="督办"))
        assert (feed_of.items[-1].kind, feed_of.items[-1].severity) == (
            pb.FEED_KIND_HIT_REVIEWED,
            pb.SEVERITY_WARNING,
        )


async def test_a_decision_entered_late_is_an_alert_and_seven_days_are_not(tmp_path: Path) -> None:
    """More than seven days from decision to entry, by the Beijing calendar."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        await register(platform, case("标签不规范一。", "标签不合格", "2026-02-23", "1000"))
        await register(platform, case("标签不规范二。", "标签不合格二", "2026-02-22", "2000"))
        await caught_up(platform)
        late = [alert for alert in await alerts(platform) if alert.kind == pb.ALERT_KIND_LATE_ENTRY]
        assert ["8 天" in alert.text_zh for alert in late] == [True]


async def test_an_amendment_after_the_decision_is_an_alert_with_the_reason(tmp_path: Path) -> None:
    """The supervisor sees what was changed and why."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        entered = await register(platform, case("标签不规范。", "标签不合格", "2026-03-01", "1000"))
        stub = CaseServiceStub(platform.channel_for(district.officer("market_regulation")))
        change = rpc.AmendCaseRequest(
            request_id="a", case_id=entered.id, expected_version=1, fields=["narrative"], reason="补充检验结果",
            case=case_pb2.Case(narrative="标签不规范，且缺少产地。"),
        )  # fmt: skip
        await stub.AmendCase(change)
        await caught_up(platform)
        (alert,) = [a for a in await alerts(platform) if a.kind == pb.ALERT_KIND_AMENDED_AFTER_DECISION]
        assert "补充检验结果" in alert.text_zh


async def test_statistics_follow_a_fine_that_is_corrected(tmp_path: Path) -> None:
    """The sum is that of the record as it stands, not as it was first entered."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        entered = await register(platform, case("标签不规范。", "标签不合格", "2026-03-01", "100000"))
        wanted = case_pb2.Decision()
        wanted.CopyFrom(entered.decision)
        wanted.fine_yuan = "10000"
        change = rpc.AmendCaseRequest(
            request_id="a", case_id=entered.id, expected_version=1, fields=["decision"], reason="笔误",
            case=case_pb2.Case(decision=wanted),
        )  # fmt: skip
        await CaseServiceStub(platform.channel_for(district.officer("market_regulation"))).AmendCase(change)
        await caught_up(platform)
        (line,) = (await watcher(platform).GetStatistics(pb.GetStatisticsRequest())).lines
        assert (line.decisions, line.fines_yuan) == (1, "10000")


async def test_cases_of_one_party_that_reach_a_standard_together_raise_an_alert_of_their_own(tmp_path: Path) -> None:
    """Beside the suspicion: it names how many cases were added."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        for number, day in enumerate(("2025-11-02", "2026-01-05")):
            sold = f"当事人第{number}次销售假冒注册商标的白酒，销售金额共计3万元，全部售出。"
            wanted = case(sold, "销售侵犯注册商标专用权的商品")
            wanted.parties[0].name, wanted.occurred_on = "武汉市洪山区红星商贸有限公司", day
            wanted.parties[0].uscc = "91420111MA4KL00A9P"
            last = await register(platform, wanted)
        await caught_up(platform)
        found = {alert.kind: alert for alert in await alerts(platform) if alert.case_id == last.id}
        assert set(found) == {pb.ALERT_KIND_SUSPECTED_NOT_TRANSFERRED, pb.ALERT_KIND_CUMULATIVE_HIT}
        assert "2 起案件合计" in found[pb.ALERT_KIND_CUMULATIVE_HIT].text_zh


async def test_statistics_count_cases_by_every_dimension_and_sum_fines_exactly(tmp_path: Path) -> None:
    """Agency, field, month, region, offence and totals agree."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        await register(platform, case("后厨使用罂粟壳熬制底料，已处罚。", decided_on="2026-03-01", fine="0.1"))
        await register(platform, case("标签不规范。", "标签不合格", "2026-03-01", "0.2"))
        await register(platform, case("未记台账。", "未按规定保存台账"), "environment")
        await caught_up(platform)
        stub = watcher(platform)
        (total,) = (await stub.GetStatistics(pb.GetStatisticsRequest())).lines
        assert (total.cases, total.decisions, total.suspected, total.fines_yuan) == (3, 2, 1, "0.3")
        for dimension in range(1, 6):
            lines = (
                await stub.GetStatistics(pb.GetStatisticsRequest(dimension=pb.StatisticsDimension.ValueType(dimension)))
            ).lines
            expected = 1 if dimension == pb.STATISTICS_DIMENSION_OFFENCE else 3
            assert sum(line.cases for line in lines) == expected


async def test_a_case_feed_tells_its_history_and_pages_without_gap(tmp_path: Path) -> None:
    """Entry and suspicion in order; a page of one item leads to the next."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        entered = await register(platform, case("后厨使用罂粟壳熬制底料。"))
        await caught_up(platform)
        kinds, token = [], ""
        while True:
            request = pb.GetCaseFeedRequest(case_id=entered.id, page_size=1, page_token=token, purpose="督办")
            page = await watcher(platform).GetCaseFeed(request)
            kinds += [item.kind for item in page.items]
            token = page.next_page_token
            if not token:
                break
        assert kinds == [pb.FEED_KIND_CASE_REGISTERED, pb.FEED_KIND_CRIME_SUSPECTED]


async def test_nobody_sees_what_lies_outside_their_agency_or_region(tmp_path: Path) -> None:
    """Officers see their agency, supervisors their region, other regions nothing: in the feed, alerts and counts."""
    async with platform_at(tmp_path / "d", ManualClock(START)) as platform:
        await register(platform, case("后厨使用罂粟壳熬制底料。"))
        await caught_up(platform)
        actor = type(district.PROCURATOR)
        elsewhere = actor("x", "x", "x", "x", "oversight", "420106", frozenset({"procurator"}))
        city = actor("y", "y", "y", "y", "oversight", "420100", frozenset({"procurator"}))
        seen = {
            "own officer": district.officer("market_regulation"),
            "other officer": district.officer("labour"),
            "procurator": district.PROCURATOR,
            "city procurator": city,
            "elsewhere": elsewhere,
        }
        counts = {}
        for name, who in seen.items():
            (line,) = (await watcher(platform, who).GetStatistics(pb.GetStatisticsRequest())).lines
            listed = (await watcher(platform, who).ListAlerts(pb.ListAlertsRequest(agency_id=""))).total
            counts[name] = (line.cases, listed)
        nothing = (0, 0)
        assert counts == {
            "own officer": (1, 1),
            "other officer": nothing,
            "procurator": (1, 1),
            "city procurator": (1, 1),
            "elsewhere": nothing,
        }
        assert platform.supervision is not None
        stored = await platform.supervision.store.read(lambda c: c.execute(sa.select(feed)).all())
        assert len(stored) == 2
