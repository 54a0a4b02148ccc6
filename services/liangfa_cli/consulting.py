"""The demonstration of a consultation: a question, a live conversation, a formal answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

from rich.console import Console

from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_kit.identity import Actor
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import unit_service_pb2
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub

_PREFIXES = {"hs-police": "洪公", "hs-procuratorate": "洪检", "hs-justice": "洪司", "hs-court": "洪法"}
_QUESTION = "某烟酒店待售假冒名牌白酒，尚未销售，货值金额12.6万元。未销售的货值能否作为立案追诉的依据？"
_TALK = (
    ("police", "现场价签和进货单据是否已固定？"),
    ("market", "价签已拍照，进货单据正在调取。"),
    ("police", "请一并委托权利人出具鉴别意见。"),
)
_VIEW = "尚未销售，货值金额达到立案追诉标准的，可以移送；请先固定价签、单据和鉴别意见。"
_GROUNDS = "见平台规则库“销售假冒注册商标的商品罪”的追诉标准及其出处。"


async def enrol_units(platform: Platform) -> None:
    """Enter every body of the demo district, once; repeating changes nothing."""
    if platform.meeting is None:
        return
    stub = UnitServiceStub(platform.channel_for(district.OPERATOR))
    people = (district.POLICE, district.PROCURATOR, district.JUSTICE, district.JUDGE)
    units = [(body.id, body.name, body.kind) for body in district.BODIES.values()]
    units += [(person.agency_id, person.agency_name, person.agency_type) for person in people]
    for key, name, kind in units:
        unit = unit_service_pb2.Unit(
            id=key, name=name, kind=kind, region=district.REGION, document_prefix=_PREFIXES.get(key, ""), active=True
        )
        await stub.EnrolUnit(unit_service_pb2.EnrolUnitRequest(request_id=f"demo-{key}", unit=unit))


async def show_consultation(platform: Platform, console: Console) -> None:
    """Let the market regulator ask the police, live, and get a formal answer."""
    if platform.meeting is None:
        return
    console.rule("案件双向咨询：市场监管 → 公安")
    market, police = district.officer("market_regulation"), district.POLICE
    asker = ConsultationServiceStub(platform.channel_for(market))
    asked = rpc.AskConsultationRequest(
        request_id=str(uuid.uuid4()),
        kind=pb.CONSULTATION_KIND_FILING_STANDARD,
        title="尚未销售的假冒白酒是否达到立案标准",
        question=_QUESTION,
        cause="销售侵犯注册商标专用权的商品",
        offence_name_zh="销售假冒注册商标的商品罪",
        facts=[pb.AttachedFact(label="货值金额", value="12.6万元", source="现场笔录")],
        consulted_unit_ids=[police.agency_id],
    )
    consultation = (await asker.AskConsultation(asked)).consultation
    due = consultation.participants[1].reply_due_at.ToJsonString()
    limit = consultation.reply_limit
    console.print(f"[bold]{market.agency_name}[/] 问：{_QUESTION}")
    console.print(f"  书面答复期限 {limit.duration}，至 {due}（{limit.legal_source}；{limit.confidence}）")
    people = {"market": market, "police": police}
    listening = asyncio.create_task(_listen(platform, market, consultation.id, len(_TALK), console))
    for who, text in _TALK:
        stub = ConsultationServiceStub(platform.channel_for(people[who]))
        message = rpc.SendMessageRequest(request_id=str(uuid.uuid4()), consultation_id=consultation.id, text=text)
        await stub.SendMessage(message)
    async with asyncio.timeout(30):
        await listening
    await _answer(platform, consultation.id, console)


async def _listen(platform: Platform, person: Actor, key: str, count: int, console: Console) -> None:
    async def requests() -> AsyncIterator[rpc.ConverseRequest]:
        yield rpc.ConverseRequest(open=rpc.OpenConversation(consultation_id=key))
        await asyncio.Event().wait()

    heard = 0
    async for response in ConsultationServiceStub(platform.channel_for(person)).Converse(requests()):
        if response.HasField("message"):
            message = response.message
            console.print(f"  [{message.sequence}] {message.unit_name}：{message.text}")
            heard += 1
        if heard == count:
            return


async def _answer(platform: Platform, key: str, console: Console) -> None:
    police = ConsultationServiceStub(platform.channel_for(district.POLICE))
    given = rpc.GiveAnswerRequest(request_id=str(uuid.uuid4()), consultation_id=key, view=_VIEW, grounds=_GROUNDS)
    answer = (await police.GiveAnswer(given)).answer
    market = ConsultationServiceStub(platform.channel_for(district.officer("market_regulation")))
    about = {"consultation_id": key, "answer_id": answer.id}
    await market.AcknowledgeAnswer(
        rpc.AcknowledgeAnswerRequest(request_id=str(uuid.uuid4()), sha256=answer.sha256, **about)
    )
    outcome = rpc.RecordOutcomeRequest(
        request_id=str(uuid.uuid4()), outcome=pb.OUTCOME_FOLLOWED, reason="据此补充证据后移送", **about
    )
    await market.RecordOutcome(outcome)
    console.print(f"  [bold]咨询答复函 {answer.document_number}[/]：{answer.view}")
    console.print(f"  {answer.standing_zh} 已签收，已采纳。SHA-256 {answer.sha256[:16]}…")
