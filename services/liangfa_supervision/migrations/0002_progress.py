"""How far transfers have come, and where they lay."""

from __future__ import annotations

from alembic import op

from liangfa_supervision.tables import stays, transfer_progress

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; a new database has them already. `liangfa events rebuild` fills them from the events."""
    for table in (transfer_progress, stays):
        table.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Drop them."""
    for table in (stays, transfer_progress):
        table.drop(op.get_bind())
