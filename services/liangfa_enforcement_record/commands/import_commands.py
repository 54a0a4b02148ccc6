"""Commands of an import: begin it, enter a chunk of rows, take a revised or a corrected row, end it.

A chunk's cases and the import's place in the file are one commit: an import that is killed goes on at the first row that
was not entered, and loses and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liangfa_enforcement_record import errors
from liangfa_enforcement_record.commands.case_commands import AMENDABLE, field_text
from liangfa_enforcement_record.commands.entering import change_case, enter_case, keep_result, party_needs
from liangfa_enforcement_record.intake.rows import Prepared
from liangfa_enforcement_record.records import case_stream, summary
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_enforcement_record.stages import DECIDED
from liangfa_enforcement_record.tables import cases, findings, import_rows, imports, screenings
from liangfa_kit.clock import to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.standards.v1 import values_pb2


@dataclass(frozen=True, slots=True)
class BeginImport:
    """Begin the import `import_id`; the file is kept by its hash."""

    import_id: str
    file_name: str
    sha256: str
    mapping: str
    dry_run: bool
    importer: str


@dataclass(frozen=True, slots=True)
class EnterChunk:
    """Enter outcomes of rows: cases, rows kept aside, skipped rows. `first` is the number of outcomes before it."""

    import_id: str
    first: int
    prepared: Sequence[Prepared]
    rejected: Sequence[rpc.RejectedRow]
    skipped: int
    found: Sequence[rpc.Finding]

    @property
    def size(self) -> int:
        """How many rows it stands for."""
        return len(self.prepared) + len(self.rejected) + self.skipped


@dataclass(frozen=True, slots=True)
class ReviseCase:
    """Bring the case `case_id` to what a revised row says. `counts_for` is the import that reports it."""

    import_id: str
    case_id: str
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class CorrectRow:
    """Enter a corrected row in the place of one kept aside."""

    import_id: str
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class EndImport:
    """End an import: finished, or failed with a reason."""

    import_id: str
    failure_reason: str = ""
    failure_message: str = ""


class ImportCommands:
    """The handlers, with the rules they screen by."""

    def __init__(self, screening: CaseScreening) -> None:
        self._screening = screening
        self.begin = Handler("BeginImport", _begin, rpc.GetImportResponse, lambda c: _import_need(c.import_id))
        self.enter = Handler("EnterChunk", self._enter, rpc.ListFindingsResponse, _chunk_needs)
        self.revise = Handler("ReviseCase", self._revise, rpc.CorrectRowResponse, _revision_needs, _revision_streams)
        self.correct = Handler("CorrectRow", self._correct, rpc.CorrectRowResponse, _correction_needs)
        self.end = Handler(
            "EndImport",
            _end,
            rpc.GetImportResponse,
            lambda c: _import_need(c.import_id),
            lambda c: (_stream(c.import_id),),
        )

    def _enter(self, command: EnterChunk, work: Work) -> rpc.ListFindingsResponse:
        """Enter a chunk. The reply names the known cases whose rows were revised, as findings of kind `revised`."""
        row = _import_row(command.import_id, work)
        revised: list[rpc.Finding] = []
        if row["next_row"] != command.first:
            return rpc.ListFindingsResponse()  # entered before: an import that was resumed too early
        progress = rpc.ImportProgress.FromString(row["progress"])
        for prepared in command.prepared:
            self._enter_one(prepared, row, progress, revised, work)
        for rejected in command.rejected:
            work.save(import_rows, _rejected_row(command.import_id, rejected))
        for number, finding in enumerate(command.found):
            key = f"{command.import_id}/{command.first:010d}/{number:05d}"
            work.save(findings, {"id": key, "import_id": command.import_id, "body": finding.SerializeToString()})
        progress.rows_read += command.size
        progress.rows_rejected += len(command.rejected)
        progress.rows_skipped += command.skipped
        progress.findings += len(command.found)
        place = {"next_row": command.first + command.size, "progress": progress.SerializeToString()}
        work.save(imports, {**row, **place})
        return rpc.ListFindingsResponse(findings=revised)

    def _enter_one(
        self, prepared: Prepared, row: Row, progress: rpc.ImportProgress, revised: list[rpc.Finding], work: Work
    ) -> None:
        known = work.rows(cases, "natural_key", prepared.natural_key)
        if known:
            if known[0]["row_hash"] == prepared.row_hash:
                progress.rows_repeated += 1
            else:
                revised.append(rpc.Finding(kind="revised", case_ids=[known[0]["id"]], row=prepared.row))
            return
        case = _of_import(prepared.case, row["id"])
        result = enter_case(
            case, work, self._screening,
            natural_key=prepared.natural_key, row_hash=prepared.row_hash, import_row=prepared.row,
        )  # fmt: skip
        progress.cases_registered += 1
        progress.suspected += result.outcome == pb.SCREENING_OUTCOME_SUSPECTED
        progress.near_misses += result.outcome == pb.SCREENING_OUTCOME_NEAR_MISS

    def _revise(self, command: ReviseCase, work: Work) -> rpc.CorrectRowResponse:
        row = work.row(cases, command.case_id)
        if row is None:
            raise errors.CaseNotFound(command.case_id)
        before = pb.Case.FromString(row["body"])
        after = pb.Case()
        after.CopyFrom(before)
        changes = [change for name in AMENDABLE if (change := _revised(name, command.prepared.case, after))]
        row = {**row, "row_hash": command.prepared.row_hash}
        if changes:
            result = change_case(after, before, row, work, self._screening)
            event = events_pb2.CaseAmended(
                case=summary(after), changes=changes, after_decision=before.stage in DECIDED,
                reason=f"导入文件第 {command.prepared.row} 行内容有更新（revised row of an imported table）",
            )  # fmt: skip
            work.record(case_stream(after.id), event)
            keep_result(after, result, work, work.rows(screenings, "case_id", after.id))
        else:
            work.save(cases, row)
        _count(command.import_id, work, "cases_amended" if changes else "rows_repeated")
        return rpc.CorrectRowResponse(case_id=after.id)

    def _correct(self, command: CorrectRow, work: Work) -> rpc.CorrectRowResponse:
        key = f"{command.import_id}/{command.prepared.row}"
        kept = work.row(import_rows, key)
        row = _import_row(command.import_id, work)
        if kept is None:
            raise errors.ImportNotFound(key)
        rejected = rpc.RejectedRow.FromString(kept["body"])
        rejected.corrected = True
        work.save(import_rows, {**kept, "is_corrected": True, "body": rejected.SerializeToString()})
        known = work.rows(cases, "natural_key", command.prepared.natural_key)
        if known:
            return rpc.CorrectRowResponse(case_id=known[0]["id"])
        case = _of_import(command.prepared.case, row["id"])
        enter_case(
            case, work, self._screening, natural_key=command.prepared.natural_key,
            row_hash=command.prepared.row_hash, import_row=command.prepared.row,
        )  # fmt: skip
        _count(command.import_id, work, "cases_registered")
        return rpc.CorrectRowResponse(case_id=case.id)


def _of_import(prepared: pb.Case, import_id: str) -> pb.Case:
    """Return a copy of a prepared case as the import's."""
    case = pb.Case()
    case.CopyFrom(prepared)
    case.import_id = import_id
    return case


