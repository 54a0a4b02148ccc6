"""Documents from templates: every kind, every missing field, hostile text, and templates of a region that are broken."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from docx import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_procedure.documents import documents
from liangfa_procedure.regional import RegionalTemplates
from liangfa_procedure.writing import Draft, DraftRefused, Material, TemplateBroken, Templates, label

LETTER = "transfer_letter"
HASH = "ab" * 32
LINES = ("{%p for line in lines %}", "{{ line.text }}", "{%p endfor %}")
MATERIALS = "{% for one in materials %}{{ one.title }} {{ one.sha256 }}{% endfor %}"
WHOLE = (*LINES, MATERIALS)


def draft(kind: str = LETTER, **changed: str) -> Draft:
    """Return a complete draft, each field saying its own id."""
    fields = {name: f"<{name}>" for name in documents()[kind].required_fields} | changed
    return Draft(
        kind, "洪山区市场监督管理局", "洪山区公安分局", fields, "洪市监移〔2026〕3号", (Material("现场笔录", HASH),)
    )


def text_of(content: bytes) -> str:
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


def region_template(folder: Path, name: str, *texts: str) -> None:
    document = Document()
    for text in texts:
        document.add_paragraph(text)
    document.save(str(folder / name))


@pytest.mark.parametrize("kind", sorted(documents()))
def test_every_kind_says_its_title_and_all_that_it_must(kind: str) -> None:
    """With the built-in template: each required field with its label, in Chinese."""
    text, known = text_of(Templates().write(draft(kind))), documents()[kind]
    lines = [f"{label(known, name)}：<{name}>" for name in known.required_fields]
    assert [line for line in [known.name_zh, *lines] if line not in text] == []


def test_the_letter_lists_its_materials_with_their_hashes() -> None:
    """So that what is received can be compared with what was sent."""
    text = text_of(Templates().write(draft()))
    assert [part in text for part in ("洪市监移〔2026〕3号", "现场笔录", HASH)] == [True] * 3


def test_a_document_without_materials_has_no_list_of_them() -> None:
    """No empty table."""
    content = Templates().write(Draft("transfer_refusal", "甲局", "乙科", {"reason": "不构成", "date": "2026-06-01"}))
    assert ("SHA-256" in text_of(content), "清单" in text_of(content)) == (False, False)


@pytest.mark.parametrize("name", documents()[LETTER].required_fields)
def test_a_missing_field_is_named(name: str) -> None:
    """A blank one counts as missing; number and list can come from the draft itself."""
    fields = {**draft().fields, name: " \n"}
    with pytest.raises(DraftRefused) as refused:
        Templates().write(Draft(LETTER, "甲", "乙", fields))
    assert refused.value.missing == (name,)


def test_number_and_materials_of_the_draft_fill_their_fields() -> None:
    """They need not be said twice."""
    given = draft()
    fields = {name: text for name, text in given.fields.items() if name not in {"number", "materials"}}
    text = text_of(Templates().write(Draft(LETTER, "甲", "乙", fields, given.number, given.materials)))
    assert ("\n洪市监移〔2026〕3号\n" in text, "移送材料：共 1 件" in text) == (True, True)
    assert "编号：" not in text  # once is enough: it stands under the issuer's name


def test_unknown_fields_and_kinds_are_refused() -> None:
    """A field that no template shows would be lost without a word."""
    with pytest.raises(DraftRefused) as field:
        Templates().write(draft(colour="红"))
    with pytest.raises(DraftRefused) as kind:
        Templates().write(Draft("poem", "甲", "乙"))
    assert (field.value.unknown, kind.value.unknown) == (("colour",), ("poem",))


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_whatever_is_typed_the_file_can_be_opened(typed: str) -> None:
    """Markup, tags of templates, control characters, lone surrogates."""
    Document(io.BytesIO(Templates().write(draft(grounds=f"前{typed}后"))))


def test_markup_and_tags_in_a_field_are_text() -> None:
    """They neither format nor run."""
    assert "<w:p/>&amp; {{ 7*7 }} {% if %}" in text_of(
        Templates().write(draft(grounds="<w:p/>&amp; {{ 7*7 }} {% if %}\x00"))
    )


def test_the_same_draft_gives_the_same_bytes() -> None:
    """A preview is what is issued; no part carries the time of writing."""
    content = Templates().write(draft())
    assert content == Templates().write(draft())
    assert {part.date_time for part in zipfile.ZipFile(io.BytesIO(content)).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_region_replaces_one_kind_or_all(tmp_path: Path) -> None:
    """Its own template for a kind goes before its general one, and that before the built-in one."""
    region_template(tmp_path, "general.docx", "统一格式 {{ title }}", *WHOLE)
    region_template(tmp_path, f"{LETTER}.docx", "本区格式 {{ field.charge }}", *WHOLE)
    templates = Templates(tmp_path)
    assert templates.problems() == []
    written = [text_of(templates.write(draft(kind))).splitlines()[0] for kind in (LETTER, "filing_notice")]
    assert written == ["本区格式 <charge>", "统一格式 立案通知书"]


@pytest.mark.parametrize(
    ("texts", "left_out"),
    [
        (("{{ field.charge }}", MATERIALS), "number, agency, police_organ, party, grounds"),
        (LINES, "materials"),
        (("{% if field.charge == '样' %}", *LINES, "{% endif %}"), "number, agency"),
    ],
)
def test_a_template_that_leaves_a_required_field_out_is_refused(
    tmp_path: Path, texts: tuple[str, ...], left_out: str
) -> None:
    """By name, in the check and when something is to be written; the built-in template does not step in."""
    region_template(tmp_path, f"{LETTER}.docx", *texts)
    (problem,) = Templates(tmp_path).problems()
    assert f"does not show what a {LETTER} must say: {left_out}" in str(problem)
    with pytest.raises(TemplateBroken, match="does not show"):
        Templates(tmp_path).write(draft())


def test_the_nearest_folder_goes_first(tmp_path: Path) -> None:
    """A district's own template before the city's, that before the one for all; a stranger has the one for all."""
    for folder, word in (("420111", "区"), ("420100", "市"), (".", "通用")):
        (tmp_path / folder).mkdir(exist_ok=True)
        region_template(tmp_path / folder, "general.docx", word, *WHOLE)
    region_template(tmp_path / "420100", f"{LETTER}.docx", "市移送", *WHOLE)
    templates = RegionalTemplates(tmp_path)
    assert (templates.problems(), templates.count()) == ([], 4)

    def first(region: str, kind: str = LETTER) -> str:
        return text_of(templates.of(region).write(draft(kind))).splitlines()[0]

    assert [first(one) for one in ("420111", "420106", "110101", "../420111", "")] == [
        "区",
        "市移送",
        "通用",
        "通用",
        "通用",
    ]
    assert first("420106", "filing_notice") == "市"


def test_a_folder_of_templates_is_checked_whole(tmp_path: Path) -> None:
    """Folders that are no division, files that are no template, broken ones by their path; what an editor leaves is passed by."""
    (tmp_path / "洪山").mkdir()
    (tmp_path / "420111").mkdir()
    (tmp_path / "README.md").write_text("说明")
    (tmp_path / "~$general.docx").write_bytes(b"lock")
    (tmp_path / "filing_notice.doc").write_bytes(b"old")
    (tmp_path / "420111" / f"{LETTER}.docx").write_bytes(b"cut off")
    found = [problem.template for problem in RegionalTemplates(tmp_path).problems()]
    assert found == ["filing_notice.doc", f"420111/{LETTER}.docx", "洪山/"]
    assert RegionalTemplates(tmp_path / "none").problems()[0].cause == "there is no such folder"
    assert RegionalTemplates().problems() == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{{ nobody }}", "nobody"),
        ("{{ field.nobody }}", "nobody"),
        ("{% if title %}", "endif"),
        ("{{ title", "TemplateSyntaxError"),
        ("{{ title.__class__.__mro__ }}", "SecurityError"),
    ],
)
def test_a_broken_template_is_named_before_it_is_needed(tmp_path: Path, text: str, cause: str) -> None:
    """With its file name and why; one that reaches for more than its values is broken too. Writing is refused likewise."""
    region_template(tmp_path, f"{LETTER}.docx", text)
    (problem,) = Templates(tmp_path).problems()
    assert problem.template == f"{LETTER}.docx"
    assert cause in str(problem)
    with pytest.raises(TemplateBroken, match=cause):
        Templates(tmp_path).write(draft())


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_document_is_named(tmp_path: Path, content: bytes) -> None:
    """Empty, foreign, or cut off."""
    (tmp_path / f"{LETTER}.docx").write_bytes(content)
    assert [problem.template for problem in Templates(tmp_path).problems()] == [f"{LETTER}.docx"]


def test_a_template_for_no_kind_is_named(tmp_path: Path) -> None:
    """A slip in the file name would otherwise leave the built-in one in use unseen."""
    region_template(tmp_path, "transfer_leter.docx", "{{ title }}")
    assert "transfer_leter" in str(Templates(tmp_path).problems()[0])
