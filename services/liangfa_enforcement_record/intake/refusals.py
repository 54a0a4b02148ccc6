"""Why a whole file cannot be read. Each has a reason code, a sentence in both languages and the next step."""

from __future__ import annotations

from liangfa_kit.errors import Invalid


class TableUnreadable(Invalid):
    """The file cannot be read as a table; nothing was entered."""

    reason = "TABLE_UNREADABLE"

    def __init__(self, detail: str, zh: str, en: str, remedy: str) -> None:
        super().__init__(en, message_zh=zh, remedy=remedy, detail=detail)


def empty() -> TableUnreadable:
    """The file has no bytes or no header."""
    return TableUnreadable(
        "EMPTY",
        "文件中没有表头，无法导入。",
        "The file holds no header row.",
        "Export the table again with its header row.",
    )


def not_a_table(name: str) -> TableUnreadable:
    """The file is neither text nor a workbook."""
    return TableUnreadable(
        "UNKNOWN_FORMAT",
        f"{name} 不是可识别的表格文件。",
        f"{name} is not a table this platform can read.",
        "Save it as .xlsx or .csv and send it again (WPS .et files: save as .xlsx).",
    )


def damaged(name: str) -> TableUnreadable:
    """The file is a workbook that is broken or protected by a password."""
    return TableUnreadable(
        "DAMAGED_OR_PROTECTED",
        f"{name} 已损坏、不完整或受密码保护。",
        f"{name} is damaged, incomplete or protected by a password.",
        "Open it, remove the password, save it as .xlsx and send it again.",
    )


def too_large(detail: str) -> TableUnreadable:
    """The file would unpack to more than is taken."""
    return TableUnreadable(
        "TOO_LARGE",
        f"文件展开后过大（{detail}），已拒绝。",
        f"The file unpacks to more than is taken ({detail}).",
        "Delete empty formatted rows and columns or split the table, then send it again.",
    )


def no_layout(headers: list[str]) -> TableUnreadable:
    """No known layout fits and no mapping was given."""
    shown = "、".join(headers[:12])
    refusal = TableUnreadable(
        "NO_LAYOUT",
        f"无法识别表头（{shown}），需要确认列对应关系。",
        f"The columns are not recognised ({shown}); a mapping has to be confirmed.",
        "Ask for a suggested mapping (liangfa import --suggest FILE), confirm it and send it along (--mapping FILE).",
    )
    refusal.reason = "MAPPING_REQUIRED"
    return refusal
