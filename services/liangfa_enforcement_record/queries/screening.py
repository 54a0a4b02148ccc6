"""Reading screening results: of a case, of a region's hits, and what reviewers made of them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from liangfa_enforcement_record.authority import Scope
from liangfa_enforcement_record.queries.reading import View
from liangfa_enforcement_record.queries.scoping import in_region, in_scope
from liangfa_enforcement_record.tables import cases, screenings
from liangfa_kit.paging import Page, Place, after, from_token, page_size, to_token
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as rpc

_PLACE = [screenings.c.screened_at, screenings.c.id]
_NEWEST_FIRST = [column.desc() for column in _PLACE]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How reviewers judged a standard. `missed` counts cases that they named for its offence though it was not first."""

    standard_id: str
    name_zh: str
    offence_id: str
    accepted: int
    rejected: int
    missed: int


def case_screenings(
    connection: sa.Connection, request: rpc.ListScreeningsRequest, place: Place | None, view: View
) -> Page:
    """Return one page of the stored results of a case behind `place`, newest first. The next token names `view`."""
    size = page_size(request.page_size, 20, 100)
    query = sa.select(screenings).where(screenings.c.case_id == request.case_id)
    if place is not None:
        query = query.where(after(_PLACE, place, descends=True))
    rows = connection.execute(query.order_by(*_NEWEST_FIRST).limit(size + 1)).all()
    last = rows[size - 1] if len(rows) > size else None
    token = to_token(last.screened_at, last.id, view.position) if last else ""
    return Page([row.body for row in rows[:size]], token)


def screening_case(connection: sa.Connection, screening_id: str) -> str | None:
    """Return the case of a screening result."""
    return connection.execute(sa.select(screenings.c.case_id).where(screenings.c.id == screening_id)).scalar()


def hits(connection: sa.Connection, scope: Scope, request: rpc.ListHitsRequest) -> Page:
    """Return one page of hits within `scope`, newest first, each with the columns of its case."""
    outcome = request.outcome or pb.SCREENING_OUTCOME_SUSPECTED
    conditions = [in_scope(screenings, scope), screenings.c.is_newest.is_(True), screenings.c.outcome == outcome]
    if request.region:
        conditions.append(in_region(screenings.c.region, request.region))
    if request.offence_id:
        conditions.append(screenings.c.offence_id == request.offence_id)
    if request.unreviewed:
        conditions.append(screenings.c.is_accepted.is_(None))
    total = connection.execute(sa.select(sa.func.count()).select_from(screenings).where(*conditions)).scalar_one()
    size = page_size(request.page_size, 50, 200)
    named = [cases.c[name] for name in ("title", "cause", "party_names", "agency_id", "agency_name", "region")]
    query = (
        sa.select(screenings.c.id, screenings.c.screened_at, screenings.c.body, *named)
        .join(cases, cases.c.id == screenings.c.case_id)
        .where(*conditions)
    )
    if request.page_token:
        query = query.where(after(_PLACE, from_token(request.page_token, int, str), descends=True))
    rows = connection.execute(query.order_by(*_NEWEST_FIRST).limit(size + 1)).all()
    last = rows[size - 1] if len(rows) > size else None
    return Page(rows[:size], to_token(last.screened_at, last.id) if last else "", total)


def rule_quality(connection: sa.Connection, scope: Scope, region: str) -> list[Verdicts]:
    """Return verdict counts by standard within `scope`, also of offences that reviewers alone have named."""
    table = screenings
    conditions = [in_scope(table, scope), table.c.is_accepted.is_not(None)]
    if region:
        conditions.append(in_region(table.c.region, region))
    missed = _corrections(connection, conditions)
    query = (
        sa.select(
            table.c.standard_id,
            sa.func.max(table.c.name_zh),
            sa.func.max(table.c.offence_id),
            sa.func.sum(sa.case((table.c.is_accepted, 1), else_=0)),
            sa.func.sum(sa.case((table.c.is_accepted, 0), else_=1)),
        )
        .where(*conditions, table.c.standard_id != "")
        .group_by(table.c.standard_id)
        .order_by(table.c.standard_id)
    )
    found = [
        Verdicts(row[0], row[1], row[2], row[3], row[4], missed.get(row[2], 0)) for row in connection.execute(query)
    ]
    judged = {verdicts.offence_id for verdicts in found}
    return found + [Verdicts("", "", key, 0, 0, count) for key, count in missed.items() if key not in judged]


def _corrections(connection: sa.Connection, conditions: list[sa.ColumnElement[bool]]) -> dict[str, int]:
    """Return by offence how often reviewers named it in place of the one that the rules had put first."""
    table = screenings
    query = (
        sa.select(table.c.corrected_offence_id, sa.func.count())
        .where(*conditions, table.c.corrected_offence_id != "")
        .group_by(table.c.corrected_offence_id)
        .order_by(table.c.corrected_offence_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
