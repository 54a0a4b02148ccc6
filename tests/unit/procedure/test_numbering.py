"""Numbers of documents: read back as written, one series for each code word and Beijing year, no gap, no repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_procedure.numbering import DocumentNumber, after, meant
from liangfa_procedure.reading import ProcedureError

NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)
CODE_WORDS = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=20)


@given(CODE_WORDS, st.integers(0, 9999), st.integers(1, 999_999_999))
def test_a_number_is_read_back_as_it_was_written(code_word: str, year: int, serial: int) -> None:
    """For every series and serial."""
    number = DocumentNumber(code_word, year, serial)
    assert DocumentNumber.read(str(number)) == number


def test_a_series_has_neither_gaps_nor_repeats() -> None:
    """Each number follows the one before it, from 1."""
    last, texts = None, []
    for _ in range(3):
        last = after(last, "洪市监移", NOON)
        texts.append(str(last))
    assert texts == ["洪市监移〔2026〕1号", "洪市监移〔2026〕2号", "洪市监移〔2026〕3号"]


def test_the_year_is_that_of_beijing() -> None:
    """It turns at 16:00 UTC of the last day of the year."""
    turn = datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert [after(None, "洪", at).year for at in (turn - timedelta(microseconds=1), turn)] == [2026, 2027]


@pytest.mark.parametrize("last", [DocumentNumber("洪市监移", 2025, 7), DocumentNumber("洪市监罚", 2026, 7)])
def test_a_series_is_never_counted_on_from_another(last: DocumentNumber) -> None:
    """Neither from last year's nor from another code word's."""
    with pytest.raises(ProcedureError, match="is not of the series"):
        after(last, "洪市监移", NOON)


def test_a_time_without_zone_has_no_year_in_beijing() -> None:
    """It is refused instead of guessed."""
    with pytest.raises(ProcedureError, match="time zone"):
        after(None, "洪", NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text",
    [
        "", "洪市监移[2026]3号", "洪市监移〔2026〕03号", "洪市监移〔2026〕0号", "洪市监移〔26〕3号",
        "移〔2026〕3号\n", "〔2026〕3号", "a〔2026〕3号",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    """Other brackets, leading zeros, short years, anything behind."""
    with pytest.raises(ProcedureError, match="no document number"):
        DocumentNumber.read(text)


@given(
    number=st.builds(DocumentNumber, st.just("洪市监移"), st.integers(2000, 2099), st.integers(1, 999_999)),
    brackets=st.sampled_from(["〔〕", "[]", "（）", "()", "【】", "﹝﹞", "［］"]),
    noughts=st.integers(0, 3),
    space=st.sampled_from(["", " ", "\u3000"]),
)
def test_a_number_written_carelessly_is_meant_all_the_same(
    number: DocumentNumber, brackets: str, noughts: int, space: str
) -> None:
    """Brackets, noughts and spaces make no other number of it."""
    text = f"{number.code_word}{brackets[0]}{number.year}{brackets[1]}{space}第{'0' * noughts}{number.serial}号"
    assert meant(text) == number
    assert meant(str(number)) == number


@pytest.mark.parametrize("text", ["", "另行编号2", "洪市监移3号", "洪市监移〔2026〕0号", "MR-2026-3"])
def test_what_is_of_no_series_means_no_number(text: str) -> None:
    """Such a number can be repeated by no series."""
    assert meant(text) is None
