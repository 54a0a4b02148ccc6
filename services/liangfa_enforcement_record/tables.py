"""The tables of enforcement_record. A case's whole content is its published message in `body`; columns are what queries ask."""

from __future__ import annotations

import sqlalchemy as sa

from liangfa_kit.store.port import SearchIndex
from liangfa_kit.store.tables import kit_tables

metadata = sa.MetaData()
KIT = kit_tables(metadata)
CASE_TEXT = SearchIndex("case_text")
"""Full text over title, cause, narrative, party names and document number."""

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False, comment="counts changes of content"),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("agency_name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("party_names", sa.Text, nullable=False, comment="joined by 、"),
    sa.Column("document_number", sa.Text, nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("decided_on", sa.Text, nullable=False),
    sa.Column("fine_hao", sa.BigInteger, nullable=False),
    sa.Column("amount_hao", sa.BigInteger, nullable=False, comment="amount involved"),
    sa.Column("case_number", sa.Text, nullable=False),
    sa.Column("screening_outcome", sa.Integer, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("natural_key", sa.Text, comment="agency, document number and party of an imported row"),
    sa.Column("row_hash", sa.Text, comment="content of an imported row, to know a revised one"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Case"),
    sa.Index("cases_natural_key", "natural_key", unique=True),
    sa.Index("cases_agency", "agency_id", "registered_at"),
    sa.Index("cases_registered", "registered_at"),
    sa.Index("cases_counts", "region", "agency_id", "stage", "screening_outcome"),
    sa.Index("cases_decided", "decided_on"),
    sa.Index("cases_document", "document_number"),
    sa.Index("cases_number", "case_number"),
)

party_records = sa.Table(
    "party_records",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<case id>/<number>"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column(
        "identity_key",
        sa.Text,
        nullable=False,
        index=True,
        comment="code, or name and city without one; empty for a party that later cases need not look at",
    ),
    sa.Column("code", sa.Text, nullable=False, index=True, comment="uscc or identity number"),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("dated_on", sa.Text, nullable=False, comment="decision, else occurrence, else entry"),
    sa.Column("is_penalised", sa.Boolean, nullable=False),
    sa.Column("screening_facts", sa.Text, nullable=False, comment="JSON: what the screening needs to add cases up"),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("done_at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Step"),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("is_attached", sa.Boolean, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Evidence"),
)

screenings = sa.Table(
    "screenings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("outcome", sa.Integer, nullable=False),
    sa.Column("offence_id", sa.Text, nullable=False),
    sa.Column("standard_id", sa.Text, nullable=False),
    sa.Column("name_zh", sa.Text, nullable=False),
    sa.Column("screened_at", sa.BigInteger, nullable=False),
    sa.Column("is_newest", sa.Boolean, nullable=False, comment="the case's present result"),
    sa.Column("is_accepted", sa.Boolean, comment="a reviewer's verdict; NULL without one"),
    sa.Column("corrected_offence_id", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Screening"),
    sa.Index("screenings_newest", "is_newest", "outcome", "screened_at"),
)

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("importer", sa.Text, nullable=False, comment="JSON of the actor who imports"),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("mapping", sa.Text, nullable=False, comment="confirmed mapping, YAML; empty for a recognised layout"),
    sa.Column("state", sa.Text, nullable=False, comment="running, finished, failed"),
    sa.Column("is_dry_run", sa.Boolean, nullable=False),
    sa.Column("next_row", sa.BigInteger, nullable=False, comment="first outcome not yet entered, counted from 0"),
    sa.Column("progress", sa.LargeBinary, nullable=False, comment="serialised ImportProgress"),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("worker", sa.Text, nullable=False, server_default="", comment="process at work on it; empty for none"),
    sa.Column("seen_at", sa.BigInteger, nullable=False, server_default="0", comment="when that process last said so"),
)

import_rows = sa.Table(
    "import_rows",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<import id>/<row>"),
    sa.Column("import_id", sa.Text, nullable=False),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("is_corrected", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised RejectedRow"),
    sa.Index("import_rows_row", "import_id", "row"),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("import_id", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Finding"),
)
