"""Precedents: shown masked, approved, then found by everybody; figures by unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from liangfa_kit.errors import Exists, Invalid, NotFound, Precondition
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.precedent_service_pb2_grpc import PrecedentServiceStub
from tests.consulting import ECOLOGY, FAR_POLICE, MARKET, MARKET_HEAD, POLICE, PROCURATOR, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
QUESTION = "当事人张三从武汉红星商贸有限公司购进假冒白酒，电话13800138000，张三销售金额8万元，是否应当移送？"


def stub(service: Service, by: Any = MARKET_HEAD) -> Any:
    return PrecedentServiceStub(service.channel(by))


async def closed(service: Service, **rest: Any) -> str:
    key = (await service.ask(**({"question": QUESTION} | rest))).id
    await service.accept(await service.answer(key, grounds="张三销售金额在五万元以上。"))
    await service.close(key)
    return key


async def published(service: Service, key: str, *words: str, by: Any = MARKET_HEAD) -> rpc.Precedent:
    preview = await stub(service, by).PreviewPrecedent(
        rpc.PreviewPrecedentRequest(consultation_id=key, also_mask=words)
    )
    request = rpc.PublishPrecedentRequest(
        request_id=f"p{key}{by.person_id}", consultation_id=key, also_mask=words, sha256=preview.sha256
    )
    precedent: rpc.Precedent = (await stub(service, by).PublishPrecedent(request)).precedent
    return precedent


async def test_the_preview_shows_what_is_masked_and_only_that_is_published(tmp_path: Path) -> None:
    """Names, companies, telephones and units are gone, also from what is searched and journalled."""
    async with running_service(tmp_path) as service:
        key = await closed(service)
        preview = await stub(service).PreviewPrecedent(rpc.PreviewPrecedentRequest(consultation_id=key))
        originals = {one.original for one in preview.maskings}
        assert {"张三", "13800138000", "武汉红星商贸有限公司"} <= originals
        precedent = await published(service, key, "假冒白酒")
        text = str(precedent.SerializeToString().decode("utf-8", "replace"))
        for hidden in ("张三", "红星", "13800138000", "假冒白酒", MARKET.person_name, key, "case-1"):
            assert hidden not in text
        assert (precedent.asker_kind, precedent.answers[0].unit_kind) == ("market", "police")
        assert precedent.answers[0].outcome == pb.OUTCOME_FOLLOWED
        (event,) = await service.events("PrecedentPublished")
        assert event.precedent == precedent


async def test_what_was_not_approved_is_not_published(tmp_path: Path) -> None:
    """Other words to mask make another text; one consultation gives one precedent; open ones give none."""
    async with running_service(tmp_path) as service:
        key = await closed(service)
        preview = await stub(service).PreviewPrecedent(rpc.PreviewPrecedentRequest(consultation_id=key))
        with pytest.raises(Precondition) as changed:
            await stub(service).PublishPrecedent(
                rpc.PublishPrecedentRequest(
                    request_id="p", consultation_id=key, also_mask=["白酒"], sha256=preview.sha256
                )
            )
        assert changed.value.reason == "PREVIEW_CHANGED"
        await published(service, key)
        with pytest.raises(Exists):
            await published(service, key, by=POLICE)
        with pytest.raises(Precondition) as still_open:
            await published(service, (await service.ask()).id)
        assert still_open.value.reason == "CONSULTATION_OPEN"


async def test_precedents_are_found_by_offence_cause_and_words_everywhere(tmp_path: Path) -> None:
    """By units of another region too; a withdrawn one is not found."""
    async with running_service(tmp_path) as service:
        key = await closed(service)
        precedent = await published(service, key)
        far = stub(service, FAR_POLICE)

        async def ids(**conditions: Any) -> list[str]:
            found = await far.SearchPrecedents(rpc.SearchPrecedentsRequest(**conditions))
            return [one.id for one in found.precedents]

        offence, cause = "销售假冒注册商标的商品罪", "销售侵犯注册商标专用权的商品"
        matching: list[dict[str, Any]] = [
            {},
            {"text": "假冒白酒"},
            {"offence_name_zh": offence},
            {"cause": cause, "text": "五万元"},
        ]
        for conditions in matching:
            assert await ids(**conditions) == [precedent.id], conditions
        others: list[dict[str, Any]] = [
            {"text": "张三"},
            {"text": "污染环境"},
            {"kind": pb.CONSULTATION_KIND_TECHNICAL},
        ]
        for conditions in others:
            assert await ids(**conditions) == [], conditions
        with pytest.raises(NotFound):
            await stub(service, PROCURATOR).WithdrawPrecedent(
                rpc.WithdrawPrecedentRequest(request_id="w", consultation_id=key, reason="x")
            )
        withdraw = rpc.WithdrawPrecedentRequest(request_id="w", consultation_id=key, reason="脱敏不完整")
        await stub(service).WithdrawPrecedent(withdraw)
        assert await ids() == []
        assert (await far.SuggestPrecedents(rpc.SuggestPrecedentsRequest(text=QUESTION))).precedents == []


async def test_similar_precedents_are_offered_the_most_alike_first(tmp_path: Path) -> None:
    """What is rare counts more than what all share; the same offence counts on top."""
    async with running_service(tmp_path) as service:
        wine = await published(service, await closed(service))
        waste = await published(
            service,
            await closed(
                service,
                title="倾倒危险废物如何认定",
                question="当事人向河道倾倒危险废物两吨，是否应当移送？",
                cause="非法倾倒危险废物",
                offence_name_zh="污染环境罪",
            ),
        )
        suggest = stub(service, ECOLOGY).SuggestPrecedents
        found = await suggest(rpc.SuggestPrecedentsRequest(text="某企业向沟渠倾倒危险废物，应当如何处理"))
        assert found.precedents[0].precedent.id == waste.id
        assert found.precedents[0].likeness > 0.2
        offered = await suggest(
            rpc.SuggestPrecedentsRequest(text="销售金额怎样计算", offence_name_zh="销售假冒注册商标的商品罪", limit=1)
        )
        assert [one.precedent.id for one in offered.precedents] == [wine.id]
        assert (await suggest(rpc.SuggestPrecedentsRequest(text=""))).precedents == []


async def test_figures_by_unit(tmp_path: Path) -> None:
    """Asked, answered in time or late, overdue, median, followed; an agency sees its own, a procurator the region's."""
    async with running_service(tmp_path) as service:
        keys = [(await service.ask()).id for _ in range(3)]
        await service.later(hours=10)
        await service.accept(await service.answer(keys[0]))
        await service.later(days=20)
        await service.accept(await service.answer(keys[1]), outcome=pb.OUTCOME_NOT_FOLLOWED)
        request = rpc.GetConsultationFiguresRequest()
        units = {u.unit_id: u for u in (await stub(service, PROCURATOR).GetConsultationFigures(request)).units}
        police = units["police"]
        assert (police.received, police.answered, police.answered_in_time, police.overdue) == (3, 2, 1, 1)
        assert (police.followed, police.not_followed, police.median_hours) == (1, 1, 250.0)
        assert units["market"].asked == 3
        own = (await stub(service).GetConsultationFigures(request)).units
        assert [(line.unit_id, line.asked) for line in own] == [("market", 3)]
        assert (await stub(service, FAR_POLICE).GetConsultationFigures(request)).units == []
        later = rpc.GetConsultationFiguresRequest(asked_from="2026-03-03")
        assert (await stub(service, PROCURATOR).GetConsultationFigures(later)).units == []
        with pytest.raises(Invalid):
            await stub(service).GetConsultationFigures(rpc.GetConsultationFiguresRequest(asked_to="2026-13-01"))
