"""Following the live feed and a consultation in the terminal: a stream that is cut goes on where it was."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from rich.console import Console
from rich.markup import escape

from liangfa_cli.reaching import reach
from liangfa_kit.errors import PlatformError
from liangfa_kit.rpc.client import Channel
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb_watch
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub

_COME_BACK = frozenset({"SHUTTING_DOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "TOKEN_RAN_OUT"})


async def feed(
    channel: Channel, after: int, least: pb_watch.Severity.ValueType, told: Callable[[str], object]
) -> AsyncGenerator[pb_watch.WatchResponse]:
    """Yield the live feed after cursor `after`, for ever: a stream that is cut goes on where it was, without a gap."""
    cursor = after
    while True:
        request = pb_watch.WatchRequest(after_cursor=cursor, least_severity=least)
        try:
            async for message in SupervisionServiceStub(channel).Watch(request, timeout=3_600):
                if not message.HasField("lagging"):  # all up to a heartbeat's cursor was sent
                    cursor = max(cursor, message.item.cursor, message.heartbeat.cursor)
                yield message
        except PlatformError as error:
            if error.reason not in _COME_BACK:
                raise
            told(f"[dim]{error.reason}: connecting again after cursor {cursor} …[/]")
            await asyncio.sleep(1.0)


async def follow(address: str, issue: Callable[[], str], key: str, said: str, out: Console) -> None:
    """Print a conversation from its beginning and then live, for ever; `said` is sent once, however often it is cut."""
    after, message_id = 0, str(uuid.uuid4())

    async def requests() -> AsyncIterator[rpc.ConverseRequest]:
        yield rpc.ConverseRequest(open=rpc.OpenConversation(consultation_id=key, after_sequence=after))
        if said:
            yield rpc.ConverseRequest(say=rpc.SayMessage(client_message_id=message_id, text=said))
        await asyncio.Event().wait()

    async with reach(address, issue) as channel:
        while True:
            try:
                async for response in ConsultationServiceStub(channel).Converse(requests(), timeout=3_600):
                    if response.HasField("message"):
                        after = response.message.sequence
                        out.print(message_line(response.message))
                    elif response.HasField("refused"):
                        refused = response.refused
                        out.print(f"[red]{refused.reason}[/] {escape(refused.message_zh)} {escape(refused.remedy)}")
            except PlatformError as error:
                if error.reason not in _COME_BACK:
                    raise
                await asyncio.sleep(1.0)


def message_line(message: pb.Message) -> str:
    """Return one line of a conversation; what people wrote is shown as it is, whatever marks it holds."""
    who = escape(f"{message.unit_name} {message.author.person_name}".strip()) or "平台"
    at = message.sent_at.ToJsonString()
    return f"[dim]{message.sequence:>4} {at}[/] [bold]{who}[/] {escape(message.text)}"
