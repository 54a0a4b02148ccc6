"""Events of the other services in; feed items, alerts and counts out. One event, one pure step, no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_kit.messaging import topics
from liangfa_kit.messaging.events import Event
from liangfa_kit.work import Need, Work
from liangfa_procedure.suspicion import Suspicion
from liangfa_protos.enforcement_record.v1 import case_pb2, events_pb2
from liangfa_protos.joint_meeting.v1 import events_pb2 as meeting_events
from liangfa_protos.joint_meeting.v1 import meeting_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision import own_events, progressing, transferring
from liangfa_supervision.tables import alerts, case_counts, feed, feed_end, stays, transfer_progress
from liangfa_supervision.wording import Wording, worded

LATE_AFTER_DAYS = 7
"""A decision entered more than seven natural days later is late. Credit publicity asks for 7 working days from the decision
(city credit office guide, 2021; data standards section 1): natural days are the stricter, simpler figure of the issue."""

TOPIC = topics.ENFORCEMENT_RECORD.name
MEETING_TOPIC = topics.JOINT_MEETING.name
TRANSFER_TOPIC = topics.CASE_TRANSFER.name
OWN_TOPIC = topics.SUPERVISION.name
_PACKAGE = "liangfa_protos.enforcement_record.v1."
_MEETING_PACKAGE = "liangfa_protos.joint_meeting.v1."
_ALERT_KINDS = {
    "suspected": pb.ALERT_KIND_SUSPECTED_NOT_TRANSFERRED,
    "near": pb.ALERT_KIND_NEAR_MISS,
    "cumulative": pb.ALERT_KIND_CUMULATIVE_HIT,
    "late": pb.ALERT_KIND_LATE_ENTRY,
    "amended": pb.ALERT_KIND_AMENDED_AFTER_DECISION,
    "missed": pb.ALERT_KIND_CLOCK_MISSED,
    "stalled": pb.ALERT_KIND_TRANSFER_STALLED,
    "order": pb.ALERT_KIND_ORDER_MISSED,
}
_NEED_END = Need(feed_end, "name", ("feed",))
_RESULT_ALERTS = ("suspected", "near", "cumulative")
_ALERTS_TOUCHED = {
    "CaseRegistered": ("late",),
    "CaseAmended": ("amended",),
    "DecisionRecorded": ("late",),
    "CrimeSuspected": _RESULT_ALERTS,
    "NearMissFound": ("near",),
    "CrimeCleared": _RESULT_ALERTS,
    "HitReviewed": _RESULT_ALERTS,
}
"""Which of the case's alerts the reaction to an event may raise or close."""


class About(NamedTuple):
    """What a feed item and an alert say of the case they are about."""

    case_id: str
    title: str
    region: str
    agency_id: str
    agency_name: str
    field: str


