"""Make the built-in template of the procedure's documents: python scripts/make_document_template.py."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt

TARGET = Path(__file__).resolve().parents[1] / "libs/liangfa_procedure/data/templates/general.docx"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def main() -> None:
    """Write the template: issuer, title, number, addressee, the fields, the list of materials, the issuer again."""
    document = Document()
    document.core_properties.author = ""
    document.core_properties.created = document.core_properties.modified = _EPOCH
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "FangSong", Pt(16)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), "仿宋")
    for text, size in (("{{ issuer }}", 22), ("{{ title }}", 22), ("{{ number }}", 16)):
        paragraph = document.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.add_run(text).font.size = Pt(size)
    document.add_paragraph("{{ addressee }}：")
    for text in ("{%p for line in lines %}", "{{ line.label }}：{{ line.text }}", "{%p endfor %}"):
        document.add_paragraph(text)
    document.add_paragraph("{%p if materials %}")
    document.add_paragraph("所附材料清单（SHA-256 为文件校验值）")
    table = document.add_table(rows=4, cols=2, style="Table Grid")
    rows = (("题名", "SHA-256"), ("{%tr for one in materials %}", ""), ("{{ one.title }}", "{{ one.sha256 }}"))
    for row, texts in zip(table.rows, (*rows, ("{%tr endfor %}", "")), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_paragraph("{%p endif %}")
    document.add_paragraph("{{ issuer }}（印章）").alignment = WD_ALIGN_PARAGRAPH.RIGHT
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    document.save(str(TARGET))


if __name__ == "__main__":
    main()
