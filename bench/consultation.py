"""500 people in 100 live consultations, from sending to delivery, beside a bare bidirectional echo; idle streams' memory."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from bench.child import TALK, kept_to, serving, token_of
from bench.report import Figure
from bench.rpc_echo import keep_to
from liangfa_kit.identity import Actor
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import unit_service_pb2

CONVERSE = "/liangfa_protos.joint_meeting.v1.ConsultationService/Converse"
ASK = "/liangfa_protos.joint_meeting.v1.ConsultationService/AskConsultation"
ENROL = "/liangfa_protos.joint_meeting.v1.UnitService/EnrolUnit"
CONSULTATIONS, PEOPLE, CHANNELS = 100, 5, 4
PACED_SECONDS, PACED_A_SECOND = 10.0, 100
FULL_SECONDS = 5.0
IDLE = 1_000
TEXT = "关于货值金额的计算，请提供现场价签、进货单据和权利人鉴别意见，以便核对是否达到立案追诉标准。"


@dataclass
class Talkers:
    """Everybody's streams: queues of what they send, and the moments at which things came."""

    queues: list[asyncio.Queue[bytes]] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    arrived: dict[str, asyncio.Event] = field(default_factory=dict)
    live: int = 0
    deliveries: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def came(self, key: str) -> None:
        """Note that a message came."""
        self.deliveries += 1
        if key in self.sent:
            self.delays.append((time.perf_counter() - self.sent[key]) * 1_000)
            if key in self.arrived:
                self.arrived[key].set()

    def say(self, speaker: int, key: str) -> None:
        """Let a person say something."""
        said = rpc.SayMessage(client_message_id=key, text=TEXT)
        self.sent[key] = time.perf_counter()
        self.queues[speaker].put_nowait(rpc.ConverseRequest(say=said).SerializeToString())


def person(unit: int, number: int) -> Actor:
    """Return a person of one of five units."""
    kinds = ("officer", "police", "procurator", "justice_supervisor", "judge")
    return Actor(f"p{unit}-{number}", f"某{number}", f"u{unit}", f"单位{unit}", "", "420111", frozenset({kinds[unit]}))


async def asked(address: str, folder: Path, count: int) -> list[str]:
    """Enter the units and ask `count` questions; return their ids."""
    operator = Actor("op", "op", "desk", "desk", "", "420111", frozenset({"operator"}))
    async with grpc.aio.insecure_channel(address) as channel:
        for number in range(PEOPLE):
            unit = unit_service_pb2.Unit(id=f"u{number}", name=f"单位{number}", region="420111", active=True)
            request = unit_service_pb2.EnrolUnitRequest(request_id=str(uuid.uuid4()), unit=unit)
            enrol: Any = channel.unary_unary(ENROL)
            await enrol(request.SerializeToString(), metadata=_headers(operator, folder))
        keys = []
        headers = _headers(person(0, 0), folder)
        for number in range(count):
            question = rpc.AskConsultationRequest(
                request_id=str(uuid.uuid4()), kind=pb.CONSULTATION_KIND_NATURE, title=f"第{number}个问题", question=TEXT,
                consulted_unit_ids=["u1"], invited_unit_ids=["u2", "u3", "u4"],
            )  # fmt: skip
            ask: Any = channel.unary_unary(ASK)
            reply = await ask(question.SerializeToString(), metadata=headers)
            keys.append(rpc.AskConsultationResponse.FromString(reply).consultation.id)
    return keys


def _headers(actor: Actor, folder: Path) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token_of(actor, folder)}"),)


