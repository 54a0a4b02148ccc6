"""Supervision orders, and when a transfer lies still for too long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from liangfa_supervision.tables import orders

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the columns; a new database has them already."""
    connection = op.get_bind()
    orders.create(connection, checkfirst=True)
    if "stalls_at" in {column["name"] for column in sa.inspect(connection).get_columns("transfer_progress")}:
        return
    op.add_column("transfer_progress", sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("transfer_progress", sa.Column("stalls_at", sa.BigInteger))
    op.create_index("ix_transfer_progress_stalls_at", "transfer_progress", ["stalls_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_transfer_progress_stalls_at", "transfer_progress")
    for name in ("stalls_at", "changed_at"):
        op.drop_column("transfer_progress", name)
    orders.drop(op.get_bind())
