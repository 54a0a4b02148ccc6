"""The standard health service, answered from what the services themselves say about their work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

Readiness = Callable[[], Sequence[str]]
"""Tells what keeps a service from doing its work, in plain words; nothing means that it is ready."""

CALLS = "calls"
"""The name under which the server says whether calls can be answered: what a load balancer wants to know."""

ALIVE = "alive"
"""The name under which the server says that it still answers at all: what decides whether to restart it."""

_LOOK_SECONDS = 1.0
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """Says who is ready. No token is needed to ask.

    `readiness` is asked by service name; the empty name stands for all of them. `calls` tells what keeps calls from being
    answered: less than what keeps a service from all of its work, since events that wait turn no caller away.
    """

    def __init__(self, readiness: Mapping[str, Readiness], calls: Readiness = tuple) -> None:
        self._readiness = dict(readiness)
        self._calls = calls
        self._draining = asyncio.Event()

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to end."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Be ready for nothing any more; whoever watches is told at once."""
        self._draining.set()

    def troubles(self, service: str = "") -> list[str] | None:
        """Return what keeps `service` from being ready; None when there is no such service."""
        if service == ALIVE:
            return []
        found = ["The server is shutting down."] if self.is_draining else []
        if service == CALLS:
            return [*found, *self._calls()]
        if service and service not in self._readiness:
            return None
        asked = [service] if service else list(self._readiness)
        return found + [trouble for name in asked for trouble in self._readiness[name]()]

    async def Check(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """Say whether a service is ready."""
        troubles = self.troubles(request.service)
        if troubles is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {request.service!r} here.")
        return health_pb2.HealthCheckResponse(status=_NOT_SERVING if troubles else _SERVING)

    async def Watch(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, _context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Say whether a service is ready, again whenever that changes."""
        told = None
        while told is None or not self.is_draining:
            troubles = self.troubles(request.service)
            status = _UNKNOWN if troubles is None else _NOT_SERVING if troubles else _SERVING
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._draining.wait()
        yield health_pb2.HealthCheckResponse(status=_NOT_SERVING)

    async def List(  # noqa: N802 - the proto's name
        self, _request: health_pb2.HealthListRequest, _context: Any
    ) -> health_pb2.HealthListResponse:
        """Say of every service whether it is ready."""
        names = ["", ALIVE, CALLS, *self._readiness]
        answers = {name: _NOT_SERVING if self.troubles(name) else _SERVING for name in names}
        return health_pb2.HealthListResponse(
            statuses={name: health_pb2.HealthCheckResponse(status=status) for name, status in answers.items()}
        )
