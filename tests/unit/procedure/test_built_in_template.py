"""The built-in template: made by its script, laid out as official documents are, with nothing left open or twice."""

from __future__ import annotations

import io
import runpy
import zipfile
from pathlib import Path

import pytest
from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt

import liangfa_procedure
from liangfa_procedure.documents import documents
from liangfa_procedure.writing import Draft, Material, Templates

PROJECT = Path(__file__).parents[3]
TEMPLATE = Path(liangfa_procedure.__file__).parent / "data" / "templates" / "general.docx"
ISSUER, ADDRESSEE, NUMBER, DATE = "甲市场监督管理局", "乙公安分局", "甲市监移〔2026〕3号", "2026年3月2日"


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def letter(grounds: str = "事实清楚。\n依法移送。", addressee: str = ADDRESSEE, materials: int = 2) -> bytes:
    kind = documents()["transfer_letter"]
    fields = {name: f"填{name}" for name in kind.required_fields if name not in {"number", "materials"}}
    fields |= {"grounds": grounds, "date": DATE, "agency": ISSUER, "police_organ": addressee}
    listed = [Material(f"材料{n}", f"{n:064x}") for n in range(materials)]
    if not materials:
        fields["materials"] = "无"
    return Templates().write(Draft(kind.id, ISSUER, addressee, fields, NUMBER, listed, DATE))


def test_the_template_is_what_its_script_makes(tmp_path: Path) -> None:
    """Whoever changes one changes the other."""
    main = runpy.run_path(str(PROJECT / "scripts" / "make_document_template.py"))["main"]
    main(tmp_path / "made.docx")
    assert parts((tmp_path / "made.docx").read_bytes()) == parts(TEMPLATE.read_bytes())


def test_page_and_type_are_those_of_official_documents() -> None:
    """GB/T 9704-2012: A4, 37 mm above, 28 mm at the left, a type area of 156 by 225 mm, 仿宋 of 16 pt, title of 22 pt centred."""
    document = Document(io.BytesIO(letter()))
    section = document.sections[0]
    sides = (section.top_margin, section.bottom_margin, section.left_margin, section.right_margin)
    lengths = [section.page_width, section.page_height, *sides]
    assert [round(length.mm) for length in lengths if length is not None] == [210, 297, 37, 35, 28, 26]
    normal = document.styles["Normal"]
    assert (normal.font.size, normal.element.rPr.rFonts.get(qn("w:eastAsia"))) == (Pt(16), "仿宋")
    (title,) = [one for one in document.paragraphs if one.text == "涉嫌犯罪案件移送书"]
    assert (title.alignment, title.runs[0].font.size) == (WD_ALIGN_PARAGRAPH.CENTER, Pt(22))


def test_head_and_end_say_once_what_the_fields_say_too() -> None:
    """Number, issuer, addressee and date stand in their own places, and a text of two lines is two paragraphs."""
    document = Document(io.BytesIO(letter()))
    texts = [one.text for one in document.paragraphs]
    signed, listed = document.tables
    assert texts[:2] == [ISSUER, NUMBER]
    assert f"{ADDRESSEE}：" in texts
    assert [word for word in ("编号：", "日期：", "移送机关：") if any(text.startswith(word) for text in texts)] == []
    assert texts[texts.index("理由：事实清楚。") + 1] == "依法移送。"
    assert signed.rows[0].cells[0].text.splitlines() == [ISSUER, DATE, "（印章）"]
    assert [[cell.text for cell in row.cells] for row in listed.rows[1:]] == [
        ["1", "材料0", f"{0:064x}"], ["2", "材料1", f"{1:064x}"]
    ]  # fmt: skip


def test_a_field_that_happens_to_say_the_same_as_the_head_is_not_left_out() -> None:
    """The organ that is competent may be the one that is addressed: only the label tells that."""
    fields = {"reason": "不属本机关管辖", "competent_authority": ADDRESSEE}
    content = Templates().write(Draft("return_notice", ISSUER, ADDRESSEE, fields, NUMBER, date=DATE))
    assert f"有管辖权的机关：{ADDRESSEE}" in [one.text for one in Document(io.BytesIO(content)).paragraphs]


def test_what_stays_in_the_house_has_no_red_head() -> None:
    """The number, if there is one, stands at the right under the title."""
    texts = [one.text for one in Document(io.BytesIO(letter(addressee=ISSUER))).paragraphs]
    assert texts[:2] == ["涉嫌犯罪案件移送书", NUMBER]
    assert f"{ISSUER}：" not in texts


@pytest.mark.parametrize("content", [letter(), letter(materials=0), letter(addressee=ISSUER)])
def test_no_tag_of_the_template_is_left_in_a_document(content: bytes) -> None:
    """In no part of the file."""
    xml = b"".join(part for name, part in parts(content).items() if name.endswith(".xml"))
    assert [tag for tag in (b"{{", b"}}", b"{%", b"%}") if tag in xml] == []


def test_without_materials_there_is_no_page_for_them() -> None:
    """No empty table, no heading."""
    document = Document(io.BytesIO(letter(materials=0)))
    assert (len(document.tables), "附件" in [one.text for one in document.paragraphs]) == (1, False)
