"""Supervision orders (督办): issued, answered, judged, and the clock of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from liangfa_kit.clock import BEIJING, beijing_date, to_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.supervision.v1 import events_pb2
from liangfa_protos.supervision.v1 import order_service_pb2 as pb
from liangfa_supervision import errors
from liangfa_supervision.authority import may_see_order
from liangfa_supervision.tables import orders

WARNED_BEFORE = timedelta(days=1)
"""How long before its last day ends an addressee is told that the day is near: at the beginning of that last day."""
_LONGEST = timedelta(days=366)
_MAX_TEXT, _MAX_NAME, _MAX_DOCUMENTS = 20_000, 200, 200
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue `request` under the id `order_id`."""

    order_id: str
    request: pb.IssueOrderRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer an order."""

    request: pb.ReplyToOrderRequest


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge the newest answer."""

    request: pb.JudgeReplyRequest


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw an order."""

    request: pb.WithdrawOrderRequest


@dataclass(frozen=True, slots=True)
class RaiseOrderAlarm:
    """Tell what is due to be told of an order: nothing when it was told already, answered or ended."""

    order_id: str


def order_stream(order_id: str) -> str:
    """Return the journal stream of an order."""
    return f"order/{order_id}"


def _issue(command: Issue, work: Work) -> pb.IssueOrderResponse:
    request, actor = command.request, work.actor
    _check(
        _text("addressee_id", request.addressee_id, _MAX_NAME, is_required=True),
        _text("addressee_name", request.addressee_name, _MAX_NAME, is_required=True),
        _text("case_id", request.case_id, _MAX_NAME),
        _text("title", request.title, 500, is_required=True),
        _text("demand", request.demand, _MAX_TEXT, is_required=True),
        _kind(request.kind),
        _other(request.addressee_id, actor.agency_id),
        _day(request.due_on, work.now),
    )
    order = pb.Order(
        id=command.order_id,
        kind=request.kind,
        state=pb.ORDER_STATE_ISSUED,
        region=actor.region,
        issuer_id=actor.agency_id,
        issuer_name=actor.agency_name,
        addressee_id=request.addressee_id,
        addressee_name=request.addressee_name,
        case_id=request.case_id,
        title=request.title,
        demand=request.demand,
        issued_by=actor.person_name,
        version=1,
    )
    order.issued_at.FromDatetime(work.now)
    _set_clock(order, request.due_on)
    _keep(order, events_pb2.OrderIssued(order=order), work)
    return pb.IssueOrderResponse(order=order)


def _reply(command: Reply, work: Work) -> pb.ReplyToOrderResponse:
    request = command.request
    order = _stored(request.order_id, work, pb.ORDER_STATE_ISSUED, request.expected_version, is_issuers=False)
    _check(
        _text("text", request.text, _MAX_TEXT, is_required=True),
        _hashes("document_sha256", list(request.document_sha256)),
    )
    reply = order.replies.add(
        text=request.text, document_sha256=request.document_sha256, replied_by=work.actor.person_name
    )
    reply.replied_at.FromDatetime(work.now)
    order.state = pb.ORDER_STATE_REPLIED
    _keep(order, events_pb2.OrderReplied(order=order), work)
    return pb.ReplyToOrderResponse(order=order)


def _judge(command: Judge, work: Work) -> pb.JudgeReplyResponse:
    request = command.request
    order = _stored(request.order_id, work, pb.ORDER_STATE_REPLIED, request.expected_version, is_issuers=True)
    is_kept = not request.accepted
    _check(
        _text("judgement", request.judgement, _MAX_TEXT, is_required=is_kept),
        _day(request.due_on, work.now) if is_kept else (),
    )
    reply = order.replies[-1]
    reply.accepted, reply.judgement = request.accepted, request.judgement
    reply.judged_at.FromDatetime(work.now)
    event: Message
    if request.accepted:
        order.state = pb.ORDER_STATE_CLOSED
        order.ended_at.FromDatetime(work.now)
        event = events_pb2.OrderClosed(order=order)
    else:
        order.state = pb.ORDER_STATE_ISSUED
        _set_clock(order, request.due_on)
        event = events_pb2.OrderReturned(order=order)
    _keep(order, event, work)
    return pb.JudgeReplyResponse(order=order)


def _withdraw(command: Withdraw, work: Work) -> pb.WithdrawOrderResponse:
    request = command.request
    states = (pb.ORDER_STATE_ISSUED, pb.ORDER_STATE_REPLIED)
    order = _stored(request.order_id, work, states[0], request.expected_version, is_issuers=True, also=states[1])
    _check(_text("reason", request.reason, _MAX_TEXT, is_required=True))
    order.state, order.withdrawn_because = pb.ORDER_STATE_WITHDRAWN, request.reason
    order.ended_at.FromDatetime(work.now)
    _keep(order, events_pb2.OrderWithdrawn(order=order), work)
    return pb.WithdrawOrderResponse(order=order)


def _raise(command: RaiseOrderAlarm, work: Work) -> Empty:
    """Tell it once: the row says what was told, and changes in the same transaction as the event is journalled."""
    row = work.row(orders, command.order_id)
    if row is None or row["next_alarm_at"] is None or row["next_alarm_at"] > to_micros(work.now):
        return Empty()
    order = pb.Order.FromString(row["body"])
    event: Message
    if to_micros(work.now) >= order.due_at.ToMicroseconds():  # a warning not told in time is not told late
        order.missed_at.FromDatetime(work.now)
        event = events_pb2.OrderMissed(order=order)
    else:
        order.warned_at.FromDatetime(work.now)
        event = events_pb2.OrderWarned(order=order)
    _keep(order, event, work)
    return Empty()


def _stored(
    order_id: str,
    work: Work,
    needed: pb.OrderState.ValueType,
    expected_version: int,
    *,
    is_issuers: bool,
    also: pb.OrderState.ValueType | None = None,
) -> pb.Order:
    """Return the order, which the actor's side may act on now. Raises what stands against it."""
    row = work.row(orders, order_id)
    order = pb.Order.FromString(row["body"]) if row is not None else pb.Order()
    if row is None or not may_see_order(work.actor, order):
        raise errors.OrderNotFound(order_id)
    if work.actor.agency_id != (order.issuer_id if is_issuers else order.addressee_id):
        raise errors.OrderNotYours("the organisation that issued it" if is_issuers else "the organisation addressed")
    if order.state not in {needed, also}:
        raise errors.OrderNotThere(pb.OrderState.Name(order.state), pb.OrderState.Name(needed))
    is_current = order.version - _told(order) <= expected_version <= order.version
    work.expect(order_stream(order_id), order.version if is_current else expected_version)
    return order


