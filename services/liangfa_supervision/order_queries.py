"""Reads of supervision orders, limited by the same rule that guards the single one, and what is due to be told."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from liangfa_kit.identity import Actor
from liangfa_kit.paging import after, from_token, to_token
from liangfa_standards.divisions import region_prefix
from liangfa_supervision.authority import OVERSEEING
from liangfa_supervision.tables import orders, transfer_progress


def order_body(connection: sa.Connection, order_id: str) -> bytes | None:
    """Return a stored order."""
    body: bytes | None = connection.execute(sa.select(orders.c.body).where(orders.c.id == order_id)).scalar()
    return body


def order_page(
    connection: sa.Connection, actor: Actor, *, only_open: bool, to_me: bool, size: int, token: str
) -> tuple[list[bytes], str]:
    """Return a page of the orders that `actor` may see, by their last day, and the token of the next."""
    c = orders.c
    query = sa.select(c.due_at, c.id, c.body).where(c.addressee_id == actor.agency_id if to_me else _seen(actor))
    if only_open:
        query = query.where(c.is_open.is_(True))
    if token:
        query = query.where(after((c.due_at, c.id), from_token(token, int, str), descends=False))
    rows = connection.execute(query.order_by(c.due_at, c.id).limit(size + 1)).all()
    more = to_token(rows[size - 1].due_at, rows[size - 1].id) if len(rows) > size else ""
    return [row.body for row in rows[:size]], more


def due_orders(connection: sa.Connection, now: int, limit: int) -> Sequence[str]:
    """Return the orders of which something is to be told, the longest due first: an index says."""
    c = orders.c
    query = sa.select(c.id).where(c.next_alarm_at <= now).order_by(c.next_alarm_at).limit(limit)
    return connection.execute(query).scalars().all()


def stalled_transfers(connection: sa.Connection, now: int, limit: int) -> Sequence[str]:
    """Return the transfers that lie still and were not told of: an index says."""
    c = transfer_progress.c
    query = sa.select(c.id).where(c.stalls_at <= now).order_by(c.stalls_at).limit(limit)
    return connection.execute(query).scalars().all()


def _seen(actor: Actor) -> sa.ColumnElement[bool]:
    """Return the condition that says what `authority.may_see_order` says."""
    c = orders.c
    conditions = [column == actor.agency_id for column in (c.issuer_id, c.addressee_id)]
    if OVERSEEING & actor.roles and actor.region:
        conditions.append(c.region.startswith(region_prefix(actor.region), autoescape=True))
    return sa.or_(*conditions)