def _stream(import_id: str) -> str:
    return f"import/{import_id}"


def _import_need(import_id: str) -> tuple[Need, ...]:
    return (Need(imports, "id", (import_id,)),)


def _chunk_needs(command: EnterChunk) -> list[Need]:
    keys = tuple(prepared.natural_key for prepared in command.prepared)
    needs = [*_import_need(command.import_id), Need(cases, "natural_key", keys)]
    return needs + [need for prepared in command.prepared for need in party_needs(prepared.case, prepared.case.region)]


def _revision_needs(command: ReviseCase) -> list[Need]:
    case = (Need(cases, "id", (command.case_id,)), Need(screenings, "case_id", (command.case_id,)))
    return [*case, *_import_need(command.import_id), *party_needs(command.prepared.case, command.prepared.case.region)]


def _revision_streams(command: ReviseCase) -> tuple[str, ...]:
    return (case_stream(command.case_id),)


def _correction_needs(command: CorrectRow) -> list[Need]:
    key = f"{command.import_id}/{command.prepared.row}"
    kept = (Need(import_rows, "id", (key,)), Need(cases, "natural_key", (command.prepared.natural_key,)))
    return [*kept, *_import_need(command.import_id), *party_needs(command.prepared.case, command.prepared.case.region)]


def _import_row(import_id: str, work: Work) -> Row:
    row = work.row(imports, import_id)
    if row is None or row["agency_id"] != work.actor.agency_id:
        raise errors.ImportNotFound(import_id)
    return row


