"""An import says which process is at work on it and when that process was last heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns; a new database has them already."""
    if "worker" in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("imports")}:
        return
    op.add_column("imports", sa.Column("worker", sa.Text, nullable=False, server_default=""))
    op.add_column("imports", sa.Column("seen_at", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop both columns."""
    op.drop_column("imports", "seen_at")
    op.drop_column("imports", "worker")
