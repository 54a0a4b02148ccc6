"""Finding cases: conditions, orders, pages and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from liangfa_enforcement_record.authority import Scope
from liangfa_enforcement_record.errors import invalid
from liangfa_enforcement_record.queries.scoping import in_region, in_scope, starts_with
from liangfa_enforcement_record.tables import CASE_TEXT, cases, party_records
from liangfa_enforcement_record.validation import (
    MAX_LIST,
    amount_violations,
    date_violations,
    text_violations,
    to_hao,
)
from liangfa_kit.clock import BEIJING, to_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.paging import Page, Place, after, from_token, page_size, to_token, token_refused
from liangfa_kit.store.port import Store
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc

_ORDERS: dict[int, tuple[sa.Column[Any], bool]] = {
    rpc.CASE_ORDER_UNSPECIFIED: (cases.c.registered_at, True),
    rpc.CASE_ORDER_REGISTERED_ASC: (cases.c.registered_at, False),
    rpc.CASE_ORDER_DECIDED_DESC: (cases.c.decided_on, True),
    rpc.CASE_ORDER_DECIDED_ASC: (cases.c.decided_on, False),
    rpc.CASE_ORDER_FINE_DESC: (cases.c.fine_hao, True),
    rpc.CASE_ORDER_AMOUNT_DESC: (cases.c.amount_hao, True),
}
_LINE = [column for column in cases.c if column.name not in {"body", "row_hash", "natural_key"}]
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A page of cases; on the first page also how many there are by stage and by screening outcome."""

    page: Page
    by_stage: Mapping[Any, int]
    by_outcome: Mapping[Any, int]


def search_cases(connection: sa.Connection, store: Store, scope: Scope, request: rpc.SearchCasesRequest) -> Found:
    """Return one page of the cases that match `request` within `scope`. Raises `Invalid` for a malformed condition."""
    if violations := list(_violations(request)):
        raise invalid(violations)
    conditions = [in_scope(cases, scope), *_conditions(store, request)]
    if request.text:
        return _found_by_words(connection, conditions, request)
    if request.page_token:
        total = connection.execute(sa.select(sa.func.count()).select_from(cases).where(*conditions)).scalar_one()
        return Found(_page(connection, conditions, request, total), {}, {})
    by_stage, by_outcome = _counted(connection, conditions)
    if not by_stage:  # looking for a page of nothing would go through every case
        return Found(Page((), ""), by_stage, by_outcome)
    return Found(_page(connection, conditions, request, by_stage.total()), by_stage, by_outcome)


def _found_by_words(
    connection: sa.Connection, conditions: list[sa.ColumnElement[bool]], request: rpc.SearchCasesRequest
) -> Found:
    """Return a page and the counts of what words find, in one statement: the matching is what costs, and is done once.

    A search without words is better off with two: the page comes off the index of its order, and counting reads another.
    """
    column, descends = _ORDERS[request.order]
    columns = (cases.c.id, cases.c.stage, cases.c.screening_outcome, column.label("place"))
    matching = sa.select(*columns).where(*conditions).cte("matching")
    m = matching.c
    page = sa.select(m.id).order_by(*_directed([m.place, m.id], descends=descends)).limit(_size(request) + 1)
    if request.page_token:
        page = page.where(after([m.place, m.id], _place(request), descends=descends))
    groups = [m.stage, m.screening_outcome]
    counts = sa.select(*groups, sa.func.count(), sa.literal_column("''")).group_by(*groups)
    found = sa.union_all(counts, sa.select(*map(sa.literal_column, "000"), page.subquery().c.id))
    ids = list[str]()
    by_stage, by_outcome = Counter[Any](), Counter[Any]()
    for stage, outcome, count, key in connection.execute(found):
        if key:
            ids.append(key)
        else:
            by_stage[stage] += count
            by_outcome[outcome] += count
    by_stage, by_outcome = Counter(dict(sorted(by_stage.items()))), Counter(dict(sorted(by_outcome.items())))
    lines = sa.select(*_LINE).where(cases.c.id.in_(ids)).order_by(*_directed([column, cases.c.id], descends=descends))
    rows = connection.execute(lines).mappings().all()
    page_found = _page_of(rows, request, by_stage.total())
    return Found(page_found, {}, {}) if request.page_token else Found(page_found, by_stage, by_outcome)


def _page(
    connection: sa.Connection, conditions: list[sa.ColumnElement[bool]], request: rpc.SearchCasesRequest, total: int
) -> Page:
    column, descends = _ORDERS[request.order]
    place = [column, cases.c.id]
    query = sa.select(*_LINE).where(*conditions)
    if request.page_token:
        query = query.where(after(place, _place(request), descends=descends))
    query = query.order_by(*_directed(place, descends=descends)).limit(_size(request) + 1)
    return _page_of(connection.execute(query).mappings().all(), request, total)


