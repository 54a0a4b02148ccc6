"""Calling a service in the same process: the same pipeline, still serialised both ways, without a socket.

Deadlines, cancellation, flow control and errors behave as over the network; one conformance suite holds both to it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, NoReturn, Self

import grpc

from liangfa_kit.rpc.client import Channel, Headers, Outgoing
from liangfa_kit.rpc.pipeline import Endpoint, Pipeline
from liangfa_kit.rpc.status import RemoteError, UnknownMethod, from_wire, to_wire
from liangfa_kit.rpc.wire import opened

_PIPE_MESSAGES = 16


def local_channel(pipeline: Pipeline, outgoing: Outgoing) -> Channel:
    """Return a channel to the services of `pipeline`, in this process and event loop."""
    return Channel(_Local(pipeline), outgoing)


class _Aborted(grpc.aio.AbortError):
    """Ends a served call whose status is on its way."""

    def __init__(self, error: RemoteError) -> None:
        super().__init__()
        self.error = error


class _Pipe:
    """A bounded queue that ends: whoever writes faster than the other reads waits."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._is_closed = False

    async def put(self, message: bytes) -> None:
        while len(self._messages) >= _PIPE_MESSAGES:
            await self._next_change()
        self._messages.append(message)
        self._changed.set()

    def close(self) -> None:
        self._is_closed = True
        self._changed.set()

    async def messages(self) -> AsyncGenerator[bytes]:
        while True:
            while self._messages:
                message = self._messages.popleft()
                self._changed.set()
                yield message
            if self._is_closed:
                return
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class _LocalWire:
    """One call's transport."""

    def __init__(self, headers: Headers, seconds: float) -> None:
        self._headers = headers
        self._deadline = time.monotonic() + seconds
        self.responses = _Pipe()
        self.is_expired = False

    def invocation_metadata(self) -> Headers:
        return self._headers

    def time_remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> NoReturn:
        raise _Aborted(from_wire(code, details, trailing_metadata))

    async def write(self, message: bytes) -> None:
        await self.responses.put(message)


class _Local:
    """A pipeline as a transport."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._running: set[asyncio.Task[Any]] = set()

    def one(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], Awaitable[bytes]]:
        async def send(contents: Any, headers: Headers, seconds: float) -> bytes:
            wire = _LocalWire(headers, seconds)
            endpoint = self._endpoint(method, wire)
            async with _Call(self._running, wire, endpoint, contents, seconds, takes_stream) as call:
                content: bytes = await call.outcome()
                return content

        return send

    def many(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], AsyncGenerator[bytes]]:
        async def send(contents: Any, headers: Headers, seconds: float) -> AsyncGenerator[bytes]:
            wire = _LocalWire(headers, seconds)
            endpoint = self._endpoint(method, wire)
            async with _Call(self._running, wire, endpoint, contents, seconds, takes_stream) as call:
                async for message in wire.responses.messages():
                    yield message
                await call.outcome()

        return send

    async def close(self) -> None:
        for task in self._running:
            task.cancel()

    def _endpoint(self, method: str, wire: _LocalWire) -> Endpoint:
        endpoint = self._pipeline.endpoints.get(method)
        if endpoint is None:
            raise from_wire(*to_wire(UnknownMethod(method), opened(method, wire).trace_id))
        return endpoint


class _Call:
    """A served call in a task of its own, with nothing of the caller's context, ended when the caller leaves."""

    def __init__(
        self,
        running: set[asyncio.Task[Any]],
        wire: _LocalWire,
        endpoint: Endpoint,
        contents: Any,
        seconds: float,
        takes_stream: bool,
    ) -> None:
        self._running = running
        self._wire = wire
        self._endpoint = endpoint
        self._contents = contents
        self._seconds = seconds
        self._takes_stream = takes_stream
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        contents = self._contents
        if self._takes_stream:
            requests = _Pipe()
            self._pump = asyncio.create_task(_fill(requests, contents))
            contents = requests.messages()
        self._task: asyncio.Task[Any] = loop.create_task(self._served(contents), context=Context())
        self._running.add(self._task)
        self._task.add_done_callback(self._done)
        self._timer = loop.call_later(self._seconds, self._expire)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
        for task in (self._task, self._pump):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def outcome(self) -> Any:
        """Return the response, or raise what the service answered."""
        await asyncio.wait([self._task])
        if self._pump is not None and self._pump.done() and not self._pump.cancelled():
            self._pump.result()  # the caller's own stream of requests failed: that is the caller's error
        if self._task.cancelled():
            code = grpc.StatusCode.DEADLINE_EXCEEDED if self._wire.is_expired else grpc.StatusCode.CANCELLED
            raise from_wire(code, None, None)
        try:
            return self._task.result()
        except _Aborted as aborted:
            raise aborted.error from None

    def _served(self, contents: Any) -> Coroutine[Any, Any, Any]:
        endpoint, wire = self._endpoint, self._wire
        if self._takes_stream:
            return (endpoint.stream_stream if endpoint.gives_stream else endpoint.stream_unary)(contents, wire)
        return (endpoint.unary_stream if endpoint.gives_stream else endpoint.unary_unary)(contents, wire)

    def _expire(self) -> None:
        self._wire.is_expired = True
        self._task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._wire.responses.close()
        if not task.cancelled():
            task.exception()  # seen: `outcome` tells it, unless the caller has left


async def _fill(pipe: _Pipe, contents: AsyncIterator[bytes]) -> None:
    with suppress(asyncio.CancelledError):
        try:
            async for content in contents:
                await pipe.put(content)
        finally:
            pipe.close()
