"""Reads of how far transfers have come and where they lie, already limited to what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from liangfa_supervision.hub import FeedFilter
from liangfa_supervision.queries import count_of, visible
from liangfa_supervision.tables import case_counts, stays, transfer_progress

_STAGES = {
    "delivered": "is_delivered", "accepted": "is_accepted", "filed": "is_filed", "refused": "is_refused",
    "prosecuted": "is_prosecuted", "judged": "is_judged", "open": "is_open",
}  # fmt: skip


def funnel(connection: sa.Connection, wanted: FeedFilter, dimension: str, months: tuple[str, str]) -> Sequence[Any]:
    """Return how many transfers have reached each stage, by `dimension` (agency, police, month or total)."""
    c = transfer_progress.c
    keys: dict[str, tuple[Any, Any]] = {
        "agency": (c.agency_id, sa.func.max(c.agency_name)),
        "police": (c.police_id, sa.func.max(c.police_name)),
        "month": (c.month, sa.literal("")),
        "total": (sa.literal(""), sa.literal("")),
    }
    key, name = keys[dimension]
    stages = [count_of(c[column]).label(stage) for stage, column in _STAGES.items()]
    query = sa.select(key.label("key"), name.label("name"), sa.func.count().label("opened"), *stages)
    query = query.where(*visible(transfer_progress, wanted))
    if dimension != "total":
        query = query.group_by(key)
    if months[0]:
        query = query.where(c.month >= months[0])
    if months[1]:
        query = query.where(c.month <= months[1])
    order: tuple[Any, ...] = ("key",) if dimension == "month" else (sa.desc("opened"), "key")
    return connection.execute(query.order_by(*order)).all()


def suspected(
    connection: sa.Connection, wanted: FeedFilter, dimension: str, months: tuple[str, str]
) -> dict[str, tuple[str, int]]:
    """Return name and number of the cases in which screening suspects a crime, by the same dimension; none by police organ."""
    c = case_counts.c
    keys: dict[str, Any] = {"agency": c.agency_id, "month": c.month, "total": sa.literal("")}
    key = keys.get(dimension)
    if key is None:
        return {}
    name = sa.func.max(c.agency_name) if dimension == "agency" else sa.literal("")
    query = sa.select(key.label("key"), name.label("name"), sa.func.count().label("cases"))
    query = query.where(*visible(case_counts, wanted), c.is_suspected.is_(True))
    if dimension != "total":
        query = query.group_by(key)
    if months[0]:
        query = query.where(c.month >= months[0])
    if months[1]:
        query = query.where(c.month <= months[1])
    return {row.key: (row.name, row.cases) for row in connection.execute(query) if row.cases}


def time_in_state(connection: sa.Connection, wanted: FeedFilter, organisation_id: str, state: str) -> Sequence[Any]:
    """Return how long transfers lay in each state with each organisation; times are microseconds."""
    c = stays.c
    is_left = c.left_at.is_not(None)
    length = c.left_at - c.entered_at
    query = sa.select(
        c.organisation_id,
        sa.func.max(c.organisation_name).label("organisation_name"),
        c.state,
        sa.func.coalesce(sa.func.sum(sa.case((is_left, 1), else_=0)), 0).label("left"),
        sa.func.coalesce(sa.func.sum(sa.case((is_left, length), else_=0)), 0).label("spent"),
        sa.func.coalesce(sa.func.max(sa.case((is_left, length), else_=0)), 0).label("longest"),
        sa.func.coalesce(sa.func.sum(sa.case((is_left, 0), else_=1)), 0).label("here"),
        sa.func.min(sa.case((is_left, None), else_=c.entered_at)).label("oldest"),
    ).where(*visible(stays, wanted))
    if organisation_id:
        query = query.where(c.organisation_id == organisation_id)
    if state:
        query = query.where(c.state == state)
    return connection.execute(query.group_by(c.organisation_id, c.state).order_by(c.organisation_id, c.state)).all()
