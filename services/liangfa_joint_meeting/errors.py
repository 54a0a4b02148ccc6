"""What joint_meeting refuses, and why. Reasons are published in errors.proto (a test holds the two together)."""

from __future__ import annotations

from liangfa_kit.errors import Exists, FieldViolation, Forbidden, Invalid, NotFound, Precondition, Unavailable


class ConsultationNotFound(NotFound):
    """No such consultation, or not for this caller: the two are not told apart."""

    reason = "CONSULTATION_NOT_FOUND"

    def __init__(self, consultation_id: str) -> None:
        super().__init__(
            f"There is no consultation {consultation_id} that you take part in.",
            message_zh=f"未找到咨询 {consultation_id}，或贵单位未参与该咨询。",
            remedy="Check the number; a participant may invite your unit.",
            consultation_id=consultation_id,
        )


class AnswerNotFound(NotFound):
    """No such answer in this consultation."""

    reason = "ANSWER_NOT_FOUND"

    def __init__(self, answer_id: str) -> None:
        super().__init__(
            f"There is no answer {answer_id} in this consultation.",
            message_zh="该咨询中没有此咨询答复函。",
            remedy="Open the consultation again and take the answer from it.",
            answer_id=answer_id,
        )


class UnitUnknown(NotFound):
    """No such unit takes part in this platform, or not any more."""

    reason = "UNIT_UNKNOWN"

    def __init__(self, unit_id: str) -> None:
        super().__init__(
            f"No unit {unit_id} takes part.",
            message_zh=f"没有编号为 {unit_id} 的成员单位。",
            remedy="Choose a unit from the list (ListUnits), or ask the operator of its region to enter it.",
            unit_id=unit_id,
        )


class ConsultationClosed(Precondition):
    """The consultation is closed."""

    reason = "CONSULTATION_CLOSED"

    def __init__(self, consultation_id: str) -> None:
        super().__init__(
            f"Consultation {consultation_id} is closed.",
            message_zh="该咨询已办结，不能再发言或答复。",
            remedy="The unit that asked may reopen it, saying why.",
            consultation_id=consultation_id,
        )


class ConsultationOpen(Precondition):
    """The consultation is open already."""

    reason = "CONSULTATION_OPEN"

    def __init__(self, consultation_id: str) -> None:
        super().__init__(
            f"Consultation {consultation_id} is open.",
            message_zh="该咨询尚未办结，无需重新启动。",
            remedy="Go on with it.",
            consultation_id=consultation_id,
        )


class NotTheAsker(Forbidden):
    """Only the unit that asked may do this."""

    reason = "NOT_THE_ASKER"

    def __init__(self) -> None:
        super().__init__(
            "Only the unit that asked may do this.",
            message_zh="只有提出咨询的单位可以进行此操作。",
            remedy="Ask the unit that put the question.",
        )


class NotConsulted(Forbidden):
    """Only a unit that was asked gives a formal answer."""

    reason = "NOT_CONSULTED"

    def __init__(self) -> None:
        super().__init__(
            "Only a unit that was asked gives a formal answer.",
            message_zh="只有被咨询单位可以出具咨询答复函。",
            remedy="Say it in the conversation, or let the unit that asked consult yours.",
        )


class AlreadyParticipant(Exists):
    """The unit takes part already."""

    reason = "ALREADY_PARTICIPANT"

    def __init__(self, unit_id: str) -> None:
        super().__init__(
            f"Unit {unit_id} takes part already.",
            message_zh="该单位已参与此咨询。",
            remedy="Nothing needs to be done.",
            unit_id=unit_id,
        )


class AskerCannotLeave(Precondition):
    """The unit that asked closes the consultation instead."""

    reason = "ASKER_CANNOT_LEAVE"

    def __init__(self) -> None:
        super().__init__(
            "The unit that asked cannot leave.",
            message_zh="提出咨询的单位不能退出咨询。",
            remedy="Close the consultation.",
        )


class AsksItself(Invalid):
    """A unit consults others."""

    reason = "ASKS_ITSELF"

    def __init__(self) -> None:
        super().__init__(
            "A unit cannot consult itself.",
            message_zh="不能向本单位提出咨询。",
            remedy="Choose another unit.",
        )


class AnswerHashMismatch(Precondition):
    """What was received is not what was signed."""

    reason = "ANSWER_HASH_MISMATCH"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            "The answer that you received is not the one that was signed.",
            message_zh="收到的咨询答复函与签发内容不一致，不能签收。",
            remedy="Read the answer again; if the difference stays, tell the operator.",
            sha256=sha256,
        )


