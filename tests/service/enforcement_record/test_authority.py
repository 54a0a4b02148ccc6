"""Every RPC x every role x own agency, another agency, another region. What no table allows is refused.

The expectation is written here a second time, by hand, so that a slip in the service's own table is seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from liangfa_enforcement_record import authority
from liangfa_kit.errors import Forbidden, NotFound, PlatformError, Unauthenticated
from liangfa_kit.identity import Actor
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_protos.enforcement_record.v1 import (
    case_pb2,
    case_service_pb2,
    evidence_service_pb2,
    import_service_pb2,
    screening_service_pb2,
)
from tests.enforcement import CRIME, actor, case, decision, party
from tests.enforcement_service import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]

ROLES = (
    "officer", "agency_head", "legal_reviewer", "procurator", "chief_procurator", "police", "police_head",
    "justice_supervisor", "operator", "service", "unheard_of",
)  # fmt: skip
ENTERING = {"officer", "agency_head"}
AGENCY = ENTERING | {"legal_reviewer"}
SUPERVISORS = {"procurator", "chief_procurator", "police", "police_head", "justice_supervisor"}
REVIEWERS = {"agency_head", "legal_reviewer", "procurator", "justice_supervisor"}
READERS = AGENCY | SUPERVISORS

# What guards the thing asked for: `none` (there is none), `read` (own agency or own region), `own` (own agency; from the
# region it is seen and refused), `import` (own agency, else it does not exist).
EXPECTED: dict[str, tuple[set[str], str]] = {
    "CaseService/RegisterCase": (ENTERING, "none"),
    "CaseService/RegisterSimpleCase": (ENTERING, "none"),
    "CaseService/AmendCase": (ENTERING, "own"),
    "CaseService/AdvanceStage": (AGENCY, "own"),
    "CaseService/RecordStep": (ENTERING, "own"),
    "CaseService/RecordDecision": (ENTERING, "own"),
    "CaseService/GetCase": (READERS, "read"),
    "CaseService/SearchCases": (READERS, "none"),
    "CaseService/GetCaseTimeline": (READERS, "read"),
    "EvidenceService/BeginUpload": (ENTERING, "own"),
    "EvidenceService/UploadEvidence": (ENTERING, "own"),
    "EvidenceService/GetUpload": (ENTERING, "own"),
    "EvidenceService/DownloadEvidence": (READERS, "read"),
    "ImportService/SuggestMapping": (ENTERING, "none"),
    "ImportService/ImportTable": (ENTERING, "none"),
    "ImportService/GetImport": (AGENCY, "import"),
    "ImportService/ListImports": (AGENCY, "none"),
    "ImportService/WatchImport": (AGENCY, "import"),
    "ImportService/ResumeImport": (ENTERING, "import"),
    "ImportService/ListRejectedRows": (AGENCY, "import"),
    "ImportService/CorrectRow": (ENTERING, "import"),
    "ImportService/ExportRejectedRows": (AGENCY, "import"),
    "ImportService/ListFindings": (AGENCY, "import"),
    "ScreeningService/ScreenCase": (AGENCY, "own"),
    "ScreeningService/ListScreenings": (READERS, "read"),
    "ScreeningService/ListHits": (READERS, "none"),
    "ScreeningService/ReviewHit": (REVIEWERS, "read"),
    "ScreeningService/GetRuleQuality": (READERS, "none"),
    "ScreeningService/GetLibrary": (READERS | {"operator"}, "none"),
}
RELATIONS = {
    "own": ("market-hongshan", "420111"),
    "other": ("ecology-hongshan", "420111"),
    "far": ("market-wuchang", "420106"),
}
CONTENT = b"photograph"
TABLE = "行政相对人名称,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n".encode()
ROW = "武汉红星商贸有限公司,虚假宣传,在网页使用国家级用语,罚款,罚款1万元,1,2026-02-01\n".encode()
BAD_ROW = ",虚假宣传,在网页使用国家级用语,罚款,罚款1万元,很多,2026-02-31\n".encode()


def expected(role: str, relation: str, rpc: str) -> str:
    """Return what must come of the call: in, FORBIDDEN or NOT_FOUND."""
    roles, guard = EXPECTED[rpc]
    if role not in roles:
        return "FORBIDDEN"
    if guard == "none" or relation == "own":
        return "in"
    seen = relation == "other" and role in SUPERVISORS
    if guard == "read":
        return "in" if seen else "NOT_FOUND"
    return "FORBIDDEN" if guard == "own" and seen else "NOT_FOUND"


class Things:
    """One case, file, import and hit of 武汉市洪山区市场监督管理局, and a request about them for every RPC."""

    def __init__(self) -> None:
        self.case_id = self.upload_id = self.import_id = self.screening_id = ""

    async def make(self, service: Service) -> None:
        entered = case(cause="销售侵犯注册商标专用权的商品", narrative=CRIME)
        request = case_service_pb2.RegisterCaseRequest(request_id="t1", case=entered)
        reply = await service.cases().RegisterCase(request)
        self.case_id, self.screening_id = reply.case.id, reply.screening.id
        begin = evidence_service_pb2.BeginUploadRequest(
            request_id="t2", case_id=self.case_id, file_name="a.jpg", media_type="image/jpeg",
            size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(),
        )  # fmt: skip
        self.upload_id = (await service.evidence().BeginUpload(begin)).upload_id
        piece = evidence_service_pb2.UploadEvidenceRequest(upload_id=self.upload_id, content=CONTENT)
        await service.evidence().UploadEvidence(streamed([piece]))
        content = TABLE + ROW + BAD_ROW
        table = import_service_pb2.ImportTableRequest(request_id="t3", file_name="t.csv", content=content)
        async for told in service.imports().ImportTable(streamed([table])):
            self.import_id = told.progress.import_id

    def request(self, rpc: str, number: int) -> Message | list[Message]:
        """Return a request of `rpc` about these things, with a request id of its own; a list is a stream."""
        name = rpc.partition("/")[2]
        values: Any = {
            "RegisterCase": {"case": case()},
            "RegisterSimpleCase": {"party": party(), "cause": "占道经营", "narrative": "x", "decision": decision("")},
            "AmendCase": {"expected_version": 99, "fields": ["title"], "reason": "x"},
            "AdvanceStage": {"expected_version": 99, "to_stage": case_pb2.STAGE_OPENED},
            "RecordDecision": {"expected_version": 99, "decision": decision()},
            "GetCase": {"purpose": "x"},
            "GetCaseTimeline": {"purpose": "x"},
            "ListScreenings": {"purpose": "x"},
            "BeginUpload": {"file_name": "b.jpg", "media_type": "image/jpeg", "size_bytes": 1, "sha256": "0" * 64},
            "DownloadEvidence": {"evidence_id": self.upload_id, "purpose": "x"},
            "SuggestMapping": {"file_name": "t.csv", "content": TABLE},
            "ImportTable": {"file_name": "t.csv", "content": TABLE + ROW, "dry_run": True},
            "CorrectRow": {"row": 3, "values": {}},
            "ReviewHit": {"accepted": True, "reason": "x"},
        }.get(name, {})
        module = {
            "CaseService": case_service_pb2,
            "EvidenceService": evidence_service_pb2,
            "ImportService": import_service_pb2,
            "ScreeningService": screening_service_pb2,
        }[rpc.partition("/")[0]]
        message_class = getattr(module, f"{name}Request")
        fields = set(message_class.DESCRIPTOR.fields_by_name)
        usual = {
            "request_id": f"q{number}", "case_id": self.case_id, "upload_id": self.upload_id,
            "import_id": self.import_id, "screening_id": self.screening_id,
        }  # fmt: skip
        message = message_class(**{key: value for key, value in usual.items() if key in fields}, **values)
        return [message] if name in {"UploadEvidence", "SuggestMapping", "ImportTable"} else message


async def streamed(messages: Iterable[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


async def outcome(service: Service, caller: Actor, rpc: str, request: Message | list[Message]) -> str:
    """Call and return FORBIDDEN, NOT_FOUND, or `in` for whatever else comes of it."""
    stub_of: dict[str, Callable[[Actor], Any]] = {
        "CaseService": service.cases,
        "EvidenceService": service.evidence,
        "ImportService": service.imports,
        "ScreeningService": service.screening,
    }
    owner, _, name = rpc.partition("/")
    call = getattr(stub_of[owner](caller), name)(streamed(request) if isinstance(request, list) else request)
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except Forbidden:
        return "FORBIDDEN"
    except NotFound:
        return "NOT_FOUND"
    except PlatformError as error:
        return "in" if error.kind.value != "INTERNAL" else f"a bug: {error}"
    return "in"


async def test_every_rpc_for_every_role_and_relation(tmp_path: Path) -> None:
    """The generated table: whoever is not named in it is refused."""
    async with running_service(tmp_path) as service:
        things = Things()
        await things.make(service)
        wrong = []
        number = 0
        for rpc in EXPECTED:
            for role in ROLES:
                for relation, (agency, region) in RELATIONS.items():
                    number += 1
                    caller = actor(role, agency=agency, region=region, person=f"{role}-{relation}")
                    found = await outcome(service, caller, rpc, things.request(rpc, number))
                    if found != expected(role, relation, rpc):
                        wrong.append(f"{rpc} as {role} of {relation}: {found}, not {expected(role, relation, rpc)}")
        assert not wrong, "\n".join(wrong)
        assert number == len(EXPECTED) * len(ROLES) * len(RELATIONS)


async def test_the_table_names_every_rpc_that_is_served_and_no_other(tmp_path: Path) -> None:
    """A method without a rule is for nobody, and nobody has forgotten one."""
    async with running_service(tmp_path) as service:
        served = {path.removeprefix("/liangfa_protos.enforcement_record.v1.") for path in service.pipeline.endpoints}
        assert served == set(EXPECTED)
        assert set(authority.RULES) == set(service.pipeline.endpoints)


async def test_lists_show_exactly_what_single_reads_show(tmp_path: Path) -> None:
    """Hits and search results are filtered by the scope that guards the single case."""
    async with running_service(tmp_path) as service:
        things = Things()
        await things.make(service)
        for role in sorted(READERS):
            for relation, (agency, region) in RELATIONS.items():
                caller = actor(role, agency=agency, region=region)
                sees = expected(role, relation, "CaseService/GetCase") == "in"
                hits = await service.screening(caller).ListHits(screening_service_pb2.ListHitsRequest())
                found = await service.cases(caller).SearchCases(case_service_pb2.SearchCasesRequest())
                assert (hits.total > 0, found.total > 0) == (sees, sees), f"{role} of {relation}"


async def test_nobody_without_a_token_gets_in(tmp_path: Path) -> None:
    """The pipeline refuses before any rule is asked."""
    async with running_service(tmp_path) as service:
        from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub

        stub: Any = CaseServiceStub(local_channel(service.pipeline, Outgoing()))
        with pytest.raises(Unauthenticated):
            await stub.SearchCases(case_service_pb2.SearchCasesRequest())
