"""The tables of joint_meeting. Whole contents are published messages in `body`; columns are what queries ask."""

from __future__ import annotations

import sqlalchemy as sa

from liangfa_kit.store.port import SearchIndex
from liangfa_kit.store.tables import kit_tables

metadata = sa.MetaData()
KIT = kit_tables(metadata)
QUESTION_TEXT = SearchIndex("question_text")
"""Full text over title, question, cause and offence of a consultation."""
MESSAGE_TEXT = SearchIndex("message_text")
"""Full text over what was said, and over views and grounds of answers (a notice in the conversation)."""
PRECEDENT_TEXT = SearchIndex("precedent_text")
"""Full text over precedents."""

units = sa.Table(
    "units",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="agency id of its people"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False, index=True),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Unit"),
)

consultations = sa.Table(
    "consultations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("asker_unit_id", sa.Text, nullable=False, index=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("asked_at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Consultation without its lists"),
    sa.Index("consultations_asked", "asked_at"),
)

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("consultation_id", sa.Text, primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
)
"""The end of each conversation: what every message changes, kept apart from the question so that a message writes little."""

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<consultation id>/<unit id>"),
    sa.Column("consultation_id", sa.Text, nullable=False, index=True),
    sa.Column("unit_id", sa.Text, nullable=False),
    sa.Column("unit_name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("role", sa.Integer, nullable=False),
    sa.Column("is_present", sa.Boolean, nullable=False, comment="false once it has left"),
    sa.Column("joined_at", sa.BigInteger, nullable=False),
    sa.Column("left_at", sa.BigInteger),
    sa.Index("participants_unit", "unit_id", "is_present"),
)

