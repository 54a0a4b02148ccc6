"""Steps that name issued documents: filled in, handed over, proved by the receipt, and then seen by whom they concern."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer.tables import KIT
from liangfa_kit.errors import Invalid, NotFound, PlatformError, Precondition
from liangfa_kit.verify import journal_faults
from liangfa_protos.case_transfer.v1 import document_pb2
from liangfa_protos.case_transfer.v1 import document_service_pb2 as document_rpc
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.service.case_transfer.test_signed_scans import PDF, attach
from tests.transferring import CHIEF, OFFICER, POLICE, PROCEDURE, Service, issuing, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
DELIVERY = PROCEDURE.step("deliver_transfer").documents_required


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def approved(service: Service) -> pb.Transfer:
    transfer = await service.open()
    await service.walk(transfer, ("report_to_head", "approve_transfer"))
    return transfer


async def issued(service: Service, transfer: pb.Transfer) -> dict[str, document_pb2.IssuedDocument]:
    return {kind: await service.issue(transfer, kind) for kind in DELIVERY}


def named(documents: dict[str, document_pb2.IssuedDocument]) -> list[pb.Document]:
    return [pb.Document(document_id=one.id) for one in documents.values()]


async def seen(service: Service, transfer: pb.Transfer, by: Any) -> set[tuple[str, int]]:
    reply = await service.desk(by).ListDocuments(document_rpc.ListDocumentsRequest(transfer_id=transfer.id))
    return {(one.kind, one.version) for one in reply.documents}


async def refusal(awaited: Any, kind: type[PlatformError]) -> PlatformError:
    with pytest.raises(kind) as refused:
        await awaited
    return refused.value


async def test_issued_documents_go_with_a_step_by_their_ids(service: Service) -> None:
    """The service fills in kind, number and hash; the receipt proves exactly these files, the signed copy among them."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    await attach(service, documents["transfer_letter"])
    reply = await service.take(transfer, "deliver_transfer", OFFICER, documents=named(documents))
    letter = documents["transfer_letter"]
    taken = [(d.kind, d.number, d.sha256, d.size_bytes) for d in reply.step.documents if d.document_id == letter.id]
    scan = hashlib.sha256(PDF).hexdigest()
    assert taken == [
        ("transfer_letter", letter.number, letter.sha256, letter.size_bytes),
        ("transfer_letter", letter.number, scan, len(PDF)),
    ]
    said = {one["sha256"] for one in json.loads(reply.receipt.statement)["documents"]}
    assert said == {scan, *(one.sha256 for one in documents.values())}
    assert list(journal_faults(service.parts.store, KIT)) == []


async def test_what_was_handed_over_is_seen_by_the_receiver_and_by_overseers(service: Service) -> None:
    """Not before, and nothing else: the internal report stays with the agency; a stranger sees nothing at any time."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    await service.issue(transfer, "approval_form")
    assert await seen(service, transfer, POLICE) == set()
    await service.take(transfer, "deliver_transfer", OFFICER, documents=named(documents))
    overseer = person("justice", "justice_supervisor", "420100")
    for by in (POLICE, CHIEF, overseer):
        assert await seen(service, transfer, by) == {(kind, 1) for kind in DELIVERY}, by
    content = await service.file(documents["transfer_letter"], POLICE)
    assert hashlib.sha256(content).hexdigest() == documents["transfer_letter"].sha256
    await refusal(seen(service, transfer, person("ecology", "officer")), NotFound)


async def test_a_correction_is_seen_by_the_receiver_when_a_step_has_handed_it_over(service: Service) -> None:
    """Until then the receiver sees the version that it was given, marked as superseded."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    await service.take(transfer, "deliver_transfer", OFFICER, documents=named(documents))
    request = issuing(transfer, "transfer_letter", code_word="")
    request.draft.fields["charge"] = "生产、销售伪劣产品罪"
    request.corrects, request.expected_version, request.correction_reason = documents["transfer_letter"].id, 1, "笔误"
    await service.desk().IssueDocument(request)
    assert ("transfer_letter", 2) not in await seen(service, transfer, POLICE)
    again = [pb.Document(document_id=documents[kind].id) for kind in ("transfer_letter", "material_list")]
    reply = await service.take(transfer, "copy_to_procuratorate", OFFICER, documents=again)
    assert {(d.kind, d.sha256 == documents[d.kind].sha256) for d in reply.step.documents} == {
        ("transfer_letter", False), ("material_list", True)
    }  # fmt: skip
    assert ("transfer_letter", 2) in await seen(service, transfer, CHIEF)


