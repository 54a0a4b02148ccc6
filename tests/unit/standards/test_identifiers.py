"""Identity codes: what passes, what is refused, what is only proposed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.identifiers import (
    CodeKind,
    CodeState,
    birth_date,
    is_valid_organisation_code,
    is_valid_resident_id,
    is_valid_uscc,
    kind_of_code,
    mask_resident_id,
    read_organisation_code,
    read_resident_id,
    read_uscc,
)

SAMPLES = Path(__file__).parents[2] / "data/uscc_samples/uscc_enterprises.csv"
CODES = [row["uscc"] for row in csv.DictReader(SAMPLES.read_text(encoding="utf-8").splitlines())]
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
RESIDENT = "11010519491231002X"


def test_every_registered_code_passes_both_checks() -> None:
    """200 codes of real enterprises."""
    assert len(CODES) == 200
    assert all(map(is_valid_uscc, CODES))
    assert all(is_valid_organisation_code(code[8:17]) for code in CODES)


@given(st.sampled_from(CODES), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_one_changed_character_is_found(code: str, place: int, character: str) -> None:
    """The two check characters together find every single substitution."""
    changed = code[:place] + character + code[place + 1 :]
    assert is_valid_uscc(changed) == (changed == code)


@given(st.sampled_from(CODES), st.sampled_from(["{}", " {} ", "{}\u3000", "'{}", '="{}"', "\u200b{}"]), st.booleans())
def test_a_code_is_read_through_its_wrapping(code: str, wrapping: str, is_lower: bool) -> None:
    """Blanks, apostrophes, lower case and the ="..." of exports do not hide a code."""
    reading = read_uscc(wrapping.format(code.lower() if is_lower else code))
    assert (reading.state, reading.value) == (CodeState.VALID, code)


UNUSABLE = {
    "00000000000000000X": CodeState.PLACEHOLDER,
    "000000000000000000": CodeState.PLACEHOLDER,
    "无": CodeState.BLANK,
    "/": CodeState.BLANK,
    "0": CodeState.BLANK,
    "91310000729358****": CodeState.MASKED,
    "9.142E+17": CodeState.RUINED,
    "914201000000000000": CodeState.RUINED,
    "91420111": CodeState.MALFORMED,
    "武汉某公司": CodeState.MALFORMED,
    "9" * 10_000: CodeState.MALFORMED,
}


@pytest.mark.parametrize(("text", "state"), UNUSABLE.items())
def test_what_is_no_code_says_why(text: str, state: CodeState) -> None:
    """No value is ever made up."""
    assert (read_uscc(text).state, read_uscc(text).value) == (state, "")


def test_letters_mistaken_for_digits_are_only_proposed() -> None:
    """O for 0 gives a proposal, not a value."""
    code = next(code for code in CODES if "0" in code)
    reading = read_uscc(code.replace("0", "O"))
    assert (reading.state, reading.value, reading.proposal) == (CodeState.CHECK_FAILED, "", code)


@pytest.mark.parametrize("text", [RESIDENT, RESIDENT.lower(), "１１０１０５１９４９１２３１００２Ｘ", f" {RESIDENT}"])
def test_a_resident_number_is_read(text: str) -> None:
    """The standard's own example, in every width and case."""
    assert read_resident_id(text).value == RESIDENT


def test_an_old_number_is_upgraded_and_noted() -> None:
    """15 digits (before 2000) become 18 with a computed check character."""
    reading = read_resident_id("420111800101101")
    assert reading.state is CodeState.VALID
    assert is_valid_resident_id(reading.value)
    assert (reading.value[:17], reading.note) == ("42011119800101101", "UPGRADED_FROM_15")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("4.20111E+17", CodeState.RUINED),
        ("420111198001011000", CodeState.RUINED),
        ("4201111980********", CodeState.MASKED),
        ("110105194912310021", CodeState.CHECK_FAILED),
        ("11010519491331002X", CodeState.CHECK_FAILED),
        ("暂无", CodeState.BLANK),
    ],
)
def test_a_ruined_or_wrong_number_is_never_repaired(text: str, state: CodeState) -> None:
    """Scientific notation and rounding to 000 lose digits for good."""
    assert (read_resident_id(text).state, read_resident_id(text).value) == (state, "")


def test_abolished_divisions_stay_valid() -> None:
    """武昌县 (420121) lives on in the numbers of its people."""
    body = "42012119700101001"
    assert sum(is_valid_resident_id(body + check) for check in "0123456789X") == 1


def test_a_number_shows_its_birth_date_and_hides_it_when_masked() -> None:
    """Published tables mask birth date and sequence."""
    assert str(birth_date(RESIDENT)) == "1949-12-31"
    assert mask_resident_id(RESIDENT) == "110105********002X"


def test_the_kind_of_a_misplaced_code_is_told() -> None:
    """Columns are mixed up in exports; the form tells the code."""
    assert kind_of_code(CODES[0]) is CodeKind.USCC
    assert kind_of_code(RESIDENT) is CodeKind.RESIDENT_ID
    assert kind_of_code(CODES[0][8:17]) is CodeKind.ORGANISATION
    assert kind_of_code("420100000012345") is CodeKind.REGISTRATION_OR_TAX
    assert kind_of_code("某公司") is None


def test_organisation_codes_are_read_with_and_without_hyphen() -> None:
    """8-1 and joined."""
    code = CODES[0][8:17]
    assert read_organisation_code(f"{code[:8]}-{code[8]}").value == code


@given(st.text(max_size=90))
def test_any_text_is_read_without_raising(text: str) -> None:
    """A reading has a value exactly when it is valid."""
    for reading in (read_uscc(text), read_resident_id(text), read_organisation_code(text)):
        assert bool(reading.value) == (reading.state is CodeState.VALID)
