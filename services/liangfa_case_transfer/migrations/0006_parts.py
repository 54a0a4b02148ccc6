"""A case has as many transfers as it was split into."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the parts of a case stand beside each other; a new database has the column already."""
    if "part" in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("transfers")}:
        return
    op.add_column("transfers", sa.Column("part", sa.Text, nullable=False, server_default=""))
    op.drop_index("transfers_case_of_sender", "transfers")
    op.create_index("transfers_part_of_case", "transfers", ["case_id", "sender_id", "part"], unique=True)


def downgrade() -> None:
    """Nothing: the release before knows no case with two transfers."""