def _begin(command: BeginImport, work: Work) -> rpc.GetImportResponse:
    known = work.row(imports, command.import_id)
    if known is not None:
        return rpc.GetImportResponse(progress=rpc.ImportProgress.FromString(known["progress"]))
    progress = rpc.ImportProgress(
        import_id=command.import_id, file_name=command.file_name, state="running", dry_run=command.dry_run
    )
    progress.started_at.FromDatetime(work.now)
    work.save(
        imports,
        {
            "id": command.import_id,
            "agency_id": work.actor.agency_id,
            "region": work.actor.region,
            "importer": command.importer,
            "file_name": command.file_name,
            "sha256": command.sha256,
            "mapping": command.mapping,
            "state": "running",
            "is_dry_run": command.dry_run,
            "next_row": 0,
            "progress": progress.SerializeToString(),
            "started_at": to_micros(work.now),
        },
    )
    event = events_pb2.ImportStarted(
        import_id=command.import_id, file_name=command.file_name, sha256=command.sha256, importer=_importer(work)
    )
    work.record(_stream(command.import_id), event)
    return rpc.GetImportResponse(progress=progress)


def _end(command: EndImport, work: Work) -> rpc.GetImportResponse:
    row = _import_row(command.import_id, work)
    progress = rpc.ImportProgress.FromString(row["progress"])
    if row["state"] != "running":
        return rpc.GetImportResponse(progress=progress)
    progress.state = "failed" if command.failure_reason else "finished"
    progress.failure_reason, progress.failure_message = command.failure_reason, command.failure_message
    work.save(imports, {**row, "state": progress.state, "progress": progress.SerializeToString()})
    event = events_pb2.ImportFinished(
        import_id=command.import_id,
        rows_read=progress.rows_read,
        cases_registered=progress.cases_registered,
        cases_amended=progress.cases_amended,
        rows_repeated=progress.rows_repeated,
        rows_rejected=progress.rows_rejected,
        rows_skipped=progress.rows_skipped,
        importer=_importer(work),
    )
    work.record(_stream(command.import_id), event)
    return rpc.GetImportResponse(progress=progress)


def _importer(work: Work) -> values_pb2.Actor:
    actor = work.actor
    return values_pb2.Actor(
        person_id=actor.person_id, person_name=actor.person_name, agency_id=actor.agency_id, region=actor.region
    )


def _rejected_row(import_id: str, rejected: rpc.RejectedRow) -> dict[str, Any]:
    return {
        "id": f"{import_id}/{rejected.row}",
        "import_id": import_id,
        "row": rejected.row,
        "is_corrected": False,
        "body": rejected.SerializeToString(),
    }


def _count(import_id: str, work: Work, counter: str) -> None:
    row = _import_row(import_id, work)
    progress = rpc.ImportProgress.FromString(row["progress"])
    setattr(progress, counter, getattr(progress, counter) + 1)
    work.save(imports, {**row, "progress": progress.SerializeToString()})


def _revised(name: str, new: pb.Case, case: pb.Case) -> pb.FieldChange | None:
    """Take over a field of a revised row, where the row says something about it."""
    before, after = field_text(case, name), field_text(new, name)
    if not after or before == after:
        return None
    only = pb.Case()
    only.CopyFrom(new)
    for field, _ in new.ListFields():
        if field.name != name:
            only.ClearField(field.name)  # type: ignore[arg-type]  # a field's own name
    case.ClearField(name)  # type: ignore[arg-type]  # a field name of AMENDABLE
    case.MergeFrom(only)
    return pb.FieldChange(field=name, old_value=before, new_value=after)
