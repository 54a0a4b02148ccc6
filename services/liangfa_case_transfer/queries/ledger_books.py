"""What a reconciliation reads: the transfers with receipts of a day, whole, and receipts by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa

from liangfa_case_transfer.reconciling import Given
from liangfa_case_transfer.tables import receipts, transfers
from liangfa_kit.clock import BEIJING, to_micros
from liangfa_kit.identity import Actor
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

_c = receipts.c


@dataclass(frozen=True, slots=True)
class Book:
    """One transfer's receipts, in order of their numbers, with what its row has counted; `own` are the caller's."""

    transfer_id: str
    given: Given
    receipts: Sequence[pb.Receipt]
    own: frozenset[str]


def books(connection: sa.Connection, actor: Actor, day: date, *, after: str, size: int) -> tuple[list[Book], str]:
    """Return a page of the caller's transfers with receipts of the day in China, by id, and where the next begins."""
    first = to_micros(datetime.combine(day, time.min, BEIJING))
    last = to_micros(datetime.combine(day + timedelta(days=1), time.min, BEIJING))
    of_day = sa.or_(
        sa.and_(_c.sent_at >= first, _c.sent_at < last),
        sa.and_(_c.received_at >= first, _c.received_at < last),
        sa.and_(_c.is_received.is_(False), _c.sent_at < last),
    )
    t = transfers.c
    # A receipt that is gone leaves its transfer behind, which counts how many it has given.
    stepped = sa.and_(t.changed_at >= first, t.changed_at < last, t.receipts > 0, _takes_part(actor))
    touched = sa.union(
        sa.select(_c.transfer_id.label("id")).where(of_day, _is_own(actor)), sa.select(t.id).where(stepped)
    ).subquery()
    query = sa.select(touched.c.id).where(touched.c.id > after)
    keys = connection.execute(query.order_by(touched.c.id).limit(size + 1)).scalars().all()
    chosen = keys[:size]
    return _read(connection, actor, chosen), (chosen[-1] if len(keys) > size else "")


def own_receipts(connection: sa.Connection, actor: Actor, ids: Iterable[str]) -> dict[str, pb.Receipt]:
    """Return those of the receipts that the caller's organisation gave, was given, or supervises, by id."""
    query = sa.select(_c.body).where(_c.id.in_(list(ids)), _is_own(actor))
    found = map(pb.Receipt.FromString, connection.execute(query).scalars())
    return {receipt.id: receipt for receipt in found}


def _read(connection: sa.Connection, actor: Actor, keys: Sequence[str]) -> list[Book]:
    counts = sa.select(transfers.c.id, transfers.c.receipts, transfers.c.last_receipt).where(transfers.c.id.in_(keys))
    given = {row.id: Given(row.receipts, row.last_receipt) for row in connection.execute(counts)}
    bodies = sa.select(_c.transfer_id, _c.body, _is_own(actor).label("own")).where(_c.transfer_id.in_(keys))
    rows = connection.execute(bodies.order_by(_c.transfer_id, _c.number)).all()
    found = []
    for key in keys:
        mine = [(pb.Receipt.FromString(row.body), row.own) for row in rows if row.transfer_id == key]
        own = frozenset(receipt.id for receipt, is_own in mine if is_own)
        found.append(Book(key, given.get(key, Given(0, "")), [receipt for receipt, _ in mine], own))
    return found


def _is_own(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.or_(*(column == actor.agency_id for column in (_c.sender_id, _c.receiver_id, _c.supervisor_id)))


def _takes_part(actor: Actor) -> sa.ColumnElement[bool]:
    t = transfers.c
    return sa.or_(*(column == actor.agency_id for column in (t.sender_id, t.receiver_id, t.supervisor_id)))
