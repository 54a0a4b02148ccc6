"""More time for a clock, and what happens because time passes: told once, whoever asks and however often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import sides
from liangfa_case_transfer.records import clock_stream, stored, transfer_needs, transfer_stream
from liangfa_case_transfer.tables import clocks, transfers
from liangfa_case_transfer.timing import Clocks, clock_row, is_duty, last_day_begins, next_rung
from liangfa_case_transfer.validation import check_extension
from liangfa_kit.clock import to_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.identity import Actor
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.clocks import Calendar, Extension
from liangfa_procedure.escalation import ladder
from liangfa_procedure.rules import Duration, Rules
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

_LONGEST_DAYS = 365
COURT = "court"


@dataclass(frozen=True, slots=True)
class Extend:
    """Give a clock more time."""

    request: rpc.ExtendClockRequest


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Tell what is due to be told of a clock: nothing when it was told already or the clock has ended."""

    clock_id: str
    transfer_id: str


class ClockCommands:
    """The handlers, with the calendar by which days are counted."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.extend = Handler(
            "ExtendClock",
            self._extend,
            rpc.ExtendClockResponse,
            lambda c: transfer_needs(c.request.transfer_id),
            lambda c: (transfer_stream(c.request.transfer_id),),
        )

    def _extend(self, command: Extend, work: Work) -> rpc.ExtendClockResponse:
        request = command.request
        row, transfer = stored(work, request.transfer_id)
        running = Clocks(transfer, work, self._calendar, row["clocks"])
        clock = running.running(request.clock_id)
        # Who owes the step grants its own extension by its head, as every track of the rules says.
        if clock is None or not _owes(clock, transfer, work.actor):
            raise errors.ClockNotFound
        extension = _extension(request, clock)
        before = clock.due_at.ToMicroseconds() if clock.HasField("due_at") else None
        running.extend(clock, extension, request.track, work.now)
        if before is not None and clock.due_at.ToMicroseconds() <= before:
            words = "现有期限已不短于该延长情形 (the limit does not end earlier than that already)"
            raise errors.invalid([FieldViolation("track", "TRACK_NOT_LONGER", words)])
        transfer.version += 1
        work.save(transfers, {**row, "body": transfer.SerializeToString(deterministic=True)})
        work.record(transfer_stream(transfer.id), events_pb2.ClockExtended(transfer=transfer, clock=clock))
        return rpc.ExtendClockResponse(clock=clock)


def _owes(clock: pb.Clock, transfer: pb.Transfer, actor: Actor) -> bool:
    # No court is named in a transfer: a judge of its region stands for the court.
    return clock.owes_id == actor.agency_id or (clock.owes == COURT and COURT in sides(actor, transfer))


def _extension(request: rpc.ExtendClockRequest, clock: pb.Clock) -> Extension:
    rule = Rules.load().rule(clock.rule_id)
    track = next((one for one in rule.tracks if one.name == request.track), None)
    length = track.length if track is not None else None
    if track is not None and length is None and 0 < request.days <= _LONGEST_DAYS:
        length = Duration(days=request.days)
    if track is None or length is None:
        raise errors.TrackUnknown([one.name for one in rule.tracks])
    missing = [name for name in ("ground", "approver") if not getattr(request, name).strip()]
    if missing:
        raise errors.invalid([FieldViolation(name, "FIELD_REQUIRED", "必填 (must not be empty)") for name in missing])
    check_extension(request)
    if track.length is not None and request.days:
        words = f"该延长情形的期限由规则规定：{track.length}，请勿填写 (leave it empty: the rule gives the number)"
        raise errors.invalid([FieldViolation("days", "FIELD_NOT_FOR_TRACK", words)])
    if track.is_added and any(change.what == f"extended: {track.name}" for change in clock.changes):
        raise errors.invalid([FieldViolation("track", "TRACK_GRANTED_ALREADY", "该延长只能批准一次 (granted already)")])
    return Extension(length, request.ground, request.approver, track.is_added)


def _raise(command: RaiseAlarm, work: Work) -> Empty:
    """Tell it once: the row says what was told, and changes in the same transaction as the event is journalled."""
    row, owner = work.row(clocks, command.clock_id), work.row(transfers, command.transfer_id)
    now = to_micros(work.now)
    if row is None or row["next_alarm_at"] is None or row["next_alarm_at"] > now:
        return Empty()
    if owner is None:
        raise errors.TransferNotFound(command.transfer_id)
    transfer, clock = pb.Transfer.FromString(owner["body"]), pb.Clock.FromString(row["body"])
    if clock.transfer_id != transfer.id:  # it has moved since the scheduler found it, which finds it there again
        return Empty()
    event = _told(transfer, clock, work.now)
    work.save(clocks, clock_row(clock, transfer))
    work.record(clock_stream(clock.id), event)
    return Empty()


def _told(transfer: pb.Transfer, clock: pb.Clock, now: datetime) -> Message:
    """Return what is to be told now, and note it on the clock.

    What a stopped service has not told in time is not told late: what came after it says more. Only the rungs of the
    ladder are all told, one after the other: each is for somebody else.
    """
    rungs = ladder(Rules.load().rule(clock.rule_id))
    at = to_micros(now)
    if clock.HasField("missed_at"):
        rung = next_rung(clock)
        clock.rungs_told += 1
        names = rung.recipients if rung is not None else ()
        return events_pb2.ClockEscalated(transfer=transfer, clock=clock, recipients=names, rung=clock.rungs_told)
    if at >= clock.due_at.ToMicroseconds():
        if is_duty(clock):
            clock.missed_at.FromDatetime(now)
            return events_pb2.ClockMissed(transfer=transfer, clock=clock, recipients=clock.tells)
        clock.state = pb.CLOCK_STATE_LAPSED
        clock.ended_at.CopyFrom(clock.due_at)
        return events_pb2.ClockLapsed(transfer=transfer, clock=clock)
    last_day = last_day_begins(clock)
    if last_day is not None and at >= last_day:
        clock.reminded_at.FromDatetime(now)
        return events_pb2.ClockLastDay(transfer=transfer, clock=clock, recipients=rungs.on_the_day)
    clock.warned_at.FromDatetime(now)
    return events_pb2.ClockWarned(transfer=transfer, clock=clock, recipients=rungs.warned)


RAISE_ALARM = Handler(
    "RaiseAlarm",
    _raise,
    Empty,
    lambda c: (Need(clocks, "id", (c.clock_id,)), Need(transfers, "id", (c.transfer_id,))),
    lambda c: (clock_stream(c.clock_id),),
)