class AnswerNotReceived(Precondition):
    """First received, then followed or not."""

    reason = "ANSWER_NOT_RECEIVED"

    def __init__(self) -> None:
        super().__init__(
            "The answer has not been received yet.",
            message_zh="咨询答复函尚未签收，不能登记采纳情况。",
            remedy="Receive the answer first (AcknowledgeAnswer).",
        )


class OutcomeRequired(Precondition):
    """Every formal answer deserves to hear what became of it."""

    reason = "OUTCOME_REQUIRED"

    def __init__(self, document_number: str) -> None:
        super().__init__(
            f"Say whether {document_number} was followed before closing.",
            message_zh=f"请先登记 {document_number} 是否采纳及理由，再办结咨询。",
            remedy="Record the outcome of every answer (RecordOutcome), then close.",
            document_number=document_number,
        )


class ReasonRequired(Invalid):
    """The change asks for a reason."""

    reason = "REASON_REQUIRED"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a reason.",
            message_zh="此操作须填写理由。",
            remedy="Say why in the field `reason`; it is kept.",
            what=what,
        )


class ConversationNotOpened(Invalid):
    """A live conversation begins with `open`, once."""

    reason = "CONVERSATION_NOT_OPENED"

    def __init__(self) -> None:
        super().__init__(
            "A live conversation begins with one `open`, and has no other.",
            message_zh="实时咨询须以一次“打开”请求开始，且只能打开一次。",
            remedy="Send `open` with the consultation first; use another stream for another consultation.",
        )


class NotYourRegion(Forbidden):
    """An operator cares for the units of the own region."""

    reason = "NOT_YOUR_REGION"

    def __init__(self, region: str) -> None:
        super().__init__(
            f"Region {region} is not yours.",
            message_zh="该单位不在您的辖区内。",
            remedy="Ask the operator of that region.",
            region=region,
        )


class PreviewChanged(Precondition):
    """Only what somebody has read and approved is published."""

    reason = "PREVIEW_CHANGED"

    def __init__(self) -> None:
        super().__init__(
            "What would be published is not the preview that you approved.",
            message_zh="拟发布内容与您确认的脱敏预览不一致，未发布。",
            remedy="Look at the preview again, with the same words to mask, and approve that one.",
        )


class PrecedentExists(Exists):
    """One consultation gives one precedent."""

    reason = "PRECEDENT_EXISTS"

    def __init__(self) -> None:
        super().__init__(
            "This consultation has a precedent already.",
            message_zh="该咨询已发布参考案例。",
            remedy="Withdraw it first if it must be published otherwise.",
        )


class PrecedentNotFound(NotFound):
    """The consultation has no precedent."""

    reason = "PRECEDENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__(
            "This consultation has no precedent.",
            message_zh="该咨询没有已发布的参考案例。",
            remedy="Nothing needs to be withdrawn.",
        )


class MeetingNotFound(NotFound):
    """No such meeting, or not for this caller."""

    reason = "MEETING_NOT_FOUND"

    def __init__(self, meeting_id: str) -> None:
        super().__init__(
            f"There is no meeting {meeting_id} of which your unit is a member.",
            message_zh="未找到该联席会议，或贵单位不是成员单位。",
            remedy="Open it from the list of meetings.",
            meeting_id=meeting_id,
        )


class NotAMember(NotFound):
    """The caller's unit is no member of its region's joint meeting."""

    reason = "NOT_A_MEMBER"

    def __init__(self) -> None:
        super().__init__(
            "Your unit is no member of its region's joint meeting.",
            message_zh="本辖区未设置联席会议规则，或贵单位不是成员单位。",
            remedy="Ask the operator of your region to enter the rule and its members.",
        )


class NotTheConvener(Forbidden):
    """Only the convener's unit may do this."""

    reason = "NOT_THE_CONVENER"

    def __init__(self) -> None:
        super().__init__(
            "Only the convener's unit may do this.",
            message_zh="只有召集人单位可以进行此操作。",
            remedy="Ask the convener.",
        )


class MeetingState(Precondition):
    """The meeting does not stand where this is possible."""

    reason = "MEETING_STATE"

    def __init__(self, meeting_id: str, state: str) -> None:
        super().__init__(
            f"Meeting {meeting_id} is {state}: this is not possible now.",
            message_zh="会议当前状态下不能进行此操作。",
            remedy="Read the meeting again and see where it stands.",
            meeting_id=meeting_id,
            state=state,
        )


class NoQuorum(Precondition):
    """Too few members are present."""

    reason = "NO_QUORUM"

    def __init__(self, present: int, members: int, percent: int) -> None:
        super().__init__(
            f"{present} of {members} members are present; {percent} percent are needed.",
            message_zh=f"成员单位 {members} 个，到会 {present} 个，未达到规则要求的 {percent}%。",
            remedy="Wait for more members, or cancel the meeting and convene it again.",
            present=present,
            members=members,
            percent=percent,
        )


