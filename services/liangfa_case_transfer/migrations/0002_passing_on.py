"""A case number counts within its agency; police organs that had a transfer go on seeing it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from liangfa_case_transfer.tables import former_receivers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change what an older database has; a new one is like this from its first migration on."""
    connection = op.get_bind()
    former_receivers.create(connection, checkfirst=True)
    if "transfers_case" in {index["name"] for index in sa.inspect(connection).get_indexes("transfers")}:
        op.drop_index("transfers_case", "transfers")
        op.create_index("transfers_case_of_sender", "transfers", ["case_id", "sender_id"], unique=True)  # until 0006


def downgrade() -> None:
    """Nothing: two agencies may by then have a case of one number."""
