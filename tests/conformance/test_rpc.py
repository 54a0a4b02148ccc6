"""The RPC channel's contract: over a socket and in memory a caller sees the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from liangfa_kit.clock import ManualClock, SystemClock
from liangfa_kit.context import CallContext, current_or_none, new_traceparent, serving
from liangfa_kit.errors import (
    Exhausted,
    Forbidden,
    Invalid,
    PlatformError,
    Precondition,
    Unauthenticated,
    Unavailable,
)
from liangfa_kit.identity import TokenIssuer, TokenVerifier
from liangfa_kit.keys import public_key
from liangfa_kit.rpc.client import purpose
from liangfa_kit.rpc.status import RemoteError
from tests.echo import KEY, NAME, Running, running
from tests.tally import CLERK

pytestmark = pytest.mark.asyncio
STRANGER = type(CLERK)("p9", "某丙", "a9", "某局", "market", "420111", frozenset({"guest"}))


@pytest.fixture(params=["socket", "memory"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def texts(*values: str) -> AsyncIterator[StringValue]:
    for value in values:
        yield StringValue(value=value)


async def refused(call: Any, kind: type[PlatformError], reason: str) -> RemoteError:
    with pytest.raises(kind) as caught:
        await asyncio.wait_for(call, 60)
    assert isinstance(caught.value, RemoteError)
    assert (caught.value.reason, len(caught.value.trace_id)) == (reason, 32)
    return caught.value


async def collected(responses: Any) -> list[str]:
    return [response.value async for response in responses]


async def test_a_call_arrives_with_who_calls_what_for_and_how_long_they_wait(transport: str) -> None:
    """The servicer reads it from the context; nothing of it leaks into the caller's."""
    async with running(transport) as echo:
        assert await echo.say("Say", "好", metadata=[purpose("督办案件")], timeout=5.0) == "好"
        ((caller, why, trace_id, remaining, received),) = echo.service.seen
        assert (caller, why, len(trace_id)) == (CLERK, "督办案件", 32)
        assert 0 < remaining < 5.5
        assert received == StringValue(value="好").SerializeToString()
        assert current_or_none() is None


async def test_all_four_shapes_work(transport: str) -> None:
    """One or many requests, one or many responses."""
    async with running(transport) as echo:
        assert await echo.say("Say", "a") == "a"
        assert await collected(echo.stub("Count", "unary_stream")(StringValue(value="3"))) == ["0", "1", "2"]
        assert (await echo.stub("Join", "stream_unary")(texts("a", "b", "c"))).value == "a b c"
        assert await collected(echo.stub("Answer", "stream_stream")(texts("a", "b"))) == ["re: a", "re: b"]
        assert (await echo.stub("Join", "stream_unary")([StringValue(value="x")])).value == "x"


async def test_both_sides_of_a_conversation_may_wait_for_each_other(transport: str) -> None:
    """An answer comes before the next question is asked."""
    async with running(transport) as echo:
        questions: asyncio.Queue[str | None] = asyncio.Queue()

        async def asked() -> AsyncIterator[StringValue]:
            while (text := await questions.get()) is not None:
                yield StringValue(value=text)

        await questions.put("one")
        heard = []
        async for reply in echo.stub("Answer", "stream_stream")(asked()):
            heard.append(reply.value)
            await questions.put(["two", "three", None][len(heard) - 1])
        assert heard == ["re: one", "re: two", "re: three"]


async def test_a_refusal_arrives_with_its_kind_reason_words_and_remedy(transport: str) -> None:
    """Also after the first messages of a stream."""
    async with running(transport) as echo:
        error = await refused(echo.say("Refuse", "now"), Precondition, "NOT_NOW")
        assert (str(error), error.message_zh, error.remedy) == ("Not now.", "不行。", "Ask.")
        assert error.metadata == {"wanted": "now"}
        late = aiter(echo.stub("FailLate", "unary_stream")(StringValue(value="x")))
        assert (await anext(late)).value == "x"
        await refused(anext(late), Precondition, "LATE")


async def test_a_bug_tells_nothing_but_its_trace_id(transport: str) -> None:
    """The log has the rest."""
    async with running(transport) as echo:
        error = await refused(echo.say("BreakDown"), PlatformError, "INTERNAL")
        assert "secret" not in str(error)
        assert error.trace_id in str(error)


async def test_an_interrupted_method_still_answers(transport: str) -> None:
    """Cancelled inside, not by the caller: the caller is told rather than left waiting."""
    async with running(transport) as echo:
        await refused(echo.say("Interrupt"), Unavailable, "INTERRUPTED")


