"""What is seen of transfers, tasks that a step of a case ends, and files that units send."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from liangfa_joint_meeting.tables import kept_files, limits_seen, steps_seen, transfers_seen

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
_NEW = (transfers_seen, steps_seen, limits_seen, kept_files)


def upgrade() -> None:
    """Create the tables and columns; a new database has them already. The tables fill themselves: their topic is new."""
    connection = op.get_bind()
    for table in _NEW:
        table.create(connection, checkfirst=True)
    if "awaits_step" in {column["name"] for column in sa.inspect(connection).get_columns("tasks")}:
        return
    op.add_column("tasks", sa.Column("case_id", sa.Text, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("given_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("awaits_step", sa.Text))
    op.create_index("tasks_step", "tasks", ["awaits_step"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("tasks_step", "tasks")
    for name in ("awaits_step", "given_at", "case_id"):
        op.drop_column("tasks", name)
    for table in reversed(_NEW):
        table.drop(op.get_bind())
