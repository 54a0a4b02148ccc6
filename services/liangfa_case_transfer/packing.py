"""The case file (电子卷宗) of a transfer, part by part: what the transfer holds and the caller may see.

Everything is read in pages while it is sent, and files in pieces, so that memory does not grow with the case. The same
state of a transfer gives the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone
from pathlib import PurePosixPath

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_case_transfer.authority import may_see_document
from liangfa_case_transfer.case_evidence import CaseEvidence
from liangfa_case_transfer.exporting import keys_file, receipts_file
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.queries import documents as reading
from liangfa_case_transfer.queries import transferring
from liangfa_case_transfer.tables import clocks, receipts
from liangfa_kit.errors import NotFound
from liangfa_kit.identity import Actor
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Store
from liangfa_procedure.case_file import Part, table
from liangfa_protos.case_transfer.v1 import document_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_pb2

_PAGE = 100
_RECORD = "执法记录证据"
_BEIJING = timezone(timedelta(hours=8))
_TIMELINE = ("序号", "发生时间（北京）", "录入时间（北京）", "步骤", "嫌疑人", "原状态", "新状态", "单位", "人员",
             "填报内容", "文书", "物品", "回执")  # fmt: skip
_EVIDENCE = ("来源", "种类", "题名", "文号", "字节", "SHA-256", "卷内文件")
_CLOCKS = ("期限", "规则", "嫌疑人", "应由", "起算（北京）", "届满（北京）", "状态", "依据", "可信度")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What the parts of a case file are made from. `packed` takes in the hashes of the files that were put in."""

    store: Store
    objects: ObjectStore
    keyring: Keyring
    evidence: CaseEvidence
    transfer: pb.Transfer
    actor: Actor
    packed: set[str] = field(default_factory=set)

    async def parts(self) -> AsyncIterator[Part]:
        """Yield every part, in the order of the folders."""
        yield _ready("案件", "移送信息", ".json", _json(self.transfer))
        async for document in self._documents():
            self.packed.update([document.sha256, *(scan.sha256 for scan in document.scans)])
            name = f"{document.title} {document.number} 第{document.version}版"
            yield Part("文书", name, ".docx", self._content(document.sha256), document.sha256)
            for scan in document.scans:
                path = PurePosixPath(scan.file_name)
                title = f"{document.title} 第{document.version}版 {path.stem}"
                yield Part("签章扫描件", title, path.suffix, self._content(scan.sha256), scan.sha256)
        found, why_none = await self.evidence.listed(self.transfer.case_id)
        self.packed.update(one.sha256 for one in found)
        for one in found:
            path = PurePosixPath(one.file_name)
            yield Part("证据", path.stem, path.suffix, self.evidence.content(one), one.sha256)
        bodies = await self.store.read(lambda c: transferring.of_transfer(c, receipts, "number", self.transfer.id))
        given = list(map(pb.Receipt.FromString, bodies))
        keys = await asyncio.to_thread(self._keys, given)
        if given:
            yield _ready("回执", "交接回执", ".json", receipts_file(given, keys))
        if keys:
            yield _ready("回执", "各单位公钥", ".json", keys_file(keys))
        yield Part("证据", "证据和材料登记表", ".csv", self._register(found, why_none))
        yield Part("时间线", "办理时间线", ".csv", self._timeline())
        running = await self.store.read(lambda c: transferring.of_transfer(c, clocks, "number", self.transfer.id))
        limits = map(_clock_row, map(pb.Clock.FromString, running))
        yield _ready("时间线", "期限", ".csv", table([_CLOCKS, *limits]))

    async def _documents(self) -> AsyncIterator[document_pb2.IssuedDocument]:
        token, more = "", True
        while more:
            place = token
            bodies, token = await self.store.read(
                lambda c, place=place: reading.document_page(  # type: ignore[misc]  # bound now: the loop goes on
                    c, self.actor, self.transfer.id, kind="", size=_PAGE, token=place
                )
            )
            for document in map(document_pb2.IssuedDocument.FromString, bodies):
                if may_see_document(self.actor, document):
                    yield document
            more = bool(token)

    async def _steps(self) -> AsyncIterator[Sequence[pb.TakenStep]]:
        last = 0
        while True:
            place = last
            bodies = await self.store.read(
                lambda c, place=place: transferring.history(c, self.transfer.id, place, _PAGE)  # type: ignore[misc]
            )
            if not bodies:
                return
            steps = list(map(pb.TakenStep.FromString, bodies))
            last = steps[-1].sequence
            yield steps

    async def _timeline(self) -> AsyncIterator[bytes]:
        yield table([_TIMELINE])
        async for steps in self._steps():
            for step in steps:
                yield table([_step_row(step, self.transfer)], begins=False)

    async def _register(self, found: Sequence[case_pb2.Evidence], why_none: str) -> AsyncIterator[bytes]:
        """Yield the register of everything with a hash: files that lie here are in the archive, others are named only."""
        yield table([_EVIDENCE])
        yield table(map(_evidence_row, found), begins=False)
        if why_none:
            yield table([(_RECORD, "", why_none, "", "", "", "否")], begins=False)
        async for document in self._documents():
            yield table(_material_rows(document, self.packed), begins=False)
        async for steps in self._steps():
            for step in steps:
                yield table(_document_rows(step, self.packed), begins=False)

    async def _content(self, sha256: str) -> AsyncIterator[bytes]:
        try:
            async for piece in self.objects.read(sha256):
                yield piece
        except NotFound:  # an empty file, which the catalogue marks as not what was recorded
            return

    def _keys(self, given: Sequence[pb.Receipt]) -> list[pb.PublicKey]:
        found = {one.id: one for receipt in given for one in (receipt.sender, receipt.receiver)}
        return [key for _, one in sorted(found.items()) for key in self.keyring.listed(one)]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _ready(folder: str, title: str, ending: str, content: bytes) -> Part:
    return Part(folder, title, ending, _once(content))


