"""Reads of the record: each a statement or two, already limited to the caller's scope."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_enforcement_record.authority import Scope, region_prefix
from liangfa_enforcement_record.errors import invalid
from liangfa_enforcement_record.tables import CASE_TEXT, KIT, cases, evidence, imports, party_records, screenings
from liangfa_enforcement_record.validation import amount_violations, date_violations, to_hao
from liangfa_kit.errors import Invalid
from liangfa_kit.journal import Entry
from liangfa_kit.store.port import Store
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc

_ORDERS: dict[int, tuple[sa.Column[Any], bool]] = {
    rpc.CASE_ORDER_UNSPECIFIED: (cases.c.registered_at, True),
    rpc.CASE_ORDER_REGISTERED_ASC: (cases.c.registered_at, False),
    rpc.CASE_ORDER_DECIDED_DESC: (cases.c.decided_on, True),
    rpc.CASE_ORDER_DECIDED_ASC: (cases.c.decided_on, False),
    rpc.CASE_ORDER_FINE_DESC: (cases.c.fine_hao, True),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, the token of the next one (empty on the last), and how many match in all."""

    rows: Sequence[Any]
    next_token: str
    total: int = 0


def in_scope(table: sa.Table, scope: Scope) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `table` lies within `scope`; an empty scope matches nothing."""
    parts: list[sa.ColumnElement[bool]] = []
    if scope.agency_id:
        parts.append(table.c.agency_id == scope.agency_id)
    if scope.region_prefix:
        parts.append(table.c.region.startswith(scope.region_prefix, autoescape=True))
    return sa.or_(*parts) if parts else sa.false()


def search_cases(connection: sa.Connection, store: Store, scope: Scope, request: rpc.SearchCasesRequest) -> Page:
    """Return one page of the cases that match `request` within `scope`."""
    violations = [
        *date_violations(request.decided_from, "decided_from"),
        *date_violations(request.decided_to, "decided_to"),
        *amount_violations(request.fine_from_yuan, "fine_from_yuan"),
        *amount_violations(request.fine_to_yuan, "fine_to_yuan"),
    ]
    if violations:
        raise invalid(violations)
    conditions = [in_scope(cases, scope), *_conditions(store, request)]
    total = connection.execute(sa.select(sa.func.count()).select_from(cases).where(*conditions)).scalar() or 0
    column, descends = _ORDERS.get(request.order, _ORDERS[0])
    size = _size(request.page_size, 50, 200)
    query = sa.select(cases).where(*conditions)
    if request.page_token:
        query = query.where(_after(column, request.page_token, request.order, descends=descends))
    order = (column.desc(), cases.c.id.desc()) if descends else (column, cases.c.id)
    rows = connection.execute(query.order_by(*order).limit(size + 1)).mappings().all()
    token = to_token(request.order, rows[size - 1][column.name], rows[size - 1]["id"]) if len(rows) > size else ""
    return Page(rows[:size], token, total)


def _after(column: sa.Column[Any], token: str, order: int, *, descends: bool) -> sa.ColumnElement[bool]:
    kept_order, value, key = from_token(token, 3)
    if kept_order != order:
        raise token_refused()
    if descends:
        return sa.or_(column < value, sa.and_(column == value, cases.c.id < key))
    return sa.or_(column > value, sa.and_(column == value, cases.c.id > key))


def _conditions(store: Store, request: rpc.SearchCasesRequest) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if request.text:
        matching = store.search(CASE_TEXT, request.text)
        found.append(sa.false() if matching is None else cases.c.search_id.in_(matching))
    parties = []
    if request.party_name:
        parties.append(party_records.c.name.startswith(request.party_name, autoescape=True))
    if request.party_code:
        parties.append(party_records.c.code == request.party_code.strip().upper())
    if parties:
        found.append(cases.c.id.in_(sa.select(party_records.c.case_id).where(*parties)))
    if request.region:
        found.append(cases.c.region.startswith(region_prefix(request.region), autoescape=True))
    if request.cause:
        found.append(cases.c.cause.startswith(request.cause, autoescape=True))
    exact = ((cases.c.document_number, request.document_number), (cases.c.agency_id, request.agency_id))
    found += [column == value for column, value in exact if value]
    lists = ((cases.c.stage, request.stages), (cases.c.screening_outcome, request.outcomes))
    found += [column.in_(list(values)) for column, values in lists if values]
    if request.decided_from:
        found.append(cases.c.decided_on >= request.decided_from)
    if request.decided_to:
        found.append(sa.and_(cases.c.decided_on != "", cases.c.decided_on <= request.decided_to))
    if request.fine_from_yuan:
        found.append(cases.c.fine_hao >= to_hao(request.fine_from_yuan))
    if request.fine_to_yuan:
        found.append(cases.c.fine_hao <= to_hao(request.fine_to_yuan))
    return found


def case_owner(connection: sa.Connection, case_id: str) -> tuple[str, str] | None:
    """Return the agency and region of a case, None when there is none."""
    row = connection.execute(sa.select(cases.c.agency_id, cases.c.region).where(cases.c.id == case_id)).first()
    return (row[0], row[1]) if row else None


def case_body(connection: sa.Connection, case_id: str) -> pb.Case | None:
    """Return a case with its evidence, None when there is none."""
    row = connection.execute(sa.select(cases.c.body).where(cases.c.id == case_id)).first()
    if row is None:
        return None
    case = pb.Case.FromString(row[0])
    attached = sa.select(evidence.c.body).where(evidence.c.case_id == case_id, evidence.c.is_attached.is_(True))
    case.evidence.extend(pb.Evidence.FromString(body) for (body,) in connection.execute(attached))
    return case


def timeline(connection: sa.Connection, case_id: str, after: int, limit: int) -> list[Entry]:
    """Return entries of a case's stream after the version `after`, oldest first."""
    journal = KIT.journal
    query = (
        sa.select(journal)
        .where(journal.c.stream == f"case/{case_id}", journal.c.version > after)
        .order_by(journal.c.version)
        .limit(limit)
    )
    return [Entry(*row) for row in connection.execute(query)]


