"""Supervision orders: issued, answered, judged, under a clock that tells each thing once; and transfers that lie still."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Forbidden, Invalid, NotFound, PlatformError, Precondition, Stale
from liangfa_kit.identity import Actor
from liangfa_protos.supervision.v1 import order_service_pb2 as pb
from liangfa_protos.supervision.v1 import supervision_service_pb2 as feed_pb
from liangfa_protos.supervision.v1.order_service_pb2_grpc import OrderServiceStub
from liangfa_supervision.stalling import STALLS_AFTER
from liangfa_supervision.tables import KIT, alerts, feed, orders
from tests.service.supervision.test_authority import ORDERS
from tests.unit.supervision.test_reactions import START, platform_at
from tests.unit.supervision.test_transfer_reactions import opened, rows, settled, take

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
OFFICER = district.officer("market_regulation")
ISSUER = district.PROCURATOR
DUE = "2026-03-10"
"""Tuesday of the week after the start, Monday 2 March 2026 in Beijing."""


@pytest_asyncio.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform_at(tmp_path, ManualClock(START)) as running:
        yield running


def stub(platform: Platform, by: Actor) -> Any:
    return OrderServiceStub(platform.channel_for(by))


async def issued(platform: Platform, by: Actor = ISSUER, **rest: Any) -> pb.Order:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()), "kind": pb.ORDER_KIND_TRANSFER, "addressee_id": OFFICER.agency_id,
        "addressee_name": OFFICER.agency_name, "title": "督促移送某酒行案", "demand": "请于三日内移送或者说明理由。", "due_on": DUE,
    }  # fmt: skip
    found: pb.Order = (await stub(platform, by).IssueOrder(pb.IssueOrderRequest(**(given | rest)))).order
    return found


async def replied(platform: Platform, order: pb.Order, by: Actor = OFFICER, **rest: Any) -> pb.Order:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()), "order_id": order.id, "expected_version": order.version, "text": "已移送。",
    }  # fmt: skip
    found: pb.Order = (await stub(platform, by).ReplyToOrder(pb.ReplyToOrderRequest(**(given | rest)))).order
    return found


async def judged(platform: Platform, order: pb.Order, by: Actor = ISSUER, **rest: Any) -> pb.Order:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()), "order_id": order.id, "expected_version": order.version, "accepted": True,
    }  # fmt: skip
    found: pb.Order = (await stub(platform, by).JudgeReply(pb.JudgeReplyRequest(**(given | rest)))).order
    return found


def clock_of(platform: Platform) -> ManualClock:
    assert platform.supervision is not None
    clock = platform.supervision.consumer._clock
    assert isinstance(clock, ManualClock)
    return clock


async def later(platform: Platform, **by: float) -> None:
    """Let time pass, and the scheduler look."""
    assert platform.supervision is not None
    clock_of(platform).advance(timedelta(**by))
    await platform.supervision.scheduler.tick()


async def journalled(platform: Platform) -> list[str]:
    """Return the names of supervision's own events, without who has read what."""
    assert platform.supervision is not None
    query = sa.select(KIT.journal.c.type).order_by(KIT.journal.c.position)
    types = await platform.supervision.store.read(lambda c: c.execute(query).scalars().all())
    return [name.rpartition(".")[2] for name in types if not name.endswith("CaseFeedViewed")]


async def test_an_order_is_issued_answered_and_closed(platform: Platform) -> None:
    """Everybody who takes part sees it in the feed; the row that people read holds the whole course."""
    order = await replied(platform, await issued(platform, case_id="c1"))
    assert order.state == pb.ORDER_STATE_REPLIED
    order = await judged(platform, order, judgement="同意")
    assert (order.state, order.replies[0].accepted, order.replies[0].judgement) == (pb.ORDER_STATE_CLOSED, True, "同意")
    assert order.HasField("ended_at")
    await settled(platform)
    items = [feed_pb.FeedItem.FromString(row["item"]) for row in await rows(platform, feed)]
    kinds = [item.kind for item in items if item.kind >= feed_pb.FEED_KIND_ORDER_ISSUED]
    assert kinds == [
        feed_pb.FEED_KIND_ORDER_ISSUED, feed_pb.FEED_KIND_ORDER_REPLIED, feed_pb.FEED_KIND_ORDER_CLOSED,
    ]  # fmt: skip
    assert {item.agency_id for item in items[-3:]} == {OFFICER.agency_id}


