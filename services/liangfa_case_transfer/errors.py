"""What case_transfer refuses, and why. Reasons are published in errors.proto (a test holds the two together)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from liangfa_kit.errors import Exists, FieldViolation, Forbidden, Invalid, NotFound, Precondition
from liangfa_procedure.steps import Procedure, Refusal, Step
from liangfa_procedure.writing import step_label
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb


class TransferNotFound(NotFound):
    """No such transfer, or not for this caller: the two are not told apart."""

    reason = "TRANSFER_NOT_FOUND"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(
            f"There is no transfer {transfer_id} that your organisation takes part in.",
            message_zh=f"未找到移送 {transfer_id}，或贵单位未参与该移送。",
            remedy="Check the number in your list of transfers.",
            transfer_id=transfer_id,
        )


class TransferExists(Exists):
    """The case is on its way already."""

    reason = "TRANSFER_EXISTS"

    def __init__(self, case_id: str, transfer_id: str) -> None:
        super().__init__(
            f"Case {case_id} is on its way already, as transfer {transfer_id}.",
            message_zh="该案件已启动移送程序，不能重复启动。",
            remedy="Open that transfer and go on with it.",
            transfer_id=transfer_id,
        )


class StepNotAllowedHere(Precondition):
    """The table does not lead from this state by this step."""

    reason = "STEP_NOT_ALLOWED_HERE"


class StepUnknown(Invalid):
    """The procedure has no such step."""

    reason = "STEP_UNKNOWN"


class StepNotYours(Forbidden):
    """The step is for another role or another organisation."""

    reason = "STEP_NOT_YOURS"


def refused(refusal: Refusal) -> StepNotAllowedHere | StepUnknown | StepNotYours:
    """Return the refusal of a step, naming what would be allowed instead."""
    classes = {one.reason: one for one in (StepNotAllowedHere, StepUnknown, StepNotYours)}
    instead = ", ".join(refusal.instead) or "nothing"
    return classes[refusal.reason](
        f"{refusal.message_en}.",
        message_zh=f"{refusal.message_zh}。",
        remedy=f"What your role may do now: {instead}.",
        instead=",".join(refusal.instead),
    )


def not_your_organisation(step: Step) -> StepNotYours:
    """Return the refusal of a step that belongs to another participant."""
    return StepNotYours(
        f"'{step.name_en}' is for another organisation of this transfer.",
        message_zh=f"“{step.name_zh}”应由本移送的其他单位进行。",
        remedy="Ask for the steps that you may take (ListAllowedSteps).",
    )


def step_changes_nothing(step: Step) -> StepNotAllowedHere:
    """Return the refusal of suspending what is suspended, or of resuming what runs."""
    is_so, other = ("suspended", "中止") if step.pauses else ("running", "计算中")
    steps = Procedure.load().steps.values()
    back = [one.id for one in steps if (one.resumes if step.pauses else one.pauses) & (step.pauses | step.resumes)]
    return StepNotAllowedHere(
        f"'{step.name_en}' changes nothing: the limit is {is_so} already.",
        message_zh=f"期限已处于{other}状态，不能再次“{step.name_zh}”。",
        remedy=f"What changes it: {', '.join(back)}. Open the transfer to see its limits.",
    )


def may_not_divide() -> StepNotYours:
    """Return the refusal of splitting and joining by others than those who have the case."""
    return StepNotYours(
        "Splitting and joining is for the head of the police organ, the chief procurator or the judge who has the case.",
        message_zh="分案、并案应由办理该案的公安机关负责人、检察长或者审判人员进行。",
        remedy="Ask whoever has the case.",
    )


class StepExhausted(Precondition):
    """The law allows the step only so often."""

    reason = "STEP_EXHAUSTED"

    def __init__(self, step: Step) -> None:
        super().__init__(
            f"'{step.name_en}' may be taken {step.most} times at most.",
            message_zh=f"“{step.name_zh}”最多 {step.most} 次（{step.source}）。",
            remedy="Take another step from here (ListAllowedSteps).",
        )


class DocumentsMissing(Precondition):
    """Documents that must go with the step are missing."""

    reason = "DOCUMENTS_MISSING"

    def __init__(self, step: Step, names_zh: Sequence[str], kinds: Sequence[str]) -> None:
        super().__init__(
            f"'{step.name_en}' needs these documents: {', '.join(kinds)}.",
            message_zh=f"“{step.name_zh}”还缺少：{'、'.join(names_zh)}。",
            remedy=f"Issue each with DocumentService.IssueDocument (kind {', '.join(kinds)}) and name it by its document_id, or "
            "attach its file by title and SHA-256; then send the step again.",
            missing=",".join(kinds),
            issued_by_rpc="DocumentService.IssueDocument",
        )


class FieldsMissing(Precondition):
    """Fields that the step needs are empty."""

    reason = "FIELDS_MISSING"

    def __init__(self, step: Step, names: Sequence[str]) -> None:
        super().__init__(
            f"'{step.name_en}' needs these fields: {', '.join(names)}.",
            message_zh=f"“{step.name_zh}”须填写：{'、'.join(f'{step_label(one)}（{one}）' for one in names)}。",
            remedy="Fill them in, then send the step again.",
            missing=",".join(names),
        )


class SuspectNotFound(NotFound):
    """No such suspect in the transfer."""

    reason = "SUSPECT_NOT_FOUND"

    def __init__(self, suspect_id: str, suspects: Iterable[pb.Suspect] = ()) -> None:
        known = ", ".join(f"{one.id} {one.name}" for one in suspects)
        super().__init__(
            f"There is no suspect {suspect_id or '(none named)'} in this transfer.",
            message_zh="该移送中没有此嫌疑人，或未指明嫌疑人。",
            remedy=f"Name a suspect of the transfer by its number{f': {known}' if known else ''}.",
        )


class SuspectsNotEnded(Precondition):
    """The course of a suspect has not ended."""

    reason = "SUSPECTS_NOT_ENDED"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"The course of {len(names)} suspects has not ended.",
            message_zh=f"尚有嫌疑人程序未终结：{'、'.join(names)}。",
            remedy="Record what became of each suspect first.",
        )


class TimeOutOfOrder(Invalid):
    """A time in the future, or before the step before it."""

    reason = "TIME_OUT_OF_ORDER"

    def __init__(self) -> None:
        super().__init__(
            "A step cannot have happened in the future, nor before the step before it.",
            message_zh="步骤发生时间不能晚于现在，也不能早于上一步骤。",
            remedy="Correct happened_at, or leave it out when it happens now.",
        )


class ClockNotFound(NotFound):
    """No such clock in the transfer, or it has ended."""

    reason = "CLOCK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__(
            "There is no such running limit of yours in this transfer.",
            message_zh="该移送中没有此项正在计算、由贵单位承担的期限。",
            remedy="Open the transfer and take the limit from its list.",
        )


class TrackUnknown(Invalid):
    """The rule knows no such longer track."""

    reason = "TRACK_UNKNOWN"

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            f"The rule has no such longer limit; it has: {', '.join(known) or 'none'}.",
            message_zh="该期限没有此种延长情形，或者未给出天数。",
            remedy="Choose one of the rule's tracks; where it gives no number, say how many days.",
        )


class ReceiptNotFound(NotFound):
    """No such receipt for this caller to sign."""

    reason = "RECEIPT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__(
            "There is no such receipt for your organisation to sign.",
            message_zh="没有待贵单位签收的此份回执。",
            remedy="Open the transfer and take the receipt from its list.",
        )


class ReceiptHashMismatch(Precondition):
    """What was checked is not what was sent."""

    reason = "RECEIPT_HASH_MISMATCH"

    def __init__(self) -> None:
        super().__init__(
            "The hash that you checked is not the hash of what was sent: nothing was signed.",
            message_zh="核对的哈希值与送出内容不一致，未签收。",
            remedy="Load the receipt again, compare the documents, and tell the sender if they differ.",
        )


def invalid(violations: Sequence[FieldViolation]) -> Invalid:
    """Return the refusal of a request whose fields are wrong."""
    first, count = violations[0], len(violations)
    told = "1 field is wrong: " if count == 1 else f"{count} fields are wrong; the first is "
    return Invalid(
        f"{told}{first.field}: {first.message}",
        message_zh=f"{len(violations)} 个字段有误：{first.field} {first.message}",
        remedy="Correct the fields that are named, then send the request again.",
        reason="INVALID_TRANSFER",
        violations=tuple(violations),
    )


def request_id_required() -> Invalid:
    """Return the refusal of a change that could not be recognised when it is repeated."""
    return Invalid(
        "A change needs a request id of at most 100 characters.",
        message_zh="写操作必须带有不超过 100 个字符的请求编号。",
        remedy="Send a fresh UUID in `request_id`; send the same one when you repeat the request.",
        reason="REQUEST_ID_REQUIRED",
    )
