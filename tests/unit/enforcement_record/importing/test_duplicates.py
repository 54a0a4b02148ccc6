"""Repeats, revisions, shared numbers and probable splits: told, never decided."""

from __future__ import annotations

from decimal import Decimal

from liangfa_enforcement_record.importing.duplicates import DuplicateFinder, Finding, FindingKind, SplitRule
from liangfa_enforcement_record.importing.identity import content_hash, natural_key
from tests.unit.enforcement_record.importing.files import NAMES, csv_bytes, outcomes_of, row_of


def findings(*rows: tuple[str, ...], names: tuple[str, ...] = (), rule: SplitRule | None = None) -> list[Finding]:
    """Return what is found in a table of these rows."""
    finder = DuplicateFinder(rule)
    drafts = [outcome.draft for outcome in outcomes_of(csv_bytes([[*NAMES, *names], *rows]))]
    return [finding for draft in drafts if draft is not None for finding in finder.look(draft)]


def kinds(found: list[Finding]) -> list[tuple[FindingKind, int, tuple[int, ...]]]:
    """Return kind and rows of findings."""
    return [(finding.kind, finding.row, finding.other_rows) for finding in found]


def test_an_exact_repeat_is_found_through_its_spelling() -> None:
    """Brackets, blanks and width do not make another case."""
    same = row_of(行政处罚决定书文号="洪市监处罚[2017]第12号", 行政相对人名称="武汉甲商贸有限公司 ")
    found = findings(row_of(), same)
    assert [finding.kind for finding in found] in ([FindingKind.REPEAT], [FindingKind.REVISED])
    assert kinds(findings(row_of(), row_of())) == [(FindingKind.REPEAT, 3, (2,))]


def test_the_same_key_with_other_content_is_a_revision() -> None:
    """Same agency, number and party."""
    assert kinds(findings(row_of(), row_of(处罚内容="罚款2万元，没收服装"))) == [(FindingKind.REVISED, 3, (2,))]


def test_the_same_facts_under_another_number_are_a_near_repeat() -> None:
    """Or under none."""
    assert kinds(findings(row_of(), row_of(行政处罚决定书文号="无")))[0] == (FindingKind.NEAR_REPEAT, 3, (2,))


def test_one_number_for_several_parties_is_told() -> None:
    """One decision on many is usual; one number of two agencies is not."""
    other = row_of(行政相对人名称="武汉乙商贸有限公司")
    assert kinds(findings(row_of(), other)) == [(FindingKind.SHARED_NUMBER, 3, (2,))]
    agency = row_of(处罚机关="武汉市江岸区市场监督管理局", 行政相对人名称="丙公司")
    assert kinds(findings(row_of(), agency)) == [(FindingKind.NUMBER_OF_TWO_AGENCIES, 3, (2,))]


def split_rows(name: str, amount: str, second_day: str) -> list[tuple[str, ...]]:
    """Return two cases of one party and cause."""
    first = (*row_of(行政相对人名称=name), amount)
    facts = "另查获假冒皮鞋30双，货值4000元，未售出。"
    second = row_of(
        行政相对人名称=name,
        行政处罚决定书文号="洪罚〔2017〕13号",
        违法事实=facts,
        处罚决定日期=second_day,
        处罚内容="罚款",
        罚款金额="1",
    )
    return [first, (*second, amount)]


def test_cases_of_one_party_and_cause_close_in_time_may_be_one_cut_in_two() -> None:
    """Each below the threshold, within thirty days; the amounts are added."""
    found = findings(*split_rows("武汉甲公司", "40000", "2017-02-01"), names=("涉案金额",))
    assert kinds(found) == [(FindingKind.SPLIT, 3, (2,))]
    assert "80000" in found[0].message_zh
    assert "80000" in found[0].message_en


def test_cases_far_apart_or_above_the_threshold_are_no_split() -> None:
    """Nor those of a masked name, which identifies nobody."""
    assert findings(*split_rows("武汉甲公司", "40000", "2017-03-01"), names=("涉案金额",)) == []
    assert findings(*split_rows("武汉甲公司", "60000", "2017-02-01"), names=("涉案金额",)) == []
    assert findings(*split_rows("武汉某公司", "40000", "2017-02-01"), names=("涉案金额",)) == []
    rule = SplitRule(days=90, threshold_yuan=Decimal(100_000))
    assert findings(*split_rows("武汉甲公司", "60000", "2017-03-01"), names=("涉案金额",), rule=rule) != []


def test_keys_tell_cases_apart_without_numbers() -> None:
    """Two masked persons with the same cause and no facts are two cases."""
    rows = [
        row_of(行政处罚决定书文号="", 违法事实="", 行政相对人名称="张某", 处罚内容=text) for text in ("罚款", "警告")
    ]
    drafts = [outcome.draft for outcome in outcomes_of(csv_bytes([NAMES, *rows])) if outcome.draft is not None]
    assert natural_key(drafts[0]) != natural_key(drafts[1])
    assert content_hash(drafts[0]) != content_hash(drafts[1])
    assert len(natural_key(drafts[0])) == len(content_hash(drafts[0])) == 40
