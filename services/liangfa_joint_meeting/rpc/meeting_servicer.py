"""MeetingService: translation."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any

from liangfa_joint_meeting.commands import convening, sitting, tasking
from liangfa_joint_meeting.documents import bulletin_document, calendar_document, minutes_document
from liangfa_joint_meeting.errors import MeetingState, invalid
from liangfa_joint_meeting.meetings import day_text
from liangfa_joint_meeting.queries import agenda
from liangfa_joint_meeting.queries import meeting as queries
from liangfa_joint_meeting.rpc.calls import call_of
from liangfa_kit.clock import BEIJING, Clock, to_micros
from liangfa_kit.context import current
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Handler
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceServicer


class MeetingServicer(MeetingServiceServicer):
    """Translates between protos, commands, queries and documents."""

    def __init__(self, train: Train, store: Store, clock: Clock) -> None:
        self._train = train
        self._store = store
        self._clock = clock

    async def _do(self, handler: Handler[Any, Any], request: Any) -> Any:
        return await self._train.execute(handler, request, call_of(request.request_id))

    async def _do_in_region(self, handler: Handler[Any, Any], request: Any) -> Any:
        call = call_of(request.request_id)
        return await self._train.execute(handler, convening.InRegion(call.actor.region, request), call)

    async def SetMeetingRule(self, request: rpc.SetMeetingRuleRequest, _context: Any) -> rpc.SetMeetingRuleResponse:
        """Set a region's rule."""
        reply: rpc.SetMeetingRuleResponse = await self._do(convening.SET_RULE, request)
        return reply

    async def GetMeetingRule(self, request: rpc.GetMeetingRuleRequest, _context: Any) -> rpc.GetMeetingRuleResponse:
        """Read a region's rule."""
        caller = current().caller
        region = request.region or caller.region
        return await self._store.read(lambda c: queries.rule_state(c, region, caller))

    async def RequestSpecialMeeting(
        self, request: rpc.RequestSpecialMeetingRequest, _context: Any
    ) -> rpc.RequestSpecialMeetingResponse:
        """Ask for a special meeting."""
        reply: rpc.RequestSpecialMeetingResponse = await self._do_in_region(convening.REQUEST_SPECIAL, request)
        return reply

    async def ProposeItem(self, request: rpc.ProposeItemRequest, _context: Any) -> rpc.ProposeItemResponse:
        """Propose an item."""
        reply: rpc.ProposeItemResponse = await self._do_in_region(convening.PROPOSE, request)
        return reply

    async def ConveneMeeting(self, request: rpc.ConveneMeetingRequest, _context: Any) -> rpc.ConveneMeetingResponse:
        """Convene a meeting."""
        call, now = call_of(request.request_id), to_micros(self._clock.now())
        region = call.actor.region
        data = await self._store.read(lambda c: agenda.prepared(c, region, call.actor, now))
        command = convening.Convene(region, request, data.items, data.figures)
        return await self._train.execute(convening.CONVENE, command, call)

    async def OrderAgenda(self, request: rpc.OrderAgendaRequest, _context: Any) -> rpc.OrderAgendaResponse:
        """Order the agenda."""
        reply: rpc.OrderAgendaResponse = await self._do(convening.ORDER, request)
        return reply

    async def CancelMeeting(self, request: rpc.CancelMeetingRequest, _context: Any) -> rpc.CancelMeetingResponse:
        """Cancel a meeting."""
        reply: rpc.CancelMeetingResponse = await self._do(convening.CANCEL, request)
        return reply

    async def GetMeeting(self, request: rpc.GetMeetingRequest, _context: Any) -> rpc.GetMeetingResponse:
        """Read a meeting."""
        caller = current().caller
        found = await self._store.read(lambda c: queries.meeting(c, request.meeting_id, caller))
        return rpc.GetMeetingResponse(meeting=found)

    async def ListMeetings(self, request: rpc.ListMeetingsRequest, _context: Any) -> rpc.ListMeetingsResponse:
        """List meetings."""
        caller = current().caller
        return await self._store.read(lambda c: queries.meeting_page(c, caller, request.page_size, request.page_token))

    async def AcknowledgeNotice(
        self, request: rpc.AcknowledgeNoticeRequest, _context: Any
    ) -> rpc.AcknowledgeNoticeResponse:
        """Receive a notice."""
        reply: rpc.AcknowledgeNoticeResponse = await self._do(convening.ACKNOWLEDGE_NOTICE, request)
        return reply

    async def OpenMeeting(self, request: rpc.OpenMeetingRequest, _context: Any) -> rpc.OpenMeetingResponse:
        """Open a meeting."""
        reply: rpc.OpenMeetingResponse = await self._do(sitting.OPEN, request)
        return reply

    async def RecordOpinion(self, request: rpc.RecordOpinionRequest, _context: Any) -> rpc.RecordOpinionResponse:
        """Record an opinion."""
        reply: rpc.RecordOpinionResponse = await self._do(sitting.OPINE, request)
        return reply

    async def CastVote(self, request: rpc.CastVoteRequest, _context: Any) -> rpc.CastVoteResponse:
        """Record a vote."""
        reply: rpc.CastVoteResponse = await self._do(sitting.VOTE, request)
        return reply

    async def AdoptResolution(self, request: rpc.AdoptResolutionRequest, _context: Any) -> rpc.AdoptResolutionResponse:
        """Record a resolution."""
        reply: rpc.AdoptResolutionResponse = await self._do(sitting.ADOPT, request)
        return reply

    async def CloseMeeting(self, request: rpc.CloseMeetingRequest, _context: Any) -> rpc.CloseMeetingResponse:
        """End a session."""
        call, now = call_of(request.request_id), self._clock.now().astimezone(BEIJING)
        region = await self._store.read(lambda c: queries.region_of_meeting(c, request.meeting_id))
        years = tuple({now.year, (now + timedelta(hours=1)).year})
        return await self._train.execute(sitting.CLOSE, sitting.CloseMeeting(request.meeting_id, region, years), call)

    async def ConfirmMinutes(self, request: rpc.ConfirmMinutesRequest, _context: Any) -> rpc.ConfirmMinutesResponse:
        """Confirm minutes or object."""
        reply: rpc.ConfirmMinutesResponse = await self._do(sitting.CONFIRM, request)
        return reply

    async def ReviseMinutes(self, request: rpc.ReviseMinutesRequest, _context: Any) -> rpc.ReviseMinutesResponse:
        """Add a remark to the minutes."""
        reply: rpc.ReviseMinutesResponse = await self._do(sitting.REVISE, request)
        return reply

    async def GetMinutes(self, request: rpc.GetMinutesRequest, _context: Any) -> rpc.GetMinutesResponse:
        """Read the minutes as a document."""
        caller = current().caller
        found = await self._store.read(lambda c: queries.meeting(c, request.meeting_id, caller))
        if not found.minutes:
            raise MeetingState(found.id, "without minutes")
        name = f"{found.document_number}.docx"
        return rpc.GetMinutesResponse(file_name=name, content=await _made(lambda: minutes_document(found)))

    async def ListTasks(self, request: rpc.ListTasksRequest, _context: Any) -> rpc.ListTasksResponse:
        """List tasks."""
        caller = current().caller
        found = await self._store.read(
            lambda c: queries.task_list(c, caller, own=request.own, include_done=request.include_done)
        )
        return rpc.ListTasksResponse(tasks=found)

    async def ReportTask(self, request: rpc.ReportTaskRequest, _context: Any) -> rpc.ReportTaskResponse:
        """Report a task."""
        reply: rpc.ReportTaskResponse = await self._do(tasking.REPORT, request)
        return reply

    async def JudgeTask(self, request: rpc.JudgeTaskRequest, _context: Any) -> rpc.JudgeTaskResponse:
        """Judge a report."""
        call = call_of(request.request_id)
        meeting_id = await self._store.read(lambda c: queries.meeting_of_task(c, request.task_id))
        return await self._train.execute(tasking.JUDGE, tasking.Judge(request, meeting_id), call)

    async def GetCalendar(self, _request: rpc.GetCalendarRequest, _context: Any) -> rpc.GetCalendarResponse:
        """Read the caller's calendar."""
        caller, now = current().caller, self._clock.now()
        meetings, tasks = await self._store.read(lambda c: queries.calendar_of(c, caller))
        return rpc.GetCalendarResponse(content=await _made(lambda: calendar_document(meetings, tasks, now)))

    async def DraftBulletin(self, request: rpc.DraftBulletinRequest, _context: Any) -> rpc.DraftBulletinResponse:
        """Draft a case bulletin."""
        caller = current().caller
        since, until = _instant("day_from", request.day_from), _instant("day_to", request.day_to, days=1)

        def read(connection: Any) -> Any:
            _, rule = queries.rule_of(connection, caller.region, caller)
            return agenda.figures(connection, rule, since, until)

        found = await self._store.read(read)
        days = (request.day_from, request.day_to)
        content = await _made(lambda: bulletin_document(caller.region, *days, found))
        name = f"案情通报-{caller.region}-{days[0]}-{days[1]}.docx"
        return rpc.DraftBulletinResponse(file_name=name, content=content, figures=found)


async def _made(make: Any) -> bytes:
    """Make a document in a thread: it takes tens of milliseconds, in which others want to be answered."""
    content: bytes = await asyncio.to_thread(make)
    return content


def _instant(where: str, text: str, days: int = 0) -> int:
    day: date | None = day_text(text)
    if day is None:
        raise invalid([FieldViolation(where, "DATE_MALFORMED", "日期格式为 YYYY-MM-DD (a date of the calendar)")])
    return to_micros(datetime.combine(day + timedelta(days=days), time(), BEIJING))
