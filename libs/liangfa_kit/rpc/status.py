"""Errors on the wire: kind and reason become a gRPC status with rich details, and become an error again.

The details are Google's standard ones (AIP-193): `ErrorInfo` (reason, domain, metadata with `remedy` and `trace_id`),
`LocalizedMessage` (Chinese), `BadRequest` and `RetryInfo` where they apply. Nothing but this module knows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from liangfa_kit.errors import (
    ErrorKind,
    Exhausted,
    Exists,
    FieldViolation,
    Forbidden,
    Invalid,
    NotFound,
    PlatformError,
    Precondition,
    Stale,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "liangfa"
DETAILS_KEY = "grpc-status-details-bin"
_MAX_DETAILS_BYTES = 4_000  # it travels as base64 in a header, and clients limit all headers to 8 KB
_MAX_TEXT = 600
_MAX_VIOLATIONS = 64
_MAX_SCALE = 16
_Code = grpc.StatusCode

CODES: dict[ErrorKind, grpc.StatusCode] = {
    ErrorKind.INVALID: _Code.INVALID_ARGUMENT,
    ErrorKind.UNAUTHENTICATED: _Code.UNAUTHENTICATED,
    ErrorKind.FORBIDDEN: _Code.PERMISSION_DENIED,
    ErrorKind.NOT_FOUND: _Code.NOT_FOUND,
    ErrorKind.EXISTS: _Code.ALREADY_EXISTS,
    ErrorKind.STALE: _Code.ABORTED,
    ErrorKind.PRECONDITION: _Code.FAILED_PRECONDITION,
    ErrorKind.EXHAUSTED: _Code.RESOURCE_EXHAUSTED,
    ErrorKind.UNAVAILABLE: _Code.UNAVAILABLE,
    ErrorKind.INTERNAL: _Code.INTERNAL,
}
_KINDS = {code: kind for kind, code in CODES.items()} | {
    _Code.OUT_OF_RANGE: ErrorKind.INVALID,
    _Code.DEADLINE_EXCEEDED: ErrorKind.UNAVAILABLE,
    _Code.CANCELLED: ErrorKind.UNAVAILABLE,
}
_BARE_REASONS = {
    _Code.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    _Code.CANCELLED: "CANCELLED",
    _Code.UNIMPLEMENTED: "UNKNOWN_METHOD",
}
_INTERNAL = "Something went wrong here that should not. It has been recorded under the trace id {}."
_INTERNAL_ZH = "系统内部错误，已记录，追踪编号 {}。"


class DeadlineExceeded(Unavailable):
    """The time for the call ran out. What it does may still be done: ask again with the same request id."""

    reason = "DEADLINE_EXCEEDED"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The call was not done within {seconds:g} seconds.",
            message_zh=f"请求未能在 {seconds:g} 秒内完成。",
            remedy="Send it again with the same request id and a later deadline; what is done already stays done.",
            seconds=f"{seconds:g}",
        )


class UnknownMethod(PlatformError):
    """There is no such method, or this server does not serve it."""

    reason = "UNKNOWN_METHOD"

    def __init__(self, method: str) -> None:
        super().__init__(
            f"{method} is not served here.",
            message_zh=f"本服务不提供方法 {method}。",
            remedy="Check the method's name and that client and server are of compatible releases.",
            method=method,
        )


class RemoteError(PlatformError):
    """An error that another service answered. It is also of the class of its kind: `except Stale` catches it."""

    trace_id: str = ""
    code: grpc.StatusCode = _Code.UNKNOWN


_CLASSES: tuple[type[PlatformError], ...] = (
    Invalid, Unauthenticated, Forbidden, NotFound, Exists, Stale, Precondition, Exhausted, Unavailable, PlatformError,
)  # fmt: skip
_REMOTE: dict[ErrorKind, type[RemoteError]] = {
    local.kind: RemoteError if local is PlatformError else type(f"Remote{local.__name__}", (RemoteError, local), {})
    for local in _CLASSES
}


class WireStatus(NamedTuple):
    """A status as gRPC sends it."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def to_wire(error: BaseException, trace_id: str) -> WireStatus:
    """Return the status of `error`. What is not a `PlatformError` becomes a fixed text: a bug tells callers nothing."""
    if not isinstance(error, PlatformError) or (error.kind is ErrorKind.INTERNAL and type(error) is not UnknownMethod):
        error = PlatformError(
            _INTERNAL.format(trace_id),
            message_zh=_INTERNAL_ZH.format(trace_id),
            remedy="Report it with the trace id.",
        )
    code = _code(error)
    scale = 1
    while True:
        message = _cut(str(error), _MAX_TEXT // scale)
        status = status_pb2.Status(code=code.value[0], message=message)
        _pack(status, error, trace_id, scale)
        content = status.SerializeToString()
        if len(content) <= _MAX_DETAILS_BYTES or scale == _MAX_SCALE:
            return WireStatus(code, message, ((DETAILS_KEY, content),))
        scale *= 2


def _code(error: PlatformError) -> grpc.StatusCode:
    if isinstance(error, DeadlineExceeded):
        return _Code.DEADLINE_EXCEEDED
    return _Code.UNIMPLEMENTED if isinstance(error, UnknownMethod) else CODES[error.kind]


def _pack(status: status_pb2.Status, error: PlatformError, trace_id: str, scale: int) -> None:
    """Add the details; a higher `scale` cuts texts shorter and leaves more violations out."""
    limit, violations = 200 // scale, error.violations[: _MAX_VIOLATIONS // scale]
    metadata = {_cut(key, 64): _cut(value, limit) for key, value in list(error.metadata.items())[:20]}
    metadata["trace_id"] = trace_id
    if error.remedy:
        metadata["remedy"] = _cut(error.remedy, 2 * limit)
    if len(violations) < len(error.violations):
        metadata["violations_left_out"] = str(len(error.violations) - len(violations))
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if error.message_zh:
        message_zh = _cut(error.message_zh, limit)
        details.append(error_details_pb2.LocalizedMessage(locale="zh-CN", message=message_zh))
    if violations:
        bad_request = error_details_pb2.BadRequest()
        for one in violations:
            field, description = _cut(one.field, limit), _cut(one.message, limit)
            bad_request.field_violations.add(field=field, reason=one.reason, description=description)
        details.append(bad_request)
    if error.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        details.append(retry)
    for detail in details:
        status.details.add().Pack(detail)


def from_wire(
    code: grpc.StatusCode, details: str | None, trailing_metadata: Iterable[tuple[str, str | bytes]] | None
) -> RemoteError:
    """Return the error that a status stands for: of the class of its kind, with the reason that was given.

    Statuses without details (made by gRPC itself, by proxies) get a reason from their code.
    """
    status = _rich_status(trailing_metadata)
    info, message_zh, violations, retry_after = error_details_pb2.ErrorInfo(), "", [], None
    for detail in status.details:
        localized, bad, retry = (
            error_details_pb2.LocalizedMessage(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        if detail.Unpack(localized):
            message_zh = localized.message
        elif detail.Unpack(bad):
            violations = [FieldViolation(v.field, v.reason, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        else:
            detail.Unpack(info)
    metadata = dict(info.metadata)
    remedy, trace_id = metadata.pop("remedy", ""), metadata.pop("trace_id", "")
    error = _REMOTE[_KINDS.get(code, ErrorKind.INTERNAL)](
        details or code.value[1],
        message_zh=message_zh,
        remedy=remedy,
        reason=info.reason or _bare_reason(code, details or ""),
        violations=tuple(violations),
        retry_after_seconds=retry_after,
    )
    error.metadata = metadata
    error.trace_id, error.code = trace_id, code
    return error


def _rich_status(trailing_metadata: Iterable[tuple[str, str | bytes]] | None) -> status_pb2.Status:
    for key, value in trailing_metadata or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _bare_reason(code: grpc.StatusCode, details: str) -> str | None:
    if code is _Code.RESOURCE_EXHAUSTED and "larger than max" in details:  # gRPC's own refusal carries no details
        return "MESSAGE_TOO_LARGE"
    return _BARE_REASONS.get(code)


def _cut(text: str, limit: int) -> str:
    """Return `text` with at most `limit` characters, and encodable: lone surrogates (of file names, say) become `?`."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"
