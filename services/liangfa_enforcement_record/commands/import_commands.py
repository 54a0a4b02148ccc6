"""Commands of an import: begin it, enter a chunk of rows, take a corrected row, end it.

A chunk's cases, its rows kept aside and the import's place in the file are one commit: an import that is killed goes on at
the first row that was not entered, and loses and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liangfa_enforcement_record import errors
from liangfa_enforcement_record.commands.amending import AMENDABLE, laid_over, take_field
from liangfa_enforcement_record.commands.entering import change_case, enter_case, keep_result, party_needs
from liangfa_enforcement_record.drafted import Prepared
from liangfa_enforcement_record.records import case_stream, summary, usual_title
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_enforcement_record.stages import DECIDED
from liangfa_enforcement_record.tables import cases, findings, import_rows, imports, party_records, screenings
from liangfa_kit.clock import to_micros
from liangfa_kit.errors import RequestIdReused, Stale
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.standards.v1 import values_pb2

RUNNING, FINISHED, FAILED = "running", "finished", "failed"


@dataclass(frozen=True, slots=True)
class BeginImport:
    """Begin the import `import_id` of the table that is kept under `sha256`; `importer` is the actor as JSON."""

    import_id: str
    file_name: str
    sha256: str
    mapping: str
    dry_run: bool
    importer: str
    notes_zh: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HoldImport:
    """Say that the process `worker` is at work on the import, or with an empty `worker` that it has left it.

    `takes_over` is how work begins: from whichever process had it. Later the import must still be the worker's own.
    """

    import_id: str
    worker: str
    held_by: str = ""
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class EnterChunk:
    """Enter what `size` consecutive outcomes have become, the first of them number `first`; no natural key occurs twice.

    `known` maps natural keys that are taken to their cases, as read before: a revised row changes that case.
    """

    import_id: str
    worker: str
    first: int
    size: int
    prepared: Sequence[Prepared]
    rejected: Sequence[rpc.RejectedRow]
    skipped: int
    repeated: int
    found: Sequence[rpc.Finding]
    known: dict[str, str]
    rows_expected: int = 0


@dataclass(frozen=True, slots=True)
class TakeCorrectedRow:
    """Enter a corrected row in the place of one kept aside. `known` as in `EnterChunk`."""

    import_id: str
    prepared: Prepared
    known: dict[str, str]


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
        self.begin = Handler("BeginImport", _begin, rpc.ImportProgress, lambda c: (_import_need(c.import_id),))
        self.enter = Handler("EnterChunk", self._enter, rpc.ImportProgress, _chunk_needs, _chunk_streams)
        self.correct = Handler(
            "TakeCorrectedRow", self._correct, rpc.CorrectRowResponse, _correction_needs, _known_streams
        )
        self.hold = Handler("HoldImport", _hold, rpc.ImportProgress, lambda c: (_import_need(c.import_id),))
        self.end = Handler(
            "EndImport",
            _end,
            rpc.ImportProgress,
            lambda c: (_import_need(c.import_id),),
            lambda c: (_stream(c.import_id),),
        )

    def _enter(self, command: EnterChunk, work: Work) -> rpc.ImportProgress:
        row = own_import(command.import_id, work)
        progress = rpc.ImportProgress.FromString(row["progress"])
        if row["state"] != RUNNING:
            return progress
        if (row["worker"], row["next_row"]) != (command.worker, command.first):
            raise errors.ImportTakenOver(command.import_id)
        for prepared in command.prepared:
            if row["is_dry_run"]:
                self._try(prepared, progress, work)
            else:
                self._take(prepared, command.known, progress, work)
        for rejected in command.rejected:
            work.save(import_rows, _rejected_row(command.import_id, rejected))
        became = {prepared.row: prepared.case.id for prepared in command.prepared if prepared.case.id}
        for number, finding in enumerate(command.found):
            finding.case_ids[:] = [became[finding.row]] if finding.row in became else []
            key = f"{command.import_id}/{command.first:010d}/{number:05d}"
            work.save(findings, {"id": key, "import_id": command.import_id, "body": finding.SerializeToString()})
        progress.rows_read += len(command.prepared) + len(command.rejected) + command.skipped + command.repeated
        progress.rows_expected = max(command.rows_expected, progress.rows_read)
        progress.rows_rejected += len(command.rejected)
        progress.rows_skipped += command.skipped
        progress.rows_repeated += command.repeated
        progress.findings += len(command.found)
        place = {"next_row": command.first + command.size, "progress": progress.SerializeToString()}
        place["seen_at"] = to_micros(work.now)
        work.save(imports, {**row, **place})
        return progress

    def _try(self, prepared: Prepared, progress: rpc.ImportProgress, work: Work) -> None:
        """Count what entering the row would do, and enter nothing."""
        known = work.rows(cases, "natural_key", prepared.natural_key)
        if known and known[0]["row_hash"] == prepared.row_hash:
            progress.rows_repeated += 1
            return
        progress.cases_registered += not known
        progress.cases_amended += bool(known)
        progress.cases_remarked += bool(prepared.remarks)
        outcome = self._screening.screen(prepared.case, ()).outcome
        progress.suspected += outcome == pb.SCREENING_OUTCOME_SUSPECTED
        progress.near_misses += outcome == pb.SCREENING_OUTCOME_NEAR_MISS

    def _take(self, prepared: Prepared, expected: dict[str, str], progress: rpc.ImportProgress, work: Work) -> str:
        """Enter a row as a new case, as a change of a known one, or not at all; count it; return the case's id."""
        known = next(iter(work.rows(cases, "natural_key", prepared.natural_key)), None)
        if known is None:
            result = self._enter_new(prepared, work)
            progress.cases_registered += 1
        elif known["row_hash"] == prepared.row_hash:
            progress.rows_repeated += 1
            return str(known["id"])
        elif expected.get(prepared.natural_key) != known["id"]:
            raise Stale("The case was entered by somebody else meanwhile.", case_id=known["id"])
        else:
            result = self._revise(prepared, known, work)
            if result is None:
                progress.rows_repeated += 1
                return str(known["id"])
            progress.cases_amended += 1
        progress.cases_remarked += bool(prepared.remarks)
        outcome = result.outcome if result is not None else pb.SCREENING_OUTCOME_CLEAR
        progress.suspected += outcome == pb.SCREENING_OUTCOME_SUSPECTED
        progress.near_misses += outcome == pb.SCREENING_OUTCOME_NEAR_MISS
        return known["id"] if known is not None else prepared.case.id

    def _enter_new(self, prepared: Prepared, work: Work) -> pb.Screening | None:
        prepared.case.title = prepared.case.title or usual_title(prepared.case)
        return enter_case(
            prepared.case,
            work,
            self._screening,
            natural_key=prepared.natural_key,
            row_hash=prepared.row_hash,
            import_row=prepared.row,
            remarks=prepared.remarks,
        )

    def _revise(self, prepared: Prepared, row: Row, work: Work) -> pb.Screening | None:
        """Bring a known case to what a revised row says; old values are kept. None when nothing of it differs.

        What the row does not speak of stays. A value that an officer has amended since gives way: the row has changed,
        so the agency's own table is the later word, and the officer's value stays readable in the case's history.
        """
        before = pb.Case.FromString(row["body"])
        after = pb.Case()
        after.CopyFrom(before)
        said = laid_over(before, prepared.case, prepared.guessed_kinds)
        changes = [change for name in AMENDABLE if (change := take_field(name, said, after))]
        row = {**row, "row_hash": prepared.row_hash}
        if not changes:
            work.save(cases, row)
            return None
        screened = change_case(after, before, row, work, self._screening)
        event = events_pb2.CaseAmended(
            case=summary(after),
            changes=changes,
            after_decision=before.stage in DECIDED,
            reason=f"导入文件第 {prepared.row} 行内容有更新（revised row of an imported table）",
            remarks=prepared.remarks,
        )
        work.record(case_stream(after.id), event)
        return keep_result(after, screened, work, work.rows(screenings, "case_id", after.id))

    def _correct(self, command: TakeCorrectedRow, work: Work) -> rpc.CorrectRowResponse:
        row = own_import(command.import_id, work)
        if row["is_dry_run"]:
            raise errors.ImportIsDryRun(command.import_id)
        key = f"{command.import_id}/{command.prepared.row}"
        kept = work.row(import_rows, key)
        if kept is None:
            raise errors.ImportNotFound(key)
        progress = rpc.ImportProgress.FromString(row["progress"])
        case_id = self._take(command.prepared, command.known, progress, work)
        if not kept["is_corrected"]:
            progress.rows_corrected += 1
        rejected = rpc.RejectedRow.FromString(kept["body"])
        rejected.corrected = True
        work.save(import_rows, {**kept, "is_corrected": True, "body": rejected.SerializeToString()})
        work.save(imports, {**row, "progress": progress.SerializeToString()})
        return rpc.CorrectRowResponse(case_id=case_id)


