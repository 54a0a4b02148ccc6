"""Requests are read strictly: what is known is accepted however deep, what is not is refused however deep."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from liangfa_kit.errors import Invalid
from liangfa_kit.rpc.messages import UnknownField, entity_reader, parsed, unknown_fields
from liangfa_protos.enforcement_record.v1 import case_service_pb2, evidence_service_pb2

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=5)
UNKNOWN = bytes([1000 << 3 & 0x7F | 0x80, 1000 >> 4, 7])
"""Field 1000 with the number 7."""


def struct(values: dict[str, Any]) -> Struct:
    message = Struct()
    message.update(values)
    return message


def nested(message: Any) -> list[Any]:
    """Every message inside `message`, itself first."""
    found = [message]
    if isinstance(message, Struct):
        found += [part for value in message.fields.values() for part in nested(value)]
    elif isinstance(message, Value) and message.HasField("struct_value"):
        found += nested(message.struct_value)
    elif isinstance(message, Value) and message.HasField("list_value"):
        found += nested(message.list_value)
    elif isinstance(message, ListValue):
        found += [part for value in message.values for part in nested(value)]
    return found


@given(OBJECTS)
def test_a_request_of_known_fields_is_accepted_as_it_is(values: dict[str, Any]) -> None:
    """Nothing of it is lost."""
    message = struct(values)
    assert parsed(Struct, message.SerializeToString()) == message


@given(OBJECTS, st.data())
def test_an_unknown_field_is_found_wherever_it_hides(values: dict[str, Any], data: st.DataObject) -> None:
    """In maps, lists and messages in messages; exactly one path is named."""
    message = struct(values)
    data.draw(st.sampled_from(nested(message))).MergeFromString(UNKNOWN)
    with pytest.raises(UnknownField) as caught:
        parsed(Struct, message.SerializeToString())
    (violation,) = caught.value.violations
    assert violation.field.endswith("#1000")
    assert list(unknown_fields(message)) == [violation.field]


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_read_or_refused(content: bytes) -> None:
    """Never anything else than a message or a refusal with a reason."""
    for message_class in (StringValue, Struct, FileDescriptorProto):
        assert outcome(message_class, content) in {message_class.__name__, "MALFORMED_REQUEST", "UNKNOWN_FIELD"}


def test_a_request_nested_without_end_is_refused() -> None:
    """Depth is bounded by the parser, not by the stack."""
    content = b""
    for _ in range(5_000):
        value = b"\x2a" + _length(content) + content
        entry = b"\x12" + _length(value) + value
        content = b"\x0a" + _length(entry) + entry
    with pytest.raises(Invalid) as caught:
        parsed(Struct, content)
    assert caught.value.reason == "MALFORMED_REQUEST"


def test_the_log_names_the_entity_that_a_request_is_about() -> None:
    """The first id that is not the request's own."""
    amend, begin = case_service_pb2.AmendCaseRequest, evidence_service_pb2.GetUploadRequest
    read = entity_reader(amend)
    assert read is not None
    assert read(amend(request_id="r", case_id="c")) == "c"
    read = entity_reader(begin)
    assert read is not None
    assert read(begin(upload_id="u")) == "u"
    assert entity_reader(health_pb2.HealthCheckRequest) is None
    assert entity_reader(None) is None


def outcome(message_class: Any, content: bytes) -> str:
    try:
        return type(parsed(message_class, content)).__name__
    except Invalid as refusal:
        return refusal.reason


def _length(content: bytes) -> bytes:
    length, out = len(content), bytearray()
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)
