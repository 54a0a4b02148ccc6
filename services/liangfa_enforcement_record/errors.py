"""What enforcement_record refuses, and why. Reasons are published in errors.proto (a test holds the two together)."""

from __future__ import annotations

from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_kit.errors import Exists, FieldViolation, Invalid, NotFound, Precondition


class CaseNotFound(NotFound):
    """No such case, or not for this caller: the two are not told apart."""

    reason = "CASE_NOT_FOUND"

    def __init__(self, case_id: str) -> None:
        super().__init__(
            f"There is no case {case_id} that you may see.",
            message_zh=f"未找到案件 {case_id}，或您无权查看。",
            remedy="Check the number; if the case is another agency's, ask the supervisor of your region.",
            case_id=case_id,
        )


class CaseEnded(Precondition):
    """The case is closed, withdrawn or was never opened."""

    reason = "CASE_ENDED"

    def __init__(self, case_id: str, stage: str) -> None:
        super().__init__(
            f"Case {case_id} has ended ({stage}): it takes no more changes.",
            message_zh="案件已结束，不能再修改。",
            remedy="The head of the agency may reopen a closed case with a reason (stage 调查).",
            case_id=case_id,
            stage=stage,
        )


class StageNotAllowed(Precondition):
    """The stage table has no such move for this caller."""

    reason = "STAGE_NOT_ALLOWED"

    def __init__(self, before: str, after: str, possible: str) -> None:
        super().__init__(
            f"A case cannot go from {before} to {after} by your hand.",
            message_zh=f"案件不能由您从“{before}”转为“{after}”。",
            remedy=f"Possible now: {possible or 'nothing'}.",
            from_stage=before,
            to_stage=after,
            possible=possible,
        )


class ReasonRequired(Invalid):
    """The move or the change asks for a reason."""

    reason = "REASON_REQUIRED"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a reason.",
            message_zh="此操作须填写理由。",
            remedy="Say why in the field `reason`; it is kept with the case.",
            what=what,
        )


class DocumentNumberTaken(Exists):
    """Another case of the agency has this document number for the same party."""

    reason = "DOCUMENT_NUMBER_TAKEN"

    def __init__(self, document_number: str, case_id: str) -> None:
        super().__init__(
            f"Document number {document_number} belongs to case {case_id} of your agency already.",
            message_zh=f"文号 {document_number} 已用于本机关案件 {case_id}。",
            remedy="Open that case and amend it, or correct the number.",
            document_number=document_number,
            case_id=case_id,
        )


class NothingChanged(Invalid):
    """The amendment's values are those that are stored."""

    reason = "NOTHING_CHANGED"

    def __init__(self) -> None:
        super().__init__(
            "The amendment changes nothing.",
            message_zh="没有任何内容被修改。",
            remedy="Name the changed fields in `fields` and give their new values.",
        )


class FieldNotAmendable(Invalid):
    """The field is not one that may be amended."""

    reason = "FIELD_NOT_AMENDABLE"

    def __init__(self, field: str, allowed: str) -> None:
        super().__init__(
            f"{field} cannot be amended.",
            message_zh=f"字段 {field} 不能修改。",
            remedy=f"Amendable are: {allowed}.",
            field=field,
        )


class ScreeningNotFound(NotFound):
    """No such screening result, or not for this caller."""

    reason = "SCREENING_NOT_FOUND"

    def __init__(self, screening_id: str) -> None:
        super().__init__(
            f"There is no screening result {screening_id} that you may see.",
            message_zh="未找到该筛查结果，或您无权查看。",
            remedy="Open the hit again from the list.",
            screening_id=screening_id,
        )


class ScreeningSuperseded(Precondition):
    """A newer result has replaced this one: a verdict on it would be taken for one on the newer."""

    reason = "SCREENING_SUPERSEDED"

    def __init__(self, screening_id: str) -> None:
        super().__init__(
            f"Screening result {screening_id} has been replaced by a newer one.",
            message_zh="该筛查结果已被新的结果取代。",
            remedy="Read the case's newest result and give the verdict on that.",
            screening_id=screening_id,
        )


class UploadMixed(Invalid):
    """A piece names another upload than the stream began with."""

    reason = "UPLOAD_MIXED"

    def __init__(self, begun: str, found: str) -> None:
        super().__init__(
            f"A stream holds the pieces of one upload: it began with {begun}, a piece names {found}.",
            message_zh="一次上传只能包含同一文件的片段。",
            remedy="Send each file in a call of its own.",
            begun=begun,
            found=found[:64],
        )


class EvidenceNotFound(NotFound):
    """No such upload or evidence, or not for this caller."""

    reason = "EVIDENCE_NOT_FOUND"

    def __init__(self, evidence_id: str) -> None:
        super().__init__(
            f"There is no evidence {evidence_id} that you may see.",
            message_zh="未找到该证据，或您无权查看。",
            remedy="Announce the file with BeginUpload first.",
            evidence_id=evidence_id,
        )


