"""Builders for the tests of case_transfer: the organisations, their people, and the whole service behind its pipeline."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from liangfa_case_transfer.tables import KIT
from liangfa_case_transfer.wiring import CaseTransfer, build
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import new_signing_key, public_key
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import Telemetry
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.documents import documents as document_kinds
from liangfa_procedure.steps import Procedure, Step
from liangfa_procedure.writing import has_number
from liangfa_protos.case_transfer.v1 import document_service_pb2 as document_rpc
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceStub
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from tests.servers.databases import database_of

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""A Monday, nine in the morning in Beijing."""
PROCEDURE = Procedure.load()
_KEY = new_signing_key()
NAMES = {
    "market": "武汉市洪山区市场监督管理局",
    "police": "武汉市公安局洪山区分局",
    "procuratorate": "武汉市洪山区人民检察院",
}
FAR = "420106"


def person(unit: str, role: str, region: str = "420111") -> Actor:
    return Actor(f"{unit}-{role}", f"{unit}某", unit, NAMES.get(unit, unit), unit, region, frozenset({role}))


OFFICER, HEAD = person("market", "officer"), person("market", "agency_head")
POLICE, POLICE_HEAD = person("police", "police"), person("police", "police_head")
PROCURATOR, CHIEF = person("procuratorate", "procurator"), person("procuratorate", "chief_procurator")
JUDGE = person("court", "judge")
PEOPLE = {
    "officer": OFFICER, "agency_head": HEAD, "police": POLICE, "police_head": POLICE_HEAD,
    "procurator": PROCURATOR, "chief_procurator": CHIEF, "judge": JUDGE,
}  # fmt: skip


def opening(**rest: Any) -> rpc.OpenTransferRequest:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "case_id": str(uuid.uuid4()),
        "title": "某酒行销售假冒注册商标的白酒案",
        "receiver": pb.Organisation(id="police", name=NAMES["police"]),
        "supervisor": pb.Organisation(id="procuratorate", name=NAMES["procuratorate"]),
        "suspect_names": ["张某", "李某"],
        "offences": ["销售假冒注册商标的商品罪"],
    }
    return rpc.OpenTransferRequest(**(given | rest))


def issuing(transfer: pb.Transfer, kind: str, **rest: Any) -> document_rpc.IssueDocumentRequest:
    """Return a request for a document with every field given but those that the service knows."""
    known = document_kinds()[kind]
    number = has_number(known)
    given: dict[str, Any] = {
        "kind": kind,
        "code_word": "洪市监移" if number else "",
        "fields": {n: f"填{n}" for n in known.required_fields if not (number and n == "number")},
    }
    return document_rpc.IssueDocumentRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer.id, draft=document_rpc.DocumentDraft(**(given | rest))
    )


def documents(step: Step) -> list[pb.Document]:
    return [
        pb.Document(kind=k, title=k, sha256=f"{n:064x}", size_bytes=9) for n, k in enumerate(step.documents_required)
    ]


def other_organ(transfer: pb.Transfer) -> str:
    """Return a police organ to which a transfer may be passed on."""
    return "city-police" if transfer.receiver.id == "police" else "police"


def holder(by: Actor, transfer: pb.Transfer) -> Actor:
    """Return the person in the organ that has the transfer, when it is a police officer."""
    organ = transfer.receiver
    return replace(by, agency_id=organ.id, agency_name=organ.name) if by.agency_id == "police" else by


