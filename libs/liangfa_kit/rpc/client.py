"""Calling services: a channel that generated stubs accept, and that speaks our errors, deadlines, tokens and traces.

The channel is the same over a socket (`connect`) and in memory (`liangfa_kit.rpc.local`); only the transport differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
import orjson
from google.protobuf.descriptor import ServiceDescriptor

from liangfa_kit.context import current, current_or_none
from liangfa_kit.errors import Invalid
from liangfa_kit.rpc.health import CALLS
from liangfa_kit.rpc.status import from_wire
from liangfa_kit.rpc.tls import Certificates, Identity, channel_credentials
from liangfa_kit.rpc.wire import BEARER, PURPOSE_KEY, TOKEN_KEY, TRACE_KEY

Headers = tuple[tuple[str, str | bytes], ...]
Contents = bytes | AsyncIterator[bytes]
"""What a call sends: one serialised request, or a stream of them."""

_LONGEST_CALL_SECONDS = 3_600.0
READING = ("Get", "List", "Search", "Find", "Check", "Watch", "Suggest")
"""Names of methods that change nothing begin so; they may be sent again when nobody answered."""


class Transport(Protocol):
    """Carries serialised messages. Raises `RemoteError`; a cancelled awaiting task cancels the call."""

    def one(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], Awaitable[bytes]]:
        """Return what sends (contents, headers, seconds to wait) and returns the one response."""
        ...

    def many(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], AsyncGenerator[bytes]]:
        """Return what sends (contents, headers, seconds to wait) and yields the responses; closing it cancels."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


def no_token() -> str:
    """Return no token: what a caller sends who is not signed in."""
    return ""


def forwarded_token() -> str:
    """Return the token of the call being served: a service asks another one on behalf of its own caller."""
    return current().token


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What every call of a channel carries. A call on behalf of another one never outlives that one's deadline."""

    token: Callable[[], str] = no_token
    call_seconds: float = 30.0
    stream_seconds: float = 3_600.0

    def headers(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> Headers:
        """Return the caller's headers with the token and the trace."""
        headers: list[tuple[str, str | bytes]] = [*(metadata or ())]
        if token := self.token():
            headers.append((TOKEN_KEY, BEARER + token))
        if call := current_or_none():
            headers.append((TRACE_KEY, call.traceparent))
        return tuple(headers)

    def seconds(self, asked: float | None, usual: float) -> float:
        """Return how long to wait: as asked, at most as long as our own caller does."""
        seconds = usual if asked is None else asked
        call = current_or_none()
        remaining = call.remaining_seconds() if call else None
        return seconds if remaining is None else min(seconds, remaining)


def purpose(text: str) -> tuple[str, bytes]:
    """Return the header that states the purpose of a read: `stub.GetCase(request, metadata=[purpose("督办")])`."""
    return PURPOSE_KEY, text.encode()


class Responses:
    """A response stream. The call is made when iteration begins; `aclose` or leaving the task cancels it."""

    def __init__(self, messages: AsyncGenerator[Any]) -> None:
        self._messages = messages

    def __aiter__(self) -> AsyncGenerator[Any]:
        return self._messages

    async def aclose(self) -> None:
        """Cancel the call."""
        await self._messages.aclose()


class Channel(grpc.aio.Channel):
    """What stubs take: `CaseServiceStub(channel)`.

    Unary methods return awaitables and streaming ones `Responses`. Errors are `RemoteError`s: `except Stale` works.
    """

    def __init__(self, transport: Transport, outgoing: Outgoing) -> None:
        self._transport = transport
        self._outgoing = outgoing

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: object
    ) -> Any:
        """Return the callable of a method with one request and one response."""
        return self._one(method, request_serializer, response_deserializer, self._outgoing.call_seconds)

    def stream_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: object
    ) -> Any:
        """Return the callable of a method with many requests and one response."""
        seconds = self._outgoing.stream_seconds
        return self._one(method, request_serializer, response_deserializer, seconds, takes_stream=True)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: object
    ) -> Any:
        """Return the callable of a method with one request and many responses."""
        return self._many(method, request_serializer, response_deserializer)

    def stream_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: object
    ) -> Any:
        """Return the callable of a method with many requests and many responses."""
        return self._many(method, request_serializer, response_deserializer, takes_stream=True)

    def _one(
        self, method: str, serialise: Any, deserialise: Any, usual_seconds: float, *, takes_stream: bool = False
    ) -> Any:
        send, outgoing = self._transport.one(method, takes_stream=takes_stream), self._outgoing
        outward = _serialised if takes_stream else _serialised_one

        async def call(request: Any, timeout: float | None = None, metadata: Any = None) -> Any:  # noqa: ASYNC109 - gRPC's word
            seconds = outgoing.seconds(timeout, usual_seconds)
            content = await send(outward(request, serialise), outgoing.headers(metadata), seconds)
            return deserialise(content) if deserialise else content

        return call

    def _many(self, method: str, serialise: Any, deserialise: Any, *, takes_stream: bool = False) -> Any:
        send, outgoing = self._transport.many(method, takes_stream=takes_stream), self._outgoing
        outward = _serialised if takes_stream else _serialised_one

        async def responses(request: Any, seconds: float, headers: Headers) -> AsyncGenerator[Any]:
            async with aclosing(send(outward(request, serialise), headers, seconds)) as contents:
                async for content in contents:
                    yield deserialise(content) if deserialise else content

        def call(request: Any, timeout: float | None = None, metadata: Any = None) -> Responses:
            seconds = outgoing.seconds(timeout, outgoing.stream_seconds)
            return Responses(responses(request, seconds, outgoing.headers(metadata)))

        return call

    async def close(self, grace: float | None = None) -> None:  # noqa: ARG002 - gRPC's signature
        """Give connections back; calls that run are cancelled."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: ARG002 - gRPC's signature
        """Part of gRPC's interface that nobody here needs: a call tells more than a state."""
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Part of gRPC's interface that nobody here needs."""

    async def channel_ready(self) -> None:
        """Part of gRPC's interface that nobody here needs: ask the health service."""


