"""Every RPC for every role and every relation: who takes no part, or no longer, learns nothing, not even that it exists.

The expectation is written here a second time, by hand, so that a slip in the service's own table is seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from liangfa_joint_meeting import authority
from liangfa_kit.errors import Forbidden, NotFound, PlatformError, Unauthenticated
from liangfa_kit.identity import Actor
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import (
    consultation_service_pb2,
    file_service_pb2,
    meeting_pb2,
    meeting_service_pb2,
    precedent_service_pb2,
    unit_service_pb2,
)
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.joint_meeting.v1.file_service_pb2_grpc import FileServiceStub
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from liangfa_protos.joint_meeting.v1.precedent_service_pb2_grpc import PrecedentServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub
from tests.consulting import FAR, MARKET, START, Service, person, question, running_service, unit

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]

SIGNERS = {"agency_head", "legal_reviewer", "procurator", "police", "justice_supervisor", "judge"}
PEOPLE = SIGNERS | {"officer"}
MODULES: dict[str, Any] = {
    "ConsultationService": consultation_service_pb2,
    "FileService": file_service_pb2,
    "MeetingService": meeting_service_pb2,
    "PrecedentService": precedent_service_pb2,
    "UnitService": unit_service_pb2,
}
STUBS: dict[str, Any] = {
    "ConsultationService": ConsultationServiceStub,
    "FileService": FileServiceStub,
    "MeetingService": MeetingServiceStub,
    "PrecedentService": PrecedentServiceStub,
    "UnitService": UnitServiceStub,
}
ROLES = (*sorted(PEOPLE), "operator", "service", "unheard_of")

# What guards the thing asked for: `none` (there is none), `part` (any participant), `asker`, `consulted` (another
# participant is told that it is not theirs to do; whoever takes no part is told that there is nothing), `region` (in 420111).
EXPECTED: dict[str, tuple[set[str], str]] = {
    "ConsultationService/DraftConsultation": (PEOPLE, "none"),
    "ConsultationService/AskConsultation": (PEOPLE, "none"),
    "ConsultationService/GetConsultation": (PEOPLE, "part"),
    "ConsultationService/ListConsultations": (PEOPLE, "none"),
    "ConsultationService/ListMessages": (PEOPLE, "part"),
    "ConsultationService/SendMessage": (PEOPLE, "part"),
    "ConsultationService/MarkMessages": (PEOPLE, "part"),
    "ConsultationService/InviteUnit": (PEOPLE, "part"),
    "ConsultationService/LeaveConsultation": (PEOPLE, "asker"),
    "ConsultationService/GiveAnswer": (SIGNERS, "consulted"),
    "ConsultationService/AcknowledgeAnswer": (PEOPLE, "asker"),
    "ConsultationService/RecordOutcome": (PEOPLE, "asker"),
    "ConsultationService/CloseConsultation": (PEOPLE, "asker"),
    "ConsultationService/ReopenConsultation": (PEOPLE, "asker"),
    "ConsultationService/Converse": (PEOPLE, "part"),
    "FileService/SendFile": (PEOPLE, "none"),
    "FileService/GetArrival": (PEOPLE, "none"),
    "FileService/CopyEvidence": (PEOPLE, "none"),
    "FileService/ReadFile": (PEOPLE, "part"),
    "PrecedentService/PreviewPrecedent": (SIGNERS, "part"),
    "PrecedentService/PublishPrecedent": (SIGNERS, "part"),
    "PrecedentService/WithdrawPrecedent": (SIGNERS, "part"),
    "PrecedentService/SearchPrecedents": (PEOPLE, "none"),
    "PrecedentService/SuggestPrecedents": (PEOPLE, "none"),
    "PrecedentService/GetConsultationFigures": (PEOPLE, "none"),
    "MeetingService/SetMeetingRule": ({"operator"}, "region"),
    **{
        f"MeetingService/{name}": (PEOPLE, "member")
        for name in (
            "GetMeetingRule",
            "ProposeItem",
            "GetMeeting",
            "ListMeetings",
            "AcknowledgeNotice",
            "RecordOpinion",
            "GetMinutes",
            "ListTasks",
            "GetCalendar",
            "DraftBulletin",
        )
    },
    **{
        f"MeetingService/{name}": (SIGNERS, "member")
        for name in ("RequestSpecialMeeting", "CastVote", "ConfirmMinutes")
    },
    **{
        f"MeetingService/{name}": (SIGNERS, "convener")
        for name in (
            "ConveneMeeting",
            "OrderAgenda",
            "CancelMeeting",
            "OpenMeeting",
            "AdoptResolution",
            "CloseMeeting",
            "ReviseMinutes",
            "JudgeTask",
        )
    },
    "MeetingService/ReportTask": (PEOPLE, "owner"),
    "UnitService/EnrolUnit": ({"operator"}, "region"),
    "UnitService/ListUnits": (PEOPLE | {"operator"}, "none"),
}
RELATIONS = {
    "asker": ("market", "420111"),
    "consulted": ("police", "420111"),
    "invited": ("procuratorate", "420111"),
    "former": ("ecology", "420111"),
    "stranger": ("court", "420111"),
    "far": ("far-police", FAR),
    "province": ("province-procuratorate", "420000"),
}


MEMBERS, CONVENER = {"asker", "consulted", "invited"}, "invited"
"""Which of them are members of the joint meeting, and which convenes it. The task is the consulted unit's."""


