"""JSON lines in, JSON lines out, whatever the lines hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_screening import Screener, load_library
from liangfa_screening.backtest import flips, from_lines
from liangfa_screening.offline import screen_lines

SCREENER = Screener(load_library())
CASE = {
    "id": "7",
    "agency_type": "market_regulation",
    "cause": "经营有毒有害食品",
    "narrative": "后厨使用罂粟壳熬制底料。",
}


def screened(*lines: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in screen_lines(lines, SCREENER)]


def test_an_output_line_has_the_published_form() -> None:
    """The keys of the published format, and a suspected crime."""
    (result,) = screened(json.dumps(CASE).encode())
    assert result["id"] == "7"
    assert result["suspected"] is True
    assert {"offences", "near_misses", "missing", "library_version"} <= result.keys()
    offence = json.loads(json.dumps(result))["offences"][0]
    assert {"id", "name_zh", "standard", "article", "facts", "distance", "missing"} <= offence.keys()
    assert {"name", "value", "text", "start", "end"} <= offence["facts"][0].keys()


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"{", "MALFORMED_JSON"), (b"[1]", "NOT_AN_OBJECT"), (b'{"id":"' + b"x" * 9_000_000 + b'"}', "LINE_TOO_LONG")],
)
def test_an_unusable_line_becomes_an_error_line(line: bytes, reason: str) -> None:
    """Never an exception, never a lost line; the number says which."""
    good, bad = screened(json.dumps(CASE).encode(), line)
    assert good["suspected"] is True
    assert bad["error"]["reason"] == reason  # type: ignore[index]
    assert bad["error"]["line"] == 2  # type: ignore[index]


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CASE, "facts"]), inner),
        max_leaves=8,
    )
)
def test_any_json_gives_one_output_line(value: object) -> None:
    """Odd types where text is expected."""
    (result,) = screened(json.dumps(value).encode())
    assert "suspected" in result


def test_blank_lines_are_passed_over() -> None:
    """A trailing line break is not a case."""
    assert screened(b"\n", b"  \n") == []


def test_a_backtest_tells_what_flips_and_why() -> None:
    """The same library flips nothing; one that lost its words flips the case."""
    line = json.dumps(CASE).encode()
    assert list(flips(from_lines([line, b"{"]), SCREENER, SCREENER)) == []