@pytest.mark.parametrize(("token", "reason"), [("", "TOKEN_MISSING"), ("x.y.z", "TOKEN_MALFORMED")])
async def test_nobody_calls_without_a_good_token(transport: str, token: str, reason: str) -> None:
    """For every shape."""
    async with running(transport, token=token) as echo:
        await refused(echo.say("Say", "x"), Unauthenticated, reason)
        await refused(collected(echo.stub("Count", "unary_stream")(StringValue(value="3"))), Unauthenticated, reason)
        await refused(echo.stub("Join", "stream_unary")(texts("a")), Unauthenticated, reason)
        await refused(collected(echo.stub("Answer", "stream_stream")(texts("a"))), Unauthenticated, reason)
        assert echo.service.seen == []


async def test_an_expired_token_is_told_as_expired(transport: str) -> None:
    """So that the client knows to sign in again."""
    yesterday = ManualClock(SystemClock().now() - timedelta(days=1))
    old = TokenIssuer(KEY, yesterday, timedelta(minutes=5)).issue(CLERK)
    async with running(transport, token=old) as echo:
        await refused(echo.say("Say", "x"), Unauthenticated, "TOKEN_EXPIRED")


async def test_authority_is_asked_before_anything_is_done(transport: str) -> None:
    """For a method, for a role, and for every message of a stream."""
    async with running(transport) as echo:
        await refused(echo.say("Forbidden", "x"), Forbidden, "ROLE_NOT_ALLOWED")
        join = echo.stub("Join", "stream_unary")
        await refused(join(texts("secret word")), Forbidden, "ROLE_NOT_ALLOWED")
        await refused(join(texts("a", "secret word")), Forbidden, "ROLE_NOT_ALLOWED")
    async with running(transport, actor=STRANGER) as echo:
        await refused(echo.say("Say", "x"), Forbidden, "ROLE_NOT_ALLOWED")
        assert echo.service.seen == []


async def test_a_request_is_validated_before_anything_is_done(transport: str) -> None:
    """The service's own check of form."""
    async with running(transport) as echo:
        await refused(echo.say("Say", " "), Invalid, "BLANK")
        await refused(echo.stub("Join", "stream_unary")(texts("a", " ")), Invalid, "BLANK")


def struct_with_unknown_field() -> bytes:
    """A Struct whose value at a.b holds a field 99."""
    inner = Struct()
    inner.update({"a": {"b": "c"}})
    value = inner.fields["a"].struct_value.fields["b"]
    value.MergeFromString(bytes([99 << 3 & 0xFF | 0x80, 99 >> 4, 7]))
    return inner.SerializeToString()


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (Int64Value(value=7).SerializeToString() + bytes([2 << 3, 7]), "#2"),
        (StringValue(value="x").SerializeToString() + bytes([15 << 3, 7]), "#15"),
    ],
)
async def test_a_field_that_the_server_does_not_know_is_refused(transport: str, content: bytes, path: str) -> None:
    """Nothing is dropped silently; the refusal names the field."""
    async with running(transport) as echo:
        raw = echo.channel.unary_unary(f"/{NAME}/Say", None, None)
        if path == "#2":
            content = bytes([2 << 3, 7])
        error = await refused(raw(content), Invalid, "UNKNOWN_FIELD")
        assert [v.field for v in error.violations] == [path]
        nested = echo.channel.unary_unary(f"/{NAME}/Look", None, None)
        error = await refused(nested(struct_with_unknown_field()), Invalid, "UNKNOWN_FIELD")
        assert [v.field for v in error.violations] == ["fields[a].struct_value.fields[b].#99"]


async def test_an_unusual_but_equal_encoding_is_accepted(transport: str) -> None:
    """Two values of one field (the last one counts) and overlong numbers are legal on the wire."""
    async with running(transport) as echo:
        raw = echo.channel.unary_unary(f"/{NAME}/Say", None, None)
        one, two = StringValue(value="one").SerializeToString(), StringValue(value="two").SerializeToString()
        assert await raw(one + two) == two


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
async def test_bytes_that_are_no_message_are_refused(transport: str, content: bytes) -> None:
    """Truncated, not protobuf, not UTF-8."""
    async with running(transport) as echo:
        raw = echo.channel.unary_unary(f"/{NAME}/Say", None, None)
        await refused(raw(content), Invalid, "MALFORMED_REQUEST")


