"""What a caller with a valid token may try: reading without a trace, seeing what is masked, confusing one thing with another."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from liangfa_enforcement_record.commands.amending import AMENDABLE
from liangfa_kit.errors import Exists, Forbidden, Invalid, PlatformError, Precondition
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as evidence_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as import_rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.standards.v1 import values_pb2
from tests.enforcement import CRIME, PROCURATOR, RESIDENT_ID, actor, case, decision, party
from tests.enforcement_service import Service, running_service

pytestmark = pytest.mark.asyncio
PERSON = {"kind": values_pb2.PARTY_KIND_PERSON, "id_document_type": "resident_id", "id_document_number": RESIDENT_ID}


def token(*place: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


async def registered(service: Service, **rest: Any) -> rpc.RegisterCaseResponse:
    request = rpc.RegisterCaseRequest(request_id=f"r{len(str(rest))}{id(rest)}", case=case(**rest))
    reply: rpc.RegisterCaseResponse = await service.cases().RegisterCase(request)
    return reply


async def views(service: Service, case_id: str) -> int:
    """Return how often the case was looked at, as its agency sees it (this look included)."""
    told = await service.cases().GetCaseTimeline(rpc.GetCaseTimelineRequest(case_id=case_id, page_size=500))
    return sum(entry.type == "CaseViewed" for entry in told.entries)


async def test_no_page_of_a_case_is_read_without_a_trace(tmp_path: Path) -> None:
    """A token made by hand, or taken over from a colleague, opens no page whose first one was not journalled."""
    async with running_service(tmp_path) as service:
        entered = await registered(service, narrative=CRIME, cause="销售假冒注册商标的商品")
        case_id = entered.case.id
        for made in (token(0), token(0, 1), token(0, 0, 1), token(1 << 62, "~"), token(1 << 62, "~", 1)):
            timeline = rpc.GetCaseTimelineRequest(case_id=case_id, purpose="督办", page_token=made)
            results = screening_rpc.ListScreeningsRequest(case_id=case_id, purpose="督办", page_token=made)
            with pytest.raises(Invalid, match="page token"):
                await service.cases(PROCURATOR).GetCaseTimeline(timeline)
            with pytest.raises(Invalid, match="page token"):
                await service.screening(PROCURATOR).ListScreenings(results)
        first = rpc.GetCaseTimelineRequest(case_id=case_id, purpose="督办", page_size=1)
        page = await service.cases(PROCURATOR).GetCaseTimeline(first)
        assert page.next_page_token
        stolen = rpc.GetCaseTimelineRequest(case_id=case_id, purpose="督办", page_token=page.next_page_token)
        with pytest.raises(Invalid):
            await service.cases(actor("procurator", agency="x", person="p9")).GetCaseTimeline(stolen)
        assert (await service.cases(PROCURATOR).GetCaseTimeline(stolen)).entries
        assert await views(service, case_id) == 2


async def test_paging_through_a_history_ends_at_what_it_was_when_it_began(tmp_path: Path) -> None:
    """Reading page by page adds nothing to what is read, and leaves out nothing."""
    async with running_service(tmp_path) as service:
        case_id = (await registered(service)).case.id
        for number in range(5):
            await service.cases().GetCase(rpc.GetCaseRequest(case_id=case_id, purpose=str(number)))
        types, made = [], ""
        while True:
            request = rpc.GetCaseTimelineRequest(case_id=case_id, page_size=1, page_token=made)
            page = await service.cases().GetCaseTimeline(request)
            types += [entry.type for entry in page.entries]
            if not (made := page.next_page_token):
                break
        assert types == ["CaseRegistered"] + ["CaseViewed"] * 6


@pytest.mark.parametrize(
    ("hidden", "changed"),
    [
        ({"id_document_type": "passport", "id_document_number": "E12345678"}, {"address": "洪山区甲路2号"}),
        ({**PERSON, "phone": "027-87654321"}, {"address": "洪山区甲路2号"}),
        (PERSON, {"id_document_number": "420111199001011230"}),
    ],
)
async def test_an_amendment_reveals_no_number_that_a_read_would_mask(
    tmp_path: Path, hidden: dict[str, Any], changed: dict[str, Any]
) -> None:
    """The reply and the history tell old and new values of a party; its numbers stay masked in both."""
    async with running_service(tmp_path) as service:
        entered = (await registered(service, parties=[party("王某某", **hidden)])).case
        after = party("王某某", **({name: getattr(entered.parties[0], name) for name in hidden} | changed))
        if "id_document_number" in changed:
            after.id_document_number = _valid_id()
        request = rpc.AmendCaseRequest(
            request_id="a", case_id=entered.id, expected_version=1, fields=["parties"], reason="核实地址",
            case=pb.Case(parties=[after]),
        )  # fmt: skip
        reply = await service.cases().AmendCase(request)
        told = await service.cases().GetCaseTimeline(rpc.GetCaseTimelineRequest(case_id=entered.id))
        assert reply.changes
        numbers = {value for name, value in hidden.items() if name in {"phone", "id_document_number"}}
        for number in numbers | {after.id_document_number or after.phone} - {""}:
            if "*" not in number:
                assert number not in str(reply)
                assert number not in str(told)


def _valid_id() -> str:
    """Return a well-formed number of nobody."""
    body = "42011119900101123"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


async def test_a_verdict_is_given_on_the_present_result_only(tmp_path: Path) -> None:
    """Rejecting a result that a newer one has replaced would close the alert of the newer one."""
    async with running_service(tmp_path) as service:
        entered = await registered(service, narrative=CRIME, cause="销售假冒注册商标的商品")
        change = rpc.AmendCaseRequest(
            request_id="a", case_id=entered.case.id, expected_version=1, fields=["narrative"], reason="补充",
            case=pb.Case(narrative=CRIME.replace("8万元", "18万元")),
        )  # fmt: skip
        await service.cases().AmendCase(change)
        review = screening_rpc.ReviewHitRequest(
            request_id="v", screening_id=entered.screening.id, accepted=False, reason="不构成"
        )
        with pytest.raises(Precondition) as refused:
            await service.screening(PROCURATOR).ReviewHit(review)
        assert refused.value.reason == "SCREENING_SUPERSEDED"


async def test_a_verdict_names_an_offence_of_the_library_and_a_reason_of_bounded_length(tmp_path: Path) -> None:
    """Otherwise the quality per rule counts what no rule can find."""
    async with running_service(tmp_path) as service:
        entered = await registered(service, narrative=CRIME, cause="销售假冒注册商标的商品")
        for wrong in ({"corrected_offence_id": "no_such_offence"}, {"reason": "x" * 20_001}, {"reason": "不\x00"}):
            values: dict[str, Any] = {"reason": "不构成"} | wrong
            review = screening_rpc.ReviewHitRequest(
                request_id=f"v{wrong}"[:90], screening_id=entered.screening.id, **values
            )
            with pytest.raises(Invalid):
                await service.screening(PROCURATOR).ReviewHit(review)


@pytest.mark.parametrize("role", ["officer", "agency_head", "legal_reviewer"])
async def test_an_agency_role_without_an_agency_may_do_nothing(tmp_path: Path, role: str) -> None:
    """Cases of no agency would be everybody's who has none."""
    async with running_service(tmp_path) as service:
        nobody = actor(role, agency="")
        with pytest.raises(Forbidden) as refused:
            await service.cases(nobody).SearchCases(rpc.SearchCasesRequest())
        assert refused.value.reason == "AGENCY_REQUIRED"
        with pytest.raises(Forbidden):
            await service.cases(nobody).RegisterCase(rpc.RegisterCaseRequest(request_id="1", case=case()))


