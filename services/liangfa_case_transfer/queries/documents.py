"""What people read of documents. What a caller may see of a transfer's documents is asked of the rows that a page loads."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from liangfa_case_transfer.tables import issued_documents, number_series
from liangfa_kit.identity import Actor
from liangfa_kit.paging import after, from_token, to_token
from liangfa_kit.store.port import Row


def document_page(
    connection: sa.Connection, actor: Actor, transfer_id: str, *, kind: str, size: int, token: str
) -> tuple[list[bytes], str]:
    """Return a page of the documents of a transfer, every version, oldest first, and the token of the next.

    Another organisation's documents are among them once they were handed over: to whom is asked of each.
    """
    c = issued_documents.c
    is_open = sa.or_(c.issuer_id == actor.agency_id, c.is_handed_over.is_(True))
    query = sa.select(c.id, c.body).where(c.transfer_id == transfer_id, is_open)
    if kind:
        query = query.where(c.kind == kind)
    if token:
        query = query.where(after((c.id,), from_token(token, str), descends=False))
    rows = connection.execute(query.order_by(c.id).limit(size + 1)).all()
    more = to_token(rows[size - 1].id) if len(rows) > size else ""
    return [row.body for row in rows[:size]], more


def series(connection: sa.Connection, code_word: str) -> list[Row]:
    """Return the series of a code word, a row for each year."""
    query = sa.select(number_series).where(number_series.c.code_word == code_word)
    return [dict(row) for row in connection.execute(query).mappings()]


def of_documents(connection: sa.Connection, transfer_id: str, document_ids: Sequence[str]) -> Sequence[bytes]:
    """Return every version of several documents of a transfer, oldest first."""
    c = issued_documents.c
    query = sa.select(c.body).where(c.document_id.in_(document_ids), c.transfer_id == transfer_id).order_by(c.id)
    return connection.execute(query).scalars().all()