async def test_messages_over_the_limit_are_refused_with_a_reason(transport: str) -> None:
    """Requests and responses."""
    async with running(transport, max_message_bytes=10_000) as echo:
        assert len(await echo.say("Say", "x" * 9_000)) == 9_000
        error = await refused(echo.say("Say", "x" * 11_000), Exhausted, "MESSAGE_TOO_LARGE")
        assert error.metadata["limit_bytes"] == "10000"
        await refused(echo.say("Grow", "11000"), Exhausted, "MESSAGE_TOO_LARGE")
        with pytest.raises(Exhausted) as caught:
            await echo.say("Say", "x" * 1_000_000)
        assert caught.value.reason == "MESSAGE_TOO_LARGE"


async def test_a_callers_deadline_ends_the_call_on_both_sides(transport: str) -> None:
    """The method is cancelled; the caller learns why."""
    async with running(transport) as echo:
        seconds = 0.05
        while not echo.service.started.is_set():  # a starved machine may give up before the method has begun
            with pytest.raises(Unavailable) as caught:
                await echo.say("Wait", timeout=seconds)
            assert caught.value.reason == "DEADLINE_EXCEEDED"
            seconds *= 2
        await asyncio.wait_for(echo.service.ended.wait(), 60)
        feed = echo.stub("Feed", "unary_stream")
        with pytest.raises(Unavailable) as caught:
            await collected(feed(StringValue(), timeout=0.1))
        assert caught.value.reason == "DEADLINE_EXCEEDED"


async def test_no_call_lasts_longer_than_its_method_allows(transport: str) -> None:
    """However late a deadline the caller states."""
    async with running(transport) as echo:
        error = await refused(echo.say("Hurry", timeout=10.0), Unavailable, "DEADLINE_EXCEEDED")
        assert error.metadata == {"seconds": "0.05"}
        await asyncio.wait_for(echo.service.ended.wait(), 60)


async def test_a_call_on_behalf_of_another_keeps_its_trace_and_its_deadline(transport: str) -> None:
    """The first caller's patience is all there is."""
    async with running(transport) as echo:
        outer = CallContext("/x/Y")
        outer.traceparent = new_traceparent()
        outer.deadline = asyncio.get_running_loop().time() + 3
        with serving(outer):
            await echo.say("Say", "x", timeout=60.0)
        ((_, _, trace_id, remaining, _),) = echo.service.seen
        assert trace_id == outer.trace_id
        assert remaining < 3.5


async def test_a_cancelled_call_ends_on_the_server(transport: str) -> None:
    """What the caller no longer wants is not worked on."""
    async with running(transport) as echo:
        waiting = asyncio.ensure_future(echo.say("Wait"))
        await asyncio.wait_for(echo.service.started.wait(), 60)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(echo.service.ended.wait(), 60)
        assert await echo.say("Say", "still there") == "still there"
        assert echo.pipeline.calls.active == 0


async def test_leaving_a_stream_ends_it_on_the_server(transport: str) -> None:
    """Its generator is closed and its place is free."""
    async with running(transport) as echo:
        responses = echo.stub("Feed", "unary_stream")(StringValue())
        async for reply in responses:
            assert len(reply.value) == 1000
            break
        await responses.aclose()
        await asyncio.wait_for(echo.service.ended.wait(), 60)
        await _until(lambda: echo.pipeline.streams.active == 0)


async def test_a_slow_reader_slows_its_own_stream(transport: str) -> None:
    """The server does not pile up what nobody reads."""
    async with running(transport) as echo:
        responses = echo.stub("Feed", "unary_stream")(StringValue())
        await anext(aiter(responses))
        written = -1
        while written != echo.service.written:
            written = echo.service.written
            for _ in range(50):
                await asyncio.sleep(0.002)
        assert written < 20_000
        await responses.aclose()


async def test_calls_over_the_limit_are_told_to_come_back(transport: str) -> None:
    """At once, and with the time to wait."""
    async with running(transport, max_calls=2, max_streams=1) as echo:
        waiting = [asyncio.ensure_future(echo.say("Wait", str(n))) for n in range(2)]
        await _until(lambda: echo.pipeline.calls.active == 2)
        error = await refused(echo.say("Say", "x"), Exhausted, "TOO_MANY_CALLS")
        assert error.retry_after_seconds == 1.0
        echo.service.release.set()
        assert await asyncio.gather(*waiting) == ["0", "1"]
        assert await echo.say("Say", "x") == "x"