@dataclass
class Service:
    """A running service. `stub(person)` is one on which the person calls."""

    parts: CaseTransfer
    clock: ManualClock
    pipeline: Pipeline
    issuer: TokenIssuer

    def stub(self, by: Actor = OFFICER) -> Any:
        return TransferServiceStub(local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(by))))

    def desk(self, by: Actor = OFFICER) -> Any:
        """Return a stub of the documents on which the person calls."""
        return DocumentServiceStub(local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(by))))

    async def issue(self, transfer: pb.Transfer, kind: str, by: Actor = OFFICER, **rest: Any) -> Any:
        """Issue a document with every field filled in; `rest` changes the draft."""
        request = issuing(transfer, kind, **rest)
        return (await self.desk(by).IssueDocument(request)).document

    async def file(self, document: Any, by: Actor = OFFICER) -> bytes:
        """Download a document."""
        request = document_rpc.DownloadDocumentRequest(
            transfer_id=document.transfer_id, document_id=document.id, version=document.version
        )
        return b"".join([piece.content async for piece in self.desk(by).DownloadDocument(request)])

    async def open(self, by: Actor = OFFICER, **rest: Any) -> pb.Transfer:
        return (await self.stub(by).OpenTransfer(opening(**rest))).transfer  # type: ignore[no-any-return]

    async def take(self, transfer: pb.Transfer, name: str, by: Actor | None = None, **rest: Any) -> Any:
        """Take a step with everything that it needs; `transfer` is brought up to date. The police are who has the case."""
        step = PROCEDURE.step(name)
        by = by or holder(PEOPLE[min(step.roles)], transfer)
        given: dict[str, Any] = {
            "request_id": str(uuid.uuid4()),
            "transfer_id": transfer.id,
            "step": name,
            "expected_version": transfer.version,
            "documents": documents(step),
            "fields": dict.fromkeys(step.required_fields, other_organ(transfer)) | dict.fromkeys(step.people, "甲、乙"),
        }
        reply = await self.stub(by).TakeStep(rpc.TakeStepRequest(**(given | rest)))
        transfer.CopyFrom(reply.transfer)
        return reply

    async def walk(self, transfer: pb.Transfer, names: Sequence[str], **rest: Any) -> None:
        for name in names:
            await self.take(transfer, name, **rest)

    async def read(self, transfer: pb.Transfer, by: Actor = OFFICER) -> Any:
        return await self.stub(by).GetTransfer(rpc.GetTransferRequest(transfer_id=transfer.id))

    async def clocks(self, transfer: pb.Transfer) -> dict[str, pb.Clock]:
        return {clock.rule_id: clock for clock in (await self.read(transfer)).clocks}

    async def sign(self, transfer: pb.Transfer, by: Actor) -> Any:
        """Sign for everything that was given to the person's organisation."""
        reply = None
        for receipt in (await self.read(transfer, by)).receipts:
            if receipt.receiver.id == by.agency_id and not receipt.HasField("received_at"):
                request = rpc.SignReceiptRequest(
                    request_id=str(uuid.uuid4()), transfer_id=transfer.id, receipt_id=receipt.id, sha256=receipt.sha256
                )
                reply = await self.stub(by).SignReceipt(request)
        transfer.CopyFrom((await self.read(transfer, by)).transfer)
        return reply

    async def events(self, name: str = "") -> list[Any]:
        query = sa.select(KIT.journal).order_by(KIT.journal.c.position)
        rows = await self.parts.store.read(lambda c: c.execute(query).mappings().all())
        found = [(row["type"].rpartition(".")[2], row["payload"]) for row in rows]
        return [getattr(events_pb2, kind).FromString(payload) for kind, payload in found if name in {"", kind}]

    async def later(self, **by: float) -> None:
        """Let time pass, and the scheduler look once."""
        self.clock.advance(timedelta(**by))
        await self.parts.scheduler.tick()


@asynccontextmanager
async def running_service(
    folder: Path,
    clock: ManualClock | None = None,
    template_folder: Path | None = None,
    calendar: Calendar | None = None,
) -> AsyncIterator[Service]:
    """Run the service on `folder`."""
    clock = clock or ManualClock(START)
    broker = LocalBroker(folder / f"events-{uuid.uuid4()}.sqlite3")
    parts = build(folder, broker, clock, calendar, database=database_of(folder), template_folder=template_folder)
    pipeline = Pipeline(
        parts.services,
        verifier=TokenVerifier({_KEY.kid: public_key(_KEY)}, clock),
        log=CanonicalLog(lambda _line: None, clock, enabled=False),
        telemetry=Telemetry(),
        limits=Listen(),
    )
    parts.start()
    try:
        yield Service(parts, clock, pipeline, TokenIssuer(_KEY, clock, timedelta(minutes=15)))
    finally:
        await parts.stop()
        await broker.close()