reply_clocks = sa.Table(
    "reply_clocks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consultation_id", sa.Text, nullable=False, index=True),
    sa.Column("unit_id", sa.Text, nullable=False),
    sa.Column("unit_name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("rule_id", sa.Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False, comment="the first instant that is too late"),
    sa.Column("answered_at", sa.BigInteger),
    sa.Column("ended_at", sa.BigInteger, comment="when the answer was given or was no longer owed"),
    sa.Column("reminded_at", sa.BigInteger),
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("next_alarm_at", sa.BigInteger, comment="NULL when nothing is left to tell"),
    sa.Index("reply_clocks_alarm", "next_alarm_at"),
    sa.Index("reply_clocks_unit", "unit_id", "started_at"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consultation_id", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("author_person_id", sa.Text, nullable=False, comment="empty for the platform's notices"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Message"),
    sa.Index("messages_sequence", "consultation_id", "sequence", unique=True),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<consultation id>/<person id>"),
    sa.Column("consultation_id", sa.Text, nullable=False, index=True),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("person_name", sa.Text, nullable=False),
    sa.Column("unit_id", sa.Text, nullable=False),
    sa.Column("delivered_sequence", sa.BigInteger, nullable=False),
    sa.Column("read_sequence", sa.BigInteger, nullable=False),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consultation_id", sa.Text, nullable=False, index=True),
    sa.Column("unit_id", sa.Text, nullable=False),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("signed_at", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Answer"),
    sa.Index("answers_number", "unit_id", "year", "number", unique=True),
)

kept_files = sa.Table(
    "kept_files",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<unit id>/<SHA-256>"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)
"""Files that a unit has sent: it alone may attach them, or whoever knows a hash could read what others keep."""

document_counts = sa.Table(
    "document_counts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<kind of document>/<unit id>/<year>"),
    sa.Column("last_number", sa.BigInteger, nullable=False),
)

precedents = sa.Table(
    "precedents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("consultation_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("offence_name_zh", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("published_at", sa.BigInteger, nullable=False),
    sa.Column("is_withdrawn", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Precedent"),
    sa.Index("precedents_consultation", "consultation_id"),
    sa.Index("precedents_published", "published_at"),
)

meeting_rules = sa.Table(
    "meeting_rules",
    metadata,
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("next_due_at", sa.BigInteger, nullable=False, comment="when the next regular meeting is due"),
    sa.Column("next_alarm_at", sa.BigInteger, comment="when the convener is reminded; NULL once it was told"),
    sa.Column("last_meeting_at", sa.BigInteger, nullable=False, comment="from when figures of the period count"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised MeetingRule"),
    sa.Index("meeting_rules_alarm", "next_alarm_at"),
)

special_requests = sa.Table(
    "special_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False, index=True),
    sa.Column("unit_id", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
)

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False, index=True),
    sa.Column("is_taken", sa.Boolean, nullable=False, comment="on the agenda of a meeting"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised AgendaItem"),
)

meetings = sa.Table(
    "meetings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("starts_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Meeting"),
    sa.Index("meetings_region", "region", "starts_at"),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False, index=True),
    sa.Column("owner_unit_id", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False, comment="the first instant that is too late"),
    sa.Column("next_alarm_at", sa.BigInteger, comment="NULL when nothing is left to tell"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="serialised Task"),
    sa.Column("case_id", sa.Text, nullable=False, server_default="", comment="empty when it is about none"),
    sa.Column("given_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("awaits_step", sa.Text, comment="step of the case that would end it; NULL for none, and once it is done"),
    sa.Index("tasks_alarm", "next_alarm_at"),
    sa.Index("tasks_step", "awaits_step"),
)

cases_seen = sa.Table(
    "cases_seen",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("is_suspected", sa.Boolean, nullable=False, comment="and no reviewer has rejected it"),
    sa.Column("is_cumulative", sa.Boolean, nullable=False, comment="amounts of one party reach the standard together"),
    sa.Column("suspected_at", sa.BigInteger),
    sa.Column("offence_name_zh", sa.Text, nullable=False),
    sa.Index("cases_seen_region", "region", "registered_at"),
)
"""What this service knows of cases: a read model of what enforcement_record has published, for figures and agendas."""

transfers_seen = sa.Table(
    "transfers_seen",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="transfer"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("police_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="an id of the procedure's states"),
    sa.Column("is_with_police", sa.Boolean, nullable=False, comment="and was not taken back"),
    sa.Index("transfers_seen_case", "case_id", "agency_id"),
    sa.Index("transfers_seen_agency", "agency_id", "state"),
)
"""Where each transfer stands: a read model of what case_transfer has published."""

steps_seen = sa.Table(
    "steps_seen",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="<transfer id>/<sequence>"),
    sa.Column("transfer_id", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("step", sa.Text, nullable=False, comment="an id of the procedure's steps"),
    sa.Column("reached", sa.Text, nullable=False, comment="state that the transfer came to; empty when it stayed"),
    sa.Column("by_unit_id", sa.Text, nullable=False, comment="unit of whoever took it"),
    sa.Column("agency_id", sa.Text, nullable=False),
    sa.Column("police_id", sa.Text, nullable=False, comment="receiver after the step"),
    sa.Column("happened_at", sa.BigInteger, nullable=False),
    sa.Column("entered_at", sa.BigInteger, nullable=False),
    sa.Index("steps_seen_case", "case_id", "step", "by_unit_id"),
    sa.Index("steps_seen_agency", "agency_id", "happened_at"),
    sa.Index("steps_seen_police", "police_id", "happened_at"),
)
"""The steps of transfers: for the figures of a period, and for tasks that require one."""

limits_seen = sa.Table(
    "limits_seen",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="clock"),
    sa.Column("owes_id", sa.Text, nullable=False, comment="unit that owes the step"),
    sa.Column("title_zh", sa.Text, nullable=False, comment="what was to be done"),
    sa.Column("is_opinion", sa.Boolean, nullable=False, comment="it follows an opinion of the procuratorate"),
    sa.Column("missed_at", sa.BigInteger, nullable=False, comment="first instant that was too late"),
    sa.Column("is_missed_still", sa.Boolean, nullable=False),
    sa.Index("limits_seen_unit", "owes_id", "missed_at"),
)
"""Limits of transfers that were missed."""
