"""The kit's tables and those of case_transfer."""

from __future__ import annotations

from alembic import op

from liangfa_case_transfer.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything: the first schema is the table definitions themselves."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop everything."""
    metadata.drop_all(op.get_bind())
