"""Evidence of a case as enforcement_record shows it to whoever calls: on the caller's own authority, every reading journalled there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog

from liangfa_kit.errors import Forbidden, NotFound, PlatformError
from liangfa_kit.rpc.client import Channel
from liangfa_protos.enforcement_record.v1 import case_pb2, case_service_pb2, evidence_service_pb2
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub

_PURPOSE = "导出移送案件电子卷宗"
_log = structlog.get_logger("liangfa.case_transfer")


class CaseEvidence:
    """Reads enforcement_record for whoever calls. `channel` forwards the caller's token; None where it is not reachable."""

    def __init__(self) -> None:
        self.channel: Channel | None = None

    async def listed(self, case_id: str) -> tuple[Sequence[case_pb2.Evidence], str]:
        """Return the evidence of a case, or why there is none to be had: never an error, the rest of the file goes on."""
        if self.channel is None:
            return (), "未接通执法记录服务，证据文件未入卷"
        stub: Any = CaseServiceStub(self.channel)
        try:
            reply = await stub.GetCase(case_service_pb2.GetCaseRequest(case_id=case_id, purpose=_PURPOSE))
        except (NotFound, Forbidden):
            return (), "导出人无权查阅该行政案件，证据文件未入卷"
        except PlatformError as error:
            _log.warning("evidence_not_listed", case=case_id, reason=error.reason)
            return (), f"执法记录服务未答复（{error.reason}），证据文件未入卷"
        return sorted(reply.case.evidence, key=lambda one: one.id), ""

    async def content(self, evidence: case_pb2.Evidence) -> AsyncIterator[bytes]:
        """Yield the bytes of a file; what breaks off is shorter than recorded, and the catalogue marks it."""
        if self.channel is None:
            return
        stub: Any = EvidenceServiceStub(self.channel)
        asked = evidence_service_pb2.DownloadEvidenceRequest(evidence_id=evidence.id, purpose=_PURPOSE)
        try:
            async for piece in stub.DownloadEvidence(asked):
                yield piece.content
        except PlatformError as error:
            _log.warning("evidence_broke_off", evidence=evidence.id, reason=error.reason)
