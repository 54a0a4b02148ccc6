"""The tables of case_transfer. Whole contents are published messages in `body`; columns are what queries ask."""

from __future__ import annotations

import sqlalchemy as sa

from liangfa_kit.store.tables import kit_tables

metadata = sa.MetaData()
KIT = kit_tables(metadata)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("receiver_id", sa.Text, nullable=False),
    sa.Column("supervisor_id", sa.Text, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("steps", sa.BigInteger, nullable=False, comment="how many steps were taken"),
    sa.Column("receipts", sa.BigInteger, nullable=False, comment="how many receipts were given"),
    sa.Column("last_receipt", sa.Text, nullable=False, comment="SHA-256 of the newest receipt's statement"),
    sa.Column("clocks", sa.BigInteger, nullable=False, comment="how many limits were started"),
    sa.Column(
        "part", sa.Text, nullable=False, comment="empty, or its own id when it was split off: the case has several"
    ),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Transfer"),
    sa.Index("transfers_part_of_case", "case_id", "sender_id", "part", unique=True),
    sa.Index("transfers_changed", "changed_at", "id"),
    sa.Index("transfers_sender", "sender_id", "changed_at"),
    sa.Index("transfers_receiver", "receiver_id", "changed_at"),
)

former_receivers = sa.Table(
    "former_receivers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<transfer id>/<organisation id>"),
    sa.Column("transfer_id", sa.Text, nullable=False),
    sa.Column("organisation_id", sa.Text, nullable=False),
    sa.Index("former_receivers_organisation", "organisation_id", "transfer_id"),
)
"""Police organs that had a transfer before its receiver: they go on seeing it."""

taken_steps = sa.Table(
    "taken_steps",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<transfer id>/<sequence, ten digits>"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised TakenStep"),
)
"""The history of a transfer, read in pages by its primary key: a long one costs no more than a short one."""

clocks = sa.Table(
    "clocks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<transfer id>/<rule>/<number>"),
    sa.Column("transfer_id", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False, comment="place among the limits of the transfer"),
    sa.Column("is_running", sa.Boolean, nullable=False, comment="running or suspended"),
    sa.Column("open_of", sa.Text, comment="the transfer, while a step can touch it: a step loads those and no others"),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("receiver_id", sa.Text, nullable=False),
    sa.Column("supervisor_id", sa.Text, nullable=False),
    sa.Column("owes_id", sa.Text, nullable=False),
    sa.Column("due_at", sa.BigInteger, comment="first instant too late; NULL while suspended"),
    sa.Column("next_alarm_at", sa.BigInteger, comment="when something is to be told of it; NULL: nothing any more"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Clock"),
    sa.Index("clocks_of_transfer", "transfer_id", "number", unique=True),
    sa.Index("clocks_open", "open_of"),
    sa.Index("clocks_alarm", "next_alarm_at"),
    sa.Index("clocks_owed", "owes_id", "is_running", "due_at"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("transfer_id", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("receiver_id", sa.Text, nullable=False),
    sa.Column("supervisor_id", sa.Text, nullable=False),
    sa.Column("is_received", sa.Boolean, nullable=False),
    sa.Column("open_of", sa.Text, comment="the transfer, while nobody has signed for it"),
    sa.Column("sent_at", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.BigInteger, comment="NULL while open"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Receipt"),
    sa.Index("receipts_waiting", "open_of"),
    sa.Index("receipts_transfer", "transfer_id", "number", unique=True),
    sa.Index("receipts_open", "is_received", "sent_at"),
    sa.Index("receipts_sent", "sent_at"),
    sa.Index("receipts_received", "received_at"),
)

issued_documents = sa.Table(
    "issued_documents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<document id>/<version, four digits>"),
    sa.Column("document_id", sa.Text, nullable=False),
    sa.Column("transfer_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("issuer_id", sa.Text, nullable=False),
    sa.Column("is_handed_over", sa.Boolean, nullable=False, comment="a step has handed this version to somebody"),
    sa.Column("serial_number", sa.Text, comment="number in the form of a series; NULL: none is"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised IssuedDocument"),
    sa.Index("issued_documents_number", "serial_number", "version", unique=True),
    sa.Index("issued_documents_document", "document_id"),
    sa.Index("issued_documents_transfer", "transfer_id", "id"),
)

number_series = sa.Table(
    "number_series",
    metadata,
    sa.Column(
        "id",
        sa.Text,
        primary_key=True,
        comment="<code word>/<year in Beijing>; with /by_hand, /on_paper/<organisation> for those given so",
    ),
    sa.Column("code_word", sa.Text, nullable=False),
    sa.Column("organisation_id", sa.Text, nullable=False, comment="the first that numbered with this code word"),
    sa.Column("last_serial", sa.Integer, nullable=False),
    sa.Index("number_series_code_word", "code_word"),
)
