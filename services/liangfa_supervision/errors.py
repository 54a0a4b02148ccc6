"""What supervision refuses of orders, and why."""

from __future__ import annotations

from collections.abc import Sequence

from liangfa_kit.errors import FieldViolation, Forbidden, Invalid, NotFound, Precondition


class OrderNotFound(NotFound):
    """No such order, or not for this caller: the two are not told apart."""

    reason = "ORDER_NOT_FOUND"

    def __init__(self, order_id: str) -> None:
        super().__init__(
            f"There is no supervision order {order_id} that concerns your organisation.",
            message_zh=f"未找到督办单 {order_id}，或与贵单位无关。",
            remedy="Take the order from your list (ListOrders).",
            order_id=order_id,
        )


class OrderNotYours(Forbidden):
    """The step is for the other side of the order."""

    reason = "ORDER_NOT_YOURS"

    def __init__(self, who: str) -> None:
        super().__init__(
            f"This is for {who} alone.",
            message_zh="此操作应由督办单的另一方进行。",
            remedy="Ask the organisation that the order names.",
        )


class OrderNotThere(Precondition):
    """The order stands elsewhere."""

    reason = "ORDER_STATE_WRONG"

    def __init__(self, now: str, needed: str) -> None:
        super().__init__(
            f"The order is {now}; this is possible when it is {needed}.",
            message_zh="督办单当前状态不能进行此操作。",
            remedy="Read the order again (GetOrder).",
            now=now,
            needed=needed,
        )


def invalid(violations: Sequence[FieldViolation]) -> Invalid:
    """Return the refusal of a request whose fields are wrong."""
    first = violations[0]
    return Invalid(
        f"{len(violations)} fields are wrong; the first is {first.field}: {first.message}",
        message_zh=f"{len(violations)} 个字段有误：{first.field} {first.message}",
        remedy="Correct the fields that are named, then send the request again.",
        reason="INVALID_ORDER",
        violations=tuple(violations),
    )


def request_id_required() -> Invalid:
    """Return the refusal of a change that could not be recognised when it is repeated."""
    return Invalid(
        "A change needs a request id of at most 100 characters.",
        message_zh="写操作必须带有不超过 100 个字符的请求编号。",
        remedy="Send a fresh UUID in `request_id`; send the same one when you repeat the request.",
        reason="REQUEST_ID_REQUIRED",
    )
