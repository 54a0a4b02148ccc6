"""Stored cases as the screening takes them, to try other rules on what is really there."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from liangfa_enforcement_record.records import identity_keys
from liangfa_enforcement_record.screening import to_earlier, to_input
from liangfa_enforcement_record.tables import cases, party_records
from liangfa_kit.store.port import Row
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_screening import Earlier, ScreeningInput

_AT_ONCE = 500


def stored_inputs(connection: sa.Connection) -> Iterator[tuple[pb.Case, ScreeningInput, list[Earlier]]]:
    """Yield every case in the order of entry, with its parties' records that were there when it was entered.

    What the records hold of facts was read by the rules of their day. Memory is bounded: some hundreds at once.
    """
    after: tuple[int, str] = (-1, "")
    while rows := connection.execute(_page(after)).all():
        after = (rows[-1].registered_at, rows[-1].id)
        found = [pb.Case.FromString(row.body) for row in rows]
        keys = [identity_keys(case, case.region) for case in found]
        earlier = _records(connection, {key for some in keys for key in some})
        for row, case, own in zip(rows, found, keys, strict=True):
            records = {
                record["id"]: record
                for key in own
                for record in earlier.get(key, ())
                if (record["registered_at"], record["case_id"]) < (row.registered_at, row.id)
            }
            ordered = sorted(records.values(), key=lambda record: (record["dated_on"], record["id"]))
            yield case, to_input(case), [to_earlier(record) for record in ordered]


def _page(after: tuple[int, str]) -> sa.Select[tuple[int, str, bytes]]:
    later = sa.tuple_(cases.c.registered_at, cases.c.id) > sa.tuple_(*map(sa.literal, after))
    chosen = sa.select(cases.c.registered_at, cases.c.id, cases.c.body)
    return chosen.where(later).order_by(cases.c.registered_at, cases.c.id).limit(_AT_ONCE)


def _records(connection: sa.Connection, keys: set[str]) -> dict[str, list[Row]]:
    if not keys:
        return {}
    joined = party_records.join(cases, cases.c.id == party_records.c.case_id)
    query = sa.select(party_records, cases.c.registered_at).select_from(joined)
    by_key: dict[str, list[Row]] = {}
    for row in connection.execute(query.where(party_records.c.identity_key.in_(sorted(keys)))).mappings():
        by_key.setdefault(row["identity_key"], []).append(dict(row))
    return by_key