async def test_a_piece_of_another_upload_is_refused(tmp_path: Path) -> None:
    """Bytes of one file never land in another, and the upload stays as it was."""
    async with running_service(tmp_path) as service:
        case_id = (await registered(service)).case.id
        uploads = []
        for number in range(2):
            begin = evidence_rpc.BeginUploadRequest(
                request_id=f"b{number}", case_id=case_id, file_name="a.jpg", media_type="image/jpeg", size_bytes=100,
                sha256=str(number) * 64,
            )  # fmt: skip
            uploads.append((await service.evidence().BeginUpload(begin)).upload_id)

        async def pieces() -> AsyncIterator[evidence_rpc.UploadEvidenceRequest]:
            yield evidence_rpc.UploadEvidenceRequest(upload_id=uploads[0], content=b"x" * 10)
            yield evidence_rpc.UploadEvidenceRequest(upload_id=uploads[1], offset=10, content=b"y" * 10)

        with pytest.raises(Invalid) as refused:
            await service.evidence().UploadEvidence(pieces())
        assert refused.value.reason == "UPLOAD_MIXED"
        state = await service.evidence().GetUpload(evidence_rpc.GetUploadRequest(upload_id=uploads[0]))
        assert state.received_bytes == 10


@pytest.mark.parametrize("second", ["洪市监处罚[2026]12号", "洪市监处罚（2026）12号", "洪市监处罚〔2026〕第12号"])
async def test_a_document_number_in_another_spelling_is_taken_too(tmp_path: Path, second: str) -> None:
    """And the refusal says so, not that somebody else was quicker."""
    async with running_service(tmp_path) as service:
        await registered(service, decision=decision("洪市监处罚〔2026〕12号"))
        with pytest.raises(Exists) as refused:
            await registered(service, decision=decision(second))
        assert refused.value.reason == "DOCUMENT_NUMBER_TAKEN"