class ImportNotFound(NotFound):
    """No such import or row, or not for this caller."""

    reason = "IMPORT_NOT_FOUND"

    def __init__(self, import_id: str) -> None:
        super().__init__(
            f"There is no import or row {import_id} that you may see.",
            message_zh="未找到该导入批次或行，或您无权查看。",
            remedy="Check the number; imports belong to the agency that made them.",
            import_id=import_id,
        )


class PurposeRequired(Invalid):
    """Reading another agency's case, or numbers in full, needs a purpose."""

    reason = "PURPOSE_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "Reading another agency's case, or identity numbers in full, needs a purpose.",
            message_zh="查看其他机关的案件或完整证件号码须说明目的。",
            remedy="Say in `purpose` why you read it; the agency can see it.",
        )


class PurposeTooLong(Invalid):
    """The purpose is longer than is kept."""

    reason = "TEXT_TOO_LONG"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"A purpose has at most {most} characters.",
            message_zh=f"查看目的最多 {most} 个字符。",
            remedy="Say it shorter.",
            most=most,
        )


class FileTooLarge(Invalid):
    """A piece, or a file, is larger than is taken or than was announced."""

    reason = "FILE_TOO_LARGE"

    def __init__(self, most: int, found: int) -> None:
        super().__init__(
            f"{found} bytes were sent where at most {most} are taken.",
            message_zh=f"发送了 {found} 字节，最多接收 {most} 字节。",
            remedy="Send pieces of at most 1 MiB, and not more bytes than were announced.",
            most=most,
            found=found,
        )


class ImportIsDryRun(Precondition):
    """A dry run enters nothing: neither rows nor corrections."""

    reason = "IMPORT_IS_DRY_RUN"

    def __init__(self, import_id: str) -> None:
        super().__init__(
            f"Import {import_id} is a dry run: it takes no corrections.",
            message_zh="该批次为试运行，不能更正单行。",
            remedy="Correct the rows in the file and import it without dry_run.",
            import_id=import_id,
        )


class ImportTakenOver(Precondition):
    """Another process has taken the import up: this one leaves it, having entered nothing more."""

    reason = "IMPORT_TAKEN_OVER"

    def __init__(self, import_id: str) -> None:
        super().__init__(
            f"Import {import_id} is gone on with by another process.",
            message_zh="该导入已由另一服务进程继续。",
            remedy="Follow it with WatchImport.",
            import_id=import_id,
        )


class ImportNotResumable(Precondition):
    """The import has ended: there is nothing to go on with."""

    reason = "IMPORT_NOT_RESUMABLE"

    def __init__(self, import_id: str, state: str) -> None:
        super().__init__(
            f"Import {import_id} has ended ({state}): there is nothing to resume.",
            message_zh="该导入已结束，无需继续。",
            remedy="Import the corrected file, or correct single rows.",
            import_id=import_id,
            state=state,
        )


class MappingRequired(Invalid):
    """No layout fits the table well enough to go without a person's confirmation."""

    reason = "MAPPING_REQUIRED"

    def __init__(self, unsure: str) -> None:
        super().__init__(
            f"The columns of the table are not certain ({unsure}): a person has to confirm the mapping.",
            message_zh=f"表头不能完全识别（{unsure}），请先确认列对应关系。",
            remedy="Ask for a suggested mapping (SuggestMapping), confirm or edit it, and send it with the file.",
            unsure=unsure,
        )


class RowStillWrong(Invalid):
    """The corrected row still has errors."""

    reason = "ROW_STILL_WRONG"

    def __init__(self, row: int, violations: tuple[FieldViolation, ...], told: str) -> None:
        super().__init__(
            f"Row {row} still has errors: {', '.join(v.reason for v in violations) or 'it holds no case'}.",
            message_zh=f"第 {row} 行仍有错误：{told}",
            remedy="Correct the columns named and send the row again.",
            violations=violations,
            row=row,
        )


def refused_table(refusal: TableRefused) -> Invalid:
    """Return the refusal of a table as an error of the platform, with its own reason."""
    return Invalid(
        refusal.message_en,
        message_zh=refusal.message_zh,
        remedy=f"{refusal.remedy_en} {refusal.remedy_zh}",
        reason=refusal.reason,
        facts="; ".join(f"{name}={value}" for name, value in refusal.facts.items()),
    )


def invalid(violations: list[FieldViolation]) -> Invalid:
    """Return one refusal for all that is wrong with a request; its reason is the first one's."""
    first = violations[0]
    return Invalid(
        "; ".join(f"{v.field}: {v.message}" for v in violations[:5]),
        message_zh="提交的内容有误，请按字段提示更正。",
        remedy="Correct the fields named and send the request again.",
        reason=first.reason,
        violations=tuple(violations),
        field=first.field,
    )
