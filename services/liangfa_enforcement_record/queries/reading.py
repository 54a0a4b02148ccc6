"""Reading one case and what belongs to it: its message, its history, its files."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import sqlalchemy as sa

from liangfa_enforcement_record.tables import KIT, cases, evidence
from liangfa_kit.boarding import actor_text
from liangfa_kit.identity import Actor
from liangfa_kit.journal import Entry
from liangfa_kit.paging import Page, Place, page_size, to_token, token_refused
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2


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


@dataclass(frozen=True, slots=True)
class View:
    """A journalled reading of a case: where it stands in the journal."""

    position: int


def newest_view(connection: sa.Connection, case_id: str, actor: Actor) -> View:
    """Return the actor's newest reading of a case, which has just been journalled."""
    journal = KIT.journal
    query = (
        sa.select(journal.c.position)
        .where(journal.c.stream == f"view/{case_id}", journal.c.actor == actor_text(actor))
        .order_by(journal.c.version.desc())
        .limit(1)
    )
    return View(*connection.execute(query).one())


def own_view(connection: sa.Connection, case_id: str, actor: Actor, part: str, position: int) -> View:
    """Return the actor's reading of `part` of a case that stands at `position`. Raises `Invalid` (PAGE_TOKEN_MALFORMED).

    A page token names the reading that its first page was journalled as, so that no page is read without a trace.
    """
    journal = KIT.journal
    query = sa.select(journal.c.stream, journal.c.actor, journal.c.payload)
    row = connection.execute(query.where(journal.c.position == position)).first()
    if row is None or (row.stream, row.actor) != (f"view/{case_id}", actor_text(actor)):
        raise token_refused()
    if events_pb2.CaseViewed.FromString(row.payload).part != part:
        raise token_refused()
    return View(position)


def timeline(connection: sa.Connection, case_id: str, asked: int, begins_after: Place, view: View) -> Page:
    """Return one page of a case's history: what was done and who looked, in the order in which it was journalled.

    It ends at `view`, so that paging through it adds nothing to it. `begins_after` holds the versions of both streams
    that were read last: each is read by its index from there on, however long it is.
    """
    size = page_size(asked, 100, 500)
    streams = dict(zip((f"case/{case_id}", f"view/{case_id}"), begins_after, strict=True))
    found = [entry for stream, version in streams.items() for entry in _entries(connection, stream, version, size + 1)]
    entries = sorted((entry for entry in found if entry.position <= view.position), key=attrgetter("position"))
    if len(entries) <= size:
        return Page(entries, "")
    streams.update((entry.stream, entry.version) for entry in entries[:size])
    return Page(entries[:size], to_token(*streams.values(), view.position))


def _entries(connection: sa.Connection, stream: str, version: int, limit: int) -> list[Entry]:
    """Return the entries of a stream after a version, oldest first: within a stream that is the journal's order."""
    journal = KIT.journal
    query = sa.select(journal).where(journal.c.stream == stream, journal.c.version > version)
    return [Entry(*row) for row in connection.execute(query.order_by(journal.c.version).limit(limit))]
