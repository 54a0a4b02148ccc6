"""Finding precedents, by conditions or by likeness; and consultations in numbers."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting.authority import SUPERVISORS
from liangfa_joint_meeting.errors import invalid
from liangfa_joint_meeting.precedents import likeness, telling_terms
from liangfa_joint_meeting.tables import PRECEDENT_TEXT, answers, consultations, participants, precedents, reply_clocks
from liangfa_kit.clock import BEIJING, to_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.identity import Actor
from liangfa_kit.paging import from_token, page_size, to_token
from liangfa_kit.store.port import Store
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as rpc
from liangfa_standards.divisions import region_prefix

_CANDIDATES = 50
_SAME_OFFENCE, _SAME_CAUSE = 0.3, 0.15
_HOUR = 3_600_000_000


def unit_ids(connection: sa.Connection, consultation_id: str) -> list[str]:
    """Return the units that take or took part in a consultation."""
    query = sa.select(participants.c.unit_id).where(participants.c.consultation_id == consultation_id)
    return sorted(row.unit_id for row in connection.execute(query))


def found(
    connection: sa.Connection, store: Store, request: rpc.SearchPrecedentsRequest
) -> rpc.SearchPrecedentsResponse:
    """Return a page of precedents, newest first."""
    size = page_size(request.page_size, 20, 100)
    order = (precedents.c.published_at.desc(), precedents.c.id.desc())
    query = sa.select(precedents).where(*_conditions(store, request)).order_by(*order).limit(size + 1)
    if request.page_token:
        at, key = from_token(request.page_token, int, str)
        older = precedents.c.published_at < at
        query = query.where(sa.or_(older, sa.and_(precedents.c.published_at == at, precedents.c.id < key)))
    rows = connection.execute(query).all()
    last = rows[size - 1] if len(rows) > size else None
    return rpc.SearchPrecedentsResponse(
        precedents=[rpc.Precedent.FromString(row.body) for row in rows[:size]],
        next_page_token=to_token(last.published_at, last.id) if last else "",
    )


def _conditions(store: Store, request: rpc.SearchPrecedentsRequest) -> Iterator[sa.ColumnElement[bool]]:
    yield precedents.c.is_withdrawn.is_(False)
    if request.text:
        matching = store.search(PRECEDENT_TEXT, request.text)
        yield sa.false() if matching is None else precedents.c.id.in_(matching)
    for name in ("kind", "offence_name_zh", "cause"):
        if value := getattr(request, name):
            yield precedents.c[name] == value


def similar(
    connection: sa.Connection, store: Store, request: rpc.SuggestPrecedentsRequest
) -> rpc.SuggestPrecedentsResponse:
    """Return the precedents that are most like a question: same index, ranked by the rarity of what they share."""
    terms = telling_terms(request.text)
    keys = {term: _keys(connection, store, term) for term in terms}
    total = connection.execute(sa.select(sa.func.count()).select_from(precedents)).scalar_one()
    rarity = {term: math.log(1 + (total + 1) / (1 + len(having))) for term, having in keys.items()}
    scores: Counter[str] = Counter()
    for term, having in keys.items():
        for key in having:
            scores[key] += rarity[term]  # type: ignore[assignment]  # a Counter adds floats as well
    candidates = [key for key, _ in scores.most_common(_CANDIDATES)]
    query = sa.select(precedents).where(precedents.c.id.in_(candidates), precedents.c.is_withdrawn.is_(False))
    ranked = sorted(
        ((_likeness(row, terms, rarity, request), row.id, row.body) for row in connection.execute(query)), reverse=True
    )
    limit = page_size(request.limit, 5, 20)
    return rpc.SuggestPrecedentsResponse(
        precedents=[
            rpc.SimilarPrecedent(precedent=rpc.Precedent.FromString(body), likeness=score)
            for score, _, body in ranked[:limit]
        ]
    )


def _keys(connection: sa.Connection, store: Store, term: str) -> list[str]:
    matching = store.search(PRECEDENT_TEXT, term)
    return [] if matching is None else [row[0] for row in connection.execute(matching)]


def _likeness(row: Any, terms: list[str], rarity: dict[str, float], request: rpc.SuggestPrecedentsRequest) -> float:
    score = likeness(terms, rarity, rpc.Precedent.FromString(row.body))
    score += _SAME_OFFENCE * bool(request.offence_name_zh and row.offence_name_zh == request.offence_name_zh)
    score += _SAME_CAUSE * bool(request.cause and row.cause == request.cause)
    return min(1.0, score)


def figures(
    connection: sa.Connection, caller: Actor, request: rpc.GetConsultationFiguresRequest, now: int
) -> rpc.GetConsultationFiguresResponse:
    """Return consultations in numbers: of the caller's unit, or of every unit in a supervisor's region."""
    since, until = _day("asked_from", request.asked_from), _day("asked_to", request.asked_to, 1)
    lines: dict[str, rpc.ConsultationFigures] = {}

    def line(row: Any) -> rpc.ConsultationFigures:
        return lines.setdefault(row.unit_id, rpc.ConsultationFigures(unit_id=row.unit_id, unit_name=row.unit_name))

    for row in connection.execute(_asked(caller, request, since, until)):
        line(row).asked = row.total
    hours: dict[str, list[float]] = {}
    for row in connection.execute(_owed(caller, request, since, until)):
        told = line(row)
        told.received += 1
        if row.answered_at is not None:
            told.answered += 1
            told.answered_in_time += row.answered_at < row.due_at
            hours.setdefault(row.unit_id, []).append((row.answered_at - row.started_at) / _HOUR)
        elif row.ended_at is None and row.due_at <= now:
            told.overdue += 1
    for row in connection.execute(_outcomes(caller, request, since, until)):
        told = line(row)
        told.followed += row.total if row.outcome == pb.OUTCOME_FOLLOWED else 0
        told.not_followed += row.total if row.outcome == pb.OUTCOME_NOT_FOLLOWED else 0
    for unit_id, found_hours in hours.items():
        lines[unit_id].median_hours = statistics.median(found_hours)
    return rpc.GetConsultationFiguresResponse(units=[lines[key] for key in sorted(lines)])


def _scope(caller: Actor, region: str, table: sa.Table) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions under which a unit's row in `table` is counted for the caller."""
    if caller.roles & SUPERVISORS and caller.region:
        yield _within(table, caller.region)
    else:
        yield table.c.unit_id == caller.agency_id
    if region:
        yield _within(table, region)