def connect(
    address: str,
    outgoing: Outgoing,
    services: Sequence[ServiceDescriptor] = (),
    *,
    max_message_bytes: int = 4 << 20,
    waits: bool = False,
    certificates: Certificates | None = None,
) -> Channel:
    """Return a channel to `address`, connected on the first call.

    `address` is `host:port`, where all addresses of the host's name are replicas, or several `IP:port` joined by commas.
    Calls take the replicas in turn. Those that nobody answered are sent again, with growing pauses, where repeating does
    no harm: methods of `services` that carry a request id, or that only read. With `waits` these wait, until their
    deadline, while no replica is there; without, the caller learns it at once. With `certificates` the connection is
    encrypted and both sides prove themselves. Raises `Invalid` (ADDRESS_INVALID).
    """
    options = [
        ("grpc.service_config", orjson.dumps(_service_config(services, waits=waits)).decode()),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.dns_min_time_between_resolutions_ms", 2_000),
        ("grpc.max_receive_message_length", max_message_bytes + (64 << 10)),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
    target = _target(address)
    if certificates is None:
        return Channel(_Socket(grpc.aio.insecure_channel(target, options=options)), outgoing)
    if certificates.server_name:
        options.append(("grpc.ssl_target_name_override", certificates.server_name))

    def proven(identity: Identity) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, channel_credentials(identity), options=options)

    return Channel(_Proven(certificates, proven), outgoing)


def _target(address: str) -> str:
    """Return gRPC's name for an address or for several."""
    if "," not in address:
        return address
    parts = [part.strip() for part in address.split(",")]
    try:
        versions = {ip_address(part.rpartition(":")[0].strip("[]")).version for part in parts}
    except ValueError:
        versions = set()
    if len(versions) != 1:
        raise Invalid(
            f"{address!r} is not a list of IP addresses of one family.",
            message_zh="多个地址只能是同一类 IP 地址。",
            remedy="Several addresses have to be IP:port; or give one name that leads to all replicas.",
            reason="ADDRESS_INVALID",
            address=address,
        )
    return f"ipv{versions.pop()}:{','.join(parts)}"


