"""The one error model: a coarse kind, a published reason, words for a person, metadata for a machine.

::

    PlatformError                       everything that crosses a boundary on purpose
    ├── Invalid             INVALID           fix the request (may carry field violations)
    ├── Unauthenticated     UNAUTHENTICATED   sign in again
    ├── Forbidden           FORBIDDEN         ask somebody with the authority
    ├── NotFound            NOT_FOUND         it is not there, or not for you
    ├── Exists              EXISTS            it is there already
    ├── Stale               STALE             read again and retry the whole command
    ├── Precondition        PRECONDITION      change the state first
    ├── Exhausted           EXHAUSTED         back off, retry later
    └── Unavailable         UNAVAILABLE       back off, retry later

A domain error subclasses one of these and sets `reason` (UPPER_SNAKE, at most 63 characters, stable once
published). It knows nothing of transports: `liangfa_kit.rpc.status` maps kinds to gRPC codes and back.
Anything that is not a `PlatformError` is a bug and reaches a caller as a fixed text with a trace id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class ErrorKind(Enum):
    """What the caller should do; see the table in the module's docstring."""

    INVALID = "INVALID"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    EXISTS = "EXISTS"
    STALE = "STALE"
    PRECONDITION = "PRECONDITION"
    EXHAUSTED = "EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that cannot be accepted. `field` is the proto path, e.g. `parties[0].code`."""

    field: str
    reason: str
    message: str


class PlatformError(Exception):
    """An expected refusal. `str(error)` is a sentence in plain words; `remedy` says what to do next.

    `message_zh` is the sentence for Chinese-speaking users; everything interpolated into either text is
    also in `metadata` (AIP-193), so that a client can write its own sentence.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        message_zh: str = "",
        remedy: str = "",
        reason: str | None = None,
        violations: tuple[FieldViolation, ...] = (),
        retry_after_seconds: float | None = None,
        **metadata: object,
    ) -> None:
        super().__init__(message)
        self.message_zh = message_zh
        self.remedy = remedy
        self.violations = violations
        self.retry_after_seconds = retry_after_seconds
        self.metadata = {key: str(value) for key, value in metadata.items()}
        if reason is not None:
            self.reason = reason


class Invalid(PlatformError):
    """The request itself cannot be accepted, whatever the state of the system."""

    kind = ErrorKind.INVALID
    reason = "INVALID_REQUEST"


class Unauthenticated(PlatformError):
    """The caller did not prove who they are."""

    kind = ErrorKind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class Forbidden(PlatformError):
    """The caller is known and may not do this."""

    kind = ErrorKind.FORBIDDEN
    reason = "FORBIDDEN"


class NotFound(PlatformError):
    """It does not exist, or the caller may not know that it does."""

    kind = ErrorKind.NOT_FOUND
    reason = "NOT_FOUND"


class Exists(PlatformError):
    """It exists already."""

    kind = ErrorKind.EXISTS
    reason = "ALREADY_EXISTS"


class Stale(PlatformError):
    """The entity changed after the caller read it. Nothing was written."""

    kind = ErrorKind.STALE
    reason = "STALE_VERSION"


class Precondition(PlatformError):
    """The request is well formed but the state does not allow it."""

    kind = ErrorKind.PRECONDITION
    reason = "PRECONDITION_FAILED"


class Exhausted(PlatformError):
    """A limit of size, rate or space is reached."""

    kind = ErrorKind.EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class Unavailable(PlatformError):
    """Something the answer depends on cannot be reached now. Nothing was written."""

    kind = ErrorKind.UNAVAILABLE
    reason = "UNAVAILABLE"


class RequestIdReused(Precondition):
    """The same request id came with a different request. The first one stands."""

    reason = "REQUEST_ID_REUSED"
