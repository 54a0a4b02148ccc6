"""What the record tells the caller of a case, on the caller's own authority: facts for a question, and files of evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from liangfa_joint_meeting.errors import EvidenceUnknown, RecordNotReachable
from liangfa_joint_meeting.validation import MAX_LIST, MAX_NAME, MAX_REASON, MAX_TITLE
from liangfa_kit.rpc.client import Channel
from liangfa_protos.enforcement_record.v1 import case_pb2, case_service_pb2, evidence_service_pb2, screening_service_pb2
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc

_PURPOSE = "起草案件双向咨询"


class CaseFacts:
    """Reads enforcement_record for whoever calls. `channel` forwards the caller's token; None where it is not reachable."""

    def __init__(self) -> None:
        self.channel: Channel | None = None

    async def evidence(self, case_id: str, evidence_id: str, purpose: str) -> case_pb2.Evidence:
        """Return what the record says of a file. Raises what the record raises, and `NotFound` for a file of another case."""
        if self.channel is None:
            raise RecordNotReachable
        cases: Any = CaseServiceStub(self.channel)
        case = (await cases.GetCase(case_service_pb2.GetCaseRequest(case_id=case_id, purpose=purpose))).case
        found: case_pb2.Evidence | None = next((one for one in case.evidence if one.id == evidence_id), None)
        if found is None:
            raise EvidenceUnknown(evidence_id)
        return found

    async def content(self, evidence_id: str, offset: int, purpose: str) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from `offset` on. Raises what the record raises."""
        if self.channel is None:
            raise RecordNotReachable
        stub: Any = EvidenceServiceStub(self.channel)
        asked = evidence_service_pb2.DownloadEvidenceRequest(evidence_id=evidence_id, purpose=purpose, offset=offset)
        async for piece in stub.DownloadEvidence(asked):
            yield piece.content

    async def draft(self, case_id: str, screening_id: str) -> rpc.AskConsultationRequest:
        """Return a question without its words and units. Raises what the record raises: `NotFound` for a case unseen."""
        if self.channel is None:
            raise RecordNotReachable
        cases: Any = CaseServiceStub(self.channel)
        screenings: Any = ScreeningServiceStub(self.channel)
        read = case_service_pb2.GetCaseRequest(case_id=case_id, purpose=_PURPOSE)
        case = (await cases.GetCase(read)).case
        listed = screening_service_pb2.ListScreeningsRequest(case_id=case_id, purpose=_PURPOSE, page_size=100)
        found = list((await screenings.ListScreenings(listed)).screenings)
        chosen = next((one for one in found if screening_id in {"", one.id}), None)
        return drafted(case, chosen)


def drafted(case: case_pb2.Case, screening: case_pb2.Screening | None) -> rpc.AskConsultationRequest:
    """Return the draft of a question about a case. Parties and narrative stay where they are: the asker tells what is needed."""
    offences = [*screening.offences, *screening.near_misses] if screening else []
    offence = offences[0] if offences else case_pb2.ScreenedOffence()
    about = f"{offence.name_zh}的立案追诉标准" if offence.name_zh else "案件性质"
    return rpc.AskConsultationRequest(
        kind=pb.CONSULTATION_KIND_FILING_STANDARD if offence.name_zh else pb.CONSULTATION_KIND_NATURE,
        title=f"{case.cause}：{about}"[:MAX_TITLE],
        cause=case.cause[:500],
        offence_name_zh=offence.name_zh[:MAX_NAME],
        facts=[_fact(fact) for fact in offence.facts[:MAX_LIST]],
        files=[
            pb.FileReference(
                name=one.file_name[:MAX_NAME],
                media_type=one.media_type[:MAX_NAME],
                size_bytes=one.size_bytes,
                sha256=one.sha256,
                evidence_id=one.id,
            )
            for one in case.evidence[:MAX_LIST]
        ],
        case_id=case.id,
        screening_id=screening.id if screening else "",
    )


def _fact(fact: case_pb2.ScreenedFact) -> pb.AttachedFact:
    return pb.AttachedFact(
        label=(fact.label_zh or fact.name)[:MAX_NAME], value=fact.value[:MAX_REASON], source=fact.text[:MAX_REASON]
    )
