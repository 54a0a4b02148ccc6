"""What people read of transfers. Every statement is bounded and guarded by the same rule as the single record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_case_transfer.authority import OVERSEEING, may_see
from liangfa_case_transfer.errors import TransferNotFound
from liangfa_case_transfer.records import step_key
from liangfa_case_transfer.tables import clocks, former_receivers, receipts, taken_steps, transfers
from liangfa_kit.identity import Actor
from liangfa_kit.paging import after, from_token, page_size, to_token
from liangfa_kit.store.port import Store
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_standards.divisions import region_prefix


def transfer_body(connection: sa.Connection, transfer_id: str) -> bytes | None:
    """Return a stored transfer."""
    query = sa.select(transfers.c.body).where(transfers.c.id == transfer_id)
    body: bytes | None = connection.execute(query).scalar()
    return body


async def seen(store: Store, actor: Actor, transfer_id: str) -> pb.Transfer:
    """Return a transfer that `actor` may see. Raises `TransferNotFound`."""
    return _visible(await store.read(lambda c: transfer_body(c, transfer_id)), actor, transfer_id)


def _visible(body: bytes | None, actor: Actor, transfer_id: str) -> pb.Transfer:
    transfer = pb.Transfer.FromString(body or b"")
    if body is None or not may_see(actor, transfer):
        raise TransferNotFound(transfer_id)
    return transfer


def history(connection: sa.Connection, transfer_id: str, after_sequence: int, limit: int) -> Sequence[bytes]:
    """Return steps of a transfer after a sequence, oldest first."""
    c = taken_steps.c
    query = sa.select(c.body).where(c.id > step_key(transfer_id, after_sequence), c.id < f"{transfer_id}/~")
    return connection.execute(query.order_by(c.id).limit(limit)).scalars().all()


def newest_history(connection: sa.Connection, transfer_id: str, before_sequence: int, limit: int) -> Sequence[bytes]:
    """Return the newest steps of a transfer before a sequence (0: of all), oldest first."""
    c = taken_steps.c
    last = step_key(transfer_id, before_sequence) if before_sequence else f"{transfer_id}/~"
    query = sa.select(c.body).where(c.id > step_key(transfer_id, 0), c.id < last)
    return connection.execute(query.order_by(c.id.desc()).limit(limit)).scalars().all()[::-1]


def page_of_transfer(
    connection: sa.Connection, table: sa.Table, transfer_id: str, *, token: str, size: int
) -> tuple[list[bytes], str]:
    """Return a page of the clocks or receipts of a transfer, oldest first, the newest page first; the next one's token."""
    c = table.c
    query = sa.select(c.number, c.body).where(c.transfer_id == transfer_id).order_by(c.number.desc()).limit(size + 1)
    if token:
        query = query.where(c.number < from_token(token, int)[0])
    rows = connection.execute(query).all()
    more = to_token(rows[size - 1].number) if len(rows) > size else ""
    return [row.body for row in rows[:size]][::-1], more


def newest_and_open(connection: sa.Connection, table: sa.Table, transfer_id: str, size: int) -> tuple[list[bytes], str]:
    """Return the newest clocks or receipts of a transfer and all that run or wait, oldest first; where the older begin."""
    newest, more = page_of_transfer(connection, table, transfer_id, token="", size=size)
    if not more:
        return newest, ""
    c, (first,) = table.c, from_token(more, int)
    older = sa.select(c.body).where(c.open_of == transfer_id, c.number < first).order_by(c.number)
    return [*connection.execute(older).scalars(), *newest], more


@dataclass(frozen=True, slots=True)
class Opened:
    """A transfer with a page of its steps, its newest limits and receipts and all that are open, at one moment."""

    transfer: pb.Transfer
    steps: Sequence[bytes]
    clocks: Sequence[bytes]
    receipts: Sequence[bytes]
    more_clocks: str
    more_receipts: str


def opened(connection: sa.Connection, actor: Actor, request: rpc.GetTransferRequest) -> Opened:
    """Return what `actor` sees who opens a transfer. Raises `TransferNotFound`."""
    transfer = _visible(transfer_body(connection, request.transfer_id), actor, request.transfer_id)
    size, first = page_size(request.limit, 50, 1_000), max(0, request.after_sequence)
    part, place = (history, first) if first else (newest_history, max(0, request.before_sequence))
    steps = part(connection, transfer.id, place, size)
    running, more_clocks = newest_and_open(connection, clocks, transfer.id, size)
    given, more_receipts = newest_and_open(connection, receipts, transfer.id, size)
    return Opened(transfer, steps, running, given, more_clocks, more_receipts)