def expected(role: str, relation: str, rpc: str) -> str:
    """Return what must come of the call: in, FORBIDDEN or NOT_FOUND."""
    roles, guard = EXPECTED[rpc]
    if role not in roles:
        return "FORBIDDEN"
    if guard == "none":
        return "in"
    if guard == "region":
        return "FORBIDDEN" if relation == "far" else "in"
    if guard in {"member", "convener", "owner"}:
        if relation not in MEMBERS or (guard == "owner" and relation != "consulted"):
            return "NOT_FOUND"
        return "in" if guard != "convener" or relation == CONVENER else "FORBIDDEN"
    if relation not in {"asker", "consulted", "invited"}:
        return "NOT_FOUND"
    return "in" if guard in {"part", relation} else "FORBIDDEN"


class Things:
    """One consultation of the market regulator with everybody in every relation, and a request of every RPC about it."""

    def __init__(self) -> None:
        self.consultation_id = self.answer_id = self.meeting_id = self.task_id = ""

    async def make(self, service: Service) -> None:
        asked = await service.ask(invited_unit_ids=["procuratorate", "ecology"])
        self.consultation_id = asked.id
        await service.leave(asked.id, MARKET, "ecology")
        self.answer_id = (await service.answer(asked.id)).id
        stub: Any = MeetingServiceStub(service.channel(person("desk", "operator")))
        units = ["procuratorate", "police", "market"]
        rule = meeting_pb2.MeetingRule(
            region="420111", convener_unit_id="procuratorate", member_unit_ids=units, months_between=6,
            special_requests=3, quorum_percent=50, remind_days=14,
        )  # fmt: skip
        await stub.SetMeetingRule(meeting_service_pb2.SetMeetingRuleRequest(request_id="m0", rule=rule))
        stub = MeetingServiceStub(service.channel(person("procuratorate", "procurator")))
        request_class: Any = meeting_service_pb2.ConveneMeetingRequest
        convene = request_class(
            request_id="m1", kind=meeting_pb2.MEETING_KIND_SPECIAL, title="会", place="室", starts_at=START
        )
        propose = meeting_service_pb2.ProposeItemRequest(request_id="m2", title="事项")
        await stub.ProposeItem(propose)
        meeting = (await stub.ConveneMeeting(convene)).meeting
        self.meeting_id = meeting.id
        await stub.OpenMeeting(
            meeting_service_pb2.OpenMeetingRequest(request_id="m3", meeting_id=meeting.id, present_unit_ids=units)
        )
        draft = meeting_service_pb2.TaskDraft(owner_unit_id="police", text="办", due_on="2026-12-01")
        adopted = await stub.AdoptResolution(
            meeting_service_pb2.AdoptResolutionRequest(
                request_id="m4", meeting_id=meeting.id, item_id=meeting.agenda[0].id, text="议", tasks=[draft]
            )
        )
        self.task_id = adopted.tasks[0].id

    def request(self, rpc: str, number: int) -> Message:
        name = rpc.partition("/")[2]
        if name == "AskConsultation":
            return question(consulted_unit_ids=["desk-of-others"])
        if name == "EnrolUnit":
            return unit_service_pb2.EnrolUnitRequest(request_id=f"q{number}", unit=unit("new"))
        values: Any = {
            "SendMessage": {"text": "问"},
            "InviteUnit": {"unit_id": "procuratorate"},
            "LeaveConsultation": {"unit_id": "court", "reason": "x"},
            "GiveAnswer": {"view": "", "grounds": ""},
            "AcknowledgeAnswer": {"answer_id": self.answer_id, "sha256": "0"},
            "RecordOutcome": {"answer_id": self.answer_id, "outcome": pb.OUTCOME_FOLLOWED, "reason": "x"},
            "ReopenConsultation": {"reason": "x"},
            "GetMeetingRule": {"region": "420111"},
            "ListMeetings": {"page_size": 1},
            "ConveneMeeting": {"title": ""},
            "DraftBulletin": {"day_from": "2026-03-01", "day_to": "2026-03-31"},
            "RecordOpinion": {"item_id": "none", "text": "x"},
            "CastVote": {"item_id": "none", "choice": 1},
            "AdoptResolution": {"item_id": "none", "text": "x"},
            "OpenMeeting": {"present_unit_ids": []},
            "ReportTask": {"reply": ""},
        }.get(name, {})
        if name == "SetMeetingRule":
            rule = meeting_pb2.MeetingRule(region="420111", months_between=0)
            return meeting_service_pb2.SetMeetingRuleRequest(request_id=f"q{number}", rule=rule)
        if name == "Converse":
            opening = consultation_service_pb2.OpenConversation(consultation_id=self.consultation_id)
            return consultation_service_pb2.ConverseRequest(open=opening)
        if name == "ReadFile":
            return file_service_pb2.ReadFileRequest(consultation_id=self.consultation_id, sha256="0" * 64)
        module: Any = MODULES[rpc.partition("/")[0]]
        message_class = getattr(module, f"{name}Request")
        fields = set(message_class.DESCRIPTOR.fields_by_name)
        usual = {"request_id": f"q{number}", "consultation_id": self.consultation_id, "meeting_id": self.meeting_id,
                 "task_id": self.task_id}  # fmt: skip
        made: Message = message_class(**{key: value for key, value in usual.items() if key in fields}, **values)
        return made