def _json(transfer: pb.Transfer) -> bytes:
    fields = MessageToDict(transfer, preserving_proto_field_name=True)
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _beijing(at: Timestamp) -> str:
    return at.ToDatetime(tzinfo=UTC).astimezone(_BEIJING).isoformat(" ", "seconds").removesuffix("+08:00")


def _step_row(step: pb.TakenStep, transfer: pb.Transfer) -> tuple[str, ...]:
    parties = (transfer.sender, transfer.receiver, transfer.supervisor, *transfer.former_receivers)
    names = {one.id: one.name for one in parties}
    return (
        str(step.sequence),
        _beijing(step.happened_at),
        _beijing(step.entered_at),
        step.name_zh,
        next((one.name for one in transfer.suspects if one.id == step.suspect_id), step.suspect_id),
        step.from_state,
        step.to_state,
        names.get(step.by.agency_id, step.by.agency_id),
        step.by.person_name,
        "；".join(f"{name}：{text}" for name, text in sorted(step.fields.items())),
        "；".join(f"{one.title} {one.number}".strip() for one in step.documents),
        "；".join(f"{one.name} {one.quantity}".strip() for one in step.items),
        step.receipt_id,
    )


def _document_rows(step: pb.TakenStep, packed: set[str]) -> Iterator[tuple[str, ...]]:
    for one in step.documents:
        inside = "是" if one.sha256 in packed else "否"
        source = f"步骤 {step.sequence} {step.name_zh}"
        yield (source, one.kind, one.title, one.number, str(one.size_bytes), one.sha256, inside)


def _evidence_row(one: case_pb2.Evidence) -> tuple[str, ...]:
    title = f"{one.file_name} {one.description}".strip()
    return (_RECORD, one.media_type, title, "", str(one.size_bytes), one.sha256, "是")


def _material_rows(document: document_pb2.IssuedDocument, packed: set[str]) -> Iterator[tuple[str, ...]]:
    source = f"{document.title} {document.number} 第{document.version}版"
    for one in document.materials:
        yield (source, "材料", one.title, "", "", one.sha256, "是" if one.sha256 in packed else "否")


def _clock_row(clock: pb.Clock) -> tuple[str, ...]:
    state = pb.ClockState.Name(clock.state).removeprefix("CLOCK_STATE_").lower()
    return (
        clock.title_zh,
        clock.rule_id,
        clock.suspect_id,
        clock.owes,
        _beijing(clock.started_at),
        _beijing(clock.due_at) if clock.HasField("due_at") else "",
        state,
        f"{clock.source}{clock.article}",
        clock.confidence,
    )
