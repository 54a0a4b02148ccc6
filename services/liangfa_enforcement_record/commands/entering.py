"""Putting a case on record with its screening: shared by the form, the short form and the import."""

from __future__ import annotations

from collections.abc import Sequence

from liangfa_enforcement_record.records import (
    case_row,
    case_stream,
    identity_keys,
    party_rows,
    screening_row,
    search_text,
    summary,
)
from liangfa_enforcement_record.screening import CaseScreening, Screened
from liangfa_enforcement_record.tables import CASE_TEXT, cases, party_records, screenings
from liangfa_kit.clock import to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2

REPORTED = frozenset({pb.SCREENING_OUTCOME_SUSPECTED, pb.SCREENING_OUTCOME_NEAR_MISS})
"""Outcomes that are told as events; a result that only lacks facts is stored and shown to the officer."""


def party_needs(case: pb.Case, region: str) -> tuple[Need, ...]:
    """Return the earlier records of the parties of a case in `region`, for cumulative amounts and repeat offenders."""
    keys = identity_keys(case, region)
    return (Need(party_records, "identity_key", keys),) if keys else ()


def earlier_records(case: pb.Case, work: Work) -> list[Row]:
    """Return the parties' records in other cases, oldest first."""
    keys = identity_keys(case, case.region)
    if not keys:
        return []
    rows = [row for key in keys for row in work.rows(party_records, "identity_key", key)]
    others = {row["id"]: row for row in rows if row["case_id"] != case.id}
    return sorted(others.values(), key=lambda row: (row["dated_on"], row["id"]))


def enter_case(
    case: pb.Case,
    work: Work,
    screening: CaseScreening,
    *,
    natural_key: str | None = None,
    row_hash: str | None = None,
    import_row: int = 0,
    remarks: Sequence[pb.Remark] = (),
) -> pb.Screening | None:
    """Store a complete new case, screen it, and record what happened. `case` is completed in place.

    Returns the stored result, None when it is clear.
    """
    at_micros = to_micros(work.now)
    case.id = work.new_id()
    case.version = 1
    case.registered_at.FromMicroseconds(at_micros)
    screened = screen_now(case, work, screening)
    work.save(cases, case_row(case, registered_at=at_micros, natural_key=natural_key, row_hash=row_hash))
    work.index(CASE_TEXT, case.id, search_text(case))
    for row in party_rows(case, screened, at_micros):
        work.save(party_records, row)
    event = events_pb2.CaseRegistered(case=case, import_row=import_row, remarks=remarks)
    work.record(case_stream(case.id), event)
    if screened.outcome == pb.SCREENING_OUTCOME_CLEAR:
        return None
    return keep_result(case, screened, work, before=())


def screen_now(case: pb.Case, work: Work, screening: CaseScreening) -> Screened:
    """Screen `case` and note the outcome on it."""
    screened = screening.screen(case, earlier_records(case, work))
    case.screening_outcome = screened.outcome
    case.library_version = screened.library_version
    return screened


def change_case(case: pb.Case, before: pb.Case, row: Row, work: Work, screening: CaseScreening) -> Screened:
    """Store a changed case and screen it anew; its version grows by one. The caller records why."""
    case.version = before.version + 1
    screened = screen_now(case, work, screening)
    _save(case, row, screened, work)
    if search_text(case) != search_text(before):
        work.index(CASE_TEXT, case.id, search_text(case), previous=search_text(before))
    for number in range(len(case.parties), len(before.parties)):
        work.remove(party_records, f"{case.id}/{number}")
    return screened


def screen_again(case: pb.Case, row: Row, work: Work, screening: CaseScreening) -> Screened:
    """Screen a stored case under the present rules. Its content and so its version stay as they are."""
    screened = screen_now(case, work, screening)
    _save(case, row, screened, work)
    return screened


def _save(case: pb.Case, row: Row, screened: Screened, work: Work) -> None:
    registered_at = row["registered_at"]
    kept = {"natural_key": row["natural_key"], "row_hash": row["row_hash"]}
    work.save(cases, case_row(case, registered_at=registered_at, **kept))
    for party_row in party_rows(case, screened, registered_at):
        work.save(party_records, party_row)


def keep_result(case: pb.Case, screened: Screened, work: Work, before: Sequence[Row]) -> pb.Screening:
    """Store a result that says something and tell it, unless the same was told before; return it as published.

    `before` are the case's earlier result rows: they stay, and are no longer the newest.
    """
    at_micros = to_micros(work.now)
    result = screened.published(case.id, at_micros)
    newest = next((row for row in before if row["is_newest"]), None)
    if newest is not None:
        known = pb.Screening.FromString(newest["body"])
        if _same(known, result):
            return known
        work.save(screenings, {**newest, "is_newest": False})
    if result.outcome != pb.SCREENING_OUTCOME_CLEAR or newest is not None:
        result.id = work.new_id()
        work.save(screenings, screening_row(case, result, at_micros))
    _tell(case, result, newest["outcome"] if newest is not None else pb.SCREENING_OUTCOME_CLEAR, work)
    return result


def _tell(case: pb.Case, result: pb.Screening, before: int, work: Work) -> None:
    """Record what the result means to a supervisor; `before` is the outcome that was told last."""
    stream, told = case_stream(case.id), summary(case)
    if result.outcome == pb.SCREENING_OUTCOME_SUSPECTED:
        work.record(stream, events_pb2.CrimeSuspected(case=told, screening=result))
    elif result.outcome != before and before in REPORTED:
        work.record(stream, events_pb2.CrimeCleared(case=told, screening=result))
    if result.outcome == pb.SCREENING_OUTCOME_NEAR_MISS:
        work.record(stream, events_pb2.NearMissFound(case=told, screening=result))


def _same(one: pb.Screening, other: pb.Screening) -> bool:
    """Tell whether two results say the same, whenever they were made."""
    if one.outcome != other.outcome or one.library_version != other.library_version:
        return False
    return list(one.offences) == list(other.offences) and list(one.near_misses) == list(other.near_misses)
