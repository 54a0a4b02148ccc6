"""The kit's tables, the records and their full-text index."""

from __future__ import annotations

from alembic import op

from liangfa_enforcement_record.tables import CASE_TEXT, metadata
from liangfa_kit.store.migrate import create_search_index, drop_search_index

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything: the first schema is the table definitions themselves."""
    metadata.create_all(op.get_bind())
    create_search_index(op.get_bind(), CASE_TEXT)


def downgrade() -> None:
    """Drop everything."""
    drop_search_index(op.get_bind(), CASE_TEXT)
    metadata.drop_all(op.get_bind())