class Supervising:
    """The reactions of supervision to what the other services publish."""

    tables: Sequence[sa.Table] = (feed, feed_end, alerts, case_counts, transfer_progress, stays)

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Event, Any, Work], None]] = {
            "CaseRegistered": _registered,
            "CaseAmended": _amended,
            "StageAdvanced": _simple(pb.FEED_KIND_STAGE_ADVANCED),
            "StepRecorded": _simple(pb.FEED_KIND_STEP_RECORDED),
            "DecisionRecorded": _decided,
            "EvidenceAttached": _simple(pb.FEED_KIND_EVIDENCE_ATTACHED),
            "CrimeSuspected": _suspected,
            "NearMissFound": _near_miss,
            "CrimeCleared": _cleared,
            "HitReviewed": _reviewed,
            "ImportFinished": _imported,
            f"{_MEETING_PACKAGE}ReplyOverdue": _reply_overdue,
            f"{_MEETING_PACKAGE}MeetingConvened": _meeting_convened,
            f"{_MEETING_PACKAGE}MinutesSealed": _minutes_sealed,
            f"{_MEETING_PACKAGE}TaskOverdue": _task_overdue,
            f"{_MEETING_PACKAGE}RegularMeetingDue": _meeting_due,
            f"{_MEETING_PACKAGE}ResolutionAdopted": _resolution_adopted,
            f"{_MEETING_PACKAGE}TaskFulfilled": _task_done,
            f"{_MEETING_PACKAGE}TaskJudged": _task_done,
        }

    def needs(self, event: Event) -> Sequence[Need]:
        """Return the end of the feed, and those of the case's alerts and counts that the event may change."""
        if event.type.startswith(transferring.PACKAGE):
            return _transfer_needs(event)
        if event.type.startswith(own_events.PACKAGE):
            return _own_needs(event)
        name = event.type.removeprefix(_PACKAGE)
        if name not in self._handlers:
            return ()
        touched = _ALERTS_TOUCHED.get(name)
        if touched is None:
            return (_NEED_END,)
        case_id = event.stream.removeprefix("case/")
        ids = tuple([f"{kind}/{case_id}" for kind in touched])
        if name == "CaseRegistered":  # its counts are new
            return (_NEED_END, Need(alerts, "id", ids))
        return (_NEED_END, Need(case_counts, "case_id", (case_id,)), Need(alerts, "id", ids))

    def streams(self, event: Event) -> Sequence[str]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: read models append to no stream."""
        return ()

    def handle(self, event: Event, work: Work) -> None:
        """Apply one event; types that supervision does not show are passed over."""
        if event.type.startswith(transferring.PACKAGE):
            _transfer(event, work)
            return
        if event.type.startswith(own_events.PACKAGE):
            _own(event, work)
            return
        handler = self._handlers.get(event.type.removeprefix(_PACKAGE))
        if handler is not None:
            handler(event, event.message, work)


def _registered(event: Event, message: events_pb2.CaseRegistered, work: Work) -> None:
    case = message.case
    about = About(case.id, case.title, case.region, case.agency_id, case.agency_name, case.agency_type)
    decision = case.decision if case.HasField("decision") else None
    decided_on = decision.decided_on if decision else ""
    late_days = _late_days(event, decided_on)
    work.save(
        case_counts,
        {
            "case_id": case.id,
            "agency_id": case.agency_id,
            "agency_name": case.agency_name,
            "field": case.agency_type,
            "region": case.region,
            "month": event.beijing_date.isoformat()[:7],
            "is_decided": bool(decided_on),
            "is_suspected": False,
            "is_near_miss": False,
            "is_late": late_days > LATE_AFTER_DAYS,
            "offence_id": "",
            "offence_name_zh": "",
            "fine_hao": _hao(decision.fine_yuan if decision else ""),
        },
    )
    _tell(event, work, about, pb.FEED_KIND_CASE_REGISTERED, worded("registered", message))
    if late_days > LATE_AFTER_DAYS:
        _raise_late(event, work, about, late_days)


def _raise_late(event: Event, work: Work, about: About, late_days: int) -> None:
    words = worded("late", late_days)
    _tell(event, work, about, pb.FEED_KIND_LATE_ENTRY, words, pb.SEVERITY_NOTICE)
    _alert(event, work, about, "late", words, pb.SEVERITY_NOTICE)


def _amended(event: Event, message: events_pb2.CaseAmended, work: Work) -> None:
    about = _about(message.case)
    counts = work.row(case_counts, about.case_id)
    if counts is not None:  # statistics follow the record: a corrected fine is not counted as it first stood
        decided = {"is_decided": bool(message.case.decided_on), "fine_hao": _hao(message.case.fine_yuan)}
        work.save(case_counts, {**counts, **decided})
    words = worded("amended", message)
    if not message.after_decision:
        _tell(event, work, about, pb.FEED_KIND_CASE_AMENDED, words)
        return
    _tell(event, work, about, pb.FEED_KIND_AMENDED_AFTER_DECISION, words, pb.SEVERITY_WARNING)
    _alert(event, work, about, "amended", words, pb.SEVERITY_WARNING)


def _decided(event: Event, message: events_pb2.DecisionRecorded, work: Work) -> None:
    about = _about(message.case)
    late_days = _late_days(event, message.decision.decided_on)
    counts = work.row(case_counts, about.case_id)
    if counts is not None:
        fine = _hao(message.decision.fine_yuan)
        late = counts["is_late"] or late_days > LATE_AFTER_DAYS
        work.save(case_counts, {**counts, "is_decided": True, "fine_hao": fine, "is_late": late})
    _tell(event, work, about, pb.FEED_KIND_DECISION_RECORDED, worded("decided", message))
    if late_days > LATE_AFTER_DAYS:
        _raise_late(event, work, about, late_days)


def _suspected(event: Event, message: events_pb2.CrimeSuspected, work: Work) -> None:
    about, screening = _about(message.case), message.screening
    offence = screening.offences[0] if screening.offences else case_pb2.ScreenedOffence()
    words = worded("suspected", message)
    _tell(event, work, about, pb.FEED_KIND_CRIME_SUSPECTED, words, pb.SEVERITY_CRITICAL, offence)
    _alert(event, work, about, "suspected", words, pb.SEVERITY_CRITICAL, offence)
    if screening.is_cumulative:
        _alert(event, work, about, "cumulative", worded("cumulative", message), pb.SEVERITY_CRITICAL, offence)
    _close(work, about.case_id, "near")
    _count(work, about.case_id, is_suspected=True, is_near_miss=False, offence=offence)


def _near_miss(event: Event, message: events_pb2.NearMissFound, work: Work) -> None:
    about, screening = _about(message.case), message.screening
    if screening.outcome != case_pb2.SCREENING_OUTCOME_NEAR_MISS:
        return
    offence = screening.near_misses[0] if screening.near_misses else case_pb2.ScreenedOffence()
    words = worded("near", message)
    _tell(event, work, about, pb.FEED_KIND_NEAR_MISS, words, pb.SEVERITY_NOTICE, offence)
    _alert(event, work, about, "near", words, pb.SEVERITY_NOTICE, offence)
    _count(work, about.case_id, is_suspected=False, is_near_miss=True, offence=offence)


def _cleared(event: Event, message: events_pb2.CrimeCleared, work: Work) -> None:
    about = _about(message.case)
    _tell(event, work, about, pb.FEED_KIND_CRIME_CLEARED, worded("cleared", message), pb.SEVERITY_NOTICE)
    for kind in _RESULT_ALERTS:
        _close(work, about.case_id, kind)
    _count(work, about.case_id, is_suspected=False, is_near_miss=False, offence=case_pb2.ScreenedOffence())


def _reviewed(event: Event, message: events_pb2.HitReviewed, work: Work) -> None:
    """Tell a verdict. An agency that rejects a hit on its own case closes no alert: that is for whoever supervises it."""
    about, verdict = _about(message.case), message.verdict
    is_own = verdict.reviewer.agency_id == about.agency_id
    severity = pb.SEVERITY_WARNING if is_own and not verdict.accepted else pb.SEVERITY_INFO
    _tell(event, work, about, pb.FEED_KIND_HIT_REVIEWED, worded("reviewed", message), severity)
    if not verdict.accepted and not is_own:
        for kind in _RESULT_ALERTS:
            _close(work, about.case_id, kind)


def _imported(event: Event, message: events_pb2.ImportFinished, work: Work) -> None:
    importer = message.importer
    about = About("", "", importer.region, importer.agency_id, "", "")
    _tell(event, work, about, pb.FEED_KIND_IMPORT_FINISHED, worded("imported", message))


def _reply_overdue(event: Event, message: meeting_events.ReplyOverdue, work: Work) -> None:
    """Show who is late, and nothing of the question: that is for those who take part in it."""
    about = About("", "", message.consultation.region, message.unit_id, message.unit_name, "")
    _tell(event, work, about, pb.FEED_KIND_REPLY_OVERDUE, worded("reply_overdue", message), pb.SEVERITY_WARNING)


def _meeting_convened(event: Event, message: meeting_events.MeetingConvened, work: Work) -> None:
    meeting = message.meeting
    about = About("", meeting.title, meeting.region, meeting.rule.convener_unit_id, "", "")
    _tell(event, work, about, pb.FEED_KIND_MEETING_CONVENED, worded("meeting_convened", message))


def _minutes_sealed(event: Event, message: meeting_events.MinutesSealed, work: Work) -> None:
    about = About("", message.title, message.region, "", "", "")
    _tell(event, work, about, pb.FEED_KIND_MINUTES_SEALED, worded("minutes_sealed", message))


def _task_overdue(event: Event, message: meeting_events.TaskOverdue, work: Work) -> None:
    task = message.task
    about = About(task.case_id, task.item_title, task.region, task.owner_unit_id, task.owner_unit_name, "")
    _tell(event, work, about, pb.FEED_KIND_TASK_OVERDUE, worded("task_overdue", message), pb.SEVERITY_WARNING)


def _resolution_adopted(event: Event, message: meeting_events.ResolutionAdopted, work: Work) -> None:
    """Show that something was resolved, and how many tasks it gave: what it says is for the members."""
    about = About("", "", message.region, "", "", "")
    _tell(event, work, about, pb.FEED_KIND_RESOLUTION_ADOPTED, worded("resolution_adopted", message))


def _task_done(event: Event, message: meeting_events.TaskFulfilled | meeting_events.TaskJudged, work: Work) -> None:
    task = message.task
    if task.state == meeting_pb2.TASK_STATE_DONE:
        about = About(task.case_id, task.item_title, task.region, task.owner_unit_id, task.owner_unit_name, "")
        _tell(event, work, about, pb.FEED_KIND_TASK_DONE, worded("task_done", message))


def _meeting_due(event: Event, message: meeting_events.RegularMeetingDue, work: Work) -> None:
    about = About("", "", message.region, message.convener_unit_id, "", "")
    _tell(event, work, about, pb.FEED_KIND_MEETING_DUE, worded("meeting_due", message), pb.SEVERITY_NOTICE)


def _simple(kind: pb.FeedKind.ValueType) -> Callable[[Event, Any, Work], None]:
    """Return the handler of an event that is shown and nothing more."""
    name = pb.FeedKind.Name(kind).removeprefix("FEED_KIND_").lower()

    def handle(event: Event, message: Any, work: Work) -> None:
        _tell(event, work, _about(message.case), kind, worded(name, message))

    return handle


def _about(case: events_pb2.CaseSummary) -> About:
    return About(case.case_id, case.title, case.region, case.agency_id, case.agency_name, case.agency_type)


def _tell(
    event: Event,
    work: Work,
    about: About,
    kind: pb.FeedKind.ValueType,
    words: Wording,
    severity: pb.Severity.ValueType = pb.SEVERITY_INFO,
    offence: case_pb2.ScreenedOffence | None = None,
) -> None:
    """Append a feed item. Cursors count in the order in which events are applied, so a rebuild gives the same ones."""
    end = work.row(feed_end, "feed")
    cursor = (end["cursor"] if end else 0) + 1
    item = pb.FeedItem(
        cursor=cursor,
        kind=kind,
        severity=severity,
        region=about.region,
        agency_id=about.agency_id,
        agency_name=about.agency_name,
        case_id=about.case_id,
        title=about.title,
        text_zh=words.zh,
        text_en=words.en,
        offence_id=offence.offence_id if offence else "",
        offence_name_zh=offence.name_zh if offence else "",
        event_id=event.id,
        trace_id=event.trace_id,
        at=Timestamp(seconds=event.at_micros // 1_000_000, nanos=event.at_micros % 1_000_000 * 1_000),
    )
    work.save(feed_end, {"name": "feed", "cursor": cursor})
    work.save(
        feed,
        {
            "cursor": cursor,
            "kind": kind,
            "severity": severity,
            "region": about.region,
            "agency_id": about.agency_id,
            "case_id": about.case_id,
            "item": item.SerializeToString(deterministic=True),
        },
    )


def _transfer_needs(event: Event) -> Sequence[Need]:
    name, message = event.type.removeprefix(transferring.PACKAGE), event.message
    if not hasattr(message, "transfer"):
        return ()
    ids = [f"missed/{clock_id}" for clock_id in transferring.ended_clocks(name, message)]
    if (told := transferring.line(name, message)) is not None and told.missed:
        ids.append(f"missed/{told.missed}")
    if transferring.suspicion(name, message) is not None:
        ids.append(f"suspected/{message.transfer.case_id}")
    if name == "StepTaken":
        ids.append(f"stalled/{message.transfer.id}")
    rows = progressing.needs(name, message)
    return (_NEED_END, Need(alerts, "id", tuple(ids)), *rows) if ids else (_NEED_END, *rows)


def _transfer(event: Event, work: Work) -> None:
    name, message = event.type.removeprefix(transferring.PACKAGE), event.message
    if not hasattr(message, "transfer"):  # documents and case files concern those who take part, not supervisors
        return
    transfer = message.transfer
    about = About(transfer.case_id, transfer.title, transfer.region, transfer.sender.id, transfer.sender.name, "")
    told = transferring.line(name, message)
    if told is not None:
        _tell(event, work, about, told.kind, told.words, told.severity)
        if told.missed:
            _alert(event, work, about, "missed", told.words, told.severity, key=f"missed/{told.missed}")
    for clock_id in transferring.ended_clocks(name, message):
        _close(work, clock_id, "missed")
    if name == "StepTaken":
        _close(work, transfer.id, "stalled")
    _follow_suspicion(event, about, transferring.suspicion(name, message), work)
    progressing.follow(name, message, work)


def _own_needs(event: Event) -> Sequence[Need]:
    name, message = event.type.removeprefix(own_events.PACKAGE), event.message
    line = own_events.own_line(name, message)
    if line is None:
        return ()
    found = [_NEED_END]
    if line.alert:
        found.append(Need(alerts, "id", (f"{line.alert}/{line.about}",)))
    if line.alert == "stalled":
        found.append(Need(transfer_progress, "id", (line.about,)))
    return found


def _own(event: Event, work: Work) -> None:
    name, message = event.type.removeprefix(own_events.PACKAGE), event.message
    line = own_events.own_line(name, message)
    if line is None:
        return
    about = About(line.case_id, line.title, line.region, line.agency_id, line.agency_name, "")
    if line.alert == "stalled" and not progressing.still_stalls(message, work):
        return
    _tell(event, work, about, line.kind, line.words, line.severity)
    if line.is_raised:
        _alert(event, work, about, line.alert, line.words, line.severity, key=f"{line.alert}/{line.about}")
    elif line.alert:
        _close(work, line.about, line.alert)


def _follow_suspicion(event: Event, about: About, suspicion: Suspicion | None, work: Work) -> None:
    """Keep "suspected, not transferred": every suspicion stays in sight until the police have the case."""
    if suspicion is None:
        return
    row = work.row(alerts, f"suspected/{about.case_id}")
    is_own = row is None or row["agency_id"] == about.agency_id  # what others send under its number answers nothing
    is_screened = row is not None and bool(row["offence_id"])
    if not is_own:
        return
    if suspicion is Suspicion.ANSWERED or (suspicion is Suspicion.DROPPED and not is_screened):
        _close(work, about.case_id, "suspected")
    elif suspicion is Suspicion.STANDS and row is not None and is_screened:
        work.save(alerts, {**row, "is_closed": False})
    elif suspicion is Suspicion.STANDS:
        words = Wording(
            "已启动移送程序，尚未移送公安机关", "A transfer was opened, and the police do not have the case"
        )
        _alert(event, work, about, "suspected", words, pb.SEVERITY_CRITICAL)


def _alert(
    event: Event,
    work: Work,
    about: About,
    kind: str,
    words: Wording,
    severity: pb.Severity.ValueType,
    offence: case_pb2.ScreenedOffence | None = None,
    *,
    key: str = "",
) -> None:
    """Raise an alert, or bring it up to date; it keeps the moment at which it was first raised while it is open."""
    key = key or f"{kind}/{about.case_id}"
    known = work.row(alerts, key)
    still_open = known is not None and not known["is_closed"]
    work.save(
        alerts,
        {
            "id": key,
            "kind": _ALERT_KINDS[kind],
            "severity": severity,
            "raised_at": known["raised_at"] if known is not None and still_open else event.at_micros,
            "case_id": about.case_id,
            "title": about.title,
            "region": about.region,
            "agency_id": about.agency_id,
            "agency_name": about.agency_name,
            "text_zh": words.zh,
            "text_en": words.en,
            "offence_id": offence.offence_id if offence else "",
            "offence_name_zh": offence.name_zh if offence else "",
            "is_closed": False,
        },
    )


def _close(work: Work, about_id: str, kind: str) -> None:
    row = work.row(alerts, f"{kind}/{about_id}")
    if row is not None and not row["is_closed"]:
        work.save(alerts, {**row, "is_closed": True})


def _count(
    work: Work, case_id: str, *, is_suspected: bool, is_near_miss: bool, offence: case_pb2.ScreenedOffence
) -> None:
    row = work.row(case_counts, case_id)
    if row is not None:
        changed = {"is_suspected": is_suspected, "is_near_miss": is_near_miss}
        named = {"offence_id": offence.offence_id, "offence_name_zh": offence.name_zh}
        work.save(case_counts, {**row, **changed, **named})


def _late_days(event: Event, decided_on: str) -> int:
    """Return the days from the decision to its entry; 0 without a full date."""
    try:
        decided = date.fromisoformat(decided_on)
    except ValueError:
        return 0
    return (event.beijing_date - decided).days


def _hao(yuan: str) -> int:
    return int(Decimal(yuan) * 10_000) if yuan else 0
