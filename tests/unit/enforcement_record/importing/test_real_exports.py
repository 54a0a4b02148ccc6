"""One set of published cases in three exports: whatever the layout and its defects, the same cases and values come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from liangfa_enforcement_record.importing import CaseDraft, OutcomeKind, RowOutcome, open_table, read_drafts
from liangfa_enforcement_record.importing.rows import suggestion_for

FOLDER = Path(__file__).parents[3] / "data" / "penalty_disclosures"
CLEAN, EXPORT_2016, EXPORT_2018 = "penalty_disclosures.csv", "export_2016_gb18030.csv", "export_2018_messy.xlsx"
SHARED = ("document_number_key", "facts", "legal_basis", "penalty_content", "decided_text", "decided_on", "agency_name")
NOT_STATED_IN_2016 = ("fine_or_suggestion", "confiscated_or_suggestion", "penalty_categories", "other_penalties")


def outcomes(name: str) -> list[RowOutcome]:
    table = open_table(FOLDER / name, name)
    _header, suggestion = suggestion_for(table)
    assert suggestion.is_certain
    return list(read_drafts(table, suggestion.mapping))


def drafts(found: Iterable[RowOutcome]) -> list[CaseDraft]:
    return [outcome.draft for outcome in found if outcome.draft is not None]


@pytest.fixture(scope="module")
def clean() -> dict[str, CaseDraft]:
    """The clean table's cases under the key that the exports carry in 备注."""
    return {f"x{each.values['x_序号']}": each.draft for each in outcomes(CLEAN) if each.draft is not None}


def parties(draft: CaseDraft) -> list[tuple[str, str]]:
    return [(party.name, party.uscc) for party in draft.parties]


def test_the_clean_table_is_140_cases(clean: dict[str, CaseDraft]) -> None:
    """Every row is a case, and each has its own sequence."""
    found = outcomes(CLEAN)
    assert Counter(each.kind for each in found) == {OutcomeKind.DRAFT: 140, OutcomeKind.SKIPPED: 1}
    assert len(clean) == 140


def test_the_export_of_2016_is_62_cases_and_a_note() -> None:
    """The line 表格说明 is no case; an exact and a near repeat stand among the rows."""
    found = outcomes(EXPORT_2016)
    assert [str(each.skipped) for each in found if each.skipped] == ["HEADER", "NOTE"]
    assert [each.kind for each in found].count(OutcomeKind.DRAFT) == 62
    assert len(found) == 64
    assert [key for key, count in Counter(each.remarks for each in drafts(found)).items() if count > 1] == [
        "x72",
        "x101",
    ]


def test_the_messy_workbook_is_60_cases() -> None:
    """Title lines, header, the header again and the total are no cases; the sheet of instructions is not read."""
    found = outcomes(EXPORT_2018)
    assert [str(each.skipped) for each in found if each.skipped] == [
        "TITLE",
        "TITLE",
        "HEADER",
        "REPEATED_HEADER",
        "TOTAL",
    ]
    assert [each.kind for each in found].count(OutcomeKind.DRAFT) == 60
    assert len(found) == 65


@pytest.mark.parametrize("name", [EXPORT_2016, EXPORT_2018])
def test_an_export_says_what_the_clean_table_says(clean: dict[str, CaseDraft], name: str) -> None:
    """Parties, numbers, texts, dates and agencies are equal for every shared row."""
    found = drafts(outcomes(name))
    assert len({draft.remarks for draft in found}) == 60
    for draft in found:
        true = clean[draft.remarks]
        assert parties(draft) == parties(true), draft.remarks
        assert {each: getattr(draft, each) for each in SHARED} == {each: getattr(true, each) for each in SHARED}


def test_the_layout_of_2018_states_every_amount_and_category(clean: dict[str, CaseDraft]) -> None:
    """Numbers, 万元, 元 with commas and full-width digits in one column come to the same yuan, fen by fen."""
    for draft in drafts(outcomes(EXPORT_2018)):
        true = clean[draft.remarks]
        assert (draft.fine_yuan, draft.confiscated_yuan) == (true.fine_yuan, true.confiscated_yuan), draft.remarks
        assert (draft.penalty_categories, draft.other_penalties) == (true.penalty_categories, true.other_penalties)
        assert draft.cause == true.cause


def test_what_the_layout_of_2016_does_not_state_is_empty_never_different(clean: dict[str, CaseDraft]) -> None:
    """Amounts stand only in the words there: they are suggestions, and where one is made it is the true amount."""
    suggested = 0
    for draft in drafts(outcomes(EXPORT_2016)):
        true = clean[draft.remarks]
        assert (draft.fine_yuan, draft.confiscated_yuan) == (None, None)
        suggested += draft.suggested_fine_yuan is not None
        for each in NOT_STATED_IN_2016:
            value = getattr(draft, each)
            assert value in (None, (), getattr(true, each)), (draft.remarks, each)
    assert suggested >= 18
