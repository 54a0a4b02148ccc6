"""The read models of supervision. Every row here can be rebuilt from the events."""

from __future__ import annotations

import sqlalchemy as sa

from liangfa_kit.store.tables import kit_tables

metadata = sa.MetaData()
KIT = kit_tables(metadata)

feed = sa.Table(
    "feed",
    metadata,
    sa.Column("cursor", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("item", sa.LargeBinary, nullable=False, comment="serialised FeedItem: sent as it is to every watcher"),
)

feed_end = sa.Table(
    "feed_end",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="always 'feed'"),
    sa.Column("cursor", sa.BigInteger, nullable=False, comment="newest cursor of the feed"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<kind>/<case id>"),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("raised_at", sa.BigInteger, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("agency_name", sa.Text, nullable=False),
    sa.Column("text_zh", sa.Text, nullable=False),
    sa.Column("text_en", sa.Text, nullable=False),
    sa.Column("offence_id", sa.Text, nullable=False),
    sa.Column("offence_name_zh", sa.Text, nullable=False),
    sa.Column("is_closed", sa.Boolean, nullable=False),
    sa.Index("alerts_open", "is_closed", "severity", "raised_at"),
)

case_counts = sa.Table(
    "case_counts",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("agency_name", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False, comment="kind of agency"),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False, comment="month of entry, Beijing calendar, YYYY-MM"),
    sa.Column("is_decided", sa.Boolean, nullable=False),
    sa.Column("is_suspected", sa.Boolean, nullable=False),
    sa.Column("is_near_miss", sa.Boolean, nullable=False),
    sa.Column("is_late", sa.Boolean, nullable=False),
    sa.Column("offence_id", sa.Text, nullable=False),
    sa.Column("offence_name_zh", sa.Text, nullable=False),
    sa.Column("fine_hao", sa.BigInteger, nullable=False),
    sa.Index("case_counts_region_month", "region", "month"),
)

transfer_progress = sa.Table(
    "transfer_progress",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="transfer id"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("agency_id", sa.Text, nullable=False, comment="who transfers"),
    sa.Column("agency_name", sa.Text, nullable=False),
    sa.Column("police_id", sa.Text, nullable=False, comment="police organ that has the case now"),
    sa.Column("police_name", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False, comment="month of opening, Beijing calendar, YYYY-MM"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("is_delivered", sa.Boolean, nullable=False),
    sa.Column("is_accepted", sa.Boolean, nullable=False),
    sa.Column("is_filed", sa.Boolean, nullable=False),
    sa.Column("is_refused", sa.Boolean, nullable=False),
    sa.Column("is_prosecuted", sa.Boolean, nullable=False),
    sa.Column("is_judged", sa.Boolean, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0", comment="when the last step happened"),
    sa.Column("stalls_at", sa.BigInteger, index=True, comment="when it lies still for too long; NULL: told, or closed"),
    sa.Index("transfer_progress_region_month", "region", "month"),
)
"""How far each transfer has come. The columns `is_delivered` to `is_judged` say what it has ever reached."""

stays = sa.Table(
    "stays",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<transfer id>/<sequence of the step that led there>"),
    sa.Column("open_of", sa.Text, index=True, comment="transfer id while it lies there; NULL once it has left"),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("agency_id", sa.Text, nullable=False, comment="who transfers"),
    sa.Column("organisation_id", sa.Text, nullable=False, comment="whose turn it is in this state"),
    sa.Column("organisation_name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("entered_at", sa.BigInteger, nullable=False),
    sa.Column("left_at", sa.BigInteger),
    sa.Index("stays_region", "region", "organisation_id", "state"),
)
"""Where transfers lie and lay: one row for each time that one was in a state."""

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False, comment="of the issuer"),
    sa.Column("issuer_id", sa.Text, nullable=False),
    sa.Column("addressee_id", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False, comment="neither closed nor withdrawn"),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("next_alarm_at", sa.BigInteger, index=True, comment="when something is to be told of it; NULL: nothing"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Order"),
    sa.Index("orders_addressee", "addressee_id", "is_open", "due_at"),
    sa.Index("orders_region", "region", "is_open", "due_at"),
)
"""Supervision orders: what supervision itself owns. No rebuild touches them."""
