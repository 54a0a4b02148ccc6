"""Reads: one statement each, already limited to what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from liangfa_supervision.hub import FeedFilter, FeedRow
from liangfa_supervision.tables import alerts, case_counts, feed, feed_end


def feed_page(connection: sa.Connection, wanted: FeedFilter, after: int, limit: int) -> list[FeedRow]:
    """Return at most `limit` matching items after the cursor `after`, in cursor order."""
    query = sa.select(feed).where(feed.c.cursor > after).order_by(feed.c.cursor).limit(limit)
    if wanted.region_prefixes:
        query = query.where(sa.or_(*(feed.c.region.startswith(p, autoescape=True) for p in wanted.region_prefixes)))
    if wanted.agency_id:
        query = query.where(feed.c.agency_id == wanted.agency_id)
    if wanted.kinds:
        query = query.where(feed.c.kind.in_(sorted(wanted.kinds)))
    if wanted.least_severity:
        query = query.where(feed.c.severity >= wanted.least_severity)
    if wanted.case_id:
        query = query.where(feed.c.case_id == wanted.case_id)
    return [FeedRow(*row) for row in connection.execute(query)]


def newest_cursor(connection: sa.Connection) -> int:
    """Return the newest cursor of the feed, 0 when it is empty."""
    return int(connection.execute(sa.select(feed_end.c.cursor)).scalar() or 0)


def alert_page(
    connection: sa.Connection,
    wanted: FeedFilter,
    *,
    include_closed: bool,
    after: tuple[int, int, str] | None,
    limit: int,
) -> tuple[list[Any], int]:
    """Return alerts, most severe and oldest first, and how many match in all.

    `after` is (severity, raised_at, id) of the last alert of the page before. `wanted.kinds` are alert kinds.
    """
    conditions: list[sa.ColumnElement[bool]] = visible(alerts, wanted)
    if not include_closed:
        conditions.append(alerts.c.is_closed.is_(False))
    if wanted.kinds:
        conditions.append(alerts.c.kind.in_(sorted(wanted.kinds)))
    total = connection.execute(sa.select(sa.func.count()).select_from(alerts).where(*conditions)).scalar() or 0
    if after is not None:
        severity, raised_at, key = after
        conditions.append(
            sa.or_(
                alerts.c.severity < severity,
                sa.and_(alerts.c.severity == severity, alerts.c.raised_at > raised_at),
                sa.and_(alerts.c.severity == severity, alerts.c.raised_at == raised_at, alerts.c.id > key),
            )
        )
    query = sa.select(alerts).where(*conditions)
    order = (alerts.c.severity.desc(), alerts.c.raised_at, alerts.c.id)
    return list(connection.execute(query.order_by(*order).limit(limit))), total


def alert_counts(connection: sa.Connection, wanted: FeedFilter) -> Sequence[Any]:
    """Return open alerts counted by kind and severity, most severe first, with the oldest moment of each."""
    query = (
        sa.select(
            alerts.c.kind,
            alerts.c.severity,
            sa.func.count().label("open"),
            sa.func.min(alerts.c.raised_at).label("oldest"),
        )
        .where(*visible(alerts, wanted), alerts.c.is_closed.is_(False))
        .group_by(alerts.c.kind, alerts.c.severity)
        .order_by(alerts.c.severity.desc(), alerts.c.kind)
    )
    return connection.execute(query).all()


def statistics(connection: sa.Connection, wanted: FeedFilter, dimension: str, months: tuple[str, str]) -> Sequence[Any]:
    """Return counts by `dimension` (agency, region, month, field, offence or total), largest first."""
    c = case_counts.c
    keys: dict[str, tuple[Any, Any]] = {
        "agency": (c.agency_id, sa.func.max(c.agency_name)),
        "region": (c.region, sa.literal("")),
        "month": (c.month, sa.literal("")),
        "field": (c.field, sa.literal("")),
        "offence": (c.offence_id, sa.func.max(c.offence_name_zh)),
        "total": (sa.literal(""), sa.literal("")),
    }
    key, name = keys[dimension]
    query = (
        sa.select(
            key.label("key"),
            name.label("name"),
            sa.func.count().label("cases"),
            count_of(c.is_decided).label("decisions"),
            count_of(c.is_suspected).label("suspected"),
            count_of(c.is_near_miss).label("near_misses"),
            count_of(c.is_late).label("late_entries"),
            sa.cast(sa.func.coalesce(sa.func.sum(c.fine_hao), 0), sa.BigInteger).label("fine_hao"),
        )
        .where(*visible(case_counts, wanted))
        .order_by(sa.desc("cases"), "key")
    )
    if dimension != "total":
        query = query.group_by(key)
    if months[0]:
        query = query.where(c.month >= months[0])
    if months[1]:
        query = query.where(c.month <= months[1])
    if dimension == "offence":
        query = query.where(c.offence_id != "")
    return connection.execute(query).all()


def count_of(column: sa.Column[bool]) -> sa.ColumnElement[int]:
    """Return how many rows are true in `column`."""
    return sa.func.coalesce(sa.func.sum(sa.case((column, 1), else_=0)), 0)


def visible(table: sa.Table, wanted: FeedFilter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that leave of `table` what the caller may see and asks for."""
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.region_prefixes:
        conditions.append(sa.or_(*(table.c.region.startswith(p, autoescape=True) for p in wanted.region_prefixes)))
    if wanted.agency_id:
        conditions.append(table.c.agency_id == wanted.agency_id)
    if wanted.case_id:
        conditions.append(table.c.case_id == wanted.case_id)
    return conditions
