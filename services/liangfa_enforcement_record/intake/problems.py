"""What can be wrong with a value: a reason code, a sentence in both languages, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong or doubtful about a value. An error keeps the row aside; a warning goes with the case."""

    reason: str
    column: str
    value: str
    is_error: bool
    message_zh: str
    message_en: str
    remedy_zh: str


_KNOWN: dict[str, tuple[bool, str, str, str]] = {
    "PARTY_MISSING": (True, "没有行政相对人名称", "the party has no name", "填写当事人全称；个体工商户无字号的填“个体工商户”或经营者姓名"),
    "CODE_CHECK_FAILED": (
        False, "统一社会信用代码校验不通过，已保留原值备查，未作为身份使用", "the code fails its check digit: kept, not used as identity",
        "对照营业执照更正代码",
    ),
    "ID_NUMBER_RUINED": (
        True, "证件号码已被表格软件改成科学计数或丢失末位，无法恢复", "the number was ruined by the spreadsheet and cannot be restored",
        "将该列设为文本格式，重新填写完整号码",
    ),
    "ID_CHECK_FAILED": (False, "居民身份证号校验不通过，未作为身份使用", "the number fails its check digit", "对照证件更正号码"),
    "CAUSE_MISSING": (True, "没有违法行为类型、案由或违法事实", "neither cause nor facts are given", "填写违法行为类型或违法事实"),
    "CAUSE_TAKEN_FROM_FACTS": (False, "没有案由，取违法事实开头", "no cause: the beginning of the facts was taken", "补填违法行为类型"),
    "TEXT_TOO_LONG": (True, "文字超过长度上限", "the text is longer than is taken", "缩短文字，把附件内容作为证据上传"),
    "TEXT_DAMAGED": (False, "文字中有无法识别的字符（此前编码转换已损坏）", "the text holds characters damaged earlier", "对照原文更正"),
    "AMOUNT_UNREADABLE": (True, "金额无法识别", "the amount cannot be read", "只填数字，单位与表头一致，例如 2 或 20000"),
    "AMOUNT_DOUBTFUL": (False, "金额单位不明确，按表头单位理解", "the unit is unclear: taken as the header says", "在单元格内写明单位，如 2万元"),
    "DATE_UNREADABLE": (True, "处罚决定日期不是有效日期", "the date of the decision is no date", "按 2017-01-08 的格式填写"),
    "DATE_DOUBTFUL": (False, "日期无法识别，未采用", "the date cannot be read: left empty", "按 2017-01-08 的格式填写"),
    "FINE_TAKEN_FROM_CONTENT": (False, "罚款金额取自处罚内容文字", "the fine was taken from the words of the decision", "请核对罚款金额"),
    "CONFISCATION_TAKEN_FROM_CONTENT": (
        False, "没收金额取自处罚内容文字", "the confiscation was taken from the words of the decision", "请核对没收金额",
    ),
}  # fmt: skip


def problem(reason: str, column: str, value: str) -> Problem:
    """Return the problem `reason` of the value in `column`."""
    is_error, zh, en, remedy = _KNOWN[reason]
    return Problem(reason, column, value[:200], is_error, zh, en, remedy)
