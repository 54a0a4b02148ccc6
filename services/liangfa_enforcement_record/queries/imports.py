"""Reading imports, the rows that they kept aside, and what they found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_enforcement_record.tables import cases, findings, import_rows, imports
from liangfa_kit.paging import Page, after, from_token, page_size, to_token
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

MAX_PAGE_BYTES = 2 << 20
"""A page ends early when its rows get large: a row may hold cells of many thousand characters."""


def import_row(connection: sa.Connection, import_id: str) -> Any:
    """Return the row of an import, None when there is none."""
    return connection.execute(sa.select(imports).where(imports.c.id == import_id)).mappings().first()


def imports_of(connection: sa.Connection, agency_id: str, request: pb.ListImportsRequest) -> Page:
    """Return one page of an agency's imports, newest first."""
    size = page_size(request.page_size, 50, 200)
    place = [imports.c.started_at, imports.c.id]
    query = sa.select(imports).where(imports.c.agency_id == agency_id)
    if request.page_token:
        query = query.where(after(place, from_token(request.page_token, int, str), descends=True))
    rows = connection.execute(query.order_by(*(c.desc() for c in place)).limit(size + 1)).mappings().all()
    last = rows[size - 1] if len(rows) > size else None
    return Page(rows[:size], to_token(last["started_at"], last["id"]) if last else "")


def rejected_rows(connection: sa.Connection, request: pb.ListRejectedRowsRequest) -> Page:
    """Return one page of the rows that an import kept aside, in the order of the file."""
    return _bodies(connection, import_rows, import_rows.c.row, int, request)


def findings_of(connection: sa.Connection, request: pb.ListFindingsRequest) -> Page:
    """Return one page of what an import found, in the order in which it was found."""
    return _bodies(connection, findings, findings.c.id, str, request)


def _bodies(connection: sa.Connection, table: sa.Table, order: sa.Column[Any], kind: type, request: Any) -> Page:
    """Return one page of bodies in `order`, which is unique within an import."""
    size = page_size(request.page_size, 100, 500)
    query = sa.select(order, table.c.body).where(table.c.import_id == request.import_id)
    if request.page_token:
        query = query.where(order > from_token(request.page_token, kind)[0])
    taken: list[Any] = []
    weight = 0
    for row in connection.execute(query.order_by(order).limit(size + 1)):
        if len(taken) == size or (taken and weight + len(row.body) > MAX_PAGE_BYTES):
            return Page([kept.body for kept in taken], to_token(taken[-1][0]))
        taken.append(row)
        weight += len(row.body)
    return Page([kept.body for kept in taken], "")


def uncorrected_rows(connection: sa.Connection, import_id: str) -> Iterator[pb.RejectedRow]:
    """Yield the rows kept aside that nobody has corrected yet, in the order of the file."""
    query = (
        sa.select(import_rows.c.body)
        .where(import_rows.c.import_id == import_id, import_rows.c.is_corrected.is_(False))
        .order_by(import_rows.c.row)
    )
    for (body,) in connection.execution_options(yield_per=500).execute(query):
        yield pb.RejectedRow.FromString(body)


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case that an imported row may be: its id, and the content that it was imported with."""

    id: str
    row_hash: str


def known_cases(connection: sa.Connection, natural_keys: list[str]) -> dict[str, KnownCase]:
    """Return the cases known under `natural_keys`."""
    query = sa.select(cases.c.natural_key, cases.c.id, cases.c.row_hash).where(cases.c.natural_key.in_(natural_keys))
    return {key: KnownCase(case_id, row_hash or "") for key, case_id, row_hash in connection.execute(query)}


def unfinished_import(connection: sa.Connection, agency_id: str, sha256: str, mapping: str, *, is_dry_run: bool) -> Any:
    """Return the agency's import of this very table that has not ended, None when there is none."""
    query = sa.select(imports).where(
        imports.c.agency_id == agency_id,
        imports.c.sha256 == sha256,
        imports.c.mapping == mapping,
        imports.c.is_dry_run.is_(is_dry_run),
        imports.c.state == "running",
    )
    return connection.execute(query.order_by(imports.c.started_at)).mappings().first()
