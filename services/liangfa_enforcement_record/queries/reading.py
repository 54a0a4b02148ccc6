"""Reading one case and what belongs to it: its message, its history, its files."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from liangfa_enforcement_record.queries.paging import Page, from_token, page_size, to_token
from liangfa_enforcement_record.tables import KIT, cases, evidence
from liangfa_kit.journal import Entry
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a case is."""

    agency_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of evidence, arriving or attached, with the owner of its case."""

    id: str
    case_id: str
    is_attached: bool
    size_bytes: int
    sha256: str
    agency_id: str
    region: str


def case_owner(connection: sa.Connection, case_id: str) -> Owner | None:
    """Return whose a case is, None when there is none."""
    row = connection.execute(sa.select(cases.c.agency_id, cases.c.region).where(cases.c.id == case_id)).first()
    return Owner(*row) if row else None


def case_body(connection: sa.Connection, case_id: str) -> pb.Case | None:
    """Return a case with its evidence, None when there is none."""
    row = connection.execute(sa.select(cases.c.body).where(cases.c.id == case_id)).first()
    if row is None:
        return None
    case = pb.Case.FromString(row[0])
    attached = (
        sa.select(evidence.c.body)
        .where(evidence.c.case_id == case_id, evidence.c.is_attached.is_(True))
        .order_by(evidence.c.id)
    )
    case.evidence.extend(pb.Evidence.FromString(body) for (body,) in connection.execute(attached))
    return case


def upload(connection: sa.Connection, upload_id: str) -> Upload | None:
    """Return an upload, None when there is none."""
    columns = [evidence.c[name] for name in ("id", "case_id", "is_attached", "size_bytes", "sha256")]
    query = (
        sa.select(*columns, cases.c.agency_id, cases.c.region)
        .join(cases, cases.c.id == evidence.c.case_id)
        .where(evidence.c.id == upload_id)
    )
    row = connection.execute(query).first()
    return Upload(*row) if row else None


def timeline(connection: sa.Connection, case_id: str, asked: int, token: str) -> Page:
    """Return one page of a case's history: what was done and who looked, in the order in which it was journalled."""
    journal = KIT.journal
    size = page_size(asked, 100, 500)
    begins_after = from_token(token, int)[0] if token else 0
    query = (
        sa.select(journal)
        .where(journal.c.stream.in_([f"case/{case_id}", f"view/{case_id}"]), journal.c.position > begins_after)
        .order_by(journal.c.position)
        .limit(size + 1)
    )
    entries = [Entry(*row) for row in connection.execute(query)]
    return Page(entries[:size], to_token(entries[size - 1].position) if len(entries) > size else "")
