"""The kit's own tables, which every service's database has beside the service's.

Column conventions of the whole project: ids TEXT (UUIDv7); instants BIGINT microseconds UTC named `*_at`;
dates TEXT `YYYY-MM-DD` named `*_on`; money BIGINT in 毫 (1 yuan = 10,000) named `*_hao`; booleans `is_*`, `has_*`.
A table that handlers write has exactly one primary-key column.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class KitTables:
    """The kit's tables within one service's metadata."""

    journal: sa.Table
    streams: sa.Table
    replies: sa.Table
    counters: sa.Table
    consumer_positions: sa.Table
    set_aside: sa.Table


def kit_tables(metadata: sa.MetaData) -> KitTables:
    """Add the kit's tables to `metadata` and return them."""
    return KitTables(
        journal=_journal(metadata),
        streams=sa.Table(
            "streams",
            metadata,
            sa.Column("stream", sa.Text, primary_key=True),
            sa.Column("version", sa.BigInteger, nullable=False),
            sa.Column("hash", sa.LargeBinary, nullable=False),
        ),
        replies=sa.Table(
            "replies",
            metadata,
            sa.Column("key", sa.Text, primary_key=True, comment="caller and request id"),
            sa.Column("command", sa.Text, nullable=False),
            sa.Column("fingerprint", sa.LargeBinary, nullable=False, comment="SHA-256 of the request bytes"),
            sa.Column("reply", sa.LargeBinary, nullable=False),
            sa.Column("at", sa.BigInteger, nullable=False),
        ),
        counters=sa.Table(
            "counters",
            metadata,
            sa.Column("name", sa.Text, primary_key=True, comment="journal | relay/<topic> | lease/<topic>"),
            sa.Column("value", sa.BigInteger, nullable=False),
        ),
        consumer_positions=sa.Table(
            "consumer_positions",
            metadata,
            sa.Column("key", sa.Text, primary_key=True, comment="<consumer>/<topic>/<partition>"),
            sa.Column("next_offset", sa.BigInteger, nullable=False),
            sa.Column("source_position", sa.BigInteger, nullable=False, comment="last journal position applied"),
        ),
        set_aside=_set_aside(metadata),
    )


def _journal(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "journal",
        metadata,
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("at_micros", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Index("journal_stream_version", "stream", "version", unique=True),
    )


def _set_aside(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "set_aside",
        metadata,
        sa.Column("key", sa.Text, primary_key=True, comment="<consumer>/<event id>"),
        sa.Column("consumer", sa.Text, nullable=False, index=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("headers", sa.Text, nullable=False, comment="JSON"),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("cause", sa.Text, nullable=False, comment="why it was set aside, for an operator"),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def journal_position(connection: sa.Connection, tables: KitTables) -> int:
    """Return the last position that the journal has given out, 0 for an empty one."""
    counter = sa.select(tables.counters.c.value).where(tables.counters.c.name == "journal")
    return int(connection.execute(counter).scalar() or 0)
