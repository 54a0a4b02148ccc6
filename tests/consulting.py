"""Builders for the tests of joint_meeting: units, their people, and the whole service behind its pipeline."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import liangfa_joint_meeting
from liangfa_joint_meeting.tables import KIT
from liangfa_joint_meeting.wiring import NAME, JointMeeting, build, database_path
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import new_signing_key, public_key
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.settings import Listen
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_kit.store.opening import has_store
from liangfa_kit.telemetry import Telemetry
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import events_pb2, unit_service_pb2
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub
from tests.servers.databases import database_of

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""A Monday, nine in the morning in Beijing."""
MIGRATIONS = Path(liangfa_joint_meeting.__file__).parent / "migrations"
_KEY = new_signing_key()
NAMES = {
    "market": "武汉市洪山区市场监督管理局", "ecology": "武汉市生态环境局洪山区分局", "police": "武汉市公安局洪山区分局",
    "procuratorate": "武汉市洪山区人民检察院", "court": "武汉市洪山区人民法院", "far-police": "武汉市公安局武昌区分局",
}  # fmt: skip
FAR = "420106"


def person(unit: str, role: str = "officer", who: str = "1", region: str = "420111") -> Actor:
    return Actor(f"{unit}-{who}", f"{unit}某{who}", unit, NAMES.get(unit, unit), unit, region, frozenset({role}))


MARKET, MARKET_HEAD = person("market"), person("market", "agency_head", "2")
POLICE, PROCURATOR = person("police", "police"), person("procuratorate", "procurator")
ECOLOGY, FAR_POLICE = person("ecology"), person("far-police", "police", region=FAR)
OPERATOR = person("desk", "operator", region="420100")


def unit(unit_id: str, region: str = "420111", **rest: Any) -> unit_service_pb2.Unit:
    given: dict[str, Any] = {"name": NAMES.get(unit_id, unit_id), "kind": unit_id, "region": region, "active": True}
    return unit_service_pb2.Unit(id=unit_id, **(given | rest))


def question(**rest: Any) -> rpc.AskConsultationRequest:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "kind": pb.CONSULTATION_KIND_FILING_STANDARD,
        "title": "假冒注册商标的白酒是否达到立案标准",
        "question": "当事人销售假冒注册商标的白酒，销售金额8万元，现场待售货值3万元，是否应当移送？",
        "cause": "销售侵犯注册商标专用权的商品",
        "offence_name_zh": "销售假冒注册商标的商品罪",
        "facts": [pb.AttachedFact(label="销售金额", value="8万元", source="销售台账")],
        "case_id": "case-1",
        "consulted_unit_ids": ["police"],
    }
    return rpc.AskConsultationRequest(**(given | rest))


@dataclass
class Service:
    """A running service. `consult(person)` is a stub on which the person calls."""

    parts: JointMeeting
    clock: ManualClock
    pipeline: Pipeline
    issuer: TokenIssuer
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def channel(self, by: Actor) -> Any:
        return local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(by)))

    def consult(self, by: Actor = MARKET) -> Any:
        return ConsultationServiceStub(self.channel(by))

    def units(self, by: Actor = OPERATOR) -> Any:
        return UnitServiceStub(self.channel(by))

    async def ask(self, by: Actor = MARKET, **rest: Any) -> pb.Consultation:
        reply = await self.consult(by).AskConsultation(question(**rest))
        consultation: pb.Consultation = reply.consultation
        return consultation

    async def say(self, key: str, text: str, by: Actor = MARKET, request_id: str = "") -> pb.Message:
        request = rpc.SendMessageRequest(request_id=request_id or str(uuid.uuid4()), consultation_id=key, text=text)
        message: pb.Message = (await self.consult(by).SendMessage(request)).message
        return message

    async def answer(self, key: str, by: Actor = POLICE, **rest: Any) -> pb.Answer:
        given = {"view": "已达到立案追诉标准，建议移送。", "grounds": "销售金额在五万元以上。"} | rest
        request = rpc.GiveAnswerRequest(request_id=str(uuid.uuid4()), consultation_id=key, **given)
        answer: pb.Answer = (await self.consult(by).GiveAnswer(request)).answer
        return answer

    async def accept(self, answer: pb.Answer, by: Actor = MARKET, outcome: Any = pb.OUTCOME_FOLLOWED) -> pb.Answer:
        about = {"consultation_id": answer.consultation_id, "answer_id": answer.id}
        stub = self.consult(by)
        request = rpc.AcknowledgeAnswerRequest(request_id=str(uuid.uuid4()), sha256=answer.sha256, **about)
        await stub.AcknowledgeAnswer(request)
        record = rpc.RecordOutcomeRequest(request_id=str(uuid.uuid4()), outcome=outcome, reason="依答复移送", **about)
        found: pb.Answer = (await stub.RecordOutcome(record)).answer
        return found

    async def close(self, key: str, by: Actor = MARKET, reason: str = "已有结论") -> pb.Consultation:
        request = rpc.CloseConsultationRequest(request_id=str(uuid.uuid4()), consultation_id=key, reason=reason)
        found: pb.Consultation = (await self.consult(by).CloseConsultation(request)).consultation
        return found

    async def leave(self, key: str, by: Actor, unit_id: str = "") -> Any:
        request = rpc.LeaveConsultationRequest(
            request_id=str(uuid.uuid4()), consultation_id=key, unit_id=unit_id, reason="无需继续参与"
        )
        return await self.consult(by).LeaveConsultation(request)

    async def read(self, key: str, by: Actor = MARKET) -> Any:
        return await self.consult(by).GetConsultation(rpc.GetConsultationRequest(consultation_id=key))

    async def events(self, name: str = "") -> list[Any]:
        query = sa.select(KIT.journal).order_by(KIT.journal.c.position)
        rows = await self.parts.store.read(lambda c: c.execute(query).mappings().all())
        found = [(row["type"].rpartition(".")[2], row["payload"]) for row in rows]
        return [getattr(events_pb2, kind).FromString(payload) for kind, payload in found if name in {"", kind}]

    async def event_names(self) -> list[str]:
        return [type(event).__name__ for event in await self.events()]

    async def later(self, **by: float) -> None:
        """Let time pass, and the scheduler look once."""
        self.clock.advance(timedelta(**by))
        await self.parts.scheduler.tick()