def of_transfer(connection: sa.Connection, table: sa.Table, order: str, transfer_id: str) -> Sequence[bytes]:
    """Return the clocks or receipts of a transfer."""
    query = sa.select(table.c.body).where(table.c.transfer_id == transfer_id).order_by(table.c[order])
    return connection.execute(query).scalars().all()


def transfer_page(
    connection: sa.Connection, actor: Actor, *, state: str, case_id: str, size: int, token: str
) -> tuple[list[bytes], str]:
    """Return a page of the transfers that `actor` may see, newest change first, and the token of the next."""
    query = sa.select(transfers.c.changed_at, transfers.c.id, transfers.c.body).where(_seen(actor))
    if state:
        query = query.where(transfers.c.state == state)
    if case_id:
        query = query.where(transfers.c.case_id == case_id)
    order = (transfers.c.changed_at, transfers.c.id)
    if token:
        query = query.where(after(order, from_token(token, int, str), descends=True))
    rows = connection.execute(query.order_by(*(c.desc() for c in order)).limit(size + 1)).all()
    more = to_token(rows[size - 1].changed_at, rows[size - 1].id) if len(rows) > size else ""
    return [row.body for row in rows[:size]], more


def running_clocks(
    connection: sa.Connection, actor: Actor, *, waiting_for: bool, now: int, limit: int
) -> tuple[Sequence[bytes], int, int]:
    """Return running limits that the actor's organisation owes, or waits for; how many there are, and how many overdue."""
    own = clocks.c.owes_id == actor.agency_id
    if waiting_for:
        takes_part = (clocks.c.sender_id, clocks.c.receiver_id, clocks.c.supervisor_id)
        own = sa.and_(clocks.c.owes_id != actor.agency_id, sa.or_(*(c == actor.agency_id for c in takes_part)))
    chosen = sa.and_(own, clocks.c.is_running.is_(True))
    query = sa.select(clocks.c.body).where(chosen).order_by(clocks.c.due_at.is_(None), clocks.c.due_at, clocks.c.id)
    overdue = sa.func.coalesce(sa.func.sum(sa.case((clocks.c.due_at <= now, 1), else_=0)), 0)
    total, late = connection.execute(sa.select(sa.func.count(), overdue).where(chosen)).one()
    return connection.execute(query.limit(limit)).scalars().all(), total, late


def receipts_of(
    connection: sa.Connection, actor: Actor, *, only_open: bool, token: str, size: int
) -> tuple[list[bytes], str]:
    """Return a page of the receipts that the actor's organisation gave, was given, or supervises, oldest first."""
    c = receipts.c
    query = sa.select(c.sent_at, c.id, c.body).where(_own_receipt(actor))
    if only_open:
        query = query.where(c.is_received.is_(False))
    if token:
        query = query.where(after((c.sent_at, c.id), from_token(token, int, str), descends=False))
    rows = connection.execute(query.order_by(c.sent_at, c.id).limit(size + 1)).all()
    more = to_token(rows[size - 1].sent_at, rows[size - 1].id) if len(rows) > size else ""
    return [row.body for row in rows[:size]], more


def _own_receipt(actor: Actor) -> sa.ColumnElement[bool]:
    c = receipts.c
    return sa.or_(*(column == actor.agency_id for column in (c.sender_id, c.receiver_id, c.supervisor_id)))


def due_alarms(connection: sa.Connection, now: int, limit: int) -> Sequence[Any]:
    """Return (clock id, transfer id) of clocks of which something is to be told, the longest due first: an index says."""
    query = (
        sa.select(clocks.c.id, clocks.c.transfer_id)
        .where(clocks.c.next_alarm_at <= now)
        .order_by(clocks.c.next_alarm_at)
        .limit(limit)
    )
    return connection.execute(query).all()


def next_alarm_at(connection: sa.Connection) -> int | None:
    """Return when something is to be told of a clock next, in microseconds UTC; None when of none: an index says."""
    query = sa.select(clocks.c.next_alarm_at).where(clocks.c.next_alarm_at.is_not(None))
    found: int | None = connection.execute(query.order_by(clocks.c.next_alarm_at).limit(1)).scalar()
    return found


def _seen(actor: Actor) -> sa.ColumnElement[bool]:
    """Return the condition that says what `authority.may_see` says."""
    c = transfers.c
    conditions = [column == actor.agency_id for column in (c.sender_id, c.receiver_id, c.supervisor_id)]
    former = former_receivers.c
    conditions.append(c.id.in_(sa.select(former.transfer_id).where(former.organisation_id == actor.agency_id)))
    if OVERSEEING & actor.roles:
        conditions.append(c.region.startswith(region_prefix(actor.region), autoescape=True))
    return sa.or_(*conditions)
