"""What supervision says of its own events: a line for the feed, and which alerts it raises or closes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from liangfa_kit.clock import beijing_date
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.supervision.v1 import events_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.wording import Wording

PACKAGE = f"{events_pb2.DESCRIPTOR.package}."
_ORDERS: dict[str, tuple[pb.FeedKind.ValueType, pb.Severity.ValueType, str, str]] = {
    "OrderIssued": (pb.FEED_KIND_ORDER_ISSUED, pb.SEVERITY_NOTICE, "督办", "Order"),
    "OrderReplied": (pb.FEED_KIND_ORDER_REPLIED, pb.SEVERITY_NOTICE, "督办回复", "Order answered"),
    "OrderReturned": (pb.FEED_KIND_ORDER_RETURNED, pb.SEVERITY_WARNING, "督办回复退回", "Answer insufficient"),
    "OrderClosed": (pb.FEED_KIND_ORDER_CLOSED, pb.SEVERITY_INFO, "督办办结", "Order closed"),
    "OrderWithdrawn": (pb.FEED_KIND_ORDER_WITHDRAWN, pb.SEVERITY_INFO, "督办撤回", "Order withdrawn"),
    "OrderWarned": (pb.FEED_KIND_ORDER_WARNED, pb.SEVERITY_NOTICE, "督办今日到期", "Order due today"),
    "OrderMissed": (pb.FEED_KIND_ORDER_MISSED, pb.SEVERITY_CRITICAL, "督办逾期未复", "Order not answered in time"),
}
_ANSWERS = {"OrderReplied", "OrderClosed", "OrderWithdrawn", "OrderReturned"}


@dataclass(frozen=True, slots=True)
class OwnLine:
    """One own event as people see it. `alert` is the kind of the alert that it concerns, by `about`; empty for none."""

    kind: pb.FeedKind.ValueType
    severity: pb.Severity.ValueType
    words: Wording
    case_id: str
    title: str
    region: str
    agency_id: str
    agency_name: str
    alert: str
    about: str
    is_raised: bool


def own_line(name: str, message: Any) -> OwnLine | None:
    """Return what the event `name` says; None for what is shown to nobody (who has read what)."""
    if name in _ORDERS:
        return _of_order(name, message.order)
    if name == "TransferStalled":
        return _of_stall(message)
    return None


def _of_order(name: str, order: Any) -> OwnLine:
    kind, severity, zh, en = _ORDERS[name]
    words = Wording(
        f"{zh}：{order.issuer_name}督办{order.addressee_name}，{order.title}，{order.due_on} 前回复",
        f"{en}: {order.issuer_name} to {order.addressee_name}, {order.title}, answer by {order.due_on}",
    )
    is_raised = name == "OrderMissed"
    return OwnLine(
        kind, severity, words, order.case_id, order.title, order.region, order.addressee_id, order.addressee_name,
        "order" if is_raised or name in _ANSWERS else "", order.id, is_raised,
    )  # fmt: skip


def _of_stall(message: Any) -> OwnLine:
    state = Procedure.load().states[Scope.TRANSFER].get(message.state)
    zh, en = (state.name_zh, state.name_en) if state else (message.state, message.state)
    days = beijing_date(message.since.ToDatetime(tzinfo=UTC)).isoformat()
    words = Wording(
        f"滞留：自 {days} 起无进展，{message.organisation_name}，{zh}",
        f"Lies still since {days}: {message.organisation_name}, {en}",
    )
    return OwnLine(
        pb.FEED_KIND_TRANSFER_STALLED, pb.SEVERITY_WARNING, words, message.case_id, "", message.region,
        message.agency_id, message.agency_name, "stalled", message.transfer_id, True,
    )  # fmt: skip