class Chat:
    """One person's live conversation: requests are sent as they are put, responses collected."""

    def __init__(self, service: Service, by: Actor, key: str, after: int = 0) -> None:
        self.outgoing: asyncio.Queue[rpc.ConverseRequest | None] = asyncio.Queue()
        self.seen: list[rpc.ConverseResponse] = []
        self.changed = asyncio.Event()
        self.error: BaseException | None = None
        opening = rpc.OpenConversation(consultation_id=key, after_sequence=after)
        self.outgoing.put_nowait(rpc.ConverseRequest(open=opening))
        self.task = asyncio.create_task(self._run(service.consult(by)))

    async def _requests(self) -> AsyncIterator[rpc.ConverseRequest]:
        while (request := await self.outgoing.get()) is not None:
            yield request

    async def _run(self, stub: Any) -> None:
        try:
            async for response in stub.Converse(self._requests()):
                self.seen.append(response)
                self.changed.set()
        except Exception as error:  # noqa: BLE001 - what the stream ended with
            self.error = error
        finally:
            self.changed.set()

    def say(self, text: str, message_id: str = "") -> None:
        said = rpc.SayMessage(client_message_id=message_id or str(uuid.uuid4()), text=text)
        self.outgoing.put_nowait(rpc.ConverseRequest(say=said))

    def mark(self, delivered: int = 0, read: int = 0) -> None:
        mark = rpc.ReportMark(delivered_sequence=delivered, read_sequence=read)
        self.outgoing.put_nowait(rpc.ConverseRequest(mark=mark))

    def typing(self) -> None:
        self.outgoing.put_nowait(rpc.ConverseRequest(typing=rpc.ReportTyping()))

    def of(self, kind: Any) -> list[Any]:
        return [getattr(one, kind) for one in self.seen if one.HasField(kind)]

    @property
    def sequences(self) -> list[int]:
        return [message.sequence for message in self.of("message")]

    async def until(self, condition: Any, seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                if self.error is not None or self.task.done():
                    break
                await self.changed.wait()
        assert condition(), f"ended with {self.error}"

    async def live(self) -> Chat:
        await self.until(lambda: self.of("live"))
        return self

    async def cut(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@lru_cache(maxsize=1)
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite3"
        migrate(sqlite_url(path), MIGRATIONS)
        with closing(sqlite3.connect(path)) as connection:
            return connection.serialize()  # not the file's bytes: some of the database may still be in the WAL


@asynccontextmanager
async def running_service(folder: Path, *, heartbeat_seconds: float = 15.0) -> AsyncIterator[Service]:
    """Run the service on `folder` with every unit of `NAMES` entered."""
    database, path = database_of(folder), database_path(folder)
    is_new = not has_store(database, NAME, path)
    if is_new and not database.url.get_secret_value():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_database())
    clock = ManualClock(START if is_new else START + timedelta(hours=1))
    broker = LocalBroker(folder / "events.sqlite3")
    parts = build(folder, broker, clock, database=database, heartbeat_seconds=heartbeat_seconds)
    pipeline = Pipeline(
        parts.services,
        verifier=TokenVerifier({_KEY.kid: public_key(_KEY)}, clock),
        log=CanonicalLog(lambda _line: None, clock, enabled=False),
        telemetry=Telemetry(),
        limits=Listen(),
    )
    parts.start()
    service = Service(parts, clock, pipeline, TokenIssuer(_KEY, clock, timedelta(minutes=15)))
    marking = asyncio.create_task(parts.marks.run())
    try:
        for unit_id in NAMES if is_new else ():
            entry = unit(unit_id, FAR if unit_id == "far-police" else "420111")
            await service.units().EnrolUnit(unit_service_pb2.EnrolUnitRequest(request_id=unit_id, unit=entry))
        yield service
    finally:
        marking.cancel()
        await asyncio.gather(marking, return_exceptions=True)
        await parts.stop()
        await broker.close()
