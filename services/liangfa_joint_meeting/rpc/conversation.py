"""The live conversation: requests are served one after the other, responses come from the hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from liangfa_joint_meeting.commands import talking
from liangfa_joint_meeting.errors import ConsultationNotFound, ConversationNotOpened
from liangfa_joint_meeting.hub import Hub, Seat
from liangfa_joint_meeting.marking import MarkWriter
from liangfa_joint_meeting.rpc.calls import message_call
from liangfa_kit.context import current
from liangfa_kit.errors import PlatformError
from liangfa_kit.train import Train
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc

_TYPING_SECONDS = 1.0
"""A typing notice is passed on at most once in this time."""


class Talk:
    """Says things in conversations, from a stream or not: stored, then handed to everybody who is there."""

    def __init__(self, train: Train, hub: Hub, marks: MarkWriter) -> None:
        self._train = train
        self.hub = hub
        self.marks = marks

    async def say(self, consultation_id: str, said: rpc.SayMessage) -> pb.Message:
        """Store a message and hand it on. The same id again returns the first message, and hands it to nobody."""
        call = message_call(consultation_id, said.client_message_id, said)
        command = talking.Say(
            consultation_id, call.actor.agency_id, said.text, tuple(said.files), said.client_message_id
        )
        reply = await self._train.execute(talking.SAY, command, call)
        self.hub.deliver(reply.message)  # a repeated one is passed over by its sequence
        return reply.message

    async def converse(
        self, requests: AsyncIterator[rpc.ConverseRequest], first: rpc.OpenConversation
    ) -> AsyncIterator[bytes]:
        """Serve one person in one conversation until they go or their unit takes no part any more."""
        seat = self.hub.sit(first.consultation_id, current().caller)
        reader = asyncio.create_task(self._read(requests, seat))
        try:
            async with aclosing(self.hub.listen(seat, max(0, first.after_sequence))) as responses:  # type: ignore[type-var]  # an async generator
                async for response in responses:
                    yield response
        finally:
            self.hub.rise(seat)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[rpc.ConverseRequest], seat: Seat) -> None:
        """Serve requests until there are no more; then the person goes on listening."""
        told_typing = 0.0
        try:
            async for request in requests:
                kind = request.WhichOneof("content")
                if kind == "say":
                    await self._say(request.say, seat)
                elif kind == "mark":
                    mark = request.mark
                    self.marks.put(
                        talking.Reached(seat.consultation_id, seat.person, mark.delivered_sequence, mark.read_sequence)
                    )
                elif kind == "typing":
                    if time.monotonic() - told_typing >= _TYPING_SECONDS:
                        told_typing = time.monotonic()
                        self.hub.tell(seat.consultation_id, _typing(seat), but=seat)
                else:
                    raise ConversationNotOpened  # noqa: TRY301 - it ends the stream like any other error
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream ends with it
            seat.fail(error)

    async def _say(self, said: rpc.SayMessage, seat: Seat) -> None:
        try:
            message = await self.say(seat.consultation_id, said)
        except ConsultationNotFound:
            raise
        except PlatformError as error:
            refused = rpc.MessageRefused(
                client_message_id=said.client_message_id[:100],
                reason=error.reason,
                message_zh=error.message_zh,
                message_en=str(error),
                remedy=error.remedy,
            )
            seat.put(0, rpc.ConverseResponse(refused=refused).SerializeToString())
            return
        stored = rpc.MessageStored(
            client_message_id=message.client_message_id, sequence=message.sequence, sent_at=message.sent_at
        )
        seat.put(0, rpc.ConverseResponse(stored=stored).SerializeToString())


def _typing(seat: Seat) -> rpc.ConverseResponse:
    person = seat.person
    typing = rpc.SomebodyTyping(person_id=person.person_id, person_name=person.person_name, unit_id=person.agency_id)
    return rpc.ConverseResponse(typing=typing)
