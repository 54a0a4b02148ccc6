"""A tiny RPC service for the kit's tests, of well-known message types, and the transports that it is tried on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue

from liangfa_kit.clock import Clock, SystemClock
from liangfa_kit.context import current
from liangfa_kit.errors import Forbidden, Invalid, Precondition
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import new_signing_key, public_key
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.rpc.client import Channel, Outgoing, connect
from liangfa_kit.rpc.health import Health
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.rpc.served import Deadline, Served
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import Telemetry
from tests.tally import CLERK

NAME = "liangfa.test.Echo"
KEY = new_signing_key()
ISSUER = TokenIssuer(KEY, SystemClock(), timedelta(minutes=5))


@dataclass
class EchoService:
    """What the tests call, and what it has noticed."""

    seen: list[Any] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    written: int = 0
    ticked: bool = False

    async def say(self, request: StringValue, context: None) -> StringValue:
        call = current()
        self.seen.append((call.caller, call.purpose, call.trace_id, call.remaining_seconds(), call.request_bytes))
        return request

    async def look(self, request: Struct, context: None) -> Struct:
        return request

    async def refuse(self, request: StringValue, context: None) -> StringValue:
        raise Precondition(
            f"Not {request.value}.", message_zh="不行。", remedy="Ask.", reason="NOT_NOW", wanted=request.value
        )

    async def break_down(self, request: StringValue, context: None) -> StringValue:
        raise ZeroDivisionError("secret")

    async def interrupt(self, request: StringValue, context: None) -> StringValue:
        raise asyncio.CancelledError

    async def grow(self, request: StringValue, context: None) -> StringValue:
        return StringValue(value="x" * int(request.value))

    async def wait(self, request: StringValue, context: None) -> StringValue:
        self.started.set()
        try:
            await self.release.wait()
        finally:
            self.ended.set()
        return request

    async def count(self, request: StringValue, context: None) -> AsyncIterator[StringValue]:
        self.started.set()
        try:
            for number in range(int(request.value)):
                self.written = number
                yield StringValue(value=str(number))
        finally:
            self.ended.set()

    async def feed(self, request: StringValue, context: None) -> AsyncIterator[bytes]:
        """Bytes that were serialised elsewhere, for ever."""
        self.started.set()
        wire = StringValue(value="x" * 1000).SerializeToString()
        try:
            while True:
                yield wire
                self.written += 1
        finally:
            self.ended.set()

    async def tick(self, request: StringValue, context: None) -> AsyncIterator[StringValue]:
        """One message, then nothing until the end: what a live feed does at night."""
        try:
            yield request
            self.ticked = True
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def fail_late(self, request: StringValue, context: None) -> AsyncIterator[StringValue]:
        yield request
        raise Precondition("Late.", reason="LATE")

    async def join(self, requests: AsyncIterator[StringValue], context: None) -> StringValue:
        return StringValue(value=" ".join([request.value async for request in requests]))

    async def answer(self, requests: AsyncIterator[StringValue], context: None) -> AsyncIterator[StringValue]:
        try:
            async for request in requests:
                yield StringValue(value=f"re: {request.value}")
        finally:
            self.ended.set()

    def unwritten(self, request: StringValue, context: Any) -> StringValue:
        """What a generated servicer holds for a method that nobody has written."""
        raise NotImplementedError

    def handlers(self) -> dict[str, Any]:
        text = (StringValue.FromString, StringValue.SerializeToString)
        one = grpc.unary_unary_rpc_method_handler
        stream = grpc.unary_stream_rpc_method_handler
        return {
            "Say": one(self.say, *text),
            "Look": one(self.look, Struct.FromString, Struct.SerializeToString),
            "Refuse": one(self.refuse, *text),
            "BreakDown": one(self.break_down, *text),
            "Interrupt": one(self.interrupt, *text),
            "Grow": one(self.grow, *text),
            "Wait": one(self.wait, *text),
            "Hurry": one(self.wait, *text),
            "Forbidden": one(self.say, *text),
            "Unwritten": one(self.unwritten, *text),
            "Count": stream(self.count, *text),
            "Feed": stream(self.feed, StringValue.FromString, None),
            "Tick": stream(self.tick, *text),
            "FailLate": stream(self.fail_late, *text),
            "Join": grpc.stream_unary_rpc_method_handler(self.join, *text),
            "Answer": grpc.stream_stream_rpc_method_handler(self.answer, *text),
        }


def authority(method: str, actor: Actor, request: Any) -> None:
    """Clerks may do everything but one thing, and nobody may say the word."""
    word = getattr(request, "value", "")
    if method.endswith("/Forbidden") or "officer" not in actor.roles or word == "secret word":
        raise Forbidden("Not you.", reason="ROLE_NOT_ALLOWED", method=method)


def validate(method: str, request: Any) -> None:
    """A text is not blank."""
    if getattr(request, "value", "x").isspace():
        raise Invalid("Blank.", reason="BLANK")


@dataclass
class Running:
    """A served echo and a channel to it."""

    service: EchoService
    channel: Channel
    pipeline: Pipeline
    drain: Callable[[], Any]
    lines: list[bytes]

    def stub(self, method: str, kind: str = "unary_unary", message: Any = StringValue) -> Any:
        make = getattr(self.channel, kind)
        return make(f"/{NAME}/{method}", message.SerializeToString, message.FromString)

    async def say(self, method: str, text: str = "", **options: Any) -> str:
        reply = await self.stub(method)(StringValue(value=text), **options)
        return str(reply.value)


def pipeline_of(
    service: EchoService,
    lines: list[bytes],
    limits: Listen,
    telemetry: Telemetry | None = None,
    clock: Clock | None = None,
) -> Pipeline:
    deadlines = {"Hurry": Deadline(0.05, 0.05)}
    served = Served(NAME, service.handlers(), authority, validate, deadlines)
    clock = clock or SystemClock()
    return Pipeline(
        [served],
        verifier=TokenVerifier({KEY.kid: public_key(KEY)}, clock),
        log=CanonicalLog(lines.append, clock),
        telemetry=telemetry or Telemetry(),
        limits=limits,
    )


@asynccontextmanager
async def running(
    transport: str, *, actor: Actor | None = CLERK, token: str | None = None, **limits: Any
) -> AsyncIterator[Running]:
    """Serve the echo and connect to it, over the loopback or in memory."""
    listen = Listen(port=0, drain_seconds=limits.pop("drain_seconds", 1.0), **limits)
    service = EchoService()
    lines: list[bytes] = []
    pipeline = pipeline_of(service, lines, listen)
    said = ISSUER.issue(actor) if token is None and actor else token or ""
    outgoing = Outgoing(lambda: said, call_seconds=10.0, stream_seconds=10.0)
    if transport == "memory":

        async def end() -> None:
            pipeline.end_streams()

        async with local_channel(pipeline, outgoing) as channel:
            yield Running(service, channel, pipeline, end, lines)
        return
    server = RpcServer(pipeline, Health({}), listen)
    await server.start()
    try:
        async with connect(f"127.0.0.1:{server.port}", outgoing, max_message_bytes=listen.max_message_bytes) as channel:
            yield Running(service, channel, pipeline, server.drain, lines)
    finally:
        await server.drain()