async def outcome(service: Service, caller: Actor, rpc: str, request: Message) -> tuple[str, str]:
    """Call and return FORBIDDEN, NOT_FOUND, or `in` for whatever else comes of it, with the refusal's whole text."""
    owner, _, name = rpc.partition("/")
    stub = STUBS[owner](service.channel(caller))

    async def streamed() -> AsyncIterator[Message]:
        yield request

    try:
        if name == "Converse":
            async for _ in stub.Converse(streamed()):
                break
        elif name == "ReadFile":
            async for _ in stub.ReadFile(request):
                break
        elif name == "SendFile":
            await stub.SendFile(streamed())
        else:
            await getattr(stub, name)(request)
    except Forbidden as error:
        return "FORBIDDEN", str(error)
    except NotFound as error:
        if error.reason in {
            "UNIT_UNKNOWN",
            "ANSWER_NOT_FOUND",
            "PRECEDENT_NOT_FOUND",
            "ITEM_NOT_FOUND",
            "FILE_NOT_FOUND",
        }:
            return "in", ""
        return "NOT_FOUND", f"{error.reason} {error} {error.message_zh} {error.remedy} {error.metadata}"
    except PlatformError as error:
        return ("in" if error.kind.value != "INTERNAL" else f"a bug: {error}"), ""
    return "in", ""


