"""Make the built-in template of the procedure's documents: python scripts/make_document_template.py.

Page, sizes and order follow GB/T 9704-2012 (党政机关公文格式): A4 with a type area of 156 × 225 mm, 22 lines of 仿宋 size 3 (16 pt), the
issuer's name in red over a red line, title of size 2 (22 pt), number, addressee, date and issuer at the end, page numbers outside. It is no
form that a ministry prescribes.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

TARGET = Path(__file__).resolve().parents[1] / "libs/liangfa_procedure/data/templates/general.docx"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BODY, _TITLE, _LABEL, _SONG = "仿宋", "方正小标宋简体", "黑体", "宋体"
_SIZE_2, _SIZE_3, _SIZE_4, _SIZE_5 = Pt(22), Pt(16), Pt(14), Pt(10.5)
_LINE = Pt(29)
_RED = "D00000"
_CENTRE, _RIGHT, _LEFT = WD_ALIGN_PARAGRAPH.CENTER, WD_ALIGN_PARAGRAPH.RIGHT, WD_ALIGN_PARAGRAPH.LEFT


def main(target: Path = TARGET) -> None:
    """Write the template."""
    document = Document()
    properties = document.core_properties
    properties.author, properties.created, properties.modified = "", _EPOCH, _EPOCH
    _set_up_page(document)
    _add_head(document)
    _add_body(document)
    _add_signature(document)
    _add_materials(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    document.save(str(target))


def _set_up_page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    section.footer_distance = Mm(24)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Times New Roman", _SIZE_3
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), _BODY)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "en-US")
    language.set(qn("w:eastAsia"), "zh-CN")
    normal.element.rPr.append(language)
    normal.paragraph_format.space_after = normal.paragraph_format.space_before = Pt(0)
    normal.paragraph_format.line_spacing_rule, normal.paragraph_format.line_spacing = WD_LINE_SPACING.EXACTLY, _LINE
    document.settings.odd_and_even_pages_header_footer = True
    _number_pages(section.footer, _RIGHT)
    _number_pages(section.even_page_footer, _LEFT)


def _number_pages(footer: Any, side: WD_ALIGN_PARAGRAPH) -> None:
    """Write — 1 — on the outer side, one character from the edge."""
    paragraph = footer.paragraphs[0]
    paragraph.alignment = side
    paragraph.paragraph_format.right_indent = paragraph.paragraph_format.left_indent = _SIZE_4
    _run(paragraph, "— ", _SIZE_4, _SONG)
    field = _run(paragraph, "", _SIZE_4, _SONG)
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = text
        field._r.append(element)  # noqa: SLF001 - the library has no interface for fields
    _run(paragraph, " —", _SIZE_4, _SONG)


def _add_head(document: Any) -> None:
    """Write issuer, number and line of what goes to others; then the title, and whom it addresses."""
    _paragraph(document, "{%p if issuer != addressee %}")
    issuer = _paragraph(document, "{{ issuer }}", _CENTRE, Pt(26), _TITLE)
    issuer.paragraph_format.line_spacing = Pt(40)
    issuer.runs[0].font.color.rgb = RGBColor.from_string(_RED)
    number = _paragraph(document, "{{ number }}", _CENTRE)
    number.paragraph_format.space_before = Pt(10)
    _draw_line_below(number)
    _paragraph(document, "{%p endif %}")
    title = _paragraph(document, "{{ title }}", _CENTRE, _SIZE_2, _TITLE)
    title.paragraph_format.line_spacing = Pt(36)
    title.paragraph_format.space_before, title.paragraph_format.space_after = _LINE, Pt(14)
    _paragraph(document, "{%p if issuer != addressee %}")
    _paragraph(document, "{{ addressee }}：")
    _paragraph(document, "{%p else %}")
    _paragraph(document, "{{ number }}", _RIGHT)
    _paragraph(document, "{%p endif %}")


def _add_body(document: Any) -> None:
    """Write every field that does not stand at the head or the end already; the last one stays with the signature."""
    _paragraph(document, "{%p for line in lines if not line.is_said %}")
    _paragraph(document, "{%p if loop.last %}")
    _add_field(document, stays=True)
    _paragraph(document, "{%p else %}")
    _add_field(document, stays=False)
    _paragraph(document, "{%p endif %}")
    _paragraph(document, "{%p endfor %}")
    _paragraph(document, "{%p if materials and 'materials' not in field %}")
    note = _paragraph(document, "附件：移送材料清单（{{ materials | length }} 件）")
    note.paragraph_format.first_line_indent = _SIZE_3 * 2
    note.paragraph_format.space_before, note.paragraph_format.keep_with_next = _LINE, True
    _paragraph(document, "{%p endif %}")


def _add_field(document: Any, *, stays: bool) -> None:
    """Write a field, its label before its first paragraph."""
    first = _paragraph(document, "{{ line.label }}：", font=_LABEL)
    _run(first, "{{ line.paragraphs[0] }}", _SIZE_3)
    _paragraph(document, "{%p for more in line.paragraphs[1:] %}")
    following = _paragraph(document, "{{ more }}")
    for paragraph in (first, following):
        paragraph.paragraph_format.first_line_indent = _SIZE_3 * 2
        paragraph.paragraph_format.keep_with_next = stays
    _paragraph(document, "{%p endfor %}")


def _add_signature(document: Any) -> None:
    """Write issuer and date one under the other at the right, where the seal goes; they stay together on a page."""
    gap = _paragraph(document, "")
    gap.paragraph_format.keep_with_next = True
    table = document.add_table(rows=1, cols=1)
    table.alignment, table.autofit = WD_TABLE_ALIGNMENT.RIGHT, False
    cell = table.rows[0].cells[0]
    table.columns[0].width = cell.width = Mm(90)
    _keep_whole(table.rows[0])
    cell.paragraphs[0].add_run("{{ issuer }}")
    cell.add_paragraph("{{ date }}")
    cell.add_paragraph("（印章）")
    for paragraph in cell.paragraphs:
        paragraph.alignment = _CENTRE
        paragraph.paragraph_format.keep_with_next = paragraph is not cell.paragraphs[-1]


def _add_materials(document: Any) -> None:
    """Write the list of materials on a page of its own: number, title, SHA-256."""
    _paragraph(document, "{%p if materials %}")
    heading = _paragraph(document, "附件", font=_LABEL)
    heading.paragraph_format.page_break_before = True
    title = _paragraph(document, "移送材料清单", _CENTRE, _SIZE_2, _TITLE)
    title.paragraph_format.line_spacing, title.paragraph_format.space_after = Pt(36), Pt(12)
    table = document.add_table(rows=4, cols=3, style="Table Grid")
    table.autofit = False
    rows = (
        ("序号", "题名", "SHA-256（文件校验值）"),
        ("{%tr for one in materials %}", "", ""),
        ("{{ loop.index }}", "{{ one.title }}", "{{ one.sha256 }}"),
        ("{%tr endfor %}", "", ""),
    )
    widths = (Mm(14), Mm(74), Mm(68))
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for number, (row, texts) in enumerate(zip(table.rows, rows, strict=True)):
        _keep_whole(row)
        for column, (cell, text, width) in enumerate(zip(row.cells, texts, widths, strict=True)):
            cell.width = width
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.line_spacing = Pt(18)
            paragraph.alignment = _CENTRE if not number or not column else _LEFT
            is_hash = column == 2 and number
            _run(paragraph, text, Pt(9) if is_hash else Pt(12), "" if is_hash else _BODY if number else _LABEL)
            if is_hash:
                paragraph.runs[0].font.name = "Courier New"
    _repeat_on_each_page(table.rows[0])
    _paragraph(document, "{%p endif %}")


def _paragraph(document: Any, text: str, side: Any = None, size: Any = _SIZE_3, font: str = "") -> Any:
    paragraph = document.add_paragraph()
    paragraph.alignment = side
    _run(paragraph, text, size, font)
    return paragraph


def _run(paragraph: Any, text: str, size: Any, font: str = "") -> Any:
    run = paragraph.add_run(text)
    run.font.size = size
    if font:
        run.font.name = "Times New Roman"
        run.element.rPr.rFonts.set(qn("w:eastAsia"), font)
    return run


def _draw_line_below(paragraph: Any) -> None:
    borders, line = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "12"), ("space", "10"), ("color", _RED)):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    properties = paragraph._p.get_or_add_pPr()  # noqa: SLF001 - the library has no interface for borders
    properties.insert_element_before(borders, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")


def _keep_whole(row: Any) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))  # noqa: SLF001 - likewise


def _repeat_on_each_page(row: Any) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001 - likewise


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
