"""Issued documents and the series of their numbers."""

from __future__ import annotations

from alembic import op

from liangfa_case_transfer.tables import issued_documents, metadata, number_series

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables; a new database has them already."""
    metadata.create_all(op.get_bind(), tables=[issued_documents, number_series])


def downgrade() -> None:
    """Drop both tables."""
    metadata.drop_all(op.get_bind(), tables=[issued_documents, number_series])