async def test_an_empty_stream_of_requests_is_refused(transport: str) -> None:
    """There is nothing that authority could be asked about."""
    async with running(transport) as echo:
        await refused(echo.stub("Join", "stream_unary")(texts()), Invalid, "EMPTY_STREAM")
        await refused(collected(echo.stub("Answer", "stream_stream")(texts())), Invalid, "EMPTY_STREAM")


async def test_what_nobody_serves_is_refused_with_a_reason(transport: str) -> None:
    """An unknown method, an unknown service, and a method that nobody has written."""
    async with running(transport) as echo:
        for path in (f"/{NAME}/Nothing", "/liangfa.test.Nobody/Say"):
            for kind in ("unary_unary", "stream_unary"):
                call = getattr(echo.channel, kind)(path, StringValue.SerializeToString, None)
                asked: Any = StringValue() if kind == "unary_unary" else texts("a")
                error = await refused(call(asked), PlatformError, "UNKNOWN_METHOD")
                assert error.metadata == {"method": path}
        await refused(echo.say("Unwritten"), PlatformError, "UNKNOWN_METHOD")


async def test_a_shutdown_sends_streams_elsewhere_and_lets_calls_finish(transport: str) -> None:
    """A watcher connects again; an officer's entry is not lost."""
    async with running(transport, drain_seconds=5.0) as echo:
        waiting = asyncio.ensure_future(echo.say("Wait", "done"))
        await asyncio.wait_for(echo.service.started.wait(), 60)
        echo.service.started.clear()
        busy = asyncio.ensure_future(collected(echo.stub("Feed", "unary_stream")(StringValue())))
        quiet = asyncio.ensure_future(collected(echo.stub("Tick", "unary_stream")(StringValue())))
        await _until(lambda: echo.service.written > 10 and echo.service.ticked)
        draining = asyncio.ensure_future(echo.drain())
        await refused(busy, Unavailable, "SHUTTING_DOWN")
        await refused(quiet, Unavailable, "SHUTTING_DOWN")
        echo.service.release.set()
        assert await waiting == "done"
        await draining


async def test_every_end_of_a_call_is_one_line_in_the_log(transport: str) -> None:
    """Method, agency, outcome, reason, duration, trace."""
    async with running(transport) as echo:
        await echo.say("Say", "x")
        error = await refused(echo.say("Refuse", "x"), Precondition, "NOT_NOW")
        await refused(echo.say("BreakDown"), PlatformError, "INTERNAL")
        await collected(echo.stub("Count", "unary_stream")(StringValue(value="2")))
        lines = _lines(echo)
        assert [(line["method"].rpartition("/")[2], line["outcome"], line["reason"]) for line in lines] == [
            ("Say", "OK", ""),
            ("Refuse", "PRECONDITION", "NOT_NOW"),
            ("BreakDown", "INTERNAL", "ZeroDivisionError"),
            ("Count", "OK", ""),
        ]
        assert lines[1]["trace_id"] == error.trace_id
        assert {line["agency"] for line in lines} == {"a1"}


def _lines(echo: Running) -> list[dict[str, Any]]:
    echo.pipeline.log.flush()
    return [json.loads(line) for batch in echo.lines for line in batch.splitlines()]


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_a_stream_ends_with_its_token_and_an_upload_does_not(transport: str) -> None:
    """Nobody listens on with rights that have run out, busy or quiet; what is being sent may still arrive."""
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    nearly_out = TokenIssuer(KEY, clock, timedelta(seconds=-9)).issue(CLERK)  # a leeway of ten: one second is left
    async with running(transport, token=nearly_out) as echo:
        echo.pipeline.verifier = TokenVerifier({KEY.kid: public_key(KEY)}, clock)
        go_on = asyncio.Event()

        async def slowly() -> AsyncIterator[StringValue]:
            yield StringValue(value="a")
            await go_on.wait()
            yield StringValue(value="b")

        sending = asyncio.ensure_future(echo.stub("Join", "stream_unary")(slowly()))
        busy = asyncio.ensure_future(collected(echo.stub("Feed", "unary_stream")(StringValue())))
        quiet = asyncio.ensure_future(collected(echo.stub("Tick", "unary_stream")(StringValue())))
        await refused(busy, Unauthenticated, "TOKEN_RAN_OUT")
        await refused(quiet, Unauthenticated, "TOKEN_RAN_OUT")
        go_on.set()
        assert (await sending).value == "a b"
