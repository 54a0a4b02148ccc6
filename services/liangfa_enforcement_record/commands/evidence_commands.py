"""Commands on evidence: announce a file, attach it once it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from liangfa_enforcement_record import errors
from liangfa_enforcement_record.commands.case_commands import own_open_case
from liangfa_enforcement_record.records import case_stream, summary
from liangfa_enforcement_record.tables import cases, evidence
from liangfa_enforcement_record.validation import MAX_TEXT, text_violations
from liangfa_kit.errors import FieldViolation
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as rpc

MAX_FILE_BYTES = 4 << 30
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Announce a file of `size_bytes` bytes with the hash `sha256` for the case `case_id`."""

    case_id: str
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    description: str


@dataclass(frozen=True, slots=True)
class AttachEvidence:
    """Attach the upload `upload_id` to its case: its bytes are whole, checked and kept."""

    upload_id: str
    case_id: str


def _begin(command: BeginUpload, work: Work) -> rpc.BeginUploadResponse:
    """Announce a file. The same content of the same case is the same upload, whoever announces it again."""
    found = list(_violations(command))
    if found:
        raise errors.invalid(found)
    _row, case = own_open_case(command.case_id, work)
    for row in work.rows(evidence, "case_id", case.id):
        if row["sha256"] == command.sha256 and row["size_bytes"] == command.size_bytes:
            received = row["size_bytes"] if row["is_attached"] else 0
            return rpc.BeginUploadResponse(upload_id=row["id"], received_bytes=received)
    told = pb.Evidence(
        id=work.new_id(),
        case_id=case.id,
        file_name=command.file_name,
        media_type=command.media_type,
        size_bytes=command.size_bytes,
        sha256=command.sha256,
        description=command.description,
    )
    _save(told, work, is_attached=False)
    return rpc.BeginUploadResponse(upload_id=told.id)


def _attach(command: AttachEvidence, work: Work) -> rpc.UploadEvidenceResponse:
    row = work.row(evidence, command.upload_id)
    if row is None or row["case_id"] != command.case_id:
        raise errors.EvidenceNotFound(command.upload_id)
    told = pb.Evidence.FromString(row["body"])
    if not row["is_attached"]:
        _case_row, case = own_open_case(command.case_id, work)
        told.attached_at.FromDatetime(work.now)
        _save(told, work, is_attached=True)
        work.record(case_stream(case.id), events_pb2.EvidenceAttached(case=summary(case), evidence=told))
    return rpc.UploadEvidenceResponse(evidence=told, received_bytes=told.size_bytes)


def _save(told: pb.Evidence, work: Work, *, is_attached: bool) -> None:
    work.save(
        evidence,
        {
            "id": told.id,
            "case_id": told.case_id,
            "is_attached": is_attached,
            "size_bytes": told.size_bytes,
            "sha256": told.sha256,
            "body": told.SerializeToString(deterministic=True),
        },
    )


def _violations(command: BeginUpload) -> Iterator[FieldViolation]:
    if not command.file_name.strip() or "/" in command.file_name or "\\" in command.file_name:
        yield FieldViolation("file_name", "FIELD_REQUIRED", "填写不带路径的文件名 (a file name without a folder)")
    if not 0 < command.size_bytes <= MAX_FILE_BYTES:
        yield FieldViolation("size_bytes", "FILE_TOO_LARGE", "文件大小为 1 字节至 4 GiB (1 byte to 4 GiB)")
    if not _SHA256.fullmatch(command.sha256):
        yield FieldViolation("sha256", "VALUE_UNKNOWN", "64 位小写十六进制 (64 lower-case hexadecimal digits)")
    if not _MEDIA_TYPE.fullmatch(command.media_type):
        yield FieldViolation("media_type", "VALUE_UNKNOWN", "IANA 媒体类型，如 image/jpeg (a media type)")
    yield from text_violations([("file_name", command.file_name, 255), ("description", command.description, MAX_TEXT)])


BEGIN_UPLOAD = Handler(
    "BeginUpload",
    _begin,
    rpc.BeginUploadResponse,
    lambda c: (Need(cases, "id", (c.case_id,)), Need(evidence, "case_id", (c.case_id,))),
)
ATTACH_EVIDENCE = Handler(
    "AttachEvidence",
    _attach,
    rpc.UploadEvidenceResponse,
    lambda c: (Need(cases, "id", (c.case_id,)), Need(evidence, "id", (c.upload_id,))),
    lambda c: (case_stream(c.case_id),),
)
