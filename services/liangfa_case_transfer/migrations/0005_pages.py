"""A step loads what runs and what waits, and a long history is read in pages: by columns and indexes of their own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from liangfa_case_transfer.tables import clocks, transfers
from liangfa_case_transfer.timing import is_open
from liangfa_protos.case_transfer.v1 import transfer_pb2

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add and fill them; a new database has them already."""
    connection = op.get_bind()
    if "open_of" in {column["name"] for column in sa.inspect(connection).get_columns("clocks")}:
        return
    op.add_column("transfers", sa.Column("clocks", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("clocks", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("clocks", sa.Column("open_of", sa.Text))
    op.add_column("receipts", sa.Column("open_of", sa.Text))
    op.execute("UPDATE receipts SET open_of = transfer_id WHERE NOT is_received")
    _number(connection)
    op.drop_index("clocks_transfer", "clocks")
    op.create_index("clocks_of_transfer", "clocks", ["transfer_id", "number"], unique=True)
    op.create_index("clocks_open", "clocks", ["open_of"])
    op.create_index("receipts_waiting", "receipts", ["open_of"])


def _number(connection: sa.Connection) -> None:
    """Number the limits of each transfer in the order in which they began."""
    counts: dict[str, int] = {}
    values: dict[str, Any]
    rows = connection.execute(sa.select(clocks.c.id, clocks.c.transfer_id, clocks.c.body)).all()
    found = [(row.transfer_id, transfer_pb2.Clock.FromString(row.body)) for row in rows]
    for transfer_id, clock in sorted(found, key=lambda one: (one[1].started_at.ToMicroseconds(), one[1].id)):
        clock.number = counts[transfer_id] = counts.get(transfer_id, 0) + 1
        values = {"number": clock.number, "body": clock.SerializeToString(deterministic=True)}
        values["open_of"] = transfer_id if is_open(clock) else None
        connection.execute(sa.update(clocks).where(clocks.c.id == clock.id).values(values))
    for transfer_id, count in counts.items():
        connection.execute(sa.update(transfers).where(transfers.c.id == transfer_id).values(clocks=count))


def downgrade() -> None:
    """Nothing: the release before numbers limits anew, and would give a number twice."""
