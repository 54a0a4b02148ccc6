"""Documents of a transfer: previewed, issued under numbers without gaps or repeats, corrected, read by whom they concern."""

from __future__ import annotations

import asyncio
import hashlib
import io
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from docx import Document

from liangfa_case_transfer.tables import KIT
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Forbidden, Invalid, NotFound, PlatformError, Precondition, Stale
from liangfa_kit.verify import journal_faults
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from tests.transferring import CHIEF, HEAD, NAMES, OFFICER, POLICE, POLICE_HEAD, Service, issuing, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
LETTER = "transfer_letter"
MATERIAL = pb.Material(title="现场检查笔录", sha256="ab" * 32)


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def text_of(content: bytes) -> str:
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


async def refusal(awaited: Any, kind: type[PlatformError]) -> PlatformError:
    with pytest.raises(kind) as refused:
        await awaited
    return refused.value


async def test_a_preview_fills_in_what_the_transfer_knows_and_names_what_is_missing(service: Service) -> None:
    """Names, offence and date come from the transfer; reasons and the telephone number from nobody but the author."""
    transfer = await service.open()
    draft = rpc.DocumentDraft(kind=LETTER, code_word="洪市监移", materials=[MATERIAL])
    reply = await service.desk().PreviewDocument(rpc.PreviewDocumentRequest(transfer_id=transfer.id, draft=draft))
    assert [(one.field, one.label_zh) for one in reply.missing] == [("grounds", "理由"), ("phone", "联系电话")]
    known = {"agency": NAMES["market"], "police_organ": NAMES["police"], "party": "张某、李某", "date": "2026年3月2日"}
    assert known.items() <= dict(reply.fields).items()
    text = text_of(reply.content)
    assert [
        w for w in ("洪市监移〔2026〕×号", "（待填）", MATERIAL.sha256, "销售假冒注册商标的商品罪") if w not in text
    ] == []
    assert not (await service.desk().ListDocuments(rpc.ListDocumentsRequest(transfer_id=transfer.id))).documents


async def test_an_issued_document_is_what_it_says_it_is(service: Service) -> None:
    """File, hash and record agree; the letter lists its materials with their hashes, an issued one by its own hash."""
    transfer = await service.open()
    report = await service.issue(transfer, "investigation_report")
    letter = await service.issue(transfer, LETTER, materials=[MATERIAL, pb.Material(document_id=report.id)])
    assert (letter.number, letter.version, letter.issuer.id) == ("洪市监移〔2026〕1号", 1, "market")
    content = await service.file(letter)
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (letter.sha256, letter.size_bytes)
    text = text_of(content)
    assert [
        w for w in (letter.number, MATERIAL.sha256, report.sha256, report.title, "填grounds") if w not in text
    ] == []
    read = await service.desk().GetDocument(rpc.GetDocumentRequest(transfer_id=transfer.id, document_id=letter.id))
    assert read.document == letter
    assert (await service.events("DocumentIssued"))[-1].document == letter
    assert list(journal_faults(service.parts.store, KIT)) == []


async def test_numbers_of_a_series_have_neither_gaps_nor_repeats(service: Service) -> None:
    """Many at once, refused ones among them, each request sent twice: every number once, in a row."""
    transfer = await service.open()
    good = [issuing(transfer, LETTER) for _ in range(6)]
    bad = [issuing(transfer, LETTER, fields={"grounds": " "}) for _ in range(3)]
    wrong = [issuing(transfer, LETTER, code_word="abc")]
    desk = service.desk()
    sent = [desk.IssueDocument(one) for pair in zip(good, good, strict=True) for one in pair]
    refused = [desk.IssueDocument(one) for one in bad + wrong]
    replies: list[Any] = await asyncio.gather(*sent, *refused, return_exceptions=True)
    numbers = [one.document.number for one in replies[: len(sent)]]
    assert numbers[::2] == numbers[1::2]
    assert sorted(numbers[::2]) == [f"洪市监移〔2026〕{n}号" for n in range(1, 7)]
    assert {one.reason for one in replies[len(sent) :]} == {"DOCUMENT_INCOMPLETE", "INVALID_TRANSFER"}
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕7号"


