"""ConsultationService: translation between protos and commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

from liangfa_joint_meeting.case_facts import CaseFacts
from liangfa_joint_meeting.commands import answering, asking, talking
from liangfa_joint_meeting.errors import ConsultationNotFound, ConversationNotOpened
from liangfa_joint_meeting.queries import consulting
from liangfa_joint_meeting.records import shown_to
from liangfa_joint_meeting.rpc.calls import call_of
from liangfa_joint_meeting.rpc.conversation import Talk
from liangfa_kit.clock import BEIJING, Clock
from liangfa_kit.context import current
from liangfa_kit.paging import page_size
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceServicer


class ConsultationServicer(ConsultationServiceServicer):
    """Translates; what others should see at once is told to the hub after the commit."""

    def __init__(
        self,
        train: Train,
        store: Store,
        handlers: asking.AskingCommands,
        talk: Talk,
        clock: Clock,
        new_id: Callable[[], str],
        case_facts: CaseFacts,
    ) -> None:
        self._train = train
        self._store = store
        self._do = handlers
        self._talk = talk
        self._clock = clock
        self._new_id = new_id
        self._case_facts = case_facts

    async def DraftConsultation(
        self, request: rpc.DraftConsultationRequest, _context: Any
    ) -> rpc.DraftConsultationResponse:
        """Fill in a question from a case."""
        draft = await self._case_facts.draft(request.case_id, request.screening_id)
        return rpc.DraftConsultationResponse(draft=draft)

    async def AskConsultation(self, request: rpc.AskConsultationRequest, _context: Any) -> rpc.AskConsultationResponse:
        """Ask a question."""
        call = call_of(request.request_id)
        return await self._train.execute(self._do.ask, asking.Ask(self._new_id(), request), call)

    async def GetConsultation(self, request: rpc.GetConsultationRequest, _context: Any) -> rpc.GetConsultationResponse:
        """Read a consultation."""
        caller = current().caller
        return await self._store.read(lambda c: consulting.consultation(c, request.consultation_id, caller))

    async def ListConsultations(
        self, request: rpc.ListConsultationsRequest, _context: Any
    ) -> rpc.ListConsultationsResponse:
        """List consultations of the caller's unit."""
        caller = current().caller
        return await self._store.read(lambda c: consulting.listed(c, self._store, caller, request))

    async def ListMessages(self, request: rpc.ListMessagesRequest, _context: Any) -> rpc.ListMessagesResponse:
        """Read a part of a conversation."""
        unit, key, after = current().caller.agency_id, request.consultation_id, max(0, request.after_sequence)
        size = page_size(request.page_size, 100, 500)
        page, last = await self._store.read(
            lambda c: (consulting.message_page(c, key, unit, after, size), consulting.last_sequence(c, key))
        )
        return rpc.ListMessagesResponse(messages=[pb.Message.FromString(one.body) for one in page], last_sequence=last)

    async def SendMessage(self, request: rpc.SendMessageRequest, _context: Any) -> rpc.SendMessageResponse:
        """Say something."""
        said = rpc.SayMessage(client_message_id=request.request_id, text=request.text, files=request.files)
        return rpc.SendMessageResponse(message=await self._talk.say(request.consultation_id, said))

    async def MarkMessages(self, request: rpc.MarkMessagesRequest, _context: Any) -> rpc.MarkMessagesResponse:
        """Say how far the conversation was delivered and read."""
        call = current().command("")
        reached = talking.Reached(
            request.consultation_id, call.actor, request.delivered_sequence, request.read_sequence
        )
        moved = await self._train.execute(talking.MARK, talking.MoveMarks((reached,)), call)
        mark = moved.marks[0]
        if not mark.person_id:
            raise ConsultationNotFound(request.consultation_id)
        self._talk.hub.tell(request.consultation_id, rpc.ConverseResponse(marks=moved))
        return rpc.MarkMessagesResponse(mark=mark)

    async def InviteUnit(self, request: rpc.InviteUnitRequest, _context: Any) -> rpc.InviteUnitResponse:
        """Let another unit take part."""
        command = asking.Invite(request.consultation_id, request.unit_id, request.owes_answer, request.reason)
        reply = await self._train.execute(self._do.invite, command, call_of(request.request_id))
        self._talk.hub.look(request.consultation_id)
        return reply

    async def LeaveConsultation(
        self, request: rpc.LeaveConsultationRequest, _context: Any
    ) -> rpc.LeaveConsultationResponse:
        """End a unit's part; its streams end with it."""
        call = call_of(request.request_id)
        command = asking.Leave(request.consultation_id, request.unit_id, request.reason)
        reply = await self._train.execute(self._do.leave, command, call)
        self._talk.hub.close(request.consultation_id, request.unit_id or call.actor.agency_id)
        self._talk.hub.look(request.consultation_id)
        return reply

    async def GiveAnswer(self, request: rpc.GiveAnswerRequest, _context: Any) -> rpc.GiveAnswerResponse:
        """Give a formal answer."""
        call = call_of(request.request_id)
        command = answering.GiveAnswer(
            request.consultation_id, call.actor.agency_id, request.view, request.grounds, self._years()
        )
        reply = await self._train.execute(answering.GIVE_ANSWER, command, call)
        self._talk.hub.look(request.consultation_id)
        return reply

    def _years(self) -> tuple[int, ...]:
        """Return the years in which a command sent now may be written: the Beijing year turns while it waits."""
        now = self._clock.now().astimezone(BEIJING)
        return tuple({now.year, (now + timedelta(hours=1)).year})

    async def AcknowledgeAnswer(
        self, request: rpc.AcknowledgeAnswerRequest, _context: Any
    ) -> rpc.AcknowledgeAnswerResponse:
        """Receive a formal answer."""
        command = answering.Acknowledge(request.consultation_id, request.answer_id, request.sha256)
        reply = await self._train.execute(answering.ACKNOWLEDGE, command, call_of(request.request_id))
        self._talk.hub.look(request.consultation_id)
        return reply

    async def RecordOutcome(self, request: rpc.RecordOutcomeRequest, _context: Any) -> rpc.RecordOutcomeResponse:
        """Record whether an answer was followed."""
        command = answering.RecordOutcome(request.consultation_id, request.answer_id, request.outcome, request.reason)
        reply = await self._train.execute(answering.OUTCOME, command, call_of(request.request_id))
        self._talk.hub.look(request.consultation_id)
        return reply

    async def CloseConsultation(
        self, request: rpc.CloseConsultationRequest, _context: Any
    ) -> rpc.CloseConsultationResponse:
        """Close a consultation."""
        command = asking.Close(request.consultation_id, request.reason)
        reply = await self._train.execute(self._do.close, command, call_of(request.request_id))
        self._talk.hub.look(request.consultation_id)
        return reply

    async def ReopenConsultation(
        self, request: rpc.ReopenConsultationRequest, _context: Any
    ) -> rpc.ReopenConsultationResponse:
        """Reopen a consultation."""
        call = call_of(request.request_id)
        command = asking.Reopen(request.consultation_id, request.reason)
        reply = await self._train.execute(self._do.reopen, command, call)
        self._talk.hub.look(request.consultation_id)
        shown_to(reply.consultation, call.actor.agency_id)
        return reply

    async def Converse(  # type: ignore[override]  # serialised ConverseResponses, encoded once for everybody
        self, requests: AsyncIterator[rpc.ConverseRequest], _context: Any
    ) -> AsyncIterator[bytes]:
        """Take part in a conversation."""
        first = await anext(requests)
        if not first.HasField("open"):
            raise ConversationNotOpened
        async for response in self._talk.converse(requests, first.open):
            yield response
