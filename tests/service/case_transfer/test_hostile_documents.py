"""What people type comes out as they typed it: markup, tags of templates, very long texts, nothing at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from docx import Document

from liangfa_kit.errors import Invalid
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from tests.transferring import OFFICER, Service, issuing, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
LETTER = "transfer_letter"
TYPED = (
    "张<某>&\"李'", "{{ 7*7 }}", "{% for x in lines %}x{% endfor %}", "{{ ''.__class__.__mro__ }}", "{# 注 #}",
    "]]><w:p/>", "&amp;&#60;", "</w:t></w:r></w:p>", "${jndi:ldap://x}", "=1+1", "\u202e反写", "😀𠮷", "{%p endfor %}",
)  # fmt: skip


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def words(content: bytes) -> str:
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


def is_sound(content: bytes) -> bool:
    """Tell whether every part of the file is well-formed XML."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for name in parts.namelist():
            if name.endswith((".xml", ".rels")):
                ET.fromstring(parts.read(name))  # noqa: S314 - our own file
    return True


@pytest.mark.parametrize("typed", TYPED)
async def test_markup_and_tags_are_text_wherever_they_are_typed(service: Service, typed: str) -> None:
    """In a suspect's name, a field, a material's title: shown as typed, neither run nor lost."""
    transfer = await service.open(suspect_names=[typed], facts=typed)
    fields = {"grounds": f"前{typed}后", "phone": "1"}
    material = pb.Material(title=typed, sha256="ab" * 32)
    letter = await service.issue(transfer, LETTER, fields=fields, materials=[material])
    content = await service.file(letter)
    assert is_sound(content)
    shown = words(content)
    assert f"前{typed}后" in shown
    assert shown.count(typed) == 3
    assert letter.fields["party"] == typed


async def test_the_name_of_an_organisation_is_text_too(service: Service) -> None:
    """It comes from a token, and stands at the head and at the end; so is the name of its author."""
    typed = "甲<局>{{ 7*7 }}&"
    by = person("market", "officer")
    by = type(by)(by.person_id, typed, by.agency_id, typed, by.agency_type, by.region, by.roles)
    transfer = await service.open(by)
    letter = await service.issue(transfer, LETTER, by, fields={"grounds": "有", "phone": "1", "materials": "无"})
    content = await service.file(letter, by)
    assert (is_sound(content), words(content).count(typed)) == (True, 3)


async def test_a_narrative_of_ten_thousand_characters_arrives_whole(service: Service) -> None:
    """With its paragraphs; one character too many is named, not cut."""
    narrative = "\n".join(f"第{n}段：" + "经查明，" * 249 for n in range(10))
    assert len(narrative) > 10_000
    transfer = await service.open(facts=narrative)
    others = dict.fromkeys(("source", "course", "evidence", "law", "proposal"), "无")
    report = await service.issue(transfer, "investigation_report", fields=others)
    content = await service.file(report)
    assert report.fields["facts"] == narrative
    shown = words(content).splitlines()
    assert [line for line in narrative.splitlines() if line not in {one.removeprefix("事实：") for one in shown}] == []
    request = issuing(transfer, "investigation_report", fields={"facts": "经" * 20_001})
    with pytest.raises(Invalid) as refused:
        await service.desk().IssueDocument(request)
    assert refused.value.violations[0].reason == "TEXT_TOO_LONG"


async def test_empty_lists_and_blank_fields_are_missing_not_empty_lines(service: Service) -> None:
    """A letter without materials says which field is missing; given as words, no list is made."""
    transfer = await service.open()
    draft = rpc.DocumentDraft(kind=LETTER, fields={"grounds": " \n\t", "phone": ""})
    reply = await service.desk().PreviewDocument(rpc.PreviewDocumentRequest(transfer_id=transfer.id, draft=draft))
    assert {one.field for one in reply.missing} == {"number", "grounds", "phone", "materials"}
    assert words(reply.content).count("（待填）") == 4
    letter = await service.issue(transfer, LETTER, fields={"grounds": "有", "phone": "1", "materials": "无附件"})
    shown = words(await service.file(letter))
    assert ("移送材料：无附件" in shown, "SHA-256" in shown) == (True, False)


async def test_control_characters_are_named_not_dropped(service: Service) -> None:
    """A text that no file can hold is refused before a number is taken."""
    transfer = await service.open()
    for typed in ("甲\x00乙", "甲\x0b乙", "甲\x1b[31m"):
        with pytest.raises(Invalid) as refused:
            await service.desk().IssueDocument(issuing(transfer, LETTER, fields={"grounds": typed, "phone": "1"}))
        assert "CONTROL_CHARACTERS" in {one.reason for one in refused.value.violations}
    assert (await service.issue(transfer, LETTER)).number.endswith("〕1号")


async def test_two_hundred_materials_are_listed_each_with_its_hash(service: Service) -> None:
    """The most that a letter may have."""
    transfer = await service.open()
    materials = [pb.Material(title=f"材料<{n}>", sha256=f"{n:064x}") for n in range(200)]
    letter = await service.issue(transfer, LETTER, OFFICER, fields={"grounds": "有", "phone": "1"}, materials=materials)
    shown = words(await service.file(letter)).splitlines()
    assert [one.sha256 for one in materials if one.sha256 not in shown] == []
    assert shown.count("材料<199>") == 1