async def test_an_insufficient_answer_leaves_the_order_with_a_new_day(platform: Platform) -> None:
    """Reason and day are needed; the clock runs anew, and both answers stay."""
    order = await replied(platform, await issued(platform))
    with pytest.raises(Invalid, match="judgement"):
        await judged(platform, order, accepted=False, due_on="2026-03-20")
    with pytest.raises(Invalid, match="due_on"):
        await judged(platform, order, accepted=False, judgement="理由不足", due_on="2026-03-02")
    order = await judged(platform, order, accepted=False, judgement="理由不足", due_on="2026-03-20")
    assert (order.state, order.due_on) == (pb.ORDER_STATE_ISSUED, "2026-03-20")
    order = await replied(platform, order, text="补充说明。")
    assert [reply.text for reply in order.replies] == ["已移送。", "补充说明。"]


async def test_the_clock_warns_on_the_last_day_and_misses_after_it_once_each(platform: Platform) -> None:
    """10 March is still in time; from the 11th on it is late, and an alert until it is answered."""
    order = await issued(platform)
    told = {8: "OrderWarned", 9: "OrderMissed"}
    so_far = ["OrderIssued"]
    for day in range(1, 20):
        await later(platform, days=1)
        so_far += [told[day]] if day in told else []
        assert await journalled(platform) == so_far
    await settled(platform)
    (alert,) = [row for row in await rows(platform, alerts) if row["kind"] == feed_pb.ALERT_KIND_ORDER_MISSED]
    assert (alert["is_closed"], alert["severity"], alert["agency_id"]) == (False, 4, OFFICER.agency_id)
    order = (await stub(platform, ISSUER).GetOrder(pb.GetOrderRequest(order_id=order.id))).order
    await replied(platform, order)
    await settled(platform)
    (alert,) = [row for row in await rows(platform, alerts) if row["kind"] == feed_pb.ALERT_KIND_ORDER_MISSED]
    assert alert["is_closed"]


async def test_a_clock_that_jumps_tells_the_miss_alone_and_ticks_at_once_tell_it_once(platform: Platform) -> None:
    """However many look at the same moment."""
    await issued(platform)
    clock_of(platform).advance(timedelta(days=50))
    assert platform.supervision is not None
    await asyncio.gather(*(platform.supervision.scheduler.tick() for _ in range(4)))
    assert await journalled(platform) == ["OrderIssued", "OrderMissed"]


