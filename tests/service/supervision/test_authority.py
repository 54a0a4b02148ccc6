"""Every RPC of supervision x every role x own agency, another agency, another region: what is seen, what is refused.

Written by hand a second time, as for enforcement_record: a slip in the service's own table is seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from liangfa_cli import district
from liangfa_cli.platform import Platform, running
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Forbidden, Invalid, PlatformError
from liangfa_kit.identity import Actor
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_kit.verify import journal_faults
from liangfa_protos.case_transfer.v1 import transfer_pb2
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as transfer_rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import events_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from liangfa_supervision import authority
from liangfa_supervision.tables import KIT
from tests.enforcement import START

pytestmark = pytest.mark.asyncio
ROLES = (
    "officer", "agency_head", "legal_reviewer", "procurator", "chief_procurator", "police", "police_head",
    "justice_supervisor", "operator", "service", "unheard_of",
)  # fmt: skip
AGENCY = {"officer", "agency_head", "legal_reviewer"}
SUPERVISORS = {"procurator", "chief_procurator", "police", "police_head", "justice_supervisor"}
WATCHING: dict[str, set[str]] = {
    "SupervisionService/Watch": AGENCY | SUPERVISORS,
    "SupervisionService/ListAlerts": AGENCY | SUPERVISORS,
    "SupervisionService/GetAlertCounts": AGENCY | SUPERVISORS,
    "SupervisionService/GetStatistics": AGENCY | SUPERVISORS,
    "SupervisionService/GetCaseFeed": AGENCY | SUPERVISORS,
    "SupervisionService/GetFunnel": AGENCY | SUPERVISORS,
    "SupervisionService/GetTimeInState": AGENCY | SUPERVISORS,
}
OVERSEEING = {"procurator", "chief_procurator", "justice_supervisor"}
ADDRESSED = {"officer", "agency_head", "police", "police_head"}
ORDERS: dict[str, set[str]] = {
    "OrderService/IssueOrder": OVERSEEING,
    "OrderService/ReplyToOrder": ADDRESSED,
    "OrderService/JudgeReply": OVERSEEING,
    "OrderService/WithdrawOrder": OVERSEEING,
    "OrderService/GetOrder": OVERSEEING | ADDRESSED,
    "OrderService/ListOrders": OVERSEEING | ADDRESSED,
}
"""Tried role by role in test_orders.py."""
EXPECTED = WATCHING | ORDERS
OWN = district.officer("market_regulation")
RELATIONS = {"own": (OWN.agency_id, "420111"), "other": ("hs-labour", "420111"), "far": ("wc-market", "420106")}
PREFIX = "/liangfa_protos.supervision.v1."


def caller(role: str, agency: str, region: str) -> Actor:
    return Actor(f"p-{role}", "某甲", agency, agency, "market_regulation", region, frozenset({role}))


@asynccontextmanager
async def supervised_case(folder: Path, *, is_transferred: bool = False) -> AsyncIterator[tuple[Platform, str]]:
    """Run a platform with one suspected case of the district's market regulator, told and alerted."""
    settings = PlatformSettings(
        storage=Storage(folder=folder), listen=Listen(port=0), logging=Logging(level="error", file=folder / "log.json")
    )
    async with running(settings, clock=ManualClock(START)) as platform:
        entered = case_pb2.Case(
            cause="经营有毒有害食品",
            narrative="后厨使用罂粟壳熬制底料。",
            parties=[case_pb2.Party(name="洪山甲餐饮店")],
        )
        request = case_rpc.RegisterCaseRequest(request_id="1", case=entered)
        reply = await CaseServiceStub(platform.channel_for(OWN)).RegisterCase(request)
        assert platform.record is not None
        assert platform.supervision is not None
        await platform.record.relay.drain()
        if is_transferred:
            await _open_transfer(platform, reply.case.id)
        await platform.supervision.consumer.drain()
        yield platform, reply.case.id


