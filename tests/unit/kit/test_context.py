"""The context of a call."""

from __future__ import annotations

import hashlib
import time

import pytest

from liangfa_kit.context import CallContext, current, current_or_none, new_traceparent, serving
from tests.tally import CLERK


def test_there_is_no_context_outside_a_call() -> None:
    """Asking for one there is a fault; asking whether there is one is not."""
    assert current_or_none() is None
    with pytest.raises(LookupError):
        current()
    with serving(CallContext("/x/Y")) as call:
        assert current() is call
    assert current_or_none() is None


def test_the_callers_trace_goes_on_and_nonsense_is_replaced() -> None:
    """A malformed trace context never reaches the journal."""
    call = CallContext("/x/Y")
    call.traceparent = given = new_traceparent()
    assert (call.traceparent, call.trace_id) == (given, given[3:35])
    for nonsense in ("", "x", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", given.upper() + "Z", given + "\n"):
        other = CallContext("/x/Y")
        other.traceparent = nonsense
        assert other.traceparent != nonsense
        assert other.trace_id == other.trace_id
        assert len(other.traceparent) == 55


def test_a_command_carries_who_which_and_the_fingerprint_of_what_was_received() -> None:
    """That is what makes a repeated request id recognisable."""
    call = CallContext("/x/Y")
    call.actor, call.request_bytes = CLERK, b"abc"
    command = call.command("r1")
    assert (command.actor, command.request_id) == (CLERK, "r1")
    assert command.fingerprint == hashlib.sha256(b"abc").digest()
    assert command.traceparent == call.traceparent
    assert call.command("").request_id is None


def test_a_call_without_an_identified_caller_cannot_act() -> None:
    """The wiring forgot the token check: better a fault than an act by nobody."""
    with pytest.raises(LookupError):
        CallContext("/x/Y").command("r1")


def test_the_remaining_time_never_goes_below_zero() -> None:
    """Past the deadline there is none left; without a deadline there is no limit."""
    call = CallContext("/x/Y")
    assert call.remaining_seconds() is None
    call.deadline = time.monotonic() - 5
    assert call.remaining_seconds() == 0.0
    call.deadline = time.monotonic() + 5
    assert 4 < (call.remaining_seconds() or 0) <= 5
