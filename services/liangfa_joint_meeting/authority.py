"""Who may call what: one table, default deny.

Roles say whether a method may be called at all (`RULES`). Whether a consultation exists for the caller is decided by
taking part: a handler or query that finds no present participant of the caller's unit answers `ConsultationNotFound`,
whatever the caller's role or region.
"""

from __future__ import annotations

from liangfa_kit.errors import Forbidden
from liangfa_kit.identity import Actor

OFFICER, HEAD, LEGAL = "officer", "agency_head", "legal_reviewer"
PROCURATOR, POLICE, JUSTICE, JUDGE = "procurator", "police", "justice_supervisor", "judge"
OPERATOR = "operator"
SIGNERS = frozenset({HEAD, LEGAL, PROCURATOR, POLICE, JUSTICE, JUDGE})
"""Who signs a formal answer for the unit: never the officer in charge alone."""
PEOPLE = SIGNERS | {OFFICER}
SUPERVISORS = frozenset({PROCURATOR, JUSTICE})
"""Who sees the figures of every unit of the region."""

_CONSULTATIONS = "/liangfa_protos.joint_meeting.v1.ConsultationService/"
_PRECEDENTS = "/liangfa_protos.joint_meeting.v1.PrecedentService/"
_MEETINGS = "/liangfa_protos.joint_meeting.v1.MeetingService/"
_FILES = "/liangfa_protos.joint_meeting.v1.FileService/"
_UNITS = "/liangfa_protos.joint_meeting.v1.UnitService/"

RULES: dict[str, frozenset[str]] = {
    f"{_CONSULTATIONS}DraftConsultation": PEOPLE,
    f"{_CONSULTATIONS}AskConsultation": PEOPLE,
    f"{_CONSULTATIONS}GetConsultation": PEOPLE,
    f"{_CONSULTATIONS}ListConsultations": PEOPLE,
    f"{_CONSULTATIONS}ListMessages": PEOPLE,
    f"{_CONSULTATIONS}SendMessage": PEOPLE,
    f"{_CONSULTATIONS}MarkMessages": PEOPLE,
    f"{_CONSULTATIONS}InviteUnit": PEOPLE,
    f"{_CONSULTATIONS}LeaveConsultation": PEOPLE,
    f"{_CONSULTATIONS}GiveAnswer": SIGNERS,
    f"{_CONSULTATIONS}AcknowledgeAnswer": PEOPLE,
    f"{_CONSULTATIONS}RecordOutcome": PEOPLE,
    f"{_CONSULTATIONS}CloseConsultation": PEOPLE,
    f"{_CONSULTATIONS}ReopenConsultation": PEOPLE,
    f"{_CONSULTATIONS}Converse": PEOPLE,
    f"{_PRECEDENTS}PreviewPrecedent": SIGNERS,
    f"{_PRECEDENTS}PublishPrecedent": SIGNERS,
    f"{_PRECEDENTS}WithdrawPrecedent": SIGNERS,
    f"{_PRECEDENTS}SearchPrecedents": PEOPLE,
    f"{_PRECEDENTS}SuggestPrecedents": PEOPLE,
    f"{_PRECEDENTS}GetConsultationFigures": PEOPLE,
    f"{_FILES}SendFile": PEOPLE,
    f"{_FILES}GetArrival": PEOPLE,
    f"{_FILES}CopyEvidence": PEOPLE,
    f"{_FILES}ReadFile": PEOPLE,
    f"{_UNITS}EnrolUnit": frozenset({OPERATOR}),
    f"{_UNITS}ListUnits": PEOPLE | {OPERATOR},
    f"{_MEETINGS}SetMeetingRule": frozenset({OPERATOR}),
    **{
        f"{_MEETINGS}{name}": PEOPLE
        for name in (
            "GetMeetingRule",
            "ProposeItem",
            "GetMeeting",
            "ListMeetings",
            "AcknowledgeNotice",
            "RecordOpinion",
            "GetMinutes",
            "ListTasks",
            "ReportTask",
            "GetCalendar",
            "DraftBulletin",
        )
    },
    **{
        f"{_MEETINGS}{name}": SIGNERS
        for name in (
            "RequestSpecialMeeting",
            "ConveneMeeting",
            "OrderAgenda",
            "CancelMeeting",
            "OpenMeeting",
            "CastVote",
            "AdoptResolution",
            "CloseMeeting",
            "ConfirmMinutes",
            "ReviseMinutes",
            "JudgeTask",
        )
    },
}


def authorise(method: str, actor: Actor, _request: object = None) -> None:
    """Raise `Forbidden` unless a role of `actor` may call `method`. A method without a rule is for nobody."""
    if not RULES.get(method, frozenset()) & actor.roles or not actor.agency_id:
        raise Forbidden(
            f"Your roles do not allow {method.rpartition('/')[2]}.",
            message_zh="您的角色无权进行此操作。",
            remedy="Ask the operator of your district for the role, or a colleague who has it.",
            reason="ROLE_NOT_ALLOWED",
            method=method,
        )
