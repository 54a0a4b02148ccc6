"""Which files the service must still have: what the journal says units have sent, for `liangfa verify`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import DecodeError

from liangfa_joint_meeting.tables import KIT
from liangfa_kit.journal import Entry
from liangfa_kit.verify import KeptFile
from liangfa_protos.joint_meeting.v1 import events_pb2

_CHUNK = 2_000


def journalled_files(connection: sa.Connection) -> Iterator[KeptFile]:
    """Yield the files that the journal says were kept, in its order, for `liangfa verify`."""
    journal: Any = KIT.journal
    query = sa.select(journal).where(journal.c.type == events_pb2.FileKept.DESCRIPTOR.full_name)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query.order_by(journal.c.position)):
        entry = Entry(*row)
        try:
            file = events_pb2.FileKept.FromString(entry.payload).file
        except DecodeError:  # a damaged entry: the check of the chain names it
            continue
        yield KeptFile(entry, file.sha256, file.size_bytes)
