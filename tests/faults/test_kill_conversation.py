"""`kill -9` in the middle of conversations and confirmations: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from liangfa_joint_meeting.tables import KIT
from liangfa_joint_meeting.wiring import NAME, database_path
from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import PlatformError
from liangfa_kit.identity import Actor, TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.rpc.client import Channel, Outgoing, connect
from liangfa_kit.settings import Database
from liangfa_kit.store.opening import existing_store
from liangfa_kit.verify import journal_faults
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import meeting_pb2, meeting_service_pb2, unit_service_pb2
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub
from tests.consulting import MARKET, OPERATOR, POLICE, PROCURATOR, person, question, unit
from tests.faults.figures import Outcome, Record

pytestmark = [pytest.mark.fault, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
PEOPLE = (MARKET, POLICE, PROCURATOR, person("police", "police", "2"))
MESSAGES, KILLS = 60, 5
MARKET_HEAD = person("market", "agency_head")


class Server:
    """A joint_meeting process that can be killed and started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self._issuer: TokenIssuer | None = None

    async def start(self) -> None:
        self.process, self.port = await asyncio.to_thread(self._started)
        self._issuer = TokenIssuer(signing_key(self.folder / "identity"), SystemClock(), timedelta(minutes=15))

    def _started(self) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "tests.faults.conversation_process", str(self.folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def channel(self, by: Actor) -> Channel:
        assert self._issuer is not None
        issuer = self._issuer
        return connect(f"127.0.0.1:{self.port}", Outgoing(token=lambda: issuer.issue(by)))

    async def call(self, stub: Any, by: Actor, name: str, request: Any) -> Any:
        """Call, and repeat the very same request until somebody has answered."""
        while True:
            async with self.channel(by) as channel:
                with suppress(PlatformError):
                    return await getattr(stub(channel), name)(request, timeout=5)
            await asyncio.sleep(0.05)


class Talker:
    """A person who says each message until it is stored, twice now and then, and marks what came, out of order."""

    def __init__(self, server: Server, by: Actor, key: str, seed: int) -> None:
        self.server, self.by, self.key = server, by, key
        self.chance = random.Random(seed)
        self.unsaid = {f"{by.person_id}/{number}": f"{by.person_id}第{number}句" for number in range(MESSAGES)}
        self.sequences: list[int] = []
        self.texts: list[str] = []
        self.stored: dict[str, int] = {}

    async def run(self, total: int) -> None:
        while len(self.sequences) < total or self.unsaid:
            with suppress(PlatformError, TimeoutError):  # a starved machine may need another connection
                async with asyncio.timeout(20), self.server.channel(self.by) as channel:
                    await self._converse(ConsultationServiceStub(channel), total)
            await asyncio.sleep(0.02)

    async def _converse(self, stub: Any, total: int) -> None:
        stream = stub.Converse(self._requests())
        try:
            async for response in stream:
                if response.HasField("message"):
                    self.sequences.append(response.message.sequence)
                    self.texts.append(response.message.text)
                elif response.HasField("stored"):
                    told = self.stored.setdefault(response.stored.client_message_id, response.stored.sequence)
                    assert told == response.stored.sequence
                    self.unsaid.pop(response.stored.client_message_id, None)
                if len(self.sequences) >= total and not self.unsaid:
                    return
        finally:
            await stream.aclose()

    async def _requests(self) -> AsyncIterator[rpc.ConverseRequest]:
        after = self.sequences[-1] if self.sequences else 0
        yield rpc.ConverseRequest(open=rpc.OpenConversation(consultation_id=self.key, after_sequence=after))
        for key, text in list(self.unsaid.items()):
            for _ in range(self.chance.choice((1, 1, 2))):
                yield rpc.ConverseRequest(say=rpc.SayMessage(client_message_id=key, text=text))
            reached = self.chance.randint(0, len(self.sequences)) if self.sequences else 0
            yield rpc.ConverseRequest(
                mark=rpc.ReportMark(delivered_sequence=len(self.sequences), read_sequence=reached)
            )
            await asyncio.sleep(self.chance.uniform(0, 0.03))
        await asyncio.Event().wait()


async def prepared(server: Server) -> str:
    for unit_id in ("market", "police", "procuratorate"):
        request = unit_service_pb2.EnrolUnitRequest(request_id=unit_id, unit=unit(unit_id))
        await server.call(UnitServiceStub, OPERATOR, "EnrolUnit", request)
    asked = question(invited_unit_ids=["procuratorate"])
    reply = await server.call(ConsultationServiceStub, MARKET, "AskConsultation", asked)
    return str(reply.consultation.id)


def journalled(folder: Path) -> tuple[list[Any], Counter[str]]:
    store = existing_store(Database(), NAME, database_path(folder))
    try:
        with store.reading() as connection:
            types = connection.execute(sa.select(KIT.journal.c.type)).scalars().all()
        return list(journal_faults(store, KIT)), Counter(name.rpartition(".")[2] for name in types)
    finally:
        store.close()


async def talk_and_kill(folder: Path) -> None:
    server, chance, total = Server(folder), random.Random(13), MESSAGES * len(PEOPLE)
    await server.start()
    try:
        key = await prepared(server)
        talkers = [Talker(server, by, key, seed) for seed, by in enumerate(PEOPLE)]
        tasks = [asyncio.create_task(talker.run(total)) for talker in talkers]
        interrupted = 0
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.2, 0.5))
            interrupted += any(talker.unsaid for talker in talkers)
            server.kill()
            await server.start()
        assert interrupted >= 2, "the conversation ended before it was killed"
        await asyncio.wait_for(asyncio.gather(*tasks), 120)
        for talker in talkers:
            assert talker.sequences == list(range(1, total + 1))
            assert talker.texts == talkers[0].texts
            assert len(set(talker.texts)) == total
            assert len(talker.stored) == MESSAGES
            mine = {talker.texts[place - 1] for place in talker.stored.values()}
            assert mine == {text for text in talker.texts if text.startswith(f"{talker.by.person_id}第")}
    finally:
        server.kill()


