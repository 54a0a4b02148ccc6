"""The meeting itself and its minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.answering import count_key, next_number
from liangfa_joint_meeting.commands.meeting_rows import (
    conveners,
    item_of,
    meeting_needs,
    meeting_of,
    meeting_streams,
    present_at,
    save_meeting,
)
from liangfa_joint_meeting.commands.tasking import draft_faults, given_task
from liangfa_joint_meeting.meetings import (
    carried,
    drafted_minutes,
    has_quorum,
    meeting_stream,
    minutes_hash,
    one_line,
)
from liangfa_joint_meeting.records import actor_of
from liangfa_joint_meeting.tables import document_counts, meetings, tasks
from liangfa_kit.clock import BEIJING
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

_MINUTES = "minutes"


@dataclass(frozen=True, slots=True)
class CloseMeeting:
    """End a session in `region`; `years` are those in which the command may be written."""

    meeting_id: str
    region: str
    years: tuple[int, ...]


def _open(request: rpc.OpenMeetingRequest, work: Work) -> rpc.OpenMeetingResponse:
    meeting = conveners(work, request.meeting_id, pb.MEETING_STATE_CONVENED)
    present = dict.fromkeys(request.present_unit_ids)
    for unit_id in present:
        if unit_id not in meeting.rule.member_unit_ids:
            raise errors.UnitUnknown(unit_id)
    if not has_quorum(meeting.rule, len(present)):
        raise errors.NoQuorum(len(present), len(meeting.rule.member_unit_ids), meeting.rule.quorum_percent)
    for one in meeting.attendance:
        one.is_present = one.unit_id in present
    meeting.state = pb.MEETING_STATE_IN_SESSION
    save_meeting(work, meeting)
    event = events_pb2.MeetingOpened(meeting_id=meeting.id, present_unit_ids=list(present))
    work.record(meeting_stream(meeting.id), event)
    return rpc.OpenMeetingResponse(meeting=meeting)


def _opine(request: rpc.RecordOpinionRequest, work: Work) -> rpc.RecordOpinionResponse:
    meeting = meeting_of(work, request.meeting_id, pb.MEETING_STATE_IN_SESSION)
    mine = present_at(meeting, work.actor.agency_id)
    v.check(v.text("text", request.text, v.MAX_MESSAGE, is_required=True))
    item = item_of(meeting, request.item_id)
    opinion = item.opinions.add(
        unit_id=mine.unit_id,
        unit_name=mine.unit_name,
        speaker=actor_of(work.actor),
        text=request.text,
        is_dissent=request.is_dissent,
    )
    opinion.at.FromDatetime(work.now)
    save_meeting(work, meeting)
    event = events_pb2.OpinionRecorded(meeting_id=meeting.id, item_id=item.id, opinion=opinion)
    work.record(meeting_stream(meeting.id), event)
    return rpc.RecordOpinionResponse(meeting=meeting)


def _vote(request: rpc.CastVoteRequest, work: Work) -> rpc.CastVoteResponse:
    meeting = meeting_of(work, request.meeting_id, pb.MEETING_STATE_IN_SESSION)
    mine = present_at(meeting, work.actor.agency_id)
    v.check(v.known("choice", request.choice, pb.VoteChoice.values(), is_required=True))
    item = item_of(meeting, request.item_id)
    votes = [vote for vote in item.votes if vote.unit_id != mine.unit_id]
    vote = pb.Vote(unit_id=mine.unit_id, choice=request.choice)
    del item.votes[:]
    item.votes.extend([*votes, vote])
    save_meeting(work, meeting)
    event = events_pb2.VoteCast(meeting_id=meeting.id, item_id=item.id, vote=vote)
    work.record(meeting_stream(meeting.id), event)
    return rpc.CastVoteResponse(meeting=meeting)


def _adopt(request: rpc.AdoptResolutionRequest, work: Work) -> rpc.AdoptResolutionResponse:
    meeting = conveners(work, request.meeting_id, pb.MEETING_STATE_IN_SESSION)
    item = item_of(meeting, request.item_id)
    v.check(
        v.text("text", request.text, v.MAX_MESSAGE, is_required=True),
        v.size("tasks", request.tasks),
        draft_faults(request),
    )
    votes_for, votes_against = carried(item)
    if meeting.rule.needs_vote and votes_for <= votes_against:
        raise errors.VoteNotCarried(votes_for, votes_against)
    given = [given_task(work, meeting, item, draft) for draft in request.tasks]
    item.resolution.text = request.text
    item.resolution.adopted_at.FromDatetime(work.now)
    item.resolution.task_ids.extend(task.id for task in given)
    save_meeting(work, meeting)
    event = events_pb2.ResolutionAdopted(
        meeting_id=meeting.id, item_id=item.id, resolution=item.resolution, tasks=given, region=meeting.region
    )
    work.record(meeting_stream(meeting.id), event)
    return rpc.AdoptResolutionResponse(meeting=meeting, tasks=given)


def _close(command: CloseMeeting, work: Work) -> rpc.CloseMeetingResponse:
    meeting = conveners(work, command.meeting_id, pb.MEETING_STATE_IN_SESSION)
    year = work.now.astimezone(BEIJING).year
    meeting.number = next_number(work, _MINUTES, meeting.region, year)
    convener = next(one for one in meeting.attendance if one.unit_id == meeting.rule.convener_unit_id)
    meeting.document_number = f"{convener.unit_name}联席会议纪要〔{year}〕{meeting.number}号"
    given = [pb.Task.FromString(row["body"]) for row in work.rows(tasks, "region", meeting.region)]
    meeting.state = pb.MEETING_STATE_DRAFTED
    _set_minutes(meeting, drafted_minutes(meeting, given, work.now))
    save_meeting(work, meeting)
    _record_draft(work, meeting)
    return rpc.CloseMeetingResponse(meeting=meeting)


def _set_minutes(meeting: pb.Meeting, minutes: str) -> None:
    meeting.minutes, meeting.minutes_sha256 = minutes, minutes_hash(minutes)
    del meeting.confirmations[:]


def _record_draft(work: Work, meeting: pb.Meeting) -> None:
    event = events_pb2.MinutesDrafted(
        meeting_id=meeting.id, document_number=meeting.document_number, sha256=meeting.minutes_sha256
    )
    work.record(meeting_stream(meeting.id), event)


def _confirm(request: rpc.ConfirmMinutesRequest, work: Work) -> rpc.ConfirmMinutesResponse:
    """Confirm or object. The last confirmation that is missing seals the minutes, whoever comes second."""
    meeting = meeting_of(work, request.meeting_id, pb.MEETING_STATE_DRAFTED)
    mine = present_at(meeting, work.actor.agency_id)
    v.check(v.text("objection", request.objection, v.MAX_REASON))
    if request.sha256 != meeting.minutes_sha256:
        raise errors.MinutesChanged
    others = [one for one in meeting.confirmations if one.unit_id != mine.unit_id]
    confirmation = pb.Confirmation(unit_id=mine.unit_id, by=actor_of(work.actor), objection=request.objection)
    confirmation.at.FromDatetime(work.now)
    del meeting.confirmations[:]
    meeting.confirmations.extend([*others, confirmation])
    event = events_pb2.MinutesConfirmed(meeting_id=meeting.id, confirmation=confirmation)
    work.record(meeting_stream(meeting.id), event)
    confirmed = {one.unit_id for one in meeting.confirmations if not one.objection}
    if confirmed >= {one.unit_id for one in meeting.attendance if one.is_present}:
        _seal(work, meeting)
    save_meeting(work, meeting)
    return rpc.ConfirmMinutesResponse(meeting=meeting)


def _seal(work: Work, meeting: pb.Meeting) -> None:
    meeting.state = pb.MEETING_STATE_SEALED
    meeting.sealed_at.FromDatetime(work.now)
    event = events_pb2.MinutesSealed(
        meeting_id=meeting.id,
        document_number=meeting.document_number,
        sha256=meeting.minutes_sha256,
        region=meeting.region,
        title=meeting.title,
    )
    work.record(meeting_stream(meeting.id), event)


def _revise(request: rpc.ReviseMinutesRequest, work: Work) -> rpc.ReviseMinutesResponse:
    meeting = conveners(work, request.meeting_id, pb.MEETING_STATE_DRAFTED)
    v.check(v.text("remark", request.remark, v.MAX_MESSAGE, is_required=True))
    _set_minutes(meeting, f"{meeting.minutes}\n补充说明：{one_line(request.remark)}\n")
    save_meeting(work, meeting)
    _record_draft(work, meeting)
    return rpc.ReviseMinutesResponse(meeting=meeting)


def _close_needs(command: CloseMeeting) -> Sequence[Need]:
    keys = tuple(count_key(_MINUTES, command.region, year) for year in command.years)
    found = (Need(meetings, "id", (command.meeting_id,)), Need(document_counts, "id", keys))
    return (*found, Need(tasks, "region", (command.region,)))


OPEN = Handler("OpenMeeting", _open, rpc.OpenMeetingResponse, meeting_needs, meeting_streams)
OPINE = Handler("RecordOpinion", _opine, rpc.RecordOpinionResponse, meeting_needs, meeting_streams)
VOTE = Handler("CastVote", _vote, rpc.CastVoteResponse, meeting_needs, meeting_streams)
ADOPT = Handler("AdoptResolution", _adopt, rpc.AdoptResolutionResponse, meeting_needs, meeting_streams)
CLOSE = Handler("CloseMeeting", _close, rpc.CloseMeetingResponse, _close_needs, meeting_streams)
CONFIRM = Handler("ConfirmMinutes", _confirm, rpc.ConfirmMinutesResponse, meeting_needs, meeting_streams)
REVISE = Handler("ReviseMinutes", _revise, rpc.ReviseMinutesResponse, meeting_needs, meeting_streams)
