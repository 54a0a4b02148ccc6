"""Rows into drafts: what each messy cell becomes, what keeps a row aside, and that none is lost."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_enforcement_record.importing import CaseDraft, OutcomeKind, open_table, read_drafts
from liangfa_enforcement_record.importing.amounts import amounts_in_words
from liangfa_enforcement_record.importing.drafts import SkipReason
from liangfa_enforcement_record.importing.problems import PROBLEM_REASONS
from liangfa_enforcement_record.importing.rows import suggestion_for
from tests.unit.enforcement_record.importing.files import (
    CASE,
    LAYOUTS_AS_WRITTEN,
    NAMES,
    csv_bytes,
    outcome_of,
    outcomes_of,
    reasons,
    row_of,
)

USCC = "91310113MABMNEF14B"
RESIDENT = "11010519491231002X"


def draft_of(*, names: tuple[str, ...] = (), cells: tuple[str, ...] = (), **changes: str) -> CaseDraft:
    """Return the draft of the usual row with changed cells and further columns."""
    outcome = outcome_of([*row_of(**changes), *cells], [*NAMES, *names])
    assert outcome.draft is not None, outcome.errors
    return outcome.draft


def test_a_row_becomes_a_case() -> None:
    """Every field of the usual row."""
    draft = draft_of()
    assert draft.parties[0].name == "武汉甲商贸有限公司"
    assert (draft.parties[0].category, draft.parties[0].is_category_stated) == ("org", False)
    assert (draft.cause, draft.document_number_key) == ("销售假冒商品", "洪市监处罚〔2017〕12")
    assert (draft.fine_yuan, draft.decided_on, draft.decided_text) == (Decimal(20_000), date(2017, 1, 8), "2017-01-08")
    assert (draft.agency_type, draft.region_code, draft.state) == ("market", "420111", "normal")
    assert draft.raw[5] == ("罚款金额（万元）", "2")


def test_every_row_ends_as_exactly_one_outcome() -> None:
    """Title, header, case, repeated header, broken row, total and note: seven rows, seven outcomes."""
    rows = [
        ["行政处罚公示表"],
        NAMES,
        CASE,
        NAMES,
        row_of(行政相对人名称=""),
        ["合计", "2"],
        ["填表说明：金额单位为万元"],
    ]
    outcomes = outcomes_of(csv_bytes(rows))
    assert [outcome.skipped or outcome.kind for outcome in outcomes] == [
        SkipReason.TITLE,
        SkipReason.HEADER,
        OutcomeKind.DRAFT,
        SkipReason.REPEATED_HEADER,
        OutcomeKind.REJECTED,
        SkipReason.TOTAL,
        SkipReason.NOTE,
    ]
    assert [outcome.row for outcome in outcomes] == list(range(1, 8))


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("行政相对人名称", "", "PARTY_MISSING"),
        ("行政相对人名称", "武汉\ufffd公司", "PARTY_NAME_DAMAGED"),
        ("行政相对人名称", "长" * 201, "TEXT_TOO_LONG"),
        ("处罚决定日期", "2017-02-30", "DATE_IMPOSSIBLE"),
        ("处罚决定日期", "某日", "DATE_UNREADABLE"),
        ("处罚决定日期", "1/8/2017", "DATE_AMBIGUOUS"),
        ("处罚决定日期", "1583-01-01", "DATE_OUT_OF_RANGE"),
        ("罚款金额", "两三千", "MONEY_UNREADABLE"),
        ("罚款金额", "-1", "MONEY_NEGATIVE"),
        ("罚款金额", "1+0.96", "MONEY_SEVERAL"),
        ("罚款金额", "99999999999999", "MONEY_TOO_LARGE"),
        ("罚款金额", "=1+1", "MONEY_SEVERAL"),
        ("违法事实", "长" * 100_001, "TEXT_TOO_LONG"),
    ],
)
def test_an_error_keeps_the_row_aside_with_its_column_and_value(column: str, cell: str, reason: str) -> None:
    """Row, column, value, reason, sentence in both languages, remedy."""
    outcome = outcome_of(row_of(**{column: cell}))
    assert outcome.kind is OutcomeKind.REJECTED
    (error,) = outcome.errors
    assert (error.row, error.column.startswith(column), error.reason) == (2, True, reason)
    assert error.value == cell or error.value == cell[:200] + "…"
    assert error.message_zh
    assert error.message_en
    assert error.remedy_zh
    assert error.remedy_en


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("处罚决定日期", "", "DATE_MISSING"),
        ("处罚决定日期", "2020-09", "DATE_INCOMPLETE"),
        ("处罚决定日期", "2月8日", "DATE_YEAR_MISSING"),
        ("处罚决定日期", "17-1-8", "DATE_TWO_DIGIT_YEAR"),
        ("处罚决定日期", "42743", "DATE_SERIAL_NUMBER"),
        ("罚款金额", "每人150元", "MONEY_PER_UNIT"),
        ("罚款金额", "不足一万元", "MONEY_BOUND_ONLY"),
        ("罚款金额", "2万余元", "MONEY_APPROXIMATE"),
        ("罚款金额", "3", "MONEY_CONFLICT"),
        ("罚款金额", "20000", "MONEY_UNIT_SETTLED"),
        ("违法行为类型", "", "CAUSE_DERIVED"),
        ("违法事实", "销售假货。", "FACTS_SHORT"),
        ("违法事实", "现场查获假冒服装\ufffd件，货值5479元。", "TEXT_DAMAGED"),
        ("违法事实", "现场查获假冒服装\x00120件，货值5479元。", "CONTROL_CHARACTERS_REMOVED"),
        ("违法事实", "事" * 500, "TEXT_PROBABLY_CUT"),
        ("违法事实", "=HYPERLINK(1)&现场查获假冒服装一百二十件", "FORMULA_AS_TEXT"),
        ("行政处罚决定书文号", "洪市监处罚〔2017〕***号", "DOCUMENT_NUMBER_MASKED"),
        ("行政处罚决定书文号", "洪罚〔2017〕1号、洪罚〔2017〕2号", "DOCUMENT_NUMBERS_SEVERAL"),
        ("行政相对人名称", "刘某等5人", "PARTY_COLLECTIVE"),
        ("行政相对人名称", "王某、陶某", "PARTIES_SPLIT"),
    ],
)
def test_a_doubt_goes_with_the_case(column: str, cell: str, reason: str) -> None:
    """A warning, and the row is a case all the same."""
    outcome = outcome_of(row_of(**{column: cell}))
    assert outcome.kind is OutcomeKind.DRAFT
    assert reason in reasons(outcome)


def test_every_reason_told_is_published() -> None:
    """Reason codes are one closed set with words for each."""
    assert len(PROBLEM_REASONS) > 50


def test_what_is_known_of_a_date_is_kept_and_nothing_is_made_up() -> None:
    """A month stays a month; no day is invented."""
    draft = draft_of(处罚决定日期="2020-09")
    assert (draft.decided_on, draft.decided_text) == (None, "2020-09")
    assert draft_of(处罚决定日期="2月8日").decided_text == ""


def test_a_doubtful_unit_is_settled_by_the_words_of_the_decision() -> None:
    """20000 under 万元 beside 罚款2万元 is 20,000 yuan; without words it stays as the header says."""
    assert draft_of(罚款金额="20000").fine_yuan == Decimal(20_000)
    outcome = outcome_of(row_of(罚款金额="20000", 处罚内容="罚款"))
    assert outcome.draft is not None
    assert outcome.draft.fine_yuan == Decimal(200_000_000)
    assert "MONEY_UNIT_DOUBTFUL" in reasons(outcome)


@pytest.mark.parametrize(
    ("words", "fine", "confiscated"),
    [
        ("没收违法所得5479元，罚款10.2万元", "102000", "5479"),
        ("没收800千克及违法所得5479元，罚款10.2万元", "102000", "5479"),
        ("限期恢复，按每平方米20元罚款8800元", "8800", None),
        ("处以罚款人民币贰万元整", "20000", None),
        ("没收54300元，罚款325800元", "325800", "54300"),
        ("没收违法所得20元、没收食品1罐，免予罚款", "0", "20"),
        ("警告，没收口罩，罚没401802元", None, None),
        ("投资人被判有期徒刑一年并处罚金4万元", None, None),
        ("对甲罚款5000元，对乙罚款3000元", None, None),
        ("每人罚款150元", None, None),
        ("给予2万元罚款", "20000", None),
        ("警告", None, None),
    ],
)
def test_amounts_in_words_are_suggestions(words: str, fine: str | None, confiscated: str | None) -> None:
    """Never values: the column stays empty, the suggestion says where it came from."""
    draft = draft_of(罚款金额="", 处罚内容=words)
    assert (draft.fine_yuan, draft.confiscated_yuan) == (None, None)
    assert draft.suggested_fine_yuan == (Decimal(fine) if fine else None)
    assert draft.suggested_confiscated_yuan == (Decimal(confiscated) if confiscated else None)


@given(
    st.text(alphabet=st.sampled_from("罚款没收违法所得人民币每处并，、。；0123456789.万元千百贰叁整余 "), max_size=60)
)
def test_any_words_give_suggestions_or_none(words: str) -> None:
    """Never an exception, never a negative amount."""
    found = amounts_in_words(words)
    assert all(amount is None or amount >= 0 for amount in (found.fine_yuan, found.confiscated_yuan, found.total_yuan))


CODES = ("统一社会信用代码", "居民身份证号", "组织机构代码")


@pytest.mark.parametrize(
    ("cells", "uscc", "resident", "reason"),
    [
        ((USCC, "", ""), USCC, "", ""),
        ((USCC.lower() + " ", "", ""), USCC, "", ""),
        (("00000000000000000X", "", ""), "", "", ""),
        (("/", "无", "空"), "", "", ""),
        (("91310000729358****", "", ""), "", "", "CODE_MASKED"),
        ((RESIDENT, "", ""), "", RESIDENT, "CODE_MOVED"),
        ((USCC[8:17], "", ""), "", "", "CODE_MOVED"),
        (("420100000012345", "", ""), "", "", "CODE_MOVED"),
        (("", RESIDENT.lower(), ""), "", RESIDENT, ""),
        (("", "420111800101101", ""), "", "420111198001011019", "ID_UPGRADED"),
        (("", "4201111980********", ""), "", "", "CODE_MASKED"),
        (("", USCC, ""), "", "", "CODE_MOVED"),
        (("武汉市", "", ""), "", "", "CODE_NOT_RECOGNISED"),
    ],
)
def test_codes_are_taken_only_when_they_hold(cells: tuple[str, ...], uscc: str, resident: str, reason: str) -> None:
    """Wrapped, placeholder, masked, misplaced: read, moved with a warning, or left; never repaired."""
    outcome = outcome_of([*CASE, *cells], [*NAMES, *CODES])
    assert outcome.draft is not None
    party = outcome.draft.parties[0]
    assert (party.uscc, party.id_document_number) == (uscc, resident)
    assert reasons(outcome) == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ((USCC[:-1] + "0", "", ""), "CODE_CHECK_FAILED"),
        (("9.142E+17", "", ""), "CODE_RUINED"),
        (("", "4.20111E+17", ""), "CODE_RUINED"),
        (("", "420111198001011000", ""), "CODE_RUINED"),
        (("", "110105194912310021", ""), "ID_CHECK_FAILED"),
    ],
)
def test_a_code_that_cannot_be_right_keeps_the_row_aside(cells: tuple[str, ...], reason: str) -> None:
    """Ruined by a spreadsheet or mistyped: to be corrected by the sender."""
    outcome = outcome_of([*CASE, *cells], [*NAMES, *CODES])
    assert outcome.kind is OutcomeKind.REJECTED
    assert {error.reason for error in outcome.errors} == {reason}


def test_a_mistaken_letter_is_proposed_and_not_taken() -> None:
    """The proposal stands in the message."""
    code = "91420111000000010" + "J"
    outcome = outcome_of([*CASE, USCC.replace("0", "O") if "0" in USCC else code, "", ""], [*NAMES, *CODES])
    assert outcome.kind is OutcomeKind.REJECTED


@pytest.mark.parametrize(
    ("column", "cell", "skipped"),
    [
        ("当前状态", "1", SkipReason.WITHDRAWN),
        ("当前状态", "撤销", SkipReason.WITHDRAWN),
        ("案件撤销原因", "主体错误", SkipReason.WITHDRAWN),
        ("iscancelcase", "1", SkipReason.WITHDRAWN),
        ("opt_type", "d", SkipReason.DELETED),
        ("env_flag", "1", SkipReason.TEST_DATA),
    ],
)
def test_a_withdrawn_row_starts_no_case(column: str, cell: str, skipped: SkipReason) -> None:
    """Whatever else is wrong with it."""
    outcome = outcome_of([*row_of(处罚决定日期="某日"), cell], [*NAMES, column])
    assert (outcome.kind, outcome.skipped) == (OutcomeKind.SKIPPED, skipped)
    assert outcome_of([*CASE, "0"], [*NAMES, column]).kind is OutcomeKind.DRAFT


def test_a_row_with_more_cells_than_the_header_is_kept_aside() -> None:
    """Columns may be shifted; fewer cells are blanks."""
    assert reasons(outcome_of([*CASE, "多出"])) == {"ROW_TOO_WIDE"}
    assert outcome_of([*CASE, "", " "]).kind is OutcomeKind.DRAFT
    assert outcome_of(CASE[:-1]).kind is OutcomeKind.DRAFT


def test_an_open_quotation_mark_is_told_with_the_rows_it_swallowed() -> None:
    """The rows stay visible in the rejected one."""
    usual = ",".join(CASE)
    content = "\n".join([",".join(NAMES), f'"甲公司{usual}', usual, usual, usual, f'{usual}"', usual]).encode()
    outcomes = outcomes_of(content)
    assert {reason for outcome in outcomes for reason in reasons(outcome)} >= {"ROW_QUOTES_UNBALANCED"}
    assert outcomes[-1].kind is OutcomeKind.DRAFT


def test_a_decision_after_the_import_is_kept_aside() -> None:
    """Only when the day of the import is given."""
    table = open_table(io.BytesIO(csv_bytes([NAMES, CASE])), "t")
    mapping = suggestion_for(table)[1].mapping
    late = list(read_drafts(table, mapping, received_on=date(2017, 1, 7)))[-1]
    assert reasons(late) == {"DATE_IN_FUTURE"}
    assert list(read_drafts(table, mapping, received_on=date(2017, 1, 8)))[-1].draft is not None


def test_the_cause_is_found_in_the_name_of_the_case() -> None:
    """2016 has no column for it: party and 案 are taken off; the clause that begins the facts is the last resort."""
    names = ("处罚名称", "行政相对人名称", "处罚事由", "处罚结果", "当前状态", "处罚决定日期")
    row = (
        "甲商贸有限公司销售假冒商品案",
        "甲商贸有限公司",
        "现场查获假冒服装120件，货值5479元。",
        "罚款2万元",
        "0",
        "2017-01-08",
    )
    outcome = outcome_of(row, names)
    assert outcome.draft is not None
    assert (outcome.draft.cause, reasons(outcome)) == ("销售假冒商品", {"MONEY_SUGGESTED"})
    assert outcome.draft.suggested_fine_yuan == Decimal(20_000)
    assert draft_of(违法行为类型="", 违法事实="无证经营药品。另查明" + "其他情况，" * 20).cause == "无证经营药品"


def test_a_row_without_any_cause_is_kept_aside() -> None:
    """Nothing to screen, nothing to enter."""
    assert "CAUSE_MISSING" in reasons(outcome_of(row_of(违法行为类型="", 违法事实="无")))


def test_the_intake_sheet_of_a_two_law_platform_is_read() -> None:
    """Lists of persons and companies with full-width and half-width marks; no decision yet."""
    names = LAYOUTS_AS_WRITTEN["two_law_intake"]
    row = [
        *(
            "HS-2017-1",
            "销售假药案",
            "群众举报",
            "洪山区",
            "2017/1/8",
            "网店销售未经批准的药品，货值五万元。",
            "张三，李四",
            "2017/1/9",
            "建议立案",
        ),
        f"王五：{RESIDENT}, 赵六:",
        f"甲药业有限公司：{USCC}",
    ]
    outcome = outcome_of(row, names)
    assert outcome.draft is not None
    draft = outcome.draft
    assert [(p.name, p.id_document_number, p.uscc) for p in draft.parties] == [
        ("王五", RESIDENT, ""),
        ("赵六", "", ""),
        ("甲药业有限公司", "", USCC),
    ]
    assert (draft.is_decided, draft.case_source, draft.handlers) == (False, 2, ("张三", "李四"))
    assert (draft.occurred_on, draft.cause, draft.case_number) == (date(2017, 1, 8), "销售假药", "HS-2017-1")


def test_categories_of_several_columns_are_joined_and_strange_ones_kept() -> None:
    """Words of no list stay as text."""
    draft = draft_of(names=("处罚类别1", "处罚类别2"), cells=("警告", "罚款；其他-限期拆除；责令改正"))
    assert draft.penalty_categories == ("warning", "fine", "other")
    assert draft.other_penalties == ("限期拆除", "责令改正")


def test_separate_columns_of_confiscation_are_added() -> None:
    """Income and goods."""
    draft = draft_of(names=("没收违法所得（元）", "没收非法财物金额（元）"), cells=("5479", "20.5"))
    assert draft.confiscated_yuan == Decimal("5499.5")


def test_an_apostrophe_that_guards_a_cell_is_taken_off() -> None:
    """As the export of rejected rows writes it."""
    assert draft_of(违法事实="'-现场查获假冒服装一百二十件，货值五千元。").facts.startswith("-现场")
    assert draft_of(行政处罚决定书文号="'洪市监处罚〔2017〕12号").document_number_key == "洪市监处罚〔2017〕12"


def test_a_criminal_article_in_the_basis_is_pointed_out() -> None:
    """It hints at a transfer."""
    outcome = outcome_of([*CASE, "《刑法》第二百一十四条"], [*NAMES, "处罚依据"])
    assert "CRIMINAL_LAW_CITED" in reasons(outcome)


def test_a_header_without_rows_gives_no_case() -> None:
    """Zero data rows are no error."""
    assert [outcome.skipped for outcome in outcomes_of(csv_bytes([NAMES]))] == [SkipReason.HEADER]


CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "无",
            "/",
            "0",
            *CASE,
            USCC,
            RESIDENT,
            "=1+1",
            "-1",
            "'",
            "王某、陶某",
            "2017-02-30",
            "1+0.96",
            "撤销",
            "合计",
            "\x00",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
WIDE = [
    *NAMES,
    *CODES,
    "当前状态",
    "处罚类别",
    "处罚依据",
    "案件来源",
    "地方编码",
    "涉案金额",
    "当事人信息",
    "处罚机关统一社会信用代码",
]


@given(st.lists(st.lists(CELLS, max_size=len(WIDE) + 1), max_size=6))
def test_any_rows_are_read_and_none_is_lost(rows: list[list[str]]) -> None:
    """One outcome for every row that has content; errors and drafts exclude each other; nothing raises."""
    content = csv_bytes([WIDE, [*CASE, *[""] * 11], *rows], encoding="utf-8-sig")
    outcomes = outcomes_of(content)
    assert [outcome.row for outcome in outcomes] == [row.number for row in open_table(io.BytesIO(content), "t").rows()]
    for outcome in outcomes:
        assert (outcome.draft is not None) == (outcome.kind is OutcomeKind.DRAFT)
        assert bool(outcome.errors) == (outcome.kind is OutcomeKind.REJECTED)
        assert (outcome.skipped is not None) == (outcome.kind is OutcomeKind.SKIPPED)
        assert reasons(outcome) <= PROBLEM_REASONS