async def test_two_processes_on_one_database_never_give_the_same_number(tmp_path: Path) -> None:
    """Whoever was overtaken writes the document again under the next number."""
    clock = ManualClock(datetime(2026, 3, 2, 1, tzinfo=UTC))
    async with running_service(tmp_path, clock) as one, running_service(tmp_path, clock) as two:
        transfer = await one.open()
        issued = await asyncio.gather(*(s.issue(transfer, LETTER) for _ in range(4) for s in (one, two)))
        assert sorted(d.number for d in issued) == sorted(f"洪市监移〔2026〕{n}号" for n in range(1, 9))
        for document in issued:
            assert document.number in text_of(await one.file(document))


async def test_a_year_begins_its_own_series_in_beijing(service: Service) -> None:
    """Eight hours before it begins in Greenwich."""
    transfer = await service.open()
    await service.issue(transfer, LETTER)
    service.clock.advance(datetime(2026, 12, 31, 15, 59, tzinfo=UTC) - service.clock.now())
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕2号"
    service.clock.advance(timedelta(minutes=1))
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2027〕1号"


async def test_a_code_word_belongs_to_the_organisation_that_took_its_first_number(service: Service) -> None:
    """Nobody numbers documents in another's name, whatever the year."""
    transfer = await service.open()
    await service.issue(transfer, LETTER)
    service.clock.advance(timedelta(days=400))
    error = await refusal(service.issue(transfer, "filing_notice", POLICE), Precondition)
    assert (error.reason, error.metadata["code_word"]) == ("CODE_WORD_TAKEN", "洪市监移")
    assert (await service.issue(transfer, "filing_notice", POLICE, code_word="洪公立")).number == "洪公立〔2027〕1号"


async def test_a_correction_keeps_the_number_and_both_versions(service: Service) -> None:
    """It says why; the earlier one names what replaced it; a correction of what was corrected already is stale."""
    transfer = await service.open()
    first = await service.issue(transfer, LETTER)
    request = issuing(
        transfer, LETTER, code_word="", fields={"grounds": "更正后的理由", "phone": "1"}, materials=[MATERIAL]
    )
    request.corrects, request.expected_version, request.correction_reason = first.id, 1, "当事人姓名有误"
    second = (await service.desk().IssueDocument(request)).document
    assert (second.id, second.version, second.number) == (first.id, 2, first.number)
    listed = (await service.desk().ListDocuments(rpc.ListDocumentsRequest(transfer_id=transfer.id))).documents
    assert [(d.version, d.superseded_by, d.correction_reason) for d in listed] == [(1, 2, ""), (2, 0, "当事人姓名有误")]
    assert await service.file(first) != await service.file(second)
    assert (await service.desk().IssueDocument(request)).document == second, "sent again: the first answer"
    request.request_id = str(uuid.uuid4())
    for version in (0, 3, 2**31 - 1):
        request.expected_version = version
        assert (await refusal(service.desk().IssueDocument(request), Stale)).metadata["found"] == "2"
    request.expected_version = 1
    assert (await refusal(service.desk().IssueDocument(request), Stale)).metadata["found"] == "2"
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕2号"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"correction_reason": " "}, "correction_reason"),
        ({"corrects": ""}, "corrects"),
        ({"code_word": "洪市监移"}, "draft.code_word"),
        ({"kind": "investigation_report", "fields": {}}, "draft.kind"),
        ({}, "draft"),
    ],
)
async def test_a_correction_says_why_and_stays_what_it_was(
    service: Service, changed: dict[str, Any], field: str
) -> None:
    """Without a reason, as another kind, under a new number, or with no change it is refused, and nothing is issued."""
    transfer = await service.open()
    first = await service.issue(transfer, LETTER)
    draft = {name: value for name, value in changed.items() if name in {"code_word", "kind", "fields"}}
    request = issuing(transfer, draft.pop("kind", LETTER), **{"code_word": "", **draft})
    request.corrects, request.expected_version = changed.get("corrects", first.id), 1
    request.correction_reason = changed.get("correction_reason", "有误")
    error = await refusal(service.desk().IssueDocument(request), Invalid)
    assert field in {violation.field for violation in error.violations}
    assert len(await service.events("DocumentIssued")) == 1