async def test_a_restart_tells_nothing_twice(tmp_path: Path) -> None:
    """The row says what was told."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        await issued(platform)
        await later(platform, days=8, hours=1)
        assert await journalled(platform) == ["OrderIssued", "OrderWarned"]
    async with platform_at(tmp_path, clock) as platform:
        await later(platform, minutes=1)
        assert await journalled(platform) == ["OrderIssued", "OrderWarned"]
        await later(platform, days=2)
        assert await journalled(platform) == ["OrderIssued", "OrderWarned", "OrderMissed"]


@pytest.mark.parametrize("days", [8, 9])
async def test_what_the_clock_tells_outdates_no_reading(platform: Platform, days: int) -> None:
    """Who read the order before it was warned of or missed answers it; who read it before the issuer changed it does not."""
    order = await issued(platform)
    for _ in range(days):
        await later(platform, days=1)
    answered = await replied(platform, order)
    again = await judged(platform, answered, accepted=False, judgement="未说明理由", due_on="2026-12-01")
    await later(platform, days=400)
    for old in (order, answered):
        with pytest.raises(Stale):
            await replied(platform, old)
    assert (await replied(platform, again)).state == pb.ORDER_STATE_REPLIED


async def test_an_answered_or_withdrawn_order_is_not_missed(platform: Platform) -> None:
    """The clock stands while the issuer judges, and ends with the order."""
    await replied(platform, await issued(platform))
    gone = await issued(platform)
    request = pb.WithdrawOrderRequest(request_id="w", order_id=gone.id, expected_version=gone.version, reason="已办")
    await stub(platform, ISSUER).WithdrawOrder(request)
    await later(platform, days=60)
    assert "OrderMissed" not in await journalled(platform)


async def test_each_side_does_what_is_its_own(platform: Platform) -> None:
    """The addressee judges nothing, the issuer answers nothing, and nothing is done twice or with an old version."""
    order = await issued(platform)
    with pytest.raises(Forbidden):
        await replied(platform, order, replace(ISSUER, roles=frozenset({"officer"})))
    with pytest.raises(Precondition):
        await judged(platform, order)
    answered = await replied(platform, order)
    with pytest.raises(Precondition):
        await replied(platform, answered)
    with pytest.raises(Stale):
        await judged(platform, order)
    with pytest.raises(Forbidden):
        await judged(platform, answered, replace(OFFICER, roles=frozenset({"procurator"})))
    await judged(platform, answered)
    with pytest.raises(Precondition):
        await judged(platform, await _read(platform, order.id))


async def _read(platform: Platform, order_id: str, by: Actor = ISSUER) -> pb.Order:
    found: pb.Order = (await stub(platform, by).GetOrder(pb.GetOrderRequest(order_id=order_id))).order
    return found


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        ({"due_on": "2026-03-02"}, "due_on"),
        ({"due_on": "2027-12-01"}, "due_on"),
        ({"due_on": "soon"}, "due_on"),
        ({"demand": " "}, "demand"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"kind": 0}, "kind"),
        ({"kind": 99}, "kind"),
        ({"addressee_id": ISSUER.agency_id}, "addressee_id"),
        ({"addressee_name": ""}, "addressee_name"),
    ],
)
async def test_a_wrong_order_is_refused_with_its_field(platform: Platform, rest: dict[str, Any], field: str) -> None:
    """Before anything is written."""
    with pytest.raises(Invalid, match=field):
        await issued(platform, **rest)
    assert await rows(platform, orders) == []


async def test_a_repeated_request_changes_nothing(platform: Platform) -> None:
    """The same request id gives the same order; none is refused."""
    first = await issued(platform, request_id="same")
    assert (await issued(platform, request_id="same")).id == first.id
    with pytest.raises(Invalid, match="request id"):
        await issued(platform, request_id="")


ROLES = ("officer", "agency_head", "legal_reviewer", "police", "police_head", "procurator", "chief_procurator",
         "justice_supervisor", "judge", "operator", "unheard_of")  # fmt: skip


async def test_every_rpc_for_every_role_and_relation(platform: Platform) -> None:
    """Who takes part sees it; who oversees the region sees it; to everybody else it does not exist."""
    order = await issued(platform)
    places = {"addressee": (OFFICER.agency_id, "420111"), "issuer": (ISSUER.agency_id, "420111"),
              "near": ("hs-labour", "420111"), "far": ("wc-market", "420106")}  # fmt: skip
    for role in ROLES:
        for place, (agency, region) in places.items():
            who = Actor("p", "某甲", agency, agency, "", region, frozenset({role}))
            overseen = role in {"procurator", "chief_procurator", "justice_supervisor"} and region == "420111"
            sees = place in {"addressee", "issuer"} or overseen
            for rpc, roles in ORDERS.items():
                found = await _tried(platform, who, rpc, order)
                allowed = role in roles
                if not allowed:
                    assert found == "ROLE_NOT_ALLOWED", (role, place, rpc, found)
                elif rpc.endswith("GetOrder"):
                    assert found == ("sees" if sees else "ORDER_NOT_FOUND"), (role, place, rpc, found)
                elif rpc.endswith("ListOrders"):
                    assert found == ("sees" if sees else "nothing"), (role, place, rpc, found)
                elif not rpc.endswith("IssueOrder") and not sees:
                    assert found == "ORDER_NOT_FOUND", (role, place, rpc, found)
                elif not rpc.endswith("IssueOrder"):
                    assert found in {"ORDER_NOT_YOURS", "ORDER_STATE_WRONG", "STALE_VERSION"}, (role, place, rpc, found)


async def _tried(platform: Platform, who: Actor, rpc: str, order: pb.Order) -> str:
    """Return what the call gives: reads see or not, changes are sent with a version that never was."""
    name = rpc.partition("/")[2]
    fields: dict[str, Any] = {} if name in {"IssueOrder", "ListOrders"} else {"order_id": order.id}
    if name not in {"GetOrder", "ListOrders"}:
        fields["request_id"] = str(uuid.uuid4())
    if name in {"ReplyToOrder", "JudgeReply", "WithdrawOrder"}:
        fields["expected_version"] = 999
    try:
        reply = await getattr(stub(platform, who), name)(getattr(pb, f"{name}Request")(**fields))
    except PlatformError as error:
        return error.reason
    return "sees" if name == "GetOrder" or reply.orders else "nothing"


async def test_orders_are_listed_by_their_day_in_pages(platform: Platform) -> None:
    """The earliest first; a tampered token is refused."""
    for day in (20, 12, 15):
        await issued(platform, due_on=f"2026-03-{day}")
    first = await stub(platform, OFFICER).ListOrders(pb.ListOrdersRequest(to_me=True, only_open=True, page_size=2))
    rest = await stub(platform, OFFICER).ListOrders(pb.ListOrdersRequest(page_token=first.next_page_token))
    days = [order.due_on for order in (*first.orders, *rest.orders)]
    assert days == ["2026-03-12", "2026-03-15", "2026-03-20"]
    with pytest.raises(Invalid, match="token"):
        await stub(platform, OFFICER).ListOrders(pb.ListOrdersRequest(page_token="WyJhIl0="))


async def test_an_unknown_order_is_not_found(platform: Platform) -> None:
    """As one that is somebody else's."""
    with pytest.raises(NotFound):
        await _read(platform, "nowhere")


