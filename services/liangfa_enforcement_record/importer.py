"""Running imports: read in a thread, enter in chunks on the train, tell watchers how it stands, go on after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import structlog

from liangfa_enforcement_record.commands.import_commands import (
    BeginImport,
    EndImport,
    EnterChunk,
    ImportCommands,
    ReviseCase,
)
from liangfa_enforcement_record.intake import refusals
from liangfa_enforcement_record.intake.mapping import Mapping, find_mapping, from_yaml, head_of
from liangfa_enforcement_record.intake.rows import Outcome, Prepared, read_rows
from liangfa_enforcement_record.intake.suspicions import Suspicions
from liangfa_enforcement_record.intake.tables import TableRow, open_table
from liangfa_enforcement_record.queries.imports import import_row
from liangfa_kit.errors import PlatformError
from liangfa_kit.identity import Actor
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

CHUNK = 250
_log = structlog.get_logger("liangfa.import")


@dataclass
class Running:
    """An import under way in this process: its newest progress, and who wants to know."""

    progress: pb.ImportProgress
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, progress: pb.ImportProgress) -> None:
        """Make `progress` the newest."""
        async with self.changed:
            self.progress = progress
            self.changed.notify_all()

    async def follow(self) -> AsyncIterator[pb.ImportProgress]:
        """Yield progress as it changes, the present one first, until the import ends."""
        told: pb.ImportProgress | None = None
        while True:
            async with self.changed:
                while self.progress is told:
                    await self.changed.wait()
                told = self.progress
            yield told
            if told.state != "running":
                return


@dataclass(frozen=True)
class Chunk:
    """Outcomes of consecutive rows, ready to be entered."""

    first: int
    prepared: list[Prepared]
    rejected: list[pb.RejectedRow]
    skipped: int
    found: list[pb.Finding]


def open_mapped(path: Path, name: str, mapping_yaml: str) -> tuple[Mapping, Iterator[TableRow]]:
    """Open a table with its confirmed or recognised mapping. Raises `TableUnreadable` or `Invalid`."""
    rows = open_table(path, name)
    head = head_of(rows)
    if not head:
        raise refusals.empty()
    mapping = from_yaml(mapping_yaml, head) if mapping_yaml else find_mapping(head)
    if mapping is None or "party_name" not in mapping.fields:
        raise refusals.no_layout([cell.strip() for cell in head[0].cells if cell.strip()])
    return mapping, _chained(head, rows)


def _chained(head: list[TableRow], rows: Iterator[TableRow]) -> Iterator[TableRow]:
    yield from head
    yield from rows


def chunks(outcomes: Iterable[Outcome], skip: int) -> Iterator[Chunk]:
    """Group outcomes into chunks; the first `skip` were entered before, but are looked at for suspicions."""
    suspicions = Suspicions()
    iterator = iter(outcomes)
    for outcome in islice(iterator, skip):
        if outcome.prepared:
            suspicions.look(outcome.prepared)
    first = skip
    while part := list(islice(iterator, CHUNK)):
        prepared = [outcome.prepared for outcome in part if outcome.prepared]
        rejected = [_rejected(outcome) for outcome in part if not outcome.prepared and not outcome.skipped]
        found = [finding for row in prepared for finding in suspicions.look(row)]
        yield Chunk(first, prepared, rejected, len(part) - len(prepared) - len(rejected), found)
        first += len(part)


def _rejected(outcome: Outcome) -> pb.RejectedRow:
    row = pb.RejectedRow(row=outcome.row, values=dict(outcome.values))
    for found in outcome.problems:
        row.problems.add(
            column=found.column,
            value=found.value,
            reason=found.reason,
            message_zh=found.message_zh,
            message_en=found.message_en,
            remedy_zh=found.remedy_zh,
        )
    return row


def belong(prepared: Prepared, actor: Actor) -> None:
    """Make a row's case the importing agency's, before it travels: its party's identity depends on the region."""
    case = prepared.case
    case.agency_id, case.agency_name, case.agency_type = actor.agency_id, actor.agency_name, actor.agency_type
    case.region = actor.region


