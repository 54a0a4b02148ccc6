"""Errors keep their kind, reason and words on the way through a status."""

from __future__ import annotations

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_kit import errors
from liangfa_kit.errors import ErrorKind, Exhausted, FieldViolation, Invalid, PlatformError, Precondition
from liangfa_kit.rpc.status import CODES, DETAILS_KEY, DeadlineExceeded, RemoteError, UnknownMethod, from_wire, to_wire

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
KINDS: list[type[PlatformError]] = [c for c in PlatformError.__subclasses__() if c.__module__ == errors.__name__]


def there_and_back(error: BaseException) -> RemoteError:
    return from_wire(*to_wire(error, TRACE))


def test_every_kind_has_a_code_of_its_own() -> None:
    """The table is complete, and the way back is unambiguous."""
    assert set(CODES) == set(ErrorKind)
    assert len(set(CODES.values())) == len(ErrorKind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_arrives_as_the_class_of_its_kind(kind: type[PlatformError]) -> None:
    """`except Stale` catches a remote one, and the reason is the one that was given."""
    sent = kind("No.", message_zh="不行。", remedy="Do that.", reason="SOME_REASON", case_id="c1", count=3)
    received = there_and_back(sent)
    assert isinstance(received, kind)
    assert isinstance(received, RemoteError)
    assert (received.kind, received.reason, str(received)) == (kind.kind, "SOME_REASON", "No.")
    assert (received.message_zh, received.remedy) == ("不行。", "Do that.")
    assert received.metadata == {"case_id": "c1", "count": "3"}
    assert received.trace_id == TRACE


def test_violations_and_the_time_to_wait_arrive() -> None:
    """They are what a client acts on."""
    violations = (FieldViolation("parties[0].code", "CODE_CHECK_FAILED", "Check digit"), FieldViolation("x", "Y", "z"))
    assert there_and_back(Invalid("No.", violations=violations)).violations == violations
    assert there_and_back(Exhausted("Later.", retry_after_seconds=1.5)).retry_after_seconds == 1.5
    assert there_and_back(Exhausted("Later.")).retry_after_seconds is None


@pytest.mark.parametrize("bug", [ZeroDivisionError("secret"), PlatformError("secret"), KeyError("secret")])
def test_a_bug_tells_its_trace_id_and_nothing_else(bug: Exception) -> None:
    """No driver text, no path, no value reaches a caller."""
    status = to_wire(bug, TRACE)
    assert b"secret" not in status.trailing_metadata[0][1]
    received = from_wire(*status)
    assert (received.kind, received.reason, received.code) == (ErrorKind.INTERNAL, "INTERNAL", grpc.StatusCode.INTERNAL)
    assert TRACE in str(received)
    assert TRACE in received.message_zh


def test_a_deadline_and_an_unknown_method_have_their_own_codes() -> None:
    """Clients of other languages look at the code."""
    assert to_wire(DeadlineExceeded(30), TRACE).code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert there_and_back(DeadlineExceeded(30)).kind is ErrorKind.UNAVAILABLE
    assert to_wire(UnknownMethod("/x/Y"), TRACE).code is grpc.StatusCode.UNIMPLEMENTED
    assert there_and_back(UnknownMethod("/x/Y")).reason == "UNKNOWN_METHOD"


@pytest.mark.parametrize(
    ("code", "details", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)", "MESSAGE_TOO_LARGE"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "quota", "RESOURCE_EXHAUSTED"),
        (grpc.StatusCode.UNAVAILABLE, "connection refused", "UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.CANCELLED, None, "CANCELLED"),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", "UNKNOWN_METHOD"),
        (grpc.StatusCode.UNKNOWN, "x", "INTERNAL"),
    ],
)
def test_a_status_without_details_gets_a_reason_from_its_code(
    code: grpc.StatusCode, details: str | None, reason: str
) -> None:
    """gRPC itself and proxies send such statuses."""
    assert from_wire(code, details, ()).reason == reason
    assert from_wire(code, details, None).reason == reason
    assert from_wire(code, details, [(DETAILS_KEY, b"\xff\xff broken")]).reason == reason


@given(
    st.text(max_size=3000),
    st.text(max_size=3000),
    st.lists(st.text(max_size=300), max_size=200),
    st.dictionaries(st.text(max_size=30), st.text(max_size=2000), max_size=30),
)
def test_a_status_always_fits_the_headers(
    message: str, remedy: str, fields: list[str], metadata: dict[str, str]
) -> None:
    """Clients drop calls whose headers exceed 8 KB: texts are cut, and how many violations are left out is told."""
    error = Precondition(message, remedy=remedy, violations=tuple(FieldViolation(f, "R", f) for f in fields))
    error.metadata = {f"k{key}": value for key, value in metadata.items()}
    status = to_wire(error, TRACE)
    received = from_wire(*status)
    left_out = int(received.metadata.get("violations_left_out", 0))
    assert len(received.violations) + left_out == len(fields)
    assert len(status.trailing_metadata[0][1]) <= 4_000


def test_text_that_cannot_be_encoded_does_not_hide_an_error() -> None:
    """A file name may hold a lone surrogate."""
    assert there_and_back(Precondition("file \udcff", reason="FILE", name="\udcff")).metadata == {"name": "?"}