def _page_of(rows: Sequence[Any], request: rpc.SearchCasesRequest, total: int) -> Page:
    """Return the page of `rows`, which hold one more when there is another page."""
    column, _ = _ORDERS[request.order]
    size = _size(request)
    last = rows[size - 1] if len(rows) > size else None
    return Page(rows[:size], to_token(request.order, last[column.name], last["id"]) if last else "", total)


def _size(request: rpc.SearchCasesRequest) -> int:
    return page_size(request.page_size, 50, 200)


def _place(request: rpc.SearchCasesRequest) -> Place:
    """Return after which case the page begins. Raises `Invalid` for a token of another order."""
    column, _ = _ORDERS[request.order]
    kind = int if isinstance(column.type, sa.BigInteger) else str
    order, *place = from_token(request.page_token, int, kind, str)
    if order != request.order:
        raise token_refused()
    return tuple(place)


def _directed(columns: Sequence[sa.ColumnElement[Any]], *, descends: bool) -> list[sa.ColumnElement[Any]]:
    return [column.desc() if descends else column.asc() for column in columns]


def _counted(connection: sa.Connection, conditions: list[sa.ColumnElement[bool]]) -> tuple[Counter[Any], Counter[Any]]:
    """Return the counts by stage and by outcome from one pass."""
    columns = (cases.c.stage, cases.c.screening_outcome)
    query = sa.select(*columns, sa.func.count()).where(*conditions).group_by(*columns).order_by(*columns)
    by_stage, by_outcome = Counter[Any](), Counter[Any]()
    for stage, outcome, count in connection.execute(query):
        by_stage[stage] += count
        by_outcome[outcome] += count
    return by_stage, by_outcome


def _violations(request: rpc.SearchCasesRequest) -> Iterator[FieldViolation]:
    for name in ("decided_from", "decided_to", "registered_from", "registered_to"):
        yield from date_violations(getattr(request, name), name)
    for name in ("fine_from_yuan", "fine_to_yuan", "amount_from_yuan", "amount_to_yuan"):
        yield from amount_violations(getattr(request, name), name)
    named = ("text", "party_name", "party_code", "document_number", "case_number", "agency_id", "cause")
    yield from text_violations((name, getattr(request, name), _MAX_TEXT) for name in named)
    for name in ("stages", "outcomes"):
        if (count := len(set(getattr(request, name)))) > MAX_LIST:
            yield FieldViolation(
                name, "TOO_MANY", f"最多 {MAX_LIST} 项，现有 {count} 项 (at most {MAX_LIST}, {count} sent)"
            )
    if request.order not in _ORDERS:
        yield FieldViolation("order", "VALUE_UNKNOWN", f"未知排序 {request.order} (not a known order)")
    if request.region and not (len(request.region) == 6 and request.region.isascii() and request.region.isdigit()):
        yield FieldViolation("region", "VALUE_UNKNOWN", "六位行政区划代码 (a division code of six digits)")


def _conditions(store: Store, request: rpc.SearchCasesRequest) -> Iterator[sa.ColumnElement[bool]]:
    if request.text:
        matching = store.search(CASE_TEXT, request.text)
        yield sa.false() if matching is None else cases.c.id.in_(matching)
    parties = []
    if request.party_name:
        parties.append(starts_with(party_records.c.name, request.party_name))
    if request.party_code:
        parties.append(party_records.c.code == request.party_code.strip().upper())
    if parties:
        yield cases.c.id.in_(sa.select(party_records.c.case_id).where(*parties))
    if request.region:
        yield in_region(cases.c.region, request.region)
    if request.cause:
        yield starts_with(cases.c.cause, request.cause)
    for name in ("document_number", "case_number", "agency_id"):
        if value := getattr(request, name):
            yield cases.c[name] == value
    for column, values in ((cases.c.stage, request.stages), (cases.c.screening_outcome, request.outcomes)):
        if values:
            yield column.in_(sorted(set(values)))
    yield from _ranges(request)


def _ranges(request: rpc.SearchCasesRequest) -> Iterator[sa.ColumnElement[bool]]:
    if request.decided_from:
        yield cases.c.decided_on >= request.decided_from
    if request.decided_to:
        yield sa.and_(cases.c.decided_on != "", cases.c.decided_on <= request.decided_to)
    if request.registered_from:
        yield cases.c.registered_at >= _midnight(request.registered_from)
    if request.registered_to:
        yield cases.c.registered_at < _midnight(request.registered_to, days=1)
    for column, least, most in (
        (cases.c.fine_hao, request.fine_from_yuan, request.fine_to_yuan),
        (cases.c.amount_hao, request.amount_from_yuan, request.amount_to_yuan),
    ):
        if least:
            yield column >= to_hao(least)
        if most:
            yield column <= to_hao(most)


def _midnight(day: str, days: int = 0) -> int:
    """Return the instant at which a Beijing day begins, or one `days` later."""
    begins = date.fromisoformat(day) + timedelta(days=days)
    return to_micros(datetime(begins.year, begins.month, begins.day, tzinfo=BEIJING))
