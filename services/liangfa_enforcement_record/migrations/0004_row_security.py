"""On PostgreSQL a reader sees the cases of its own scope alone, whatever its query forgets."""

from __future__ import annotations

from alembic import op

from liangfa_kit.store.fence import fence_by_parent, fence_owned, unfence

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PARTS = ("party_records", "steps", "evidence")


def upgrade() -> None:
    """Fence cases, and what belongs to a case."""
    fence_owned(op.get_bind(), "cases", "agency_id", "region")
    for table in _PARTS:
        fence_by_parent(op.get_bind(), table, "case_id", "cases", "agency_id")


def downgrade() -> None:
    """Take the fences away."""
    for table in (*_PARTS, "cases"):
        unfence(op.get_bind(), table)