def _service_config(services: Sequence[ServiceDescriptor], *, waits: bool = False) -> dict[str, Any]:
    repeatable = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if not method.client_streaming
        and (method.name.startswith(READING) or "request_id" in method.input_type.fields_by_name)
    ]
    policy = {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        # A server that closes answers CANCELLED to calls that cross its farewell on the way; nobody has worked on them.
        "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
    }
    methods = [{"name": repeatable, "retryPolicy": policy, "waitForReady": waits}] if repeatable else []
    config = {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods}
    return config | ({"healthCheckConfig": {"serviceName": CALLS}} if waits else {})


class _Socket:
    """A gRPC channel as a transport."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def one(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], Awaitable[bytes]]:
        call: Any = (self._channel.stream_unary if takes_stream else self._channel.unary_unary)(method)

        async def send(contents: Any, headers: Headers, seconds: float) -> bytes:
            try:
                content: bytes = await call(contents, timeout=seconds, metadata=headers)
            except grpc.aio.AioRpcError as error:
                raise _unwrapped(error) from None
            return content

        return send

    def many(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], AsyncGenerator[bytes]]:
        call: Any = (self._channel.stream_stream if takes_stream else self._channel.unary_stream)(method)

        async def send(contents: Any, headers: Headers, seconds: float) -> AsyncGenerator[bytes]:
            stream = call(contents, timeout=seconds, metadata=headers)
            try:
                async for content in stream:
                    yield content
            except grpc.aio.AioRpcError as error:
                raise _unwrapped(error) from None
            finally:
                stream.cancel()

        return send

    async def close(self) -> None:
        await self._channel.close(None)


class _Proven:
    """A channel with a certificate as a transport: a renewed certificate opens a new one, the former finishes its calls."""

    def __init__(self, certificates: Certificates, open_channel: Callable[[Identity], grpc.aio.Channel]) -> None:
        self._certificates = certificates
        self._open = open_channel
        self._identity = certificates.current()
        self._socket = _Socket(open_channel(self._identity))
        self._ending: dict[asyncio.Task[None], _Socket] = {}

    def one(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], Awaitable[bytes]]:
        async def send(contents: Any, headers: Headers, seconds: float) -> bytes:
            return await self._present().one(method, takes_stream=takes_stream)(contents, headers, seconds)

        return send

    def many(self, method: str, *, takes_stream: bool) -> Callable[[Any, Headers, float], AsyncGenerator[bytes]]:
        def send(contents: Any, headers: Headers, seconds: float) -> AsyncGenerator[bytes]:
            return self._present().many(method, takes_stream=takes_stream)(contents, headers, seconds)

        return send

    def _present(self) -> _Socket:
        identity = self._certificates.current()
        if identity is not self._identity:
            ending = asyncio.create_task(_closed_later(self._socket))
            self._ending[ending] = self._socket
            ending.add_done_callback(lambda ended: self._ending.pop(ended, None))
            self._identity, self._socket = identity, _Socket(self._open(identity))
        return self._socket

    async def close(self) -> None:
        former = dict(self._ending)
        for ending in former:
            ending.cancel()
        await asyncio.gather(*former, return_exceptions=True)
        for socket in (*former.values(), self._socket):
            await socket.close()


async def _closed_later(socket: _Socket) -> None:
    """Close a channel when its last call has ended. Not by gRPC's own grace: a close that is cut off closes nothing."""
    await asyncio.sleep(_LONGEST_CALL_SECONDS)
    await socket.close()


def _unwrapped(error: grpc.aio.AioRpcError) -> Exception:
    return from_wire(error.code(), error.details(), error.trailing_metadata())


def _serialised_one(request: Any, serialise: Any) -> bytes:
    content: bytes = serialise(request) if serialise else request
    return content


async def _serialised(requests: Any, serialise: Any) -> AsyncIterator[bytes]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield _serialised_one(request, serialise)
    else:
        for request in requests:
            yield _serialised_one(request, serialise)