async def test_a_transfer_that_lies_still_is_told_once_until_it_goes_on(platform: Platform) -> None:
    """Thirty days without a step: whose turn it is and since when; a step closes the alert, and the time begins anew."""
    transfer = await opened(platform)
    await settled(platform)
    await later(platform, days=STALLS_AFTER.days - 1)
    assert await journalled(platform) == []
    await later(platform, days=1)
    await later(platform, days=40)
    assert await journalled(platform) == ["TransferStalled"]
    await settled(platform)
    (alert,) = await _stalled(platform)
    assert (alert["is_closed"], alert["agency_id"]) == (False, OFFICER.agency_id)
    assert "自 2026-03-02 起无进展" in alert["text_zh"]
    await take(platform, transfer, "report_to_head")
    await settled(platform)
    assert [row["is_closed"] for row in await _stalled(platform)] == [True]
    await later(platform, days=STALLS_AFTER.days)
    assert await journalled(platform) == ["TransferStalled", "TransferStalled"]


async def _stalled(platform: Platform) -> list[Any]:
    return [row for row in await rows(platform, alerts) if row["kind"] == feed_pb.ALERT_KIND_TRANSFER_STALLED]


async def test_a_rebuild_keeps_the_orders_and_tells_nothing_again(platform: Platform) -> None:
    """Orders are supervision's own; feed and alerts come back from the events, its own among them."""
    await issued(platform)
    await opened(platform)
    await settled(platform)
    await later(platform, days=STALLS_AFTER.days)
    await settled(platform)
    before = [await rows(platform, table) for table in (orders, alerts)]
    told = sorted(row["kind"] for row in await rows(platform, feed))
    assert platform.supervision is not None
    await platform.supervision.consumer.rebuild()
    assert [await rows(platform, table) for table in (orders, alerts)] == before
    assert sorted(row["kind"] for row in await rows(platform, feed)) == told
    await later(platform, days=1)
    assert (await journalled(platform)).count("TransferStalled") == 1
