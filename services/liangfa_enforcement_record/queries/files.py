"""Which files the record must still have: what the journal says was attached or imported, for `liangfa verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import DecodeError

from liangfa_enforcement_record.tables import KIT
from liangfa_kit.journal import Entry
from liangfa_kit.verify import KeptFile
from liangfa_protos.enforcement_record.v1 import events_pb2

_CHUNK = 2_000


def _attached(entry: Entry) -> KeptFile:
    evidence = events_pb2.EvidenceAttached.FromString(entry.payload).evidence
    return KeptFile(entry, evidence.sha256, evidence.size_bytes)


def _imported(entry: Entry) -> KeptFile:
    return KeptFile(entry, events_pb2.ImportStarted.FromString(entry.payload).sha256)


_NAMING: dict[str, Callable[[Entry], KeptFile]] = {
    events_pb2.EvidenceAttached.DESCRIPTOR.full_name: _attached,
    events_pb2.ImportStarted.DESCRIPTOR.full_name: _imported,
}


def kept_files(connection: sa.Connection) -> Iterator[KeptFile]:
    """Yield the files of evidence and the imported tables that the journal names, in the order of the journal.

    The journal is asked, not the table of evidence: its chain shows whether somebody has changed it.
    """
    journal: Any = KIT.journal
    query = sa.select(journal).where(journal.c.type.in_(_NAMING)).order_by(journal.c.position)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query):
        entry = Entry(*row)
        try:
            yield _NAMING[entry.type](entry)
        except DecodeError:  # a damaged entry: the check of the chain names it
            continue
