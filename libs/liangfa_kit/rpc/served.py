"""What a server serves: a proto service's handlers with the rules that guard them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc

from liangfa_kit.identity import Actor


class Authority(Protocol):
    """Decides whether `actor` may send `request` to `method` (`/package.Service/Method`): returns, or raises `Forbidden`.

    A method that it does not know must be refused. It is asked once for every message of a request stream.
    """

    def __call__(self, method: str, actor: Actor, request: Any, /) -> None:
        """Return, or raise `Forbidden`."""
        ...


Validate = Callable[[str, Any], None]
"""Checks a request's form before anything is done with it: (method, request) -> None, or raises `Invalid`."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a method may take: what a call gets that states no deadline, and the most that any call gets."""

    default_seconds: float
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Served:
    """One proto service on its way into a server.

    A handler without a response serializer returns bytes that are serialised already; so may any handler, message by
    message (a feed that is encoded once and sent to a thousand watchers). `deadlines` overrides the server's, by method.
    """

    name: str
    handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    authority: Authority
    validate: Validate | None = None
    deadlines: Mapping[str, Deadline] = field(default_factory=dict)


def served(
    add_to_server: Callable[[Any, Any], None],
    servicer: object,
    *,
    authority: Authority,
    validate: Validate | None = None,
    deadlines: Mapping[str, Deadline] | None = None,
) -> Served:
    """Return a generated service's handlers: `served(add_CaseServiceServicer_to_server, CaseServicer(…), authority=…)`.

    Servicers get None for the gRPC context: what they may know about a call is in `liangfa_kit.context`.
    """
    collected = _Collector()
    add_to_server(servicer, collected)
    return Served(collected.name, collected.handlers, authority, validate, deadlines or {})


class _Collector:
    """Stands in for a server in generated code."""

    name: str
    handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]

    def add_registered_method_handlers(
        self, name: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        self.name, self.handlers = name, handlers

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same handlers in another form."""
