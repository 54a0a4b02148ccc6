"""Where documents are written: drafts from transfers, files into the store, numbers from the series, one after another."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from weakref import WeakValueDictionary

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import may_see_document
from liangfa_case_transfer.commands.issuing import (
    FIRST,
    ISSUE_DOCUMENT,
    Issue,
    next_number,
    require_own_series,
    require_version,
)
from liangfa_case_transfer.document_errors import DocumentNotFound, DocumentOutrun
from liangfa_case_transfer.drafting import GAP, OPEN_SERIAL, Writing, writing
from liangfa_case_transfer.queries import documents as reading
from liangfa_case_transfer.queries import transferring
from liangfa_kit.clock import Clock
from liangfa_kit.errors import FieldViolation
from liangfa_kit.identity import Actor
from liangfa_kit.ids import UuidSequence
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Row, Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_procedure.documents import documents
from liangfa_procedure.numbering import after
from liangfa_procedure.writing import Templates, has_number
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import transfer_pb2

_ATTEMPTS = 8
"""How often a document is written again because another process took its number: then the caller is told."""


_NUMBER_STAYS = "更正沿用原文号 (a corrected version keeps the number)"


class Desk:
    """Writes documents. `templates_of` gives the templates of a region, by its division code."""

    def __init__(
        self,
        train: Train,
        store: Store,
        objects: ObjectStore,
        clock: Clock,
        ids: UuidSequence,
        templates_of: Callable[[str], Templates],
    ) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._clock = clock
        self._ids = ids
        self._templates_of = templates_of
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def preview(
        self, asked: rpc.DocumentDraft, transfer: transfer_pb2.Transfer, actor: Actor, corrects: str = ""
    ) -> rpc.PreviewDocumentResponse:
        """Return the document as it would be issued, with what is missing; `corrects` names one of which it takes the place."""
        at = self._clock.now()
        found = await self._writing(asked, transfer, actor, at)
        if corrects:
            before = await self.own_document(transfer.id, corrects, 0, actor)
            found = found.numbered(before.number)
        elif asked.code_word:
            require_own_series(await self._series(asked.code_word), asked.code_word, actor.agency_id)
            year = after(None, asked.code_word, at).year
            found = found.numbered(f"{asked.code_word}〔{year}〕{OPEN_SERIAL}号")
        written = await asyncio.to_thread(found.written, self._templates_of(transfer.region), GAP)
        return rpc.PreviewDocumentResponse(
            fields=found.draft.fields,
            missing=[pb.MissingField(field=name, label_zh=text) for name, text in found.missing()],
            addressee=found.draft.addressee,
            content=written.content,
        )

    async def issue(self, request: rpc.IssueDocumentRequest, call: Call) -> rpc.IssueDocumentResponse:
        """Issue a document. Whoever takes a number of the same series in this process waits for the turn."""
        async with self._turn(request.draft.code_word):
            for _ in range(_ATTEMPTS):
                transfer = await transferring.seen(self._store, call.actor, request.transfer_id)
                command = await self._prepared(request, transfer, call.actor)
                try:
                    return await self._train.execute(ISSUE_DOCUMENT, command, call)
                except DocumentOutrun:
                    continue
            raise DocumentOutrun

    def _turn(self, code_word: str) -> AbstractAsyncContextManager[object]:
        return self._turns.setdefault(code_word, asyncio.Lock()) if code_word else nullcontext()

    async def _prepared(
        self, request: rpc.IssueDocumentRequest, transfer: transfer_pb2.Transfer, actor: Actor
    ) -> Issue:
        """Return the command that issues what was asked for: its file is written and kept."""
        at, asked = self._clock.now(), request.draft
        found = await self._writing(asked, transfer, actor, at)
        document = pb.IssuedDocument(id=self._ids(), version=FIRST, transfer_id=transfer.id)
        if request.corrects:
            before = await self._corrected(request, actor)
            document.id, document.version, document.number = before.id, request.expected_version + 1, before.number
            document.correction_reason = request.correction_reason
        elif asked.code_word:
            series = await self._series(asked.code_word)
            require_own_series(series, asked.code_word, actor.agency_id)
            document.number = str(next_number(series, asked.code_word, at, actor.agency_id))
        document.number = document.number or found.given_number()
        found = found.numbered(document.number)
        found.require_complete()
        written = await asyncio.to_thread(found.written, self._templates_of(transfer.region))
        document.MergeFrom(
            pb.IssuedDocument(
                kind=found.kind.id,
                title=found.kind.name_zh,
                issuer=transfer_pb2.Organisation(id=actor.agency_id, name=found.draft.issuer),
                addressee=found.draft.addressee,
                suspect_id=asked.suspect_id,
                fields=found.draft.fields,
                materials=found.materials,
                sha256=hashlib.sha256(written.content).hexdigest(),
                size_bytes=len(written.content),
                template=written.template,
                template_sha256=written.template_sha256,
            )
        )
        document.issued_at.FromDatetime(at)
        await self._keep(document.sha256, written.content)
        return Issue(document, transfer.version, asked.code_word)

    async def _corrected(self, request: rpc.IssueDocumentRequest, actor: Actor) -> pb.IssuedDocument:
        """Return the version that is corrected. Raises `DocumentNotFound`, `Stale`, `Invalid`."""
        before = await self.own_document(request.transfer_id, request.corrects, 0, actor)
        if not FIRST <= request.expected_version <= before.version:
            require_version(
                before, request.expected_version
            )  # an earlier one is judged with the request id: it may be sent again
        wrong, kind = [], documents()[before.kind]
        if before.kind != request.draft.kind:
            wrong.append(FieldViolation("draft.kind", "KIND_DIFFERS", f"应为 {before.kind} (the kind stays)"))
        if request.draft.code_word:
            wrong.append(FieldViolation("draft.code_word", "NUMBER_GIVEN", _NUMBER_STAYS))
        if before.number and has_number(kind) and request.draft.fields.get("number", "") not in {"", before.number}:
            wrong.append(FieldViolation("draft.fields.number", "NUMBER_GIVEN", _NUMBER_STAYS))
        if wrong:
            raise errors.invalid(wrong)
        return before

    async def document(self, transfer_id: str, document_id: str, version: int, actor: Actor) -> pb.IssuedDocument:
        """Return a version of a document, 0: the newest that `actor` may see. Raises `DocumentNotFound`."""
        bodies = await self._store.read(lambda c: reading.of_documents(c, transfer_id, [document_id]))
        found = [one for one in map(pb.IssuedDocument.FromString, bodies) if may_see_document(actor, one)]
        wanted = next((one for one in reversed(found) if version in {0, one.version}), None)
        if wanted is None:
            raise DocumentNotFound(document_id)
        return wanted

    async def own_document(self, transfer_id: str, document_id: str, version: int, actor: Actor) -> pb.IssuedDocument:
        """Return a version of a document that the actor's organisation has issued. Raises `DocumentNotFound`."""
        document = await self.document(transfer_id, document_id, version, actor)
        if document.issuer.id != actor.agency_id:
            raise DocumentNotFound(document_id)
        return document

    async def _writing(
        self, asked: rpc.DocumentDraft, transfer: transfer_pb2.Transfer, actor: Actor, at: datetime
    ) -> Writing:
        return writing(asked, transfer, actor, at, await self._materials(asked.materials, transfer.id, actor))

    async def _materials(self, asked: Sequence[pb.Material], transfer_id: str, actor: Actor) -> tuple[pb.Material, ...]:
        """Return the materials, those that are documents of the transfer with their newest version's hash."""
        ids = sorted({one.document_id for one in asked if one.document_id})
        bodies = await self._store.read(lambda c: reading.of_documents(c, transfer_id, ids)) if ids else ()
        seen = {one.id: one for one in map(pb.IssuedDocument.FromString, bodies) if may_see_document(actor, one)}
        if unknown := [one for one in ids if one not in seen]:
            raise DocumentNotFound(unknown[0])
        return tuple(_material(one, seen) if one.document_id else one for one in asked)

    async def _series(self, code_word: str) -> list[Row]:
        return await self._store.read(lambda c: reading.series(c, code_word))

    async def _keep(self, sha256: str, content: bytes) -> None:
        upload = self._ids()
        await self._objects.append(upload, 0, content)
        await self._objects.finish(upload, len(content), sha256)


def _material(asked: pb.Material, seen: dict[str, pb.IssuedDocument]) -> pb.Material:
    document = seen[asked.document_id]
    title = asked.title or f"{document.title} {document.number}".strip()
    return pb.Material(title=title, sha256=document.sha256, document_id=document.id)