async def test_only_the_side_that_issues_a_kind_writes_it(service: Service) -> None:
    """Police write no letter of transfer, agencies no notice to file, and nobody on the platform an expert's opinion."""
    transfer = await service.open()
    for kind, by in ((LETTER, POLICE), ("notice_to_file", OFFICER), ("test_report", OFFICER), ("judgment", CHIEF)):
        assert (await refusal(service.issue(transfer, kind, by), Forbidden)).reason == "DOCUMENT_NOT_YOURS"
    assert (await service.issue(transfer, "approval_form", HEAD)).addressee == NAMES["market"]
    assert (await service.issue(transfer, "filing_decision", POLICE_HEAD, code_word="洪公")).issuer.id == "police"


async def test_what_was_not_handed_over_is_there_for_its_issuer_alone(service: Service) -> None:
    """To everybody else it is the same as nothing: read, listed, downloaded, corrected, named as a material."""
    transfer = await service.open()
    report = await service.issue(transfer, "transfer_report")
    for by in (POLICE, CHIEF):
        desk = service.desk(by)
        asked = rpc.GetDocumentRequest(transfer_id=transfer.id, document_id=report.id)
        found = await refusal(desk.GetDocument(asked), NotFound)
        nowhere = rpc.GetDocumentRequest(transfer_id=transfer.id, document_id="nowhere")
        none = await refusal(desk.GetDocument(nowhere), NotFound)
        assert str(found).replace(report.id, "nowhere") == str(none)
        assert (
            await desk.ListDocuments(rpc.ListDocumentsRequest(transfer_id=transfer.id)) == rpc.ListDocumentsResponse()
        )
        assert (await refusal(service.file(report, by), NotFound)).reason == "DOCUMENT_NOT_FOUND"
    named = [pb.Material(document_id=report.id)]
    refused = refusal(service.issue(transfer, "explanation", POLICE, materials=named), NotFound)
    assert (await refused).reason == "DOCUMENT_NOT_FOUND"


async def test_a_document_of_another_transfer_is_not_found(service: Service) -> None:
    """Its own transfer is the only place where it exists."""
    transfer, other = await service.open(), await service.open()
    letter = await service.issue(transfer, LETTER)
    asked = rpc.GetDocumentRequest(transfer_id=other.id, document_id=letter.id)
    assert (await refusal(service.desk().GetDocument(asked), NotFound)).reason == "DOCUMENT_NOT_FOUND"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        ({"kind": "poem", "fields": {}}, "draft.kind"),
        ({"code_word": "Wuhan"}, "draft.code_word"),
        ({"fields": {"number": "甲〔2026〕1号"}}, "draft.fields.number"),
        ({"fields": {"colour": "红"}}, "draft.fields.colour"),
        ({"fields": {"grounds": "x" * 20_001}}, "draft.fields.grounds"),
        (
            {"fields": dict.fromkeys(("agency", "party", "charge", "grounds", "phone", "handler"), "x" * 19_000)},
            "draft.fields",
        ),
        ({"materials": [pb.Material(title="甲", sha256="short")]}, "draft.materials[0].sha256"),
        ({"materials": [MATERIAL] * 201}, "draft.materials"),
        ({"addressee": "某某公司"}, "draft.addressee"),
    ],
)
async def test_a_draft_that_cannot_be_written_says_where(service: Service, draft: dict[str, Any], field: str) -> None:
    """Each wrong part by its path."""
    transfer = await service.open()
    request = issuing(transfer, LETTER, **{name: value for name, value in draft.items() if name != "kind"})
    request.draft.kind = draft.get("kind", LETTER)
    error = await refusal(service.desk().IssueDocument(request), Invalid)
    assert field in {violation.field for violation in error.violations}