def _told(order: pb.Order) -> int:
    """Return how many versions the clock alone has made since a person last did something: they outdate no reading."""
    if order.state != pb.ORDER_STATE_ISSUED:
        return 0
    return order.HasField("warned_at") + order.HasField("missed_at")


def _set_clock(order: pb.Order, due_on: str) -> None:
    """Let the answer be due by the end of a Beijing day; what was told of an earlier day counts no more."""
    order.due_on = due_on
    order.due_at.FromDatetime(datetime.combine(date.fromisoformat(due_on), time(), BEIJING) + timedelta(days=1))
    order.ClearField("warned_at")
    order.ClearField("missed_at")


def next_alarm(order: pb.Order) -> int | None:
    """Return when something is to be told of an order next, in microseconds UTC; None when nothing is."""
    if order.state != pb.ORDER_STATE_ISSUED or order.HasField("missed_at"):
        return None
    due = order.due_at.ToDatetime(tzinfo=UTC)
    if not order.HasField("warned_at"):
        return to_micros(due - WARNED_BEFORE)
    return to_micros(due)


def _keep(order: pb.Order, event: Any, work: Work) -> None:
    """Write the order and journal what happened, both with the version that it has then."""
    order.version = work.version(order_stream(order.id)) + 1
    event.order.CopyFrom(order)
    is_open = order.state in {pb.ORDER_STATE_ISSUED, pb.ORDER_STATE_REPLIED}
    row = {
        "id": order.id,
        "region": order.region,
        "issuer_id": order.issuer_id,
        "addressee_id": order.addressee_id,
        "is_open": is_open,
        "due_at": order.due_at.ToMicroseconds(),
        "next_alarm_at": next_alarm(order),
        "body": order.SerializeToString(deterministic=True),
    }
    work.save(orders, row)
    work.record(order_stream(order.id), event)


