"""A receipt says when it was signed for, so that the receipts of a day are found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from liangfa_case_transfer.tables import receipts
from liangfa_protos.case_transfer.v1 import transfer_pb2

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and both indexes, and fill the column from the receipts; a new database has them already."""
    connection = op.get_bind()
    if "received_at" in {column["name"] for column in sa.inspect(connection).get_columns("receipts")}:
        return
    op.add_column("receipts", sa.Column("received_at", sa.BigInteger))
    op.create_index("receipts_sent", "receipts", ["sent_at"])
    op.create_index("receipts_received", "receipts", ["received_at"])
    for key, body in connection.execute(sa.select(receipts.c.id, receipts.c.body).where(receipts.c.is_received)).all():
        at = transfer_pb2.Receipt.FromString(body).received_at.ToMicroseconds()
        connection.execute(sa.update(receipts).where(receipts.c.id == key).values(received_at=at))


def downgrade() -> None:
    """Drop them."""
    op.drop_index("receipts_received", "receipts")
    op.drop_index("receipts_sent", "receipts")
    op.drop_column("receipts", "received_at")
