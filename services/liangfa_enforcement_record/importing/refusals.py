"""Why a file cannot be read as a table. One exception, one reason code each, with what happened and what to do in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Words:
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str


_SAVE_AGAIN = (
    "请用 Excel 或 WPS 打开后另存为 XLSX 再导入。",
    "Open it in Excel or WPS, save it as XLSX and import that.",
)
_WORDS: dict[str, _Words] = {
    "FILE_EMPTY": _Words(
        "文件为空，没有任何内容。",
        "The file is empty.",
        "请检查导出是否成功，重新导出后再导入。",
        "Check the export and send the file again.",
    ),
    "FILE_TOO_LARGE": _Words(
        "文件过大（{size_bytes} 字节，上限 {limit_bytes} 字节）。",
        "The file has {size_bytes} bytes; at most {limit_bytes} are taken.",
        "请按月份或机关拆分后分别导入。",
        "Split it by month or agency and import the parts.",
    ),
    "FILE_PASSWORD_PROTECTED": _Words(
        "文件设有密码，无法读取。",
        "The file is protected by a password.",
        "请在 Excel 或 WPS 中取消密码后另存，再导入。",
        "Remove the password in Excel or WPS, save the file and import it again.",
    ),
    "FILE_TRUNCATED": _Words(
        "文件不完整或已损坏：{detail}",
        "The file is cut off or damaged: {detail}",
        "请重新导出或重新传输该文件。",
        "Export or transfer the file again.",
    ),
    "FILE_ZIP_BOMB": _Words(
        "文件解压后过大（{unpacked_bytes} 字节，上限 {limit_bytes} 字节），已拒绝。",
        "The file would unpack to {unpacked_bytes} bytes; at most {limit_bytes} are taken.",
        "请把数据复制到新的工作簿，另存后再导入；确有这么多数据时请拆分。",
        "Copy the data to a new workbook and import that; split it if there is really so much.",
    ),
    "FILE_FORMAT_UNKNOWN": _Words(
        "不支持的文件格式（{found}）。",
        "The file is not a table that can be read ({found}).",
        "可导入 CSV、XLSX、XLS、ET 及网页表格；" + _SAVE_AGAIN[0],
        "CSV, XLSX, XLS, ET and web tables can be imported. " + _SAVE_AGAIN[1],
    ),
    "TABLE_TOO_WIDE": _Words(
        "第 {row} 行有 {columns} 列或更多，上限 {limit} 列。",
        "Row {row} has {columns} columns or more; at most {limit} are taken.",
        "请删除多余的列，或检查分隔符和引号是否正确。",
        "Remove the columns that are not needed, or check separators and quotation marks.",
    ),
    "CELL_TOO_LARGE": _Words(
        "第 {row} 行附近有一个单元格超过 {limit} 个字符，或引号没有成对。",
        "Near row {row} a cell has more than {limit} characters, or a quotation mark is not closed.",
        "请检查该行的引号；过长的文书请作为附件上传。",
        "Check the quotation marks of that row; attach long documents as evidence instead.",
    ),
    "SHEET_NOT_FOUND": _Words(
        "工作簿中没有名为“{sheet}”的工作表，现有：{sheets}。",
        "The workbook has no sheet called {sheet}; it has: {sheets}.",
        "请从列出的工作表中选择。",
        "Choose one of those listed.",
    ),
    "TABLE_WITHOUT_HEADER": _Words(
        "前 {looked_at} 行中没有找到表头。",
        "No header line was found in the first {looked_at} rows.",
        "请在首行写明列名（如“行政相对人名称”“处罚决定日期”），或提供映射文件。",
        "Put the column names in the first row, or give a mapping file.",
    ),
    "HEADER_NOT_MAPPED": _Words(
        "映射文件中的列在表中找不到：{columns}。",
        "Columns of the mapping are not in the table: {columns}.",
        "请按表中的列名修改映射文件，或重新生成映射建议。",
        "Change the mapping to the column names of the table, or have it suggested again.",
    ),
    "MAPPING_INVALID": _Words(
        "映射文件有误：{detail}",
        "The mapping file is not valid: {detail}",
        "请按提示修改映射文件。",
        "Correct the mapping file as said.",
    ),
}
REASONS = frozenset(_WORDS)
"""Every reason with which a file, a sheet or a mapping can be refused."""


class TableRefused(ValueError):
    """The file cannot be read as a table, wholly or from some row on. The only exception the readers raise for bad input.

    `reason` is one of `REASONS`; `facts` holds what the sentences interpolate.
    """

    def __init__(self, reason: str, **facts: Any) -> None:
        words = _WORDS[reason]
        self.reason = reason
        self.facts = {name: str(value) for name, value in facts.items()}
        self.message_zh = words.zh.format_map(self.facts)
        self.message_en = words.en.format_map(self.facts)
        self.remedy_zh = words.remedy_zh
        self.remedy_en = words.remedy_en
        super().__init__(f"{reason}: {self.message_en}")