@pytest.mark.timeout(400)
def test_conversations_survive_a_killed_server(tmp_path: Path, record_property: Record) -> None:
    """Four people, said twice now and then, killed five times: each message once, in one order, for everybody."""
    asyncio.run(talk_and_kill(tmp_path))
    faults, events = journalled(tmp_path)
    assert faults == []
    sent, kept = MESSAGES * len(PEOPLE), events["MessageSent"]
    fault = "kill -9 of the service in live conversations"
    Outcome(fault, KILLS, sent, max(0, sent - kept), max(0, kept - sent)).tell(record_property)


def request(name: str, **values: Any) -> Any:
    return getattr(meeting_service_pb2, f"{name}Request")(**values)


async def confirm_and_kill(folder: Path, after_seconds: float) -> None:
    server = Server(folder)
    await server.start()
    members = {"procuratorate": PROCURATOR, "police": POLICE, "market": MARKET_HEAD}

    async def do(by: Actor, name: str, **values: Any) -> Any:
        return await server.call(MeetingServiceStub, by, name, request(name, **values))

    try:
        await prepared(server)
        rule = meeting_pb2.MeetingRule(
            region="420111", convener_unit_id="procuratorate", member_unit_ids=members, months_between=6,
            special_requests=3, quorum_percent=60, remind_days=14,
        )  # fmt: skip
        await do(OPERATOR, "SetMeetingRule", request_id="rule", rule=rule)
        meeting = (
            await do(
                PROCURATOR, "ConveneMeeting", request_id="c", kind=meeting_pb2.MEETING_KIND_SPECIAL, title="会",
                place="室", starts_at=datetime(2027, 1, 5, 1, tzinfo=UTC),
            )
        ).meeting  # fmt: skip
        about = {"meeting_id": meeting.id}
        await do(PROCURATOR, "OpenMeeting", request_id="o", present_unit_ids=list(members), **about)
        drafted = (await do(PROCURATOR, "CloseMeeting", request_id="x", **about)).meeting
        confirming = [
            asyncio.create_task(
                do(by, "ConfirmMinutes", request_id=f"ok-{key}", sha256=drafted.minutes_sha256, **about)
            )
            for key, by in members.items()
        ]
        await asyncio.sleep(after_seconds)
        server.kill()
        await server.start()
        replies = await asyncio.wait_for(asyncio.gather(*confirming), 150)
        sealed = [reply.meeting for reply in replies if reply.meeting.state == meeting_pb2.MEETING_STATE_SEALED]
        assert len(sealed) == 1
        assert {one.unit_id for one in sealed[0].confirmations} == set(members)
    finally:
        server.kill()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("after_seconds", [0.0, 0.01, 0.03])
def test_members_confirm_at_once_while_the_server_is_killed(tmp_path: Path, after_seconds: float) -> None:
    """Everybody's confirmation counts once, and the minutes are sealed once."""
    asyncio.run(confirm_and_kill(tmp_path, after_seconds))
    faults, events = journalled(tmp_path)
    assert faults == []
    assert (events["MinutesConfirmed"], events["MinutesSealed"]) == (3, 1)