def _within(table: sa.Table, region: str) -> sa.ColumnElement[bool]:
    prefix = region_prefix(region)
    return sa.func.substr(table.c.region, 1, len(prefix)) == prefix if prefix else sa.true()


def _when(column: sa.Column[Any], since: int | None, until: int | None) -> Iterator[sa.ColumnElement[bool]]:
    if since is not None:
        yield column >= since
    if until is not None:
        yield column < until


def _asked(caller: Actor, request: Any, since: int | None, until: int | None) -> sa.Select[Any]:
    c = participants.c
    return (
        sa.select(c.unit_id, sa.func.max(c.unit_name).label("unit_name"), sa.func.count().label("total"))
        .join(consultations, consultations.c.id == c.consultation_id)
        .where(
            c.role == pb.PARTICIPANT_ROLE_ASKER,
            *_when(consultations.c.asked_at, since, until),
            *_scope(caller, request.region, participants),
        )
        .group_by(c.unit_id)
    )


def _owed(caller: Actor, request: Any, since: int | None, until: int | None) -> sa.Select[Any]:
    return sa.select(reply_clocks).where(
        *_when(reply_clocks.c.started_at, since, until), *_scope(caller, request.region, reply_clocks)
    )


def _outcomes(caller: Actor, request: Any, since: int | None, until: int | None) -> sa.Select[Any]:
    seat = sa.and_(
        participants.c.consultation_id == answers.c.consultation_id, participants.c.unit_id == answers.c.unit_id
    )
    return (
        sa.select(
            answers.c.unit_id,
            sa.func.max(participants.c.unit_name).label("unit_name"),
            answers.c.outcome,
            sa.func.count().label("total"),
        )
        .join(participants, seat)
        .join(consultations, consultations.c.id == answers.c.consultation_id)
        .where(*_when(consultations.c.asked_at, since, until), *_scope(caller, request.region, participants))
        .group_by(answers.c.unit_id, answers.c.outcome)
    )


def _day(where: str, text: str, later: int = 0) -> int | None:
    """Return the instant at which a Beijing day begins, or one `later` days on; None for an empty text."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=later)
    except (ValueError, OverflowError):
        message = "日期格式为 YYYY-MM-DD (a date of the calendar)"
        raise invalid([FieldViolation(where, "DATE_MALFORMED", message)]) from None
    return to_micros(datetime(day.year, day.month, day.day, tzinfo=BEIJING))