NOBODY = "0190aaaa-0000-7000-8000-000000000000"


def without_ids(told: str, things: Things) -> str:
    for key in (things.consultation_id, things.meeting_id, things.task_id):
        told = told.replace(key, "ID")
    return told


async def test_every_rpc_for_every_role_and_relation(tmp_path: Path) -> None:
    """The generated table: whoever is not named in it is refused, and a stranger is told what a nobody is told."""
    async with running_service(tmp_path) as service:
        things, nothing = Things(), Things()
        await things.make(service)
        nothing.consultation_id = nothing.meeting_id = nothing.task_id = NOBODY
        wrong, number = [], 0
        for rpc in sorted(EXPECTED, key=lambda name: name.endswith(("CloseConsultation", "ReopenConsultation"))):
            for role in ROLES:
                for relation, (agency, region) in RELATIONS.items():
                    number += 1
                    caller = person(agency, role, f"{role}-{number}", region)
                    found, told = await outcome(service, caller, rpc, things.request(rpc, number))
                    if found != expected(role, relation, rpc):
                        wrong.append(f"{rpc} as {role} of {relation}: {found}, not {expected(role, relation, rpc)}")
                    if found == "NOT_FOUND":
                        _, nobody = await outcome(service, caller, rpc, nothing.request(rpc, number + 100_000))
                        if without_ids(nobody, nothing) != without_ids(told, things):
                            wrong.append(f"{rpc} as {role} of {relation} tells: {told}")
        assert not wrong, "\n".join(wrong)


async def test_the_table_names_every_rpc_that_is_served_and_no_other(tmp_path: Path) -> None:
    """A method without a rule is for nobody, and nobody has forgotten one."""
    async with running_service(tmp_path) as service:
        served = {path.removeprefix("/liangfa_protos.joint_meeting.v1.") for path in service.pipeline.endpoints}
        assert served == set(EXPECTED)
        assert set(authority.RULES) == set(service.pipeline.endpoints)


async def test_lists_show_exactly_what_single_reads_show(tmp_path: Path) -> None:
    """Taking part is the scope of lists and of full text alike."""
    async with running_service(tmp_path) as service:
        things = Things()
        await things.make(service)
        for relation, (agency, region) in RELATIONS.items():
            sees = relation in {"asker", "consulted", "invited"}
            for text in ("", "假冒注册商标", "建议移送"):
                request = consultation_service_pb2.ListConsultationsRequest(text=text)
                caller = person(agency, "procurator", region=region)
                found = await service.consult(caller).ListConsultations(request)
                assert bool(found.consultations) == sees, f"{relation} by {text!r}"


async def test_an_operator_enters_units_of_the_own_region_only(tmp_path: Path) -> None:
    """And cannot take over another region's unit by its id."""
    async with running_service(tmp_path) as service:
        district = person("desk", "operator", region="420111")
        for wrong in (unit("new", FAR), unit("far-police", "420111")):
            with pytest.raises(Forbidden) as refused:
                await service.units(district).EnrolUnit(
                    unit_service_pb2.EnrolUnitRequest(request_id=f"{wrong.id}{wrong.region}", unit=wrong)
                )
            assert refused.value.reason == "NOT_YOUR_REGION"
        listed = await service.units(district).ListUnits(unit_service_pb2.ListUnitsRequest(region="420111"))
        assert "far-police" not in {one.id for one in listed.units}


async def test_nobody_without_a_token_gets_in(tmp_path: Path) -> None:
    """The pipeline refuses before any rule is asked."""
    async with running_service(tmp_path) as service:
        stub: Any = ConsultationServiceStub(local_channel(service.pipeline, Outgoing()))
        with pytest.raises(Unauthenticated):
            await stub.ListConsultations(consultation_service_pb2.ListConsultationsRequest())
