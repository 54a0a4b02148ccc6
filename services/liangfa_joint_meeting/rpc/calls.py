"""What every servicer needs of the call that it serves."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message

from liangfa_kit.context import current
from liangfa_kit.errors import Invalid
from liangfa_kit.work import Call

_LONGEST = 100


def call_of(request_id: str) -> Call:
    """Return the caller's `Call`; a change without a request id is refused."""
    _require(request_id)
    return current().command(request_id)


def message_call(consultation_id: str, client_message_id: str, content: Message) -> Call:
    """Return the `Call` of a message, the same for the unary call and for the stream: one id is one message."""
    _require(client_message_id)
    call = current()
    fingerprint = hashlib.sha256(content.SerializeToString(deterministic=True)).digest()
    return Call(call.caller, f"message/{consultation_id}/{client_message_id}", fingerprint, call.traceparent)


def _require(request_id: str) -> None:
    if not request_id or len(request_id) > _LONGEST:
        raise Invalid(
            "A change needs a request id of at most 100 characters.",
            message_zh="写操作必须带有不超过 100 个字符的请求编号。",
            remedy="Send a fresh UUID in `request_id`; send the same one when you repeat the request.",
            reason="REQUEST_ID_REQUIRED",
        )