def _check(*found: Iterator[FieldViolation] | tuple[()]) -> None:
    violations = [violation for part in found for violation in part]
    if violations:
        raise errors.invalid(violations)


def _text(where: str, value: str, most: int, *, is_required: bool = False) -> Iterator[FieldViolation]:
    if is_required and not value.strip():
        yield FieldViolation(where, "FIELD_REQUIRED", "必填 (must not be empty)")
    elif len(value) > most:
        yield FieldViolation(where, "TEXT_TOO_LONG", f"最多 {most} 个字符 (at most {most} characters)")
    elif _CONTROL.search(value):
        yield FieldViolation(where, "CONTROL_CHARACTERS", "含有控制字符 (control characters)")


def _kind(kind: int) -> Iterator[FieldViolation]:
    if kind not in pb.OrderKind.values() or kind == pb.ORDER_KIND_UNSPECIFIED:
        yield FieldViolation("kind", "VALUE_UNKNOWN", "未知督办类型 (no kind of order)")


def _other(addressee: str, issuer: str) -> Iterator[FieldViolation]:
    if addressee == issuer:
        yield FieldViolation("addressee_id", "SIDES_NOT_DISTINCT", "不能督办本单位 (must not be the issuer)")


def _day(value: str, now: datetime) -> Iterator[FieldViolation]:
    today = beijing_date(now)
    try:
        is_good = today < date.fromisoformat(value) <= today + _LONGEST and len(value) == len("2026-03-02")
    except ValueError:
        is_good = False
    if not is_good:
        words = "应为今天之后一年以内的日期，如 2026-05-20 (a day after today and within a year)"
        yield FieldViolation("due_on", "DATE_WRONG", words)


def _hashes(where: str, values: list[str]) -> Iterator[FieldViolation]:
    if len(values) > _MAX_DOCUMENTS:
        yield FieldViolation(where, "TOO_MANY", f"最多 {_MAX_DOCUMENTS} 项 (at most {_MAX_DOCUMENTS})")
    for number, value in enumerate(values[:_MAX_DOCUMENTS]):
        if not _SHA256.fullmatch(value):
            words = "应为 64 位十六进制 SHA-256 (64 hexadecimal digits)"
            yield FieldViolation(f"{where}[{number}]", "HASH_MALFORMED", words)


def _needs_row(command: Any) -> tuple[Need, ...]:
    return (Need(orders, "id", (command.request.order_id,)),)


def _streams(command: Any) -> tuple[str, ...]:
    return (order_stream(command.request.order_id),)


ISSUE = Handler("IssueOrder", _issue, pb.IssueOrderResponse)
REPLY = Handler("ReplyToOrder", _reply, pb.ReplyToOrderResponse, _needs_row, _streams)
JUDGE = Handler("JudgeReply", _judge, pb.JudgeReplyResponse, _needs_row, _streams)
WITHDRAW = Handler("WithdrawOrder", _withdraw, pb.WithdrawOrderResponse, _needs_row, _streams)
RAISE_ORDER_ALARM = Handler(
    "RaiseOrderAlarm",
    _raise,
    Empty,
    lambda c: (Need(orders, "id", (c.order_id,)),),
    lambda c: (order_stream(c.order_id),),
)
