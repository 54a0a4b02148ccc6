"""What is known about the call being served: one value in one context variable, bound by the RPC pipeline.

A servicer asks `current()` instead of touching the transport's context, and so runs on any transport.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liangfa_kit.identity import Actor
    from liangfa_kit.work import Call

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NOT_ZERO = 1 << 64 | 1  # neither the trace's nor the span's id may be all zeros
_CHANCE = random.Random()  # noqa: S311 - names a trace, guards nothing


class CallContext:
    """One call: who, which method, until when, what for.

    `actor` and `token` are set once the token is verified. `request_bytes` is the request as received (the first
    one of a stream). `deadline` is on the scale of `time.monotonic`, None without one. `entity` is the id that the
    canonical log line names; a servicer that creates an entity sets it. `started` is on the scale of
    `time.perf_counter`.
    """

    __slots__ = (
        "_traceparent", "actor", "deadline", "entity", "method", "purpose", "request_bytes", "started", "token",
    )  # fmt: skip

    def __init__(self, method: str) -> None:
        self.method = method
        self.started = time.perf_counter()
        self.actor: Actor | None = None
        self.token = ""
        self.deadline: float | None = None
        self.purpose = ""
        self.entity = ""
        self.request_bytes = b""
        self._traceparent = ""

    @property
    def traceparent(self) -> str:
        """The W3C trace context that this call belongs to; made on first use where the caller sent none."""
        if not self._traceparent:
            self._traceparent = new_traceparent()
        return self._traceparent

    @traceparent.setter
    def traceparent(self, value: str) -> None:
        """Take the caller's trace context over, if it is one."""
        if _TRACEPARENT.fullmatch(value):
            self._traceparent = value

    @property
    def traceparent_if_known(self) -> str:
        """The trace context if the caller sent one or somebody has asked for one, else an empty text."""
        return self._traceparent

    @property
    def trace_id(self) -> str:
        """The trace's id: 32 hexadecimal digits, which every error and log line carries."""
        return self.traceparent[3:35]

    @property
    def caller(self) -> Actor:
        """Who calls. Raises `LookupError` where nobody was identified, which is a fault of the wiring."""
        if self.actor is None:
            raise LookupError(f"{self.method} is served without an identified caller")
        return self.actor

    def remaining_seconds(self) -> float | None:
        """Return how long the caller still waits, at least 0; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def command(self, request_id: str) -> Call:
        """Return what the commit train wants to know about this call; the fingerprint is of the bytes received."""
        from liangfa_kit.work import Call  # clients need this module too, and no database library

        fingerprint = hashlib.sha256(self.request_bytes).digest()
        return Call(self.caller, request_id or None, fingerprint, self.traceparent)


_current: ContextVar[CallContext] = ContextVar("liangfa_call")
bind = _current.set
"""Make a `CallContext` the current one of this task."""


def current() -> CallContext:
    """Return the call being served. Raises `LookupError` outside of one."""
    return _current.get()


def current_or_none() -> CallContext | None:
    """Return the call being served, or None outside of one (start-up, background work)."""
    return _current.get(None)


@contextmanager
def serving(call: CallContext) -> Iterator[CallContext]:
    """Bind `call` for a block of code (work outside the RPC pipeline, tests)."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def new_traceparent() -> str:
    """Return a fresh W3C trace context, sampled."""
    digits = f"{_CHANCE.getrandbits(192) | _NOT_ZERO:048x}"
    return f"00-{digits[:32]}-{digits[32:]}-01"
