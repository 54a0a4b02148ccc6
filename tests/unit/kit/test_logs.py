"""Log lines: one JSON object each, and nobody's number in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from liangfa_kit.clock import ManualClock
from liangfa_kit.context import CallContext
from liangfa_kit.ids import UuidSequence
from liangfa_kit.logs import CanonicalLog, configure, masked, no_log, processors
from liangfa_kit.settings import Logging
from tests.tally import CLERK

CLOCK = ManualClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))


def line(event: dict[str, Any], level: str = "info") -> dict[str, Any]:
    """What an event looks like in the log."""
    value: Any = event
    for processor in processors(CLOCK):
        value = processor(None, level, value)
    assert value.endswith(b"\n")
    assert value.count(b"\n") == 1
    parsed: dict[str, Any] = json.loads(value)
    return parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证420111199001011234。", "身份证4201************34。"),
        ("11010519491231002X", "1101************2X"),
        ("旧证 420111900101123 号", "旧证 4201*********23 号"),
        ("电话13800138000转", "电话1380*****00转"),
        ("138-0013-8000", "138-*******00"),
        ("+86 13800138000", "+86 *********00"),
        ("卡号6222021234567890123", "卡号6222*************23"),
        ("４２０１１１１９９００１０１１２３４", "４２０１************３４"),
        ("人民币 1380013 元", "人民币 1380013 元"),
        ("案号 2026042011100012", "案号 2026**********12"),
    ],
)
def test_identity_and_telephone_numbers_are_masked(text: str, expected: str) -> None:
    """Enough is left to recognise a mistake, not to recognise a person."""
    assert masked(text) == expected


@given(st.from_regex(r"[1-9][0-9]{16}[0-9X]", fullmatch=True), st.text(max_size=10), st.text(max_size=10))
def test_an_identity_number_is_masked_wherever_it_stands(number: str, before: str, after: str) -> None:
    """Unless letters or digits make it part of something longer."""
    if not (before[-1:].isascii() and before[-1:].isalnum()) and not (after[:1].isascii() and after[:1].isalnum()):
        if before[-1:].isdecimal() or after[:1].isdecimal():
            return  # a longer number in digits of several scripts
        assert number not in masked(before + number + after)


def test_ids_of_entities_and_traces_stay_readable() -> None:
    """A masked id would make the line useless."""
    ids = UuidSequence(CLOCK)
    for _ in range(2_000):
        identifier = ids()
        assert masked(identifier) == identifier
    assert masked("4bf92f3577b34da6a3ce929d0e0e4736") == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert masked("12345678901234567890123456789012") == "12345678901234567890123456789012"


def test_masking_reaches_every_depth_and_the_traceback() -> None:
    """Lists, mappings, keys, objects and exceptions."""
    event = {
        "event": "x",
        "list": ["13800138000", {"13800138000": "420111199001011234"}],
        "object": ValueError("13800138000"),
        "number": 1_700_000_000_000_000,
        "exc_info": ValueError("bad id 420111199001011234"),
    }
    found = line(event, "error")
    text = json.dumps(found)
    assert "13800138000" not in text
    assert "420111199001011234" not in text
    assert "ValueError" in found["exception"]
    assert found["number"] == 1_700_000_000_000_000
    assert (found["at"], found["level"]) == ("2026-03-02T01:00:00Z", "error")


def test_a_canonical_line_says_who_did_what_to_which_with_what_outcome() -> None:
    """One line tells a call's story."""
    lines: list[bytes] = []
    log = CanonicalLog(lines.append, CLOCK)
    call = CallContext("/x.Y/Z")
    call.actor, call.entity = CLERK, "420111199001011234"
    assert call.trace_id
    log.served(call, "PRECONDITION", "CASE_ENDED", 0.0012345)
    log.consumed("seen", "x.Raised", "e1", "SET_ASIDE", "ValueError", 0.5, call.traceparent)
    served, consumed = map(json.loads, lines)
    assert served == {
        "at": "2026-03-02T01:00:00Z",
        "level": "info",
        "event": "rpc",
        "method": "/x.Y/Z",
        "agency": "a1",
        "entity": "4201************34",
        "outcome": "PRECONDITION",
        "reason": "CASE_ENDED",
        "duration_ms": 1.234,
        "trace_id": call.trace_id,
    }
    assert (consumed["level"], consumed["consumer"], consumed["trace_id"]) == ("error", "seen", call.trace_id)


def test_a_silent_log_writes_nothing() -> None:
    """For benchmarks."""
    no_log(CLOCK).served(CallContext("/x/Y"), "OK", "", 0.1)


def test_structlog_and_the_canonical_log_write_to_one_file(tmp_path: Any) -> None:
    """Also what the standard library and gRPC log."""
    import logging

    from liangfa_kit.logs import configure
    from liangfa_kit.settings import Logging

    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        log = configure(Logging(file=tmp_path / "logs" / "x.jsonl"), CLOCK)
        structlog.get_logger("a").info("hello", phone="13800138000")
        structlog.get_logger("a").debug("not this")
        logging.getLogger("driver").warning("from %s", "13800138000")
        log.served(CallContext("/x/Y"), "OK", "", 0.1)
        log.close()
    finally:
        structlog.reset_defaults()
        logging.root.handlers, logging.root.level = handlers, level
    lines = [json.loads(row) for row in (tmp_path / "logs" / "x.jsonl").read_text().splitlines()]
    assert [row["event"] for row in lines] == ["hello", "from 1380*****00", "rpc"]
    assert lines[0]["phone"] == "1380*****00"


def test_a_log_that_cannot_be_written_stops_no_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A closed file, or a full disk: the line goes to standard error instead, and nothing is raised."""
    configuration = structlog.get_config()
    try:
        configure(Logging(file=tmp_path / "log"), CLOCK).close()
        structlog.get_logger("x").error("still_here")
    finally:
        structlog.configure(**configuration)
    assert "still_here" in capsys.readouterr().err