class ItemNotFound(NotFound):
    """No such agenda item in this meeting."""

    reason = "ITEM_NOT_FOUND"

    def __init__(self, item_id: str) -> None:
        super().__init__(
            f"There is no item {item_id} on this agenda.",
            message_zh="议程中没有该事项。",
            remedy="Take the item from the meeting's agenda.",
            item_id=item_id,
        )


class NotPresent(Precondition):
    """The unit was not present at the meeting."""

    reason = "NOT_PRESENT"

    def __init__(self) -> None:
        super().__init__(
            "Your unit is not recorded as present at this meeting.",
            message_zh="贵单位未到会，不能发表意见、表决或确认纪要。",
            remedy="Ask the convener.",
        )


class VoteNotCarried(Precondition):
    """The rule wants more votes for a resolution than against it."""

    reason = "VOTE_NOT_CARRIED"

    def __init__(self, votes_for: int, votes_against: int) -> None:
        super().__init__(
            f"{votes_for} votes for it, {votes_against} against: the rule wants more votes for it.",
            message_zh=f"赞成 {votes_for} 票，反对 {votes_against} 票，未获通过。",
            remedy="Let the members vote, or leave the item without a resolution.",
            votes_for=votes_for,
            votes_against=votes_against,
        )


class MinutesChanged(Precondition):
    """The minutes are not those that were read."""

    reason = "MINUTES_CHANGED"

    def __init__(self) -> None:
        super().__init__(
            "The minutes are not those that you have read.",
            message_zh="会议纪要内容已变化，请重新阅读后确认。",
            remedy="Read the meeting again, and send the hash of the minutes that you confirm.",
        )


class TaskNotFound(NotFound):
    """No such task, or not for this caller."""

    reason = "TASK_NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"There is no task {task_id} that concerns your unit.",
            message_zh="未找到该任务，或与贵单位无关。",
            remedy="Open it from the list of tasks.",
            task_id=task_id,
        )


class TaskState(Precondition):
    """The task does not stand where this is possible."""

    reason = "TASK_STATE"

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(
            f"Task {task_id} is {state}: this is not possible now.",
            message_zh="任务当前状态下不能进行此操作。",
            remedy="Read the task again and see where it stands.",
            task_id=task_id,
            state=state,
        )


class RecordNotReachable(Unavailable):
    """The records of cases cannot be reached from this process."""

    reason = "RECORD_NOT_REACHABLE"

    def __init__(self) -> None:
        super().__init__(
            "The records of cases cannot be reached from here.",
            message_zh="当前无法连接执法记录服务，不能由案件带入事实。",
            remedy="Fill in the facts by hand, or name the address of enforcement_record in the settings.",
        )


class EvidenceUnknown(NotFound):
    """The case has no such evidence."""

    reason = "EVIDENCE_UNKNOWN"

    def __init__(self, evidence_id: str) -> None:
        super().__init__(
            f"The case has no evidence {evidence_id}.",
            message_zh="该案件没有此证据文件。",
            remedy="Take the evidence's id from the case, or from the draft of the question.",
            evidence_id=evidence_id[:64],
        )


class FileNotFound(NotFound):
    """No such file is attached there, or not for this caller."""

    reason = "FILE_NOT_FOUND"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"There is no file {sha256[:16]}… attached there that you may read.",
            message_zh="该处没有此文件，或者咨询已办结、贵单位不再可见。",
            remedy="Open the consultation, meeting or task again and take the file from it; ask the sender for a copy.",
            sha256=sha256[:64],
        )


class FileNotKept(NotFound):
    """The file was named and never sent."""

    reason = "FILE_NOT_KEPT"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was named here, but its bytes were not sent.",
            message_zh=f"“{name}”仅登记了名称，未上传文件内容。",
            remedy="Ask the unit that named it to send it (SendFile, or CopyEvidence for evidence).",
            name=name,
        )


class FileTooLarge(Invalid):
    """A piece, or a file, is larger than is taken or than was announced."""

    reason = "FILE_TOO_LARGE"

    def __init__(self, most: int, found: int) -> None:
        super().__init__(
            f"{found} bytes were sent where at most {most} are taken.",
            message_zh=f"发送了 {found} 字节，最多接收 {most} 字节。",
            remedy="Send pieces of at most 1 MiB, not more bytes than announced, and of a large file the part that matters.",
            most=most,
            found=found,
        )


def invalid(violations: list[FieldViolation]) -> Invalid:
    """Return the refusal of a request with wrong fields: one reason when there is one, all violations in any case."""
    first = violations[0]
    return Invalid(
        f"{first.field}: {first.message}",
        message_zh=f"{first.field}：{first.message}",
        remedy="Correct the fields named and send it again.",
        reason=first.reason,
        violations=tuple(violations),
    )