async def test_a_step_that_lacks_a_document_says_how_to_issue_it(service: Service) -> None:
    """Its kind in both languages, and the RPC that writes it."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    del documents["material_list"]
    error = await refusal(service.take(transfer, "deliver_transfer", OFFICER, documents=named(documents)), Precondition)
    assert (error.reason, error.metadata["missing"]) == ("DOCUMENTS_MISSING", "material_list")
    assert "移送材料清单" in error.message_zh
    assert "DocumentService.IssueDocument" in error.remedy


async def test_issued_and_outside_documents_go_together(service: Service) -> None:
    """A document that the platform did not write is given by its hash, as ever; one named twice goes once."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    del documents["item_list"]
    outside = pb.Document(kind="item_list", title="涉案物品清单", sha256="cd" * 32, size_bytes=7)
    twice = [*named(documents), *named(documents), outside]
    reply = await service.take(transfer, "deliver_transfer", OFFICER, documents=twice)
    assert sorted(d.kind for d in reply.step.documents) == sorted(DELIVERY)


@pytest.mark.parametrize("said", [{"kind": "approval_form"}, {"sha256": "ab" * 32}, {"number": "洪市监移〔2026〕9号"}])
async def test_a_document_is_what_the_request_says_of_it(service: Service, said: dict[str, Any]) -> None:
    """A wrong kind, hash or number beside the id is refused: nobody hands over what they did not mean."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    asked = named(documents)
    asked[0].MergeFrom(pb.Document(**said))
    error = await refusal(service.take(transfer, "deliver_transfer", OFFICER, documents=asked), Invalid)
    assert [violation.field for violation in error.violations] == [f"documents[0].{min(said)}"]


async def test_a_document_of_nobody_or_of_another_goes_with_no_step(service: Service) -> None:
    """Unknown, of another transfer, or another organisation's that was never handed over: each is not found."""
    transfer, other = await approved(service), await service.open()
    elsewhere = await service.issue(other, "transfer_letter")
    police = await service.issue(transfer, "filing_notice", POLICE, code_word="洪公立")
    for document_id in ("nowhere", elsewhere.id, police.id):
        asked = [pb.Document(document_id=document_id)]
        error = await refusal(service.take(transfer, "deliver_transfer", OFFICER, documents=asked), NotFound)
        assert error.reason == "DOCUMENT_NOT_FOUND"
    assert transfer.state == "approved"


async def test_what_was_handed_to_one_police_organ_goes_with_the_case_to_the_next(service: Service) -> None:
    """The organ that the case is passed on to reads the letter; the first one still does; the agency's own stays its own."""
    transfer = await approved(service)
    documents = await issued(service, transfer)
    await service.issue(transfer, "approval_form")
    await service.take(transfer, "deliver_transfer", OFFICER, documents=named(documents))
    await service.take(transfer, "accept_transfer")
    city = person("city-police", "police", "420100")
    await refusal(seen(service, transfer, city), NotFound)
    notice = await service.issue(transfer, "forward_notice", POLICE)
    fields = {"receiving_organ": "city-police", "receiving_organ_name": "武汉市公安局", "reason": "地域管辖"}
    asked = [pb.Document(document_id=notice.id)]
    await service.take(transfer, "forward_transfer", POLICE, fields=fields, documents=asked)
    given = {(kind, 1) for kind in DELIVERY}
    assert given <= await seen(service, transfer, city)
    assert given <= await seen(service, transfer, POLICE)
    assert ("approval_form", 1) not in await seen(service, transfer, city)