async def test_lists_go_page_by_page_and_by_kind(service: Service) -> None:
    """Every document once."""
    transfer = await service.open()
    issued = [(await service.issue(transfer, kind)).id for kind in ("approval_form", "item_list", "item_list")]
    seen, token = [], ""
    while True:
        request = rpc.ListDocumentsRequest(transfer_id=transfer.id, page_size=2, page_token=token)
        page = await service.desk().ListDocuments(request)
        seen += [one.id for one in page.documents]
        if not (token := page.next_page_token):
            break
    assert seen == issued
    lists = await service.desk().ListDocuments(rpc.ListDocumentsRequest(transfer_id=transfer.id, kind="item_list"))
    assert [one.id for one in lists.documents] == issued[1:]


async def test_a_broken_template_of_the_region_is_told_and_none_is_put_in_its_place(tmp_path: Path) -> None:
    """The start goes on; documents of that kind are refused with the file's name until it is mended; no number is taken."""
    region = tmp_path / "templates" / "420111"
    region.mkdir(parents=True)
    path = region / f"{LETTER}.docx"
    path.write_bytes(b"cut off")
    async with running_service(tmp_path, template_folder=region.parent) as service:
        transfer = await service.open()
        draft = rpc.DocumentDraft(kind=LETTER)
        previewed = service.desk().PreviewDocument(rpc.PreviewDocumentRequest(transfer_id=transfer.id, draft=draft))
        for asked in (service.issue(transfer, LETTER), previewed):
            error = await refusal(asked, Precondition)
            assert (error.reason, error.metadata["template"]) == ("TEMPLATE_BROKEN", path.name)
        assert (await service.issue(transfer, "approval_form")).template == "general.docx"
        mended = Document()
        for text in ("本区格式", "{%p for line in lines %}", "{{ line.text }}", "{%p endfor %}"):
            mended.add_paragraph(text)
        mended.add_paragraph("{% for one in materials %}{{ one.title }} {{ one.sha256 }}{% endfor %}")
        mended.save(str(path))
        letter = await service.issue(transfer, LETTER)
        assert (letter.number, letter.template) == ("洪市监移〔2026〕1号", path.name)
        assert letter.template_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert text_of(await service.file(letter)).startswith("本区格式")


async def test_a_number_of_one_s_own_is_kept_unless_the_platform_gives_that_series(service: Service) -> None:
    """Numbers from another register are taken as they are; one of a series that is given here could be given twice."""
    transfer = await service.open()
    own = {"number": "鄂武刑立字〔2026〕0012号", "charge": "罪名"}
    notice = await service.issue(transfer, "filing_notice", POLICE, code_word="", fields=own)
    assert (notice.number, notice.fields["number"]) == (own["number"], own["number"])
    await service.issue(transfer, "filing_notice", POLICE, code_word="洪公立")
    again = service.issue(transfer, "filing_notice", POLICE, code_word="", fields={"number": "洪公立〔2026〕2号"})
    assert (await refusal(again, Invalid)).violations[0].reason == "NUMBER_OF_SERIES"
    assert (await service.issue(transfer, "filing_notice", POLICE, code_word="洪公立")).number == "洪公立〔2026〕2号"


async def test_a_correction_is_previewed_under_its_number_and_takes_no_other(service: Service) -> None:
    """The number is not missing, and cannot be replaced by hand."""
    transfer = await service.open()
    first = await service.issue(transfer, LETTER)
    draft = rpc.DocumentDraft(kind=LETTER, fields={"grounds": "更正", "phone": "1", "materials": "无"})
    asked = rpc.PreviewDocumentRequest(transfer_id=transfer.id, draft=draft, corrects=first.id)
    reply = await service.desk().PreviewDocument(asked)
    assert (list(reply.missing), first.number in text_of(reply.content)) == ([], True)
    draft.fields["number"] = "洪市监移〔2026〕9号"
    request = rpc.IssueDocumentRequest(
        request_id="c",
        transfer_id=transfer.id,
        draft=draft,
        corrects=first.id,
        expected_version=1,
        correction_reason="误",
    )
    error = await refusal(service.desk().IssueDocument(request), Invalid)
    assert [violation.field for violation in error.violations] == ["draft.fields.number"]
