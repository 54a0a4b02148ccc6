"""What joint_meeting refuses, and why. Reasons are published in errors.proto (a test holds the two together)."""

from __future__ import annotations

from liangfa_kit.errors import Exists, FieldViolation, Forbidden, Invalid, NotFound, Precondition


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