def _stream(import_id: str) -> str:
    return f"import/{import_id}"


def _import_need(import_id: str) -> Need:
    return Need(imports, "id", (import_id,))


def _chunk_needs(command: EnterChunk) -> list[Need]:
    """Return the import, the known cases with their results, and the parties' records: each kind once."""
    keys = tuple(prepared.natural_key for prepared in command.prepared)
    parties: dict[str, None] = {}
    for prepared in command.prepared:
        for need in party_needs(prepared.case, prepared.case.region):
            parties.update(dict.fromkeys(need.keys))  # type: ignore[arg-type]  # identity keys are texts
    needs = [_import_need(command.import_id), Need(cases, "natural_key", keys)]
    needs += [Need(screenings, "case_id", tuple(command.known.values()))] if command.known else []
    return needs + ([Need(party_records, "identity_key", tuple(parties))] if parties else [])


def _known_streams(command: EnterChunk | TakeCorrectedRow) -> tuple[str, ...]:
    return tuple(case_stream(case_id) for case_id in command.known.values())


def _chunk_streams(command: EnterChunk) -> tuple[str, ...]:
    return _known_streams(command)


def _correction_needs(command: TakeCorrectedRow) -> list[Need]:
    key = f"{command.import_id}/{command.prepared.row}"
    case = command.prepared.case
    return [
        _import_need(command.import_id),
        Need(import_rows, "id", (key,)),
        Need(cases, "natural_key", (command.prepared.natural_key,)),
        Need(screenings, "case_id", tuple(command.known.values())),
        *party_needs(case, case.region),
    ]