def case_screenings(connection: sa.Connection, case_id: str) -> list[pb.Screening]:
    """Return the stored results of a case, newest first."""
    query = (
        sa.select(screenings.c.body).where(screenings.c.case_id == case_id).order_by(screenings.c.screened_at.desc())
    )
    return [pb.Screening.FromString(body) for (body,) in connection.execute(query)]


def screening_case(connection: sa.Connection, screening_id: str) -> str | None:
    """Return the case of a screening result."""
    return connection.execute(sa.select(screenings.c.case_id).where(screenings.c.id == screening_id)).scalar()


def hits(connection: sa.Connection, scope: Scope, request: Any) -> Page:
    """Return one page of hits within `scope`, newest first, each joined with its case's body."""
    outcome = request.outcome or pb.SCREENING_OUTCOME_SUSPECTED
    table = screenings
    conditions = [in_scope(table, scope), table.c.is_newest.is_(True), table.c.outcome == outcome]
    if request.region:
        conditions.append(table.c.region.startswith(region_prefix(request.region), autoescape=True))
    if request.offence_id:
        conditions.append(table.c.offence_id == request.offence_id)
    if request.unreviewed:
        conditions.append(table.c.is_accepted.is_(None))
    total = connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar() or 0
    size = _size(request.page_size, 50, 200)
    query = (
        sa.select(table.c.id, table.c.screened_at, table.c.body, cases.c.body.label("case_body"))
        .join(cases, cases.c.id == table.c.case_id)
        .where(*conditions)
    )
    if request.page_token:
        at, key = from_token(request.page_token, 2)
        query = query.where(sa.or_(table.c.screened_at < at, sa.and_(table.c.screened_at == at, table.c.id < key)))
    rows = connection.execute(query.order_by(table.c.screened_at.desc(), table.c.id.desc()).limit(size + 1)).all()
    token = to_token(rows[size - 1].screened_at, rows[size - 1].id) if len(rows) > size else ""
    return Page(rows[:size], token, total)


def rule_quality(connection: sa.Connection, scope: Scope, region: str) -> list[Any]:
    """Return verdict counts by standard: accepted, rejected, and corrections towards the offence."""
    table = screenings
    conditions = [in_scope(table, scope), table.c.is_accepted.is_not(None)]
    if region:
        conditions.append(table.c.region.startswith(region_prefix(region), autoescape=True))
    query = (
        sa.select(
            table.c.standard_id,
            sa.func.max(table.c.name_zh).label("name_zh"),
            sa.func.max(table.c.offence_id).label("offence_id"),
            sa.func.sum(sa.case((table.c.is_accepted, 1), else_=0)).label("accepted"),
            sa.func.sum(sa.case((table.c.is_accepted, 0), else_=1)).label("rejected"),
        )
        .where(*conditions)
        .group_by(table.c.standard_id)
        .order_by(table.c.standard_id)
    )
    return list(connection.execute(query))


def corrections(connection: sa.Connection, scope: Scope) -> dict[str, int]:
    """Return how often reviewers named an offence that the rules had not put first."""
    table = screenings
    query = (
        sa.select(table.c.corrected_offence_id, sa.func.count())
        .where(in_scope(table, scope), table.c.corrected_offence_id != "")
        .group_by(table.c.corrected_offence_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def import_row(connection: sa.Connection, import_id: str) -> Any:
    """Return the row of an import, None when there is none."""
    return connection.execute(sa.select(imports).where(imports.c.id == import_id)).mappings().first()


def bodies_page(
    connection: sa.Connection, table: sa.Table, import_id: str, order: sa.Column[Any], request: Any
) -> Page:
    """Return one page of an import's rows or findings, in `order`, which is unique within the import."""
    size = _size(request.page_size, 100, 500)
    query = sa.select(order, table.c.body).where(table.c.import_id == import_id)
    if request.page_token:
        query = query.where(order > from_token(request.page_token, 1)[0])
    rows = connection.execute(query.order_by(order).limit(size + 1)).all()
    return Page([row[1] for row in rows[:size]], to_token(rows[size - 1][0]) if len(rows) > size else "")


def _size(asked: int, usual: int, most: int) -> int:
    return min(asked, most) if asked > 0 else usual


def to_token(*parts: str | int) -> str:
    """Return an opaque page token."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def from_token(token: str, count: int) -> list[Any]:
    """Return the parts of a page token. Raises `Invalid` for anything that is not one."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError):
        parts = None
    if not isinstance(parts, list) or len(parts) != count or not all(isinstance(p, (str, int)) for p in parts):
        raise token_refused()
    return parts


def token_refused() -> Invalid:
    """Return the refusal of a page token."""
    return Invalid(
        "The page token is malformed or belongs to another query.",
        message_zh="翻页标记无效或不属于本次查询。",
        remedy="Start again from the first page.",
        reason="PAGE_TOKEN_MALFORMED",
    )
