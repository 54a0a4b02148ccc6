"""From what somebody wants to say and what the transfer knows to a draft that can be written. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import own_name, party, sides
from liangfa_case_transfer.document_errors import DocumentIncomplete, DocumentNotYours, TemplateBroken
from liangfa_kit.errors import FieldViolation
from liangfa_kit.identity import Actor
from liangfa_procedure.documents import DocumentKind, documents
from liangfa_procedure.filling import Known, chinese_date, filled
from liangfa_procedure.writing import NUMBER, Draft, Material, Templates, Written, has_number, label, missing_fields
from liangfa_procedure.writing import TemplateBroken as BrokenFile
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import transfer_pb2

GAP = "（待填）"
"""What a preview shows where a required field is still empty."""
OPEN_SERIAL = "×"


@dataclass(frozen=True, slots=True)
class Writing:
    """A document on its way to paper: its kind, the draft without a number, and the materials with their hashes."""

    kind: DocumentKind
    draft: Draft
    materials: tuple[pb.Material, ...]

    def numbered(self, number: str) -> Writing:
        """Return the same with a number."""
        return replace(self, draft=replace(self.draft, number=number))

    def given_number(self) -> str:
        """Return the number that somebody has given by hand, if the kind states its own."""
        return self.draft.fields.get(NUMBER, "").strip() if has_number(self.kind) else ""

    def missing(self) -> list[tuple[str, str]]:
        """Return id and label of every required field that is empty."""
        return [(name, label(self.kind, name)) for name in missing_fields(self.draft)]

    def require_complete(self) -> None:
        """Raise `DocumentIncomplete`."""
        if missing := self.missing():
            raise DocumentIncomplete(self.kind, [name for name, _ in missing], [text for _, text in missing])

    def written(self, templates: Templates, gap: str = "") -> Written:
        """Return the file (blocking file work). Raises `TemplateBroken`."""
        try:
            return templates.written(self.draft, gap)
        except BrokenFile as broken:
            raise TemplateBroken(broken) from broken


def writing(
    asked: rpc.DocumentDraft,
    transfer: transfer_pb2.Transfer,
    actor: Actor,
    at: datetime,
    materials: tuple[pb.Material, ...],
) -> Writing:
    """Return what `actor` may write at `at`. Raises `DocumentNotYours`, `SuspectNotFound`, `Invalid`."""
    kind = documents()[asked.kind]
    if kind.issued_by not in sides(actor, transfer):
        raise DocumentNotYours(kind)
    fields = filled(kind, asked.fields, _known(asked, transfer, actor, at))
    return Writing(
        kind,
        Draft(
            kind=kind.id,
            issuer=own_name(actor, transfer),
            addressee=_addressee(kind, asked, transfer, actor),
            fields=fields,
            materials=[Material(one.title, one.sha256) for one in materials],
            date=chinese_date(at),
        ),
        materials,
    )


def _known(asked: rpc.DocumentDraft, transfer: transfer_pb2.Transfer, actor: Actor, at: datetime) -> Known:
    suspects = [one.name for one in transfer.suspects if asked.suspect_id in {"", one.id}]
    if not suspects:
        raise errors.SuspectNotFound(asked.suspect_id, transfer.suspects)
    return Known(
        sender=transfer.sender.name,
        receiver=transfer.receiver.name,
        suspects="、".join(suspects),
        offences="、".join(transfer.offences),
        facts=transfer.facts,
        title=transfer.title,
        actor=actor.person_name,
        today=chinese_date(at),
    )


def _addressee(kind: DocumentKind, asked: rpc.DocumentDraft, transfer: transfer_pb2.Transfer, actor: Actor) -> str:
    """Return whom the document addresses: the party on that side, else whom the caller names."""
    known = own_name(actor, transfer) if kind.to == kind.issued_by else party(transfer, kind.to).name
    if known and asked.addressee.strip() not in {"", known}:
        words = f"该文书发给{known} (this document goes to {known}; leave the field empty)"
        raise errors.invalid([FieldViolation("draft.addressee", "ADDRESSEE_GIVEN", words)])
    if not known and not asked.addressee.strip():
        raise errors.invalid([FieldViolation("draft.addressee", "FIELD_REQUIRED", "必填 (must not be empty)")])
    return known or asked.addressee
