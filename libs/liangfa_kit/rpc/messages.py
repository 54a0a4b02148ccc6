"""Requests as they arrive: parsed strictly, since a field that is silently dropped is a change that nobody made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from liangfa_kit.errors import Exhausted, FieldViolation, Invalid


class MessageTooLarge(Exhausted):
    """A request or a response exceeds the server's limit."""

    reason = "MESSAGE_TOO_LARGE"

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The {what} has {size_bytes} bytes; {limit_bytes} are allowed.",
            message_zh=f"消息大小为 {size_bytes} 字节，超过上限 {limit_bytes} 字节。",
            remedy="Send large content through a streaming method in pieces; ask for smaller pages.",
            what=what,
            size_bytes=size_bytes,
            limit_bytes=limit_bytes,
        )


class UnknownField(Invalid):
    """The request has fields that this release does not know. Nothing of it was done."""

    reason = "UNKNOWN_FIELD"

    def __init__(self, paths: list[str]) -> None:
        super().__init__(
            f"The request has fields that this release does not know: {', '.join(paths[:5])}.",
            message_zh="请求包含本版本无法识别的字段，未作任何处理。",
            remedy="Use a client of the server's release, or leave these fields out.",
            violations=tuple(FieldViolation(path, "UNKNOWN_FIELD", "Unknown field number.") for path in paths[:20]),
        )


def parsed(message_class: type[Message], content: bytes) -> Message:
    """Return the message, or raise `Invalid` (MALFORMED_REQUEST, UNKNOWN_FIELD).

    Dropping unknown fields and comparing sizes takes 1 µs for 2 KB; walking the message in Python takes 13. So it is
    walked only when the sizes differ: unknown fields, or an encoder that is not minimal.
    """
    try:
        message = message_class.FromString(content)
    except DecodeError as error:
        raise Invalid(
            f"The request is not a {message_class.DESCRIPTOR.full_name}.",
            message_zh="请求内容无法解析。",
            remedy="Encode it with the published protos; texts must be valid UTF-8.",
            reason="MALFORMED_REQUEST",
        ) from error
    message.DiscardUnknownFields()
    if message.ByteSize() != len(content):
        paths = list(unknown_fields(message_class.FromString(content)))
        if paths:
            raise UnknownField(paths)
    return message


def unknown_fields(message: Message, path: str = "") -> Iterator[str]:
    """Yield the paths of unknown fields, e.g. `case.parties[0].#99`."""
    unknown: Any = UnknownFieldSet(message)  # iterable, says its documentation and not its stub
    for field in unknown:
        yield f"{path}#{field.field_number}"
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        name = f"{path}{descriptor.name}"
        if not descriptor.is_repeated:
            yield from unknown_fields(value, f"{name}.")
        elif descriptor.message_type.GetOptions().map_entry:
            if descriptor.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    yield from unknown_fields(value[key], f"{name}[{key}].")
        else:
            for number, item in enumerate(value):
                yield from unknown_fields(item, f"{name}[{number}].")


def entity_reader(message_class: type[Message] | None) -> Callable[[Any], str] | None:
    """Return what reads the id of the entity that a request is about: its first `…_id` that is not the request's."""
    for field in message_class.DESCRIPTOR.fields if message_class else ():
        is_text = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
        if is_text and field.name.endswith("_id") and field.name != "request_id":
            name = field.name
            return lambda request: str(getattr(request, name))
    return None