class Importer:
    """Runs imports as background tasks, one task an import, and remembers those under way."""

    def __init__(self, train: Train, store: Store, commands: ImportCommands) -> None:
        self._train = train
        self._store = store
        self._do = commands
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, Running] = {}

    def running(self, import_id: str) -> Running | None:
        """Return the import under way in this process, None when there is none."""
        return self._running.get(import_id)

    async def begin(self, begin: BeginImport, path: Path, call: Call) -> Running:
        """Begin an import (or take up the one of that id) and return how to follow it."""
        reply = await self._train.execute(self._do.begin, begin, call)
        return self.resume(reply.progress, path, begin.mapping, call, skip=reply.progress.rows_read)

    def resume(self, progress: pb.ImportProgress, path: Path, mapping: str, call: Call, *, skip: int) -> Running:
        """Go on with an import after `skip` rows; one that is under way or ended is only followed."""
        known = self._running.get(progress.import_id)
        if known is not None:
            return known
        running = Running(progress)
        if progress.state == "running":
            self._running[progress.import_id] = running
            task = asyncio.ensure_future(self._run(running, path, mapping, call, skip))
            self._tasks[progress.import_id] = task
        return running

    async def dry_run(self, path: Path, name: str, mapping_yaml: str) -> AsyncIterator[pb.ImportProgress]:
        """Read and check the whole table and enter nothing; yield progress with the counts."""
        progress = pb.ImportProgress(file_name=name, state="running", dry_run=True)
        mapping, rows = await asyncio.to_thread(open_mapped, path, name, mapping_yaml)
        source = chunks(read_rows(rows, mapping), 0)
        while chunk := await asyncio.to_thread(next, source, None):
            progress.rows_read += len(chunk.prepared) + len(chunk.rejected) + chunk.skipped
            progress.cases_registered += len(chunk.prepared)
            progress.rows_rejected += len(chunk.rejected)
            progress.rows_skipped += chunk.skipped
            progress.findings += len(chunk.found)
            yield progress
        progress.state = "finished"
        yield progress

    async def stop(self) -> None:
        """Stop the imports under way; they go on from their last chunk when they are resumed."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, running: Running, path: Path, mapping: str, call: Call, skip: int) -> None:
        import_id = running.progress.import_id
        silent = Call(call.actor, traceparent=call.traceparent)
        try:
            await self._enter_all(running, path, mapping, silent, skip)
            end = EndImport(import_id)
        except PlatformError as error:
            end = EndImport(import_id, error.reason, error.message_zh or str(error))
        except Exception:  # noqa: BLE001 - a background task answers to nobody: the import itself tells what happened
            _log.exception("import_failed", import_id=import_id)
            end = EndImport(import_id, "INTERNAL", "导入因内部错误中止，已导入的行保留；请联系运维后继续导入。")
        reply = await self._train.execute(self._do.end, end, silent)
        self._running.pop(import_id, None)
        self._tasks.pop(import_id, None)
        await running.tell(reply.progress)

    async def _enter_all(self, running: Running, path: Path, mapping_yaml: str, call: Call, skip: int) -> None:
        import_id = running.progress.import_id
        mapping, rows = await asyncio.to_thread(open_mapped, path, running.progress.file_name, mapping_yaml)
        source = chunks(read_rows(rows, mapping), skip)
        following = asyncio.ensure_future(asyncio.to_thread(next, source, None))
        while chunk := await following:
            following = asyncio.ensure_future(
                asyncio.to_thread(next, source, None)
            )  # read ahead while this one commits
            for prepared in chunk.prepared:
                belong(prepared, call.actor)
            by_row = {prepared.row: prepared for prepared in chunk.prepared}
            command = EnterChunk(import_id, chunk.first, chunk.prepared, chunk.rejected, chunk.skipped, chunk.found)
            reply = await self._train.execute(self._do.enter, command, call)
            for finding in reply.findings:
                revise = ReviseCase(import_id, finding.case_ids[0], by_row[finding.row])
                await self._train.execute(self._do.revise, revise, call)
            row = await self._store.read(lambda connection: import_row(connection, import_id))
            await running.tell(pb.ImportProgress.FromString(row["progress"]))
