"""What the pipeline needs of a transport, and the headers that every call may carry."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

import grpc

from liangfa_kit.context import CallContext

TOKEN_KEY = "authorization"  # noqa: S105 - the name of a header
TRACE_KEY = "traceparent"
PURPOSE_KEY = "liangfa-purpose-bin"
BEARER = "Bearer "
MAX_PURPOSE_CHARACTERS = 500


class Wire(Protocol):
    """A call on a transport: the part of `grpc.aio.ServicerContext` that is used here."""

    def invocation_metadata(self) -> Any:
        """Return the call's headers as (name, value) pairs; values of `…-bin` names are bytes."""
        ...

    def time_remaining(self) -> float | None:
        """Return the seconds that the caller still waits, None when it stated no deadline."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> NoReturn:
        """Send the status and raise."""
        ...

    async def write(self, message: bytes) -> None:
        """Send one message of a response stream; waits while the caller is slow."""
        ...


def opened(path: str, wire: Wire) -> CallContext:
    """Return the context of a call that has just arrived; what its headers say is not verified yet."""
    call = CallContext(path)
    for key, value in wire.invocation_metadata() or ():
        if key == TOKEN_KEY:
            call.token = value.removeprefix(BEARER)
        elif key == TRACE_KEY:
            call.traceparent = value
        elif key == PURPOSE_KEY:
            call.purpose = value.decode("utf-8", "replace")[:MAX_PURPOSE_CHARACTERS]
    return call
