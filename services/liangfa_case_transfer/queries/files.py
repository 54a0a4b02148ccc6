"""Which files the service must still have: what the journal says was issued or attached, for `liangfa verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import DecodeError

from liangfa_case_transfer.tables import KIT
from liangfa_kit.journal import Entry
from liangfa_kit.verify import KeptFile
from liangfa_protos.case_transfer.v1 import events_pb2

_CHUNK = 2_000


def _issued(entry: Entry) -> KeptFile:
    document = events_pb2.DocumentIssued.FromString(entry.payload).document
    return KeptFile(entry, document.sha256, document.size_bytes)


def _attached(entry: Entry) -> KeptFile:
    scan = events_pb2.SignedScanAttached.FromString(entry.payload).scan
    return KeptFile(entry, scan.sha256, scan.size_bytes)


_NAMING: dict[str, Callable[[Entry], KeptFile]] = {
    events_pb2.DocumentIssued.DESCRIPTOR.full_name: _issued,
    events_pb2.SignedScanAttached.DESCRIPTOR.full_name: _attached,
}


def kept_files(connection: sa.Connection) -> Iterator[KeptFile]:
    """Yield issued documents and signed copies that the journal names, in the order of the journal."""
    journal: Any = KIT.journal
    query = sa.select(journal).where(journal.c.type.in_(_NAMING)).order_by(journal.c.position)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query):
        entry = Entry(*row)
        try:
            yield _NAMING[entry.type](entry)
        except DecodeError:  # a damaged entry: the check of the chain names it
            continue
