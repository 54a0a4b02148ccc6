"""The kit's tables, those of joint_meeting and its full-text indexes."""

from __future__ import annotations

from alembic import op

from liangfa_joint_meeting.tables import MESSAGE_TEXT, PRECEDENT_TEXT, QUESTION_TEXT, metadata
from liangfa_kit.store.migrate import create_search_index, drop_search_index

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything: the first schema is the table definitions themselves."""
    metadata.create_all(op.get_bind())
    for index in (QUESTION_TEXT, MESSAGE_TEXT, PRECEDENT_TEXT):
        create_search_index(op.get_bind(), index)


def downgrade() -> None:
    """Drop everything."""
    for index in (QUESTION_TEXT, MESSAGE_TEXT, PRECEDENT_TEXT):
        drop_search_index(op.get_bind(), index)
    metadata.drop_all(op.get_bind())
