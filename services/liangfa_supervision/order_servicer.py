"""OrderService: translation."""

from __future__ import annotations

from typing import Any

from liangfa_kit.context import current
from liangfa_kit.ids import UuidSequence
from liangfa_kit.paging import page_size
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.supervision.v1 import order_service_pb2 as pb
from liangfa_protos.supervision.v1.order_service_pb2_grpc import OrderServiceServicer
from liangfa_supervision import errors, order_queries, ordering
from liangfa_supervision.authority import may_see_order

_LONGEST_REQUEST_ID = 100


class OrderServicer(OrderServiceServicer):
    """Translates between protos and commands."""

    def __init__(self, store: Store, train: Train, ids: UuidSequence) -> None:
        self._store = store
        self._train = train
        self._ids = ids

    async def IssueOrder(self, request: pb.IssueOrderRequest, _context: Any) -> pb.IssueOrderResponse:
        """Issue an order."""
        command = ordering.Issue(self._ids(), request)
        return await self._train.execute(ordering.ISSUE, command, _call(request.request_id))

    async def ReplyToOrder(self, request: pb.ReplyToOrderRequest, _context: Any) -> pb.ReplyToOrderResponse:
        """Answer an order."""
        return await self._train.execute(ordering.REPLY, ordering.Reply(request), _call(request.request_id))

    async def JudgeReply(self, request: pb.JudgeReplyRequest, _context: Any) -> pb.JudgeReplyResponse:
        """Judge the newest answer."""
        return await self._train.execute(ordering.JUDGE, ordering.Judge(request), _call(request.request_id))

    async def WithdrawOrder(self, request: pb.WithdrawOrderRequest, _context: Any) -> pb.WithdrawOrderResponse:
        """Withdraw an order."""
        return await self._train.execute(ordering.WITHDRAW, ordering.Withdraw(request), _call(request.request_id))

    async def GetOrder(self, request: pb.GetOrderRequest, _context: Any) -> pb.GetOrderResponse:
        """Read an order."""
        body = await self._store.read(lambda c: order_queries.order_body(c, request.order_id))
        order = pb.Order.FromString(body or b"")
        if body is None or not may_see_order(current().caller, order):
            raise errors.OrderNotFound(request.order_id)
        return pb.GetOrderResponse(order=order)

    async def ListOrders(self, request: pb.ListOrdersRequest, _context: Any) -> pb.ListOrdersResponse:
        """List orders."""
        actor, size = current().caller, page_size(request.page_size, 50, 200)
        bodies, token = await self._store.read(
            lambda c: order_queries.order_page(
                c, actor, only_open=request.only_open, to_me=request.to_me, size=size, token=request.page_token
            )
        )
        return pb.ListOrdersResponse(orders=map(pb.Order.FromString, bodies), next_page_token=token)


def _call(request_id: str) -> Call:
    if not request_id or len(request_id) > _LONGEST_REQUEST_ID:
        raise errors.request_id_required()
    return current().command(request_id)
