"""The one pipeline around every served method, on every transport.

In order: limit of concurrent calls, trace and token, deadline, parsing, validation, authority, the method, and, whatever
happened, one log line, one measurement and one status. It wraps each handler once, when the server is built: a gRPC
interceptor would be asked for a handler at every call, and costs more than all that stands here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message
from opentelemetry.trace import Span

from liangfa_kit.context import CallContext, bind
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_kit.identity import TokenVerifier, ran_out
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.rpc.admission import Gate, Interrupted, OpenStream, ShuttingDown
from liangfa_kit.rpc.messages import MessageTooLarge, entity_reader, parsed
from liangfa_kit.rpc.served import Deadline, Served
from liangfa_kit.rpc.status import DeadlineExceeded, UnknownMethod, to_wire
from liangfa_kit.rpc.wire import Wire, opened
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import RPC_DURATION, Telemetry, end_span, traceparent_of

_log = structlog.get_logger("liangfa.rpc")
Work = Callable[[Any, CallContext, Wire, OpenStream], Coroutine[Any, Any, bytes]]
_GONE = (asyncio.CancelledError, grpc.aio.BaseError)
"""The caller is gone: it cancelled, or the transport cannot write to it any more. There is nobody to answer."""


class Pipeline:
    """What all methods of a server share, and the methods themselves by path."""

    def __init__(
        self,
        services: Sequence[Served],
        *,
        verifier: TokenVerifier,
        log: CanonicalLog,
        telemetry: Telemetry,
        limits: Listen,
    ) -> None:
        self.verifier = verifier
        self.log = log
        self.telemetry = telemetry
        self.max_message_bytes = limits.max_message_bytes
        self.calls = Gate(limits.max_calls, "calls")
        self.streams = Gate(limits.max_streams, "streams")
        self.call_deadline = Deadline(limits.default_call_seconds, limits.max_call_seconds)
        self.stream_deadline = Deadline(limits.default_stream_seconds, limits.max_stream_seconds)
        self.open_streams: set[OpenStream] = set()
        self.is_draining = False
        self.service_names = [service.name for service in services]
        self.endpoints: Mapping[str, Endpoint] = {
            (path := f"/{service.name}/{name}"): Endpoint(self, path, handler, service)
            for service in services
            for name, handler in service.handlers.items()
        }

    def end_streams(self) -> None:
        """End every open stream with `ShuttingDown` and let no new one in; unary calls go on."""
        self.is_draining = True
        for stream in self.open_streams:
            stream.end(ShuttingDown())


class Endpoint:
    """One method in its pipeline. Its four shapes take and give serialised messages."""

    def __init__(self, pipeline: Pipeline, path: str, handler: Any, service: Served) -> None:
        self.path = path
        self.takes_stream: bool = handler.request_streaming
        self.gives_stream: bool = handler.response_streaming
        self._pipeline = pipeline
        shapes = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        self._behaviour: Callable[[Any, None], Any] = next(shape for shape in shapes if shape is not None)
        if not (iscoroutinefunction(self._behaviour) or isasyncgenfunction(self._behaviour)):
            self._behaviour = self._unserved  # what generated servicers hold for a method that nobody has written
        owner = getattr(handler.request_deserializer, "__self__", None)
        self._message_class = owner if isinstance(owner, type) and issubclass(owner, Message) else None
        self._deserialise = handler.request_deserializer
        self._serialise = handler.response_serializer
        self._entity = entity_reader(self._message_class)
        self._authority = service.authority
        self._validate = service.validate
        self._is_stream = self.takes_stream or self.gives_stream
        self._gate = pipeline.streams if self._is_stream else pipeline.calls
        usual = pipeline.stream_deadline if self._is_stream else pipeline.call_deadline
        self._deadline = service.deadlines.get(path.rpartition("/")[2], usual)

    def _unserved(self, _request: object, _context: None) -> Any:
        raise UnknownMethod(self.path)

    async def unary_unary(self, content: bytes, wire: Wire) -> bytes:
        """Serve one request with one response."""
        call, span = self._opened(wire)
        gate = self._gate
        gate.active += 1
        try:
            gate.check()
            allowance = self._admitted(call, wire)
            request = self._accepted(content, call)
            if allowance is None:
                answer = self._given(await self._behaviour(request, None))
            else:
                answer = self._given(await _within(allowance, self._behaviour(request, None)))
        except (Exception, asyncio.CancelledError) as error:
            await self._refuse(error, call, span, wire)
            raise
        finally:
            gate.active -= 1
        self._ended(call, span, "OK", "")
        return answer

    async def unary_stream(self, content: bytes, wire: Wire) -> None:
        """Serve one request with a stream of responses, written to the wire."""
        await self._stream(self._one_to_many, content, wire)

    async def stream_unary(self, contents: AsyncIterator[bytes], wire: Wire) -> bytes:
        """Serve a stream of requests with one response."""
        return await self._stream(self._many_to_one, contents, wire)

    async def stream_stream(self, contents: AsyncIterator[bytes], wire: Wire) -> None:
        """Serve a stream of requests with a stream of responses, written to the wire."""
        await self._stream(self._many_to_many, contents, wire)

    async def _stream(self, work: Work, contents: Any, wire: Wire) -> bytes:
        call, span = self._opened(wire)
        pipeline, gate = self._pipeline, self._gate
        stream = OpenStream(_this_task())
        end: asyncio.TimerHandle | None = None
        gate.active += 1
        pipeline.open_streams.add(stream)
        try:
            gate.check(is_draining=pipeline.is_draining)
            allowance = self._admitted(call, wire)
            if (
                self.gives_stream
            ):  # an upload may end under the token that it began with; listening goes on with a new one
                end = asyncio.get_running_loop().call_later(
                    pipeline.verifier.seconds_left(call.token), stream.end, ran_out()
                )
            served = work(contents, call, wire, stream)
            answer = await (served if allowance is None else _within(allowance, served))
        except (Exception, asyncio.CancelledError) as error:
            is_ours = stream.ending is not None and isinstance(error, asyncio.CancelledError)
            await self._refuse(stream.ending if stream.ending and is_ours else error, call, span, wire)
            raise
        finally:
            if end is not None:
                end.cancel()
            gate.active -= 1
            pipeline.open_streams.discard(stream)
        self._ended(call, span, "OK", "")
        return answer

    async def _one_to_many(self, content: bytes, call: CallContext, wire: Wire, stream: OpenStream) -> bytes:
        return await self._write_all(self._accepted(content, call), wire, stream)

    async def _many_to_one(
        self, contents: AsyncIterator[bytes], call: CallContext, _wire: Wire, _stream: OpenStream
    ) -> bytes:
        async with aclosing(await self._requests(contents, call)) as requests:
            return self._given(await self._behaviour(requests, None))

    async def _many_to_many(
        self, contents: AsyncIterator[bytes], call: CallContext, wire: Wire, stream: OpenStream
    ) -> bytes:
        async with aclosing(await self._requests(contents, call)) as requests:
            return await self._write_all(requests, wire, stream)

    async def _write_all(self, request: Any, wire: Wire, stream: OpenStream) -> bytes:
        async with aclosing(self._behaviour(request, None)) as responses:
            async for response in responses:
                stream.is_writing = True
                await wire.write(self._given(response))
                stream.is_writing = False
                if stream.ending is not None:
                    raise stream.ending
        return b""

    async def _requests(self, contents: AsyncIterator[bytes], call: CallContext) -> Any:
        """Return the accepted requests. The method begins once the first one has passed: it says what it is about."""
        incoming = aiter(contents)
        try:
            first = self._accepted(await anext(incoming), call)
        except StopAsyncIteration:
            raise Invalid(
                "The stream of requests is empty.",
                message_zh="请求流为空。",
                remedy="Send at least one message.",
                reason="EMPTY_STREAM",
            ) from None

        async def requests() -> AsyncIterator[Any]:
            yield first
            async for content in incoming:
                yield self._accepted(content, call)

        return requests()

    def _opened(self, wire: Wire) -> tuple[CallContext, Span | None]:
        """Begin a call: its context, bound, and its span if anything is traced."""
        call = opened(self.path, wire)
        telemetry = self._pipeline.telemetry
        span = telemetry.start_span(self.path[1:], call.traceparent) if telemetry.enabled else None
        if span is not None:
            call.traceparent = traceparent_of(span)
        bind(call)
        return call, span

    def _admitted(self, call: CallContext, wire: Wire) -> float | None:
        """Identify the caller and note the deadline; return the seconds to enforce here, None if the transport does.

        The transport cancels a call whose caller has stated a deadline: no timer of ours is needed then.
        """
        call.actor = self._pipeline.verifier.verify(call.token)
        stated = wire.time_remaining()
        if stated is not None and stated <= self._deadline.max_seconds:
            call.deadline = time.monotonic() + stated
            return None
        allowance = self._deadline.default_seconds if stated is None else self._deadline.max_seconds
        call.deadline = time.monotonic() + allowance
        return allowance

    def _accepted(self, content: bytes, call: CallContext) -> Any:
        """Return the request that `content` holds once it is well formed and the caller may send it."""
        limit = self._pipeline.max_message_bytes
        if len(content) > limit:
            raise MessageTooLarge("request", len(content), limit)
        if self._message_class is not None:
            request: Any = parsed(self._message_class, content)
        else:
            request = self._deserialise(content) if self._deserialise else content
        if not call.request_bytes:
            call.request_bytes = content
        if self._entity is not None and not call.entity:
            call.entity = self._entity(request)
        if self._validate is not None:
            self._validate(self.path, request)
        self._authority(self.path, call.caller, request)
        return request

    def _given(self, response: Any) -> bytes:
        content: bytes = response if type(response) is bytes else self._serialise(response)
        if len(content) > self._pipeline.max_message_bytes:
            raise MessageTooLarge("response", len(content), self._pipeline.max_message_bytes)
        return content

    async def _refuse(self, error: BaseException, call: CallContext, span: Span | None, wire: Wire) -> None:
        """Tell what went wrong and answer with its status. Returns only when there is nobody to answer."""
        if isinstance(error, asyncio.CancelledError) and not _this_task().cancelling():
            error = Interrupted()
        trace_id = call.trace_id  # the log line and the caller's error name the same one
        self._ended(call, span, *_told(error, call))
        if not isinstance(error, _GONE):
            await wire.abort(*to_wire(error, trace_id))

    def _ended(self, call: CallContext, span: Span | None, outcome: str, reason: str) -> None:
        pipeline = self._pipeline
        seconds = time.perf_counter() - call.started
        pipeline.log.served(call, outcome, reason, seconds)
        if pipeline.telemetry.enabled:
            pipeline.telemetry.record(RPC_DURATION, seconds, method=self.path, outcome=outcome)
            if span is not None:
                end_span(span, outcome, reason)


async def _within(seconds: float, work: Awaitable[Any]) -> Any:
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            return await work
    except TimeoutError:
        if timer.expired():
            raise DeadlineExceeded(seconds) from None
        raise


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    return task


async def refuse_unknown(path: str, wire: Wire) -> None:
    """Answer a call of a method that nobody serves."""
    await wire.abort(*to_wire(UnknownMethod(path), opened(path, wire).trace_id))


def _told(error: BaseException, call: CallContext) -> tuple[str, str]:
    """Return the outcome and the reason as they are logged and measured; a bug is logged with its traceback."""
    if isinstance(error, PlatformError) and error.kind.value != "INTERNAL":
        return error.kind.value, error.reason
    if isinstance(error, _GONE):
        return "CANCELLED", "DEADLINE_EXCEEDED" if call.remaining_seconds() == 0.0 else "CANCELLED"
    if isinstance(error, UnknownMethod):
        return "INTERNAL", error.reason
    _log.error("rpc_failed", method=call.method, trace_id=call.trace_id, exc_info=error)
    return "INTERNAL", type(error).__name__
