"""The table of published penalties and the two exports made from it give the same cases and values."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from functools import cache

import pytest

from liangfa_enforcement_record.importing import CaseDraft, OutcomeKind, RowOutcome, open_table, read_drafts
from liangfa_enforcement_record.importing.drafts import SkipReason
from liangfa_enforcement_record.importing.identity import natural_key
from liangfa_enforcement_record.importing.rows import suggestion_for
from tests.unit.enforcement_record.importing.files import DATA

CLEAN, OLD, MESSY = "penalty_disclosures.csv", "export_2016_gb18030.csv", "export_2018_messy.xlsx"


@cache
def outcomes(name: str) -> tuple[RowOutcome, ...]:
    """Return the outcomes of one of the three files under its suggested mapping, on the day of this test's writing."""
    table = open_table(DATA / "penalty_disclosures" / name, name)
    _header, suggestion = suggestion_for(table)
    assert suggestion.is_certain
    return tuple(read_drafts(table, suggestion.mapping, received_on=date(2026, 11, 23)))


def drafts(name: str) -> list[tuple[str, CaseDraft]]:
    """Return key and draft of every case of a file."""
    cases = [(outcome, outcome.draft) for outcome in outcomes(name) if outcome.draft is not None]
    return [(f"x{outcome.values['x_序号']}" if name == CLEAN else draft.remarks, draft) for outcome, draft in cases]


@pytest.mark.parametrize(
    ("name", "cases", "skipped"),
    [
        (CLEAN, 140, {SkipReason.HEADER: 1}),
        (OLD, 62, {SkipReason.HEADER: 1, SkipReason.NOTE: 1}),
        (MESSY, 60, {SkipReason.TITLE: 2, SkipReason.HEADER: 1, SkipReason.REPEATED_HEADER: 1, SkipReason.TOTAL: 1}),
    ],
)
def test_every_case_is_found_and_nothing_else(name: str, cases: int, skipped: dict[SkipReason, int]) -> None:
    """No row is rejected; titles, totals, notes and repeated headers are counted."""
    kinds = Counter(outcome.kind for outcome in outcomes(name))
    assert kinds == {OutcomeKind.DRAFT: cases, OutcomeKind.SKIPPED: sum(skipped.values())}
    assert Counter(outcome.skipped for outcome in outcomes(name) if outcome.skipped) == skipped


@pytest.mark.parametrize("name", [OLD, MESSY])
def test_the_export_has_the_values_of_the_clean_table(name: str) -> None:
    """Names, causes, facts, basis, categories, words, dates, agencies, numbers and keys of sixty cases."""
    clean = dict(drafts(CLEAN))
    shared = dict(reversed(drafts(name)))
    assert len(shared) == 60
    for key, draft in shared.items():
        assert values(draft) == values(clean[key]), key
        assert natural_key(draft) == natural_key(clean[key]), key


def values(draft: CaseDraft) -> tuple[object, ...]:
    """Return what must be the same in every layout."""
    return (
        [party.name for party in draft.parties],
        draft.cause,
        draft.facts,
        draft.legal_basis,
        draft.penalty_categories,
        draft.penalty_content,
        draft.decided_on,
        draft.decided_text,
        draft.agency_name,
        draft.agency_type,
        draft.region_code,
        draft.document_number_key,
    )


def test_the_amounts_of_the_messy_workbook_are_those_of_the_clean_table() -> None:
    """Numbers, 万元, 元 and full-width digits in one column."""
    clean = dict(drafts(CLEAN))
    for key, draft in drafts(MESSY):
        assert (draft.fine_yuan, draft.confiscated_yuan) == (clean[key].fine_yuan, clean[key].confiscated_yuan), key


def test_amounts_found_in_words_are_never_wrong() -> None:
    """2016 has no columns for them: sixteen fines are suggested, all right; what the words do not state stays open."""
    clean = dict(drafts(CLEAN))
    suggested = {key: draft for key, draft in drafts(OLD) if draft.suggested_fine_yuan is not None}
    assert len(suggested) >= 16
    for key, draft in drafts(OLD):
        assert draft.fine_yuan is None
        assert draft.suggested_fine_yuan in {None, clean[key].fine_yuan}
        assert draft.suggested_confiscated_yuan in {None, clean[key].confiscated_yuan}


def test_every_fine_is_the_exact_product_of_its_cell() -> None:
    """万元 times ten thousand, to the last 毫; one figure of the table is finer than that."""
    cells = [(outcome.values["罚款金额（万元）"], outcome.draft) for outcome in outcomes(CLEAN) if outcome.draft]
    fines = [(Decimal(cell) * 10_000, draft.fine_yuan) for cell, draft in cells if cell]
    assert len(fines) == 34
    assert [read for read, fine in fines if read != fine] == [Decimal("3538.59775")]
    assert all(fine is not None and abs(read - fine) <= Decimal("0.00005") for read, fine in fines)


def test_columns_that_no_layout_knows_stay_readable() -> None:
    """x_来源网址 and its like are raw values."""
    draft = drafts(CLEAN)[0][1]
    assert dict(draft.raw)["x_执法领域"] == "市场监管"