async def talk(talkers: Talkers, channel: grpc.aio.Channel, method: str, first: bytes, headers: Any) -> None:
    """Hold one person's stream."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    talkers.queues.append(queue)

    async def requests() -> AsyncIterator[bytes]:
        yield first
        while True:
            yield await queue.get()

    is_ours = method == CONVERSE
    is_live = False
    call: Any = channel.stream_stream(method)
    async for content in call(requests(), metadata=headers):
        if not is_live:
            is_live = True
            talkers.live += 1
        if is_ours:
            response = rpc.ConverseResponse.FromString(content)
            if response.HasField("message"):
                talkers.came(response.message.client_message_id)
        elif content != first:
            talkers.came(rpc.ConverseRequest.FromString(content).say.client_message_id)


async def joined(address: str, method: str, firsts: list[tuple[bytes, Any]]) -> tuple[Talkers, list[Any]]:
    """Open a stream for each of `firsts` and wait until all are live."""
    talkers = Talkers()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]
    for number, (first, headers) in enumerate(firsts):
        stream = talk(talkers, channels[number % CHANNELS], method, first, headers)
        talkers.tasks.append(asyncio.create_task(stream))
    async with asyncio.timeout(120):
        while talkers.live < len(firsts):
            await asyncio.sleep(0.05)
            for task in talkers.tasks:
                if task.done():
                    task.result()
    return talkers, channels


async def parted(talkers: Talkers, channels: list[Any]) -> None:
    """End every stream, and give gRPC's thread a moment to see it."""
    for task in talkers.tasks:
        task.cancel()
    await asyncio.gather(*talkers.tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()
    await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Measured:
    """Delays at a steady pace in ms, and messages a second when each consultation has one under way at any time."""

    delays: list[float]
    per_second: float

    def percentile(self, part: int) -> float:
        """Return what `part` of a hundred deliveries did not exceed."""
        return statistics.quantiles(self.delays, n=100)[part - 1]


async def measured(address: str, method: str, firsts: list[tuple[bytes, Any]]) -> Measured:
    """Talk at a steady pace, then as fast as the answers come."""
    talkers, channels = await joined(address, method, firsts)
    start, count = time.perf_counter(), 0
    while (now := time.perf_counter()) - start < PACED_SECONDS:
        if count < (now - start) * PACED_A_SECOND:
            talkers.say(count * 7 % len(firsts), f"a{count}")
            count += 1
        else:
            await asyncio.sleep(0.001)
    await asyncio.sleep(1.0)
    delays = talkers.delays[len(talkers.delays) // 10 :]  # the first tenth warms up
    until, done = time.perf_counter() + FULL_SECONDS, 0

    async def chain(speaker: int) -> None:
        nonlocal done
        number = 0
        while time.perf_counter() < until:
            key = f"b{speaker}-{number}"
            talkers.arrived[key] = asyncio.Event()
            talkers.say(speaker, key)
            await talkers.arrived[key].wait()
            done, number = done + 1, number + 1

    await asyncio.gather(*(chain(speaker) for speaker in range(0, len(firsts), PEOPLE)))
    await parted(talkers, channels)
    return Measured(delays, done / FULL_SECONDS)


def opening(key: str) -> bytes:
    """Return the first request of a stream."""
    return rpc.ConverseRequest(open=rpc.OpenConversation(consultation_id=key)).SerializeToString()


async def idle(address: str, method: str, firsts: list[tuple[bytes, Any]], process: subprocess.Popen[str]) -> float:
    """Open streams that do nothing; return the KiB of resident memory that each takes at the server."""
    before = resident_kib(process)
    talkers, channels = await joined(address, method, firsts)
    await asyncio.sleep(1.0)
    after = resident_kib(process)
    await parted(talkers, channels)
    return (after - before) / len(firsts)


def resident_kib(process: subprocess.Popen[str]) -> int:
    """Return a process's resident memory (Linux; 0 elsewhere)."""
    status = Path(f"/proc/{process.pid}/status")
    with suppress(OSError):
        return int(status.read_text(encoding="ascii").partition("VmRSS:")[2].split()[0])
    return 0


def run() -> Iterator[Figure]:
    """Measure the bare echo and the platform in turn: server on one core, everybody else on the other."""
    with serving("echo") as bare, kept_to(1):
        plain = [(b"x", ()) for _ in range(CONSULTATIONS * PEOPLE)]
        limit = asyncio.run(measured(bare.address, TALK, plain))
    with serving("echo") as bare, kept_to(1):
        bare_kib = asyncio.run(idle(bare.address, TALK, [(b"x", ())] * IDLE, bare.process))
    with tempfile.TemporaryDirectory() as name, serving("platform", name) as platform, kept_to(1):
        folder = Path(name)
        keys = asyncio.run(asked(platform.address, folder, CONSULTATIONS))
        firsts = [
            (opening(key), _headers(person(unit, number), folder))
            for number, key in enumerate(keys)
            for unit in range(PEOPLE)
        ]
        ours = asyncio.run(measured(platform.address, CONVERSE, firsts))
    with tempfile.TemporaryDirectory() as name, serving("platform", name) as platform, kept_to(1):
        folder = Path(name)
        keys = asyncio.run(asked(platform.address, folder, IDLE // PEOPLE))
        firsts = [
            (opening(key), _headers(person(unit, number), folder))
            for number, key in enumerate(keys)
            for unit in range(PEOPLE)
        ]
        our_kib = asyncio.run(idle(platform.address, CONVERSE, firsts, platform.process))
    note = f"{PACED_A_SECOND} messages/s by {CONSULTATIONS * PEOPLE} people, each to {PEOPLE}; stored before told"
    for part in (50, 99):
        yield Figure(
            f"consultation: p{part} from sending to delivery", ours.percentile(part), "ms", limit.percentile(part),
            "bare bidirectional echo", less_is_better=True, note=note,
        )  # fmt: skip
    yield Figure(
        f"consultation: {CONSULTATIONS} at once, one message under way each", ours.per_second, "messages/s",
        limit.per_second, "bare bidirectional echo", note=f"{ours.per_second * PEOPLE:,.0f} deliveries/s",
    )  # fmt: skip
    yield Figure(f"consultation: memory of each of {IDLE} idle streams", our_kib, "KiB", bare_kib, "bare stream", True)


if __name__ == "__main__":
    keep_to(1)
    sys.exit("run it as: python -m bench consultation")
