"""Every RPC for every role and every relation: who takes no part learns nothing, not even that the transfer exists.

The expectation is written here a second time, by hand, so that a slip in the service's own table is seen.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer import authority
from liangfa_kit.errors import Forbidden, Invalid, NotFound, PlatformError
from liangfa_protos.case_transfer.v1 import document_service_pb2 as document_rpc
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import FAR, Service, opening, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]

AGENCY = {"officer", "agency_head"}
ACTING = AGENCY | {"police", "police_head", "procurator", "chief_procurator", "judge"}
READING = ACTING | {"legal_reviewer", "justice_supervisor"}
OVERSEEING = {"procurator", "chief_procurator", "judge", "justice_supervisor"}
ROLES = (*sorted(READING), "operator", "service", "unheard_of")

# What guards the thing asked for: `none` (a list, filtered), `seen` (whoever may see the transfer).
EXPECTED: dict[str, tuple[set[str], str]] = {
    "TransferService/OpenTransfer": (AGENCY, "none"),
    "TransferService/TakeStep": (ACTING, "seen"),
    "TransferService/ListAllowedSteps": (READING, "seen"),
    "TransferService/GetTransfer": (READING, "seen"),
    "TransferService/ListTransfers": (READING, "none"),
    "TransferService/ListClocks": (READING, "seen"),  # of one transfer; without one it is a list
    "TransferService/ExtendClock": ({"agency_head", "police_head", "chief_procurator", "judge"}, "seen"),
    "TransferService/SignReceipt": (ACTING, "seen"),
    "TransferService/SplitTransfer": ({"police_head", "chief_procurator", "judge"}, "seen"),
    "TransferService/JoinTransfer": ({"police_head", "chief_procurator", "judge"}, "seen"),
    "TransferService/ListReceipts": (READING, "seen"),  # as ListClocks
    "TransferService/ListPublicKeys": (READING, "seen"),
    "TransferService/ListReceiptGaps": (READING, "none"),
    "DocumentService/PreviewDocument": (ACTING, "seen"),
    "DocumentService/IssueDocument": (ACTING, "seen"),
    "DocumentService/GetDocument": (READING, "seen"),
    "DocumentService/DownloadDocument": (READING, "seen"),
    "DocumentService/AttachSignedScan": (ACTING, "seen"),
    "DocumentService/StartNumberSeries": ({"operator", "agency_head", "police_head", "chief_procurator"}, "none"),
    "DocumentService/ListDocuments": (READING, "seen"),
    "DocumentService/ExportCaseFile": (READING, "seen"),
}
SENDING = {"DocumentService/AttachSignedScan"}
STREAMED = {"DocumentService/DownloadDocument", "DocumentService/ExportCaseFile"}
RELATIONS = {
    "sender": ("market", "420111"),
    "receiver": ("police", "420111"),
    "supervisor": ("procuratorate", "420111"),
    "other": ("ecology", "420111"),
    "city": ("city-body", "420100"),
    "far": ("far-body", FAR),
}
TAKING_PART = {"sender", "receiver", "supervisor"}


def expected(role: str, relation: str, name: str) -> str:
    """Return what must come of the call: in, FORBIDDEN or NOT_FOUND."""
    roles, guard = EXPECTED[name]
    if role not in roles:
        return "FORBIDDEN"
    sees = relation in TAKING_PART or (role in OVERSEEING and relation != "far")
    return "in" if guard == "none" or sees else "NOT_FOUND"


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def test_the_table_and_this_expectation_speak_of_the_same_calls() -> None:
    """A new method is refused to everybody until both say who may call it."""
    assert {rule.partition(".v1.")[2] for rule in authority.RULES} == set(EXPECTED)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("role", ROLES)
async def test_every_call_is_let_in_or_refused_as_expected(service: Service, role: str, relation: str) -> None:
    """Whoever is let in may still be told that this step is not theirs; whoever is not, is told the same as of nothing."""
    transfer = await service.open()
    caller = person(*RELATIONS[relation][:1], role, RELATIONS[relation][1])
    stubs = {"TransferService": service.stub(caller), "DocumentService": service.desk(caller)}
    for name in EXPECTED:
        stub = stubs[name.partition("/")[0]]
        asked = _request(name, transfer.id)
        found, words = await _outcome(stub, name, asked)
        wanted = expected(role, relation, name)
        assert found == wanted or (wanted == "in" and found not in {"NOT_FOUND", "ROLE"}), (name, found, words)
        if wanted == "NOT_FOUND":
            nowhere = await _outcome(stub, name, _request(name, "nowhere"))
            assert nowhere[1] == words.replace(transfer.id, "nowhere")


def _request(name: str, transfer_id: str) -> Any:
    method = name.partition("/")[2]
    if method == "OpenTransfer":
        return opening()
    request = getattr(rpc if hasattr(rpc, f"{method}Request") else document_rpc, f"{method}Request")()
    for field, value in {"request_id": str(uuid.uuid4()), "transfer_id": transfer_id}.items():
        if field in request.DESCRIPTOR.fields_by_name:
            setattr(request, field, value)
    if method == "TakeStep":
        request.step = "assign_task_force"
    return request


async def _sent(request: Any) -> AsyncIterator[Any]:
    yield request


async def _outcome(stub: Any, name: str, request: Any) -> tuple[str, str]:
    try:
        reply = getattr(stub, name.partition("/")[2])(_sent(request) if name in SENDING else request)
        if name in STREAMED:
            async for _ in reply:
                pass
        else:
            await reply
    except Forbidden as error:
        return ("FORBIDDEN" if error.reason == "ROLE_NOT_ALLOWED" else error.reason), str(error)
    except NotFound as error:
        return ("NOT_FOUND" if error.reason == "TRANSFER_NOT_FOUND" else error.reason), str(error)
    except PlatformError as error:
        return error.reason, str(error)
    return "in", ""


@pytest.mark.parametrize("members", ["王某", "王某、", "王某、王某", " 王某 "])
async def test_a_task_force_has_two_people(service: Service, members: str) -> None:
    """One person investigates nothing alone (国务院令第310号第五条第一款); the refusal says how two are written."""
    transfer = await service.open()
    with pytest.raises(Invalid) as refused:
        await service.take(transfer, "assign_task_force", fields={"members": members})
    assert [(one.field, one.reason) for one in refused.value.violations] == [("fields.members", "TOO_FEW_PEOPLE")]
    await service.take(transfer, "assign_task_force", fields={"members": "王某，李某"})