async def _open_transfer(platform: Platform, case_id: str) -> None:
    request = transfer_rpc.OpenTransferRequest(
        request_id="open", case_id=case_id, title="某店案", suspect_names=["某甲"], offences=["某罪"],
        receiver=transfer_pb2.Organisation(id="hs-police", name="公安"),
        supervisor=transfer_pb2.Organisation(id="hs-procuratorate", name="检察院"),
    )  # fmt: skip
    await TransferServiceStub(platform.channel_for(OWN)).OpenTransfer(request)
    assert platform.transfer is not None
    await platform.transfer.relay.drain()


async def seen(platform: Platform, who: Actor, rpc: str, case_id: str, **asked: Any) -> str:
    """Return `sees` or `nothing`, FORBIDDEN for a refusal, the words of a bug."""
    stub: Any = SupervisionServiceStub(platform.channel_for(who))
    name = rpc.partition("/")[2]
    request = getattr(pb, f"{name}Request")(
        **({"case_id": case_id, "purpose": "督办"} if name == "GetCaseFeed" else {}), **asked
    )
    try:
        if name == "Watch":
            return await _watched(stub.Watch(request))
        reply = await getattr(stub, name)(request)
    except Forbidden:
        return "FORBIDDEN"
    except PlatformError as error:
        return f"{error.kind.value} {error.reason}"
    if name == "GetStatistics":
        return "sees" if sum(line.cases for line in reply.lines) else "nothing"
    if name in {"GetFunnel", "GetTimeInState"}:
        return (
            "sees" if sum(getattr(line, "opened", 0) + getattr(line, "here", 0) for line in reply.lines) else "nothing"
        )
    if name == "ListAlerts":
        return "sees" if reply.alerts or reply.total else "nothing"
    return "sees" if (reply.counts if name == "GetAlertCounts" else reply.items) else "nothing"


async def _watched(stream: Any) -> str:
    try:
        async for message in stream:
            return "sees" if message.HasField("item") else "nothing"  # the first heartbeat follows what is stored
    finally:
        await stream.aclose()
    return "ended"


def expected(role: str, relation: str, rpc: str) -> str:
    if role not in WATCHING[rpc]:
        return "FORBIDDEN"
    is_seen = relation == "own" or (relation == "other" and role in SUPERVISORS)
    return "sees" if is_seen else "nothing"


async def test_every_rpc_for_every_role_and_relation(tmp_path: Path) -> None:
    """Agencies see their own cases, supervisors their region, nobody else anything."""
    async with supervised_case(tmp_path, is_transferred=True) as (platform, case_id):
        wrong = []
        for rpc in WATCHING:
            for role in ROLES:
                for relation, (agency, region) in RELATIONS.items():
                    found = await seen(platform, caller(role, agency, region), rpc, case_id)
                    if found != expected(role, relation, rpc):
                        wrong.append(f"{rpc} as {role} of {relation}: {found}, not {expected(role, relation, rpc)}")
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("region", "sees"),
    [
        ("000000", True), ("420000", True), ("420100", True), ("420111", True), ("430000", False), ("420200", False),
        ("420106", False), ("", False),
    ],
)  # fmt: skip
async def test_a_supervisors_region_holds_what_lies_in_it(tmp_path: Path, region: str, sees: bool) -> None:
    """The country, the province and the city see the district's case; neighbours, and a body without a region, do not."""
    async with supervised_case(tmp_path, is_transferred=True) as (platform, case_id):
        for rpc in WATCHING:
            found = await seen(platform, caller("procurator", "x", region), rpc, case_id)
            assert found == ("sees" if sees else "nothing"), rpc


async def test_no_condition_widens_what_a_caller_sees(tmp_path: Path) -> None:
    """Asking for another region or agency, or for a prefix that is no division, shows nothing more."""
    async with supervised_case(tmp_path) as (platform, case_id):
        strangers = [caller("officer", "hs-labour", "420111"), caller("procurator", "x", "420106")]
        for who in strangers:
            for asked in ("000000", "420000", "420100", "420111", "4", "42"):
                assert await seen(platform, who, "SupervisionService/ListAlerts", case_id, region=asked) == "nothing"
            found = await seen(platform, who, "SupervisionService/ListAlerts", case_id, agency_id=OWN.agency_id)
            assert found == "nothing"


