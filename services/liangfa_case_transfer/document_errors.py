"""What case_transfer refuses about documents, and why. Reasons are published in errors.proto."""

from __future__ import annotations

from collections.abc import Sequence

from liangfa_kit.errors import FieldViolation, Forbidden, Invalid, NotFound, Precondition, Stale
from liangfa_procedure.documents import DocumentKind
from liangfa_procedure.numbering import DocumentNumber
from liangfa_procedure.writing import TemplateBroken as BrokenFile


class DocumentNotFound(NotFound):
    """No such document, or not for this caller: the two are not told apart."""

    reason = "DOCUMENT_NOT_FOUND"

    def __init__(self, document_id: str) -> None:
        super().__init__(
            f"There is no document {document_id} in this transfer that your organisation may see.",
            message_zh=f"该移送中没有文书 {document_id}，或尚未送达贵单位。",
            remedy="List the documents of the transfer (ListDocuments).",
            document_id=document_id,
        )


class DocumentNotYours(Forbidden):
    """Documents of this kind are issued by another side."""

    reason = "DOCUMENT_NOT_YOURS"

    def __init__(self, kind: DocumentKind) -> None:
        super().__init__(
            f"A document of kind {kind.id} is issued by another side of this transfer: {kind.issued_by}.",
            message_zh=f"“{kind.name_zh}”应由本移送的其他单位制作。",
            remedy="Ask the organisation that issues it, or attach its file to your step with title and SHA-256.",
            document_kind=kind.id,
            issued_by=kind.issued_by,
        )


class DocumentIncomplete(Precondition):
    """Required fields are empty."""

    reason = "DOCUMENT_INCOMPLETE"

    def __init__(self, kind: DocumentKind, names: Sequence[str], labels: Sequence[str]) -> None:
        super().__init__(
            f"A document of kind {kind.id} must say: {', '.join(names)}.",
            message_zh=f"“{kind.name_zh}”还须填写：{'、'.join(labels)}。",
            remedy="Fill these fields in (a number is filled in from `code_word`, materials from `materials`), "
            "look at it with PreviewDocument, then send it again.",
            violations=tuple(
                FieldViolation(f"draft.fields.{name}", "FIELD_REQUIRED", f"{label}：必填 (must not be empty)")
                for name, label in zip(names, labels, strict=True)
            ),
            missing=",".join(names),
        )


class TemplateBroken(Precondition):
    """The template cannot be used: no other one is put in its place."""

    reason = "TEMPLATE_BROKEN"

    def __init__(self, broken: BrokenFile) -> None:
        super().__init__(
            f"Nothing was written: {broken}.",
            message_zh=f"文书模板 {broken.template} 有误，未制作文书。",
            remedy="Let the operator mend or remove the file; `liangfa templates check` tries it.",
            template=broken.template,
        )


class CodeWordTaken(Precondition):
    """Numbers with this code word are given to another organisation."""

    reason = "CODE_WORD_TAKEN"

    def __init__(self, code_word: str) -> None:
        super().__init__(
            f"The code word {code_word} belongs to another organisation.",
            message_zh=f"机关代字“{code_word}”已由其他单位使用。",
            remedy="Use your own organisation's code word.",
            code_word=code_word,
        )


class NumberSeriesBegun(Precondition):
    """The platform has numbers of the series in this year already: none is left out or given twice."""

    reason = "NUMBER_SERIES_BEGUN"

    def __init__(self, following: DocumentNumber) -> None:
        super().__init__(
            f"The series was begun already: its next number is {following}.",
            message_zh=f"该文号序列本年度已启用，下一文号为 {following}，不能再设起始号。",
            remedy="Issue the next document with `code_word`. For numbers that collide with paper, use another code word.",
            next_number=str(following),
        )


class ScanRefused(Invalid):
    """What arrives is not the scan that was announced."""

    reason = "SCAN_REFUSED"

    def __init__(self, cause_en: str, cause_zh: str) -> None:
        super().__init__(
            f"The scan was not attached: {cause_en}.",
            message_zh=f"扫描件未附上：{cause_zh}。",
            remedy="Send a PDF, JPEG, PNG or TIFF file of at most 64 MiB, in pieces of at most 1 MiB, with its own media type.",
        )


class DocumentOutrun(Stale):
    """The number was taken, or the transfer changed, while the document was being written: no number was taken."""

    reason = "DOCUMENT_OUTRUN"

    def __init__(self) -> None:
        super().__init__(
            "Others took numbers of this series, or changed the transfer, while the document was written: nothing was issued.",
            message_zh="文号或移送信息在制作期间被他人更新，未制作文书，未占用文号。",
            remedy="Send the same request again.",
        )
