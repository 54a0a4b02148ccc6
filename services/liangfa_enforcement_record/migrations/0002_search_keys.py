"""Full-text documents are known by the id of their case; the number made out of the id goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from liangfa_enforcement_record.tables import CASE_TEXT
from liangfa_kit.store.migrate import create_search_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the numbers under which documents are indexed, beside their keys; a new database has them already."""
    connection = op.get_bind()
    if "search_id" not in {column["name"] for column in sa.inspect(connection).get_columns("cases")}:
        return
    create_search_index(connection, CASE_TEXT)
    op.execute(f"INSERT INTO {CASE_TEXT.name}_keys (number, key) SELECT search_id, id FROM cases")
    op.drop_index("cases_search_id", "cases")
    op.execute("ALTER TABLE cases DROP COLUMN search_id")


def downgrade() -> None:
    """Nothing: the release before cannot tell documents apart safely."""