def _with_text(message: Message, path: tuple[FieldDescriptor, ...], text: str) -> None:
    """Put `text` where `path` leads within `message`."""
    field, *rest = path
    if rest:
        inner: Any = getattr(message, field.name)
        _with_text((inner[0] if len(inner) else inner.add()) if field.is_repeated else inner, tuple(rest), text)
    elif field.is_repeated and field.message_type is not None:
        getattr(message, field.name)["k"] = text
    elif field.is_repeated:
        getattr(message, field.name).append(text)
    else:
        setattr(message, field.name, text)


def _texts(descriptor: Any, above: tuple[FieldDescriptor, ...] = ()) -> list[tuple[FieldDescriptor, ...]]:
    """Return the paths of all texts of a message, maps and messages within it included."""
    found = []
    for field in descriptor.fields:
        path = (*above, field)
        if field.type == FieldDescriptor.TYPE_STRING or (
            field.message_type and field.message_type.GetOptions().map_entry
        ):
            found.append(path)
        elif field.message_type is not None and not field.message_type.full_name.startswith("google."):
            found += _texts(field.message_type, path)
    return found


@pytest.mark.parametrize("text", ["\x00", "a\x1b[31m", "a\x9b31m", "甲\u202e乙", "x" * 100_001])
async def test_no_text_of_a_case_takes_control_characters_or_endless_text(tmp_path: Path, text: str) -> None:
    """Every text that an officer may send, found from the proto: a new field without a rule fails here."""
    async with running_service(tmp_path) as service:
        taken = []
        paths = [path for path in _texts(pb.Case.DESCRIPTOR) if path[0].name in AMENDABLE]
        assert len(paths) > 25
        for number, path in enumerate(paths):
            wanted = case(decision=decision(f"洪市监处罚〔2026〕{number}号"))
            _with_text(wanted, path, text)
            kind = await _refusal_kind(service, rpc.RegisterCaseRequest(request_id=f"q{number}", case=wanted))
            if kind != "INVALID":
                taken.append((".".join(field.name for field in path), kind))
        assert taken == []


async def _refusal_kind(service: Service, request: rpc.RegisterCaseRequest) -> str:
    """Return the kind of error with which a case is refused; empty when it is taken."""
    try:
        await service.cases().RegisterCase(request)
    except PlatformError as error:
        return error.kind.value
    return ""


@pytest.mark.parametrize("name", ["stages", "outcomes"])
async def test_more_conditions_than_there_are_values_are_refused(tmp_path: Path, name: str) -> None:
    """A hundred thousand of them never reach the database."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refused:
            values: Any = {name: list(range(100_000))}
            await service.cases().SearchCases(rpc.SearchCasesRequest(**values))
        assert refused.value.reason == "TOO_MANY"


async def test_what_a_table_brought_incomplete_keeps_nobody_from_amending_something_else(tmp_path: Path) -> None:
    """A decision of "2025" stays as it is; a new date must still be whole."""
    header = "行政相对人名称,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n"
    row = "武汉红星商贸有限公司,虚假宣传,在网页使用国家级用语,罚款,罚款1万元,1,2025年\n"

    async def table() -> AsyncIterator[import_rpc.ImportTableRequest]:
        yield import_rpc.ImportTableRequest(request_id="i", file_name="t.csv", content=(header + row).encode())

    async with running_service(tmp_path) as service:
        async for told in service.imports().ImportTable(table()):
            progress = told.progress
        assert progress.cases_registered == 1
        (line,) = (await service.cases().SearchCases(rpc.SearchCasesRequest())).cases
        assert line.decided_on == "2025"
        change = rpc.AmendCaseRequest(
            request_id="a", case_id=line.case_id, expected_version=1, fields=["title"], reason="统一名称",
            case=pb.Case(title="虚假宣传案"),
        )  # fmt: skip
        assert (await service.cases().AmendCase(change)).case.title == "虚假宣传案"
        worse = rpc.AmendCaseRequest(
            request_id="b", case_id=line.case_id, expected_version=2, fields=["occurred_on"], reason="补充",
            case=pb.Case(occurred_on="2025"),
        )  # fmt: skip
        with pytest.raises(Invalid):
            await service.cases().AmendCase(worse)