def own_import(import_id: str, work: Work) -> Row:
    """Return the row of an import of the actor's agency."""
    row = work.row(imports, import_id)
    if row is None or row["agency_id"] != work.actor.agency_id:
        raise errors.ImportNotFound(import_id)
    return row


def _begin(command: BeginImport, work: Work) -> rpc.ImportProgress:
    known = work.row(imports, command.import_id)
    if known is not None:
        if (known["sha256"], known["mapping"], known["is_dry_run"]) != (
            command.sha256,
            command.mapping,
            command.dry_run,
        ):
            raise RequestIdReused(
                "This request id was used before for another table, whose import stands.",
                message_zh="该请求编号已用于导入另一文件，原导入保持不变。",
                remedy="Send the table with a new request id.",
            )
        return rpc.ImportProgress.FromString(known["progress"])
    progress = rpc.ImportProgress(
        import_id=command.import_id,
        file_name=command.file_name,
        state=RUNNING,
        dry_run=command.dry_run,
        notes_zh=command.notes_zh,
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
            "state": RUNNING,
            "is_dry_run": command.dry_run,
            "next_row": 0,
            "progress": progress.SerializeToString(),
            "started_at": to_micros(work.now),
            "worker": "",
            "seen_at": 0,
        },
    )
    if not command.dry_run:
        event = events_pb2.ImportStarted(
            import_id=command.import_id, file_name=command.file_name, sha256=command.sha256, importer=_importer(work)
        )
        work.record(_stream(command.import_id), event)
    return progress


def _hold(command: HoldImport, work: Work) -> rpc.ImportProgress:
    """Note who is at work. Raises `ImportTakenOver` when it is another process by now."""
    row = own_import(command.import_id, work)
    if row["state"] == RUNNING:
        if not command.takes_over and row["worker"] != (command.held_by or command.worker):
            raise errors.ImportTakenOver(command.import_id)
        seen_at = to_micros(work.now) if command.worker else 0
        work.save(imports, {**row, "worker": command.worker, "seen_at": seen_at})
    return rpc.ImportProgress.FromString(row["progress"])


def _end(command: EndImport, work: Work) -> rpc.ImportProgress:
    row = own_import(command.import_id, work)
    progress = rpc.ImportProgress.FromString(row["progress"])
    if row["state"] != RUNNING:
        return progress
    progress.state = FAILED if command.failure_reason else FINISHED
    progress.failure_reason, progress.failure_message = command.failure_reason, command.failure_message
    progress.rows_expected = progress.rows_read
    work.save(imports, {**row, "state": progress.state, "progress": progress.SerializeToString()})
    if not row["is_dry_run"]:
        work.record(_stream(command.import_id), _finished(progress, work))
    return progress


def _finished(progress: rpc.ImportProgress, work: Work) -> events_pb2.ImportFinished:
    return events_pb2.ImportFinished(
        import_id=progress.import_id,
        rows_read=progress.rows_read,
        cases_registered=progress.cases_registered,
        cases_amended=progress.cases_amended,
        rows_repeated=progress.rows_repeated,
        rows_rejected=progress.rows_rejected,
        rows_skipped=progress.rows_skipped,
        suspected=progress.suspected,
        failure_reason=progress.failure_reason,
        importer=_importer(work),
    )


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