@pytest.mark.parametrize(
    ("rpc", "token"),
    [
        ("ListAlerts", "WyJhIiwgMSwgIngiXQ=="),  # ["a", 1, "x"]
        ("ListAlerts", "WzEsIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSwgIngiXQ=="),  # [1, 10**26 - 1, "x"]
        ("ListAlerts", "WzEsIDEsICJcdWQ4MDAiXQ=="),  # [1, 1, half a surrogate pair]
        ("ListAlerts", "YQ=="),
        ("GetCaseFeed", "eA=="),
        ("GetCaseFeed", "WyIxIl0="),  # ["1"]
        ("GetCaseFeed", "é"),
    ],
)
async def test_a_page_token_that_was_tampered_with_is_refused(tmp_path: Path, rpc: str, token: str) -> None:
    """With its reason, never as an error of ours."""
    async with supervised_case(tmp_path) as (platform, case_id):
        found = await seen(platform, district.PROCURATOR, f"SupervisionService/{rpc}", case_id, page_token=token)
        assert found == "INVALID PAGE_TOKEN_MALFORMED"


async def test_watching_after_a_cursor_that_was_never_given_is_refused(tmp_path: Path) -> None:
    """A feed restored from a backup ends earlier: waiting for the old cursor would pass over all until then."""
    async with supervised_case(tmp_path) as (platform, case_id):
        watch = "SupervisionService/Watch"
        found = await seen(platform, district.PROCURATOR, watch, case_id, after_cursor=1_000_000)
        assert found == "PRECONDITION CURSOR_UNKNOWN"
        assert await seen(platform, district.PROCURATOR, watch, case_id, after_cursor=2) == "nothing"


async def test_more_kinds_than_there_are_is_refused(tmp_path: Path) -> None:
    """A condition of a hundred thousand kinds never reaches the database."""
    async with supervised_case(tmp_path) as (platform, case_id):
        for rpc in ("Watch", "ListAlerts"):
            found = await seen(
                platform, district.PROCURATOR, f"SupervisionService/{rpc}", case_id, kinds=list(range(100_000))
            )
            assert found == "INVALID TOO_MANY"


async def test_the_table_names_every_rpc_that_is_served_and_no_other(tmp_path: Path) -> None:
    """A method without a rule is for nobody, and nobody has forgotten one."""
    async with supervised_case(tmp_path) as (platform, _):
        served = {path for path in platform.host.pipeline.endpoints if path.startswith(PREFIX)}
        assert {path.removeprefix(PREFIX) for path in served} == set(EXPECTED)
        assert set(authority.RULES) == served


async def test_every_page_of_a_cases_feed_is_journalled_with_its_purpose(tmp_path: Path) -> None:
    """Who, when and why; a stranger to the case must say why, and a page token opens no page unseen."""
    async with supervised_case(tmp_path) as (platform, case_id):
        stub = SupervisionServiceStub(platform.channel_for(district.PROCURATOR))
        with pytest.raises(Invalid) as refused:
            await stub.GetCaseFeed(pb.GetCaseFeedRequest(case_id=case_id))
        assert refused.value.reason == "PURPOSE_REQUIRED"
        first = await stub.GetCaseFeed(pb.GetCaseFeedRequest(case_id=case_id, page_size=1, purpose="督办"))
        rest = pb.GetCaseFeedRequest(case_id=case_id, page_token=first.next_page_token, purpose="复核")
        await stub.GetCaseFeed(rest)
        await SupervisionServiceStub(platform.channel_for(OWN)).GetCaseFeed(pb.GetCaseFeedRequest(case_id=case_id))
        nobody = caller("procurator", "x", "420106")
        await SupervisionServiceStub(platform.channel_for(nobody)).GetCaseFeed(rest)
        assert platform.supervision is not None
        entries = await platform.supervision.store.read(lambda c: c.execute(KIT.journal.select()).all())
        told = [events_pb2.CaseFeedViewed.FromString(entry.payload).purpose for entry in entries]
        assert told == ["督办", "复核", ""]
        assert [entry.stream for entry in entries] == [f"view/{case_id}"] * 3
        assert list(journal_faults(platform.supervision.store, KIT)) == []
