"""ImportService: tables in, progress out. The bytes are kept by their hash, so that an import can go on after a stop."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from liangfa_enforcement_record.commands.import_commands import BeginImport, CorrectRow, ImportCommands
from liangfa_enforcement_record.errors import ImportNotFound
from liangfa_enforcement_record.importer import Importer, Running, belong, open_mapped
from liangfa_enforcement_record.intake import rejects
from liangfa_enforcement_record.intake.mapping import head_of, suggest, to_yaml
from liangfa_enforcement_record.intake.rows import read_row
from liangfa_enforcement_record.intake.tables import TableRow, open_table
from liangfa_enforcement_record.queries import imports as queries
from liangfa_enforcement_record.rpc.case_servicer import call_of
from liangfa_kit.boarding import actor_text
from liangfa_kit.context import current
from liangfa_kit.errors import Exhausted, Invalid, Precondition
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceServicer

MAX_FILE_BYTES = 512 << 20
_NAMESPACE = uuid.UUID("2f0c5c1e-6d0b-5c1a-9a53-1d9a5f6f7a10")


class ImportServicer(ImportServiceServicer):
    """Translates between streams of bytes and imports. `folder` keeps the tables, named by their SHA-256."""

    def __init__(self, train: Train, store: Store, handlers: ImportCommands, importer: Importer, folder: Path) -> None:
        self._train = train
        self._store = store
        self._do = handlers
        self._importer = importer
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def SuggestMapping(
        self, request_iterator: AsyncIterator[pb.SuggestMappingRequest], _context: Any
    ) -> pb.SuggestMappingResponse:
        """Propose which column is which field, for a person to confirm."""
        path, _sha256, first = await self._received(request_iterator)
        head = await asyncio.to_thread(lambda: head_of(open_table(path, first.file_name)))
        mapping, suggestions = suggest(head)
        return pb.SuggestMappingResponse(
            layout=mapping.layout,
            columns=[
                pb.ColumnSuggestion(
                    header=s.header,
                    field=s.column.field if s.column else "",
                    confidence=s.confidence,
                    reason=s.reason,
                )
                for s in suggestions
            ],
            mapping_yaml=to_yaml(mapping),
        )

    async def ImportTable(
        self, request_iterator: AsyncIterator[pb.ImportTableRequest], _context: Any
    ) -> AsyncIterator[pb.ImportTableResponse]:
        """Take a table in and import it; the same file of the same agency is the same import."""
        path, sha256, first = await self._received(request_iterator)
        if first.dry_run:
            async for progress in self._importer.dry_run(path, first.file_name, first.mapping_yaml):
                yield pb.ImportTableResponse(progress=progress)
            return
        call = call_of(first.request_id)
        await asyncio.to_thread(_check_readable, path, first.file_name, first.mapping_yaml)
        begin = BeginImport(
            import_id=str(uuid.uuid5(_NAMESPACE, f"{call.actor.agency_id}/{sha256}/{first.mapping_yaml}")),
            file_name=first.file_name,
            sha256=sha256,
            mapping=first.mapping_yaml,
            dry_run=False,
            importer=actor_text(call.actor),
        )
        running = await self._importer.begin(begin, path, call)
        async for progress in running.follow():
            yield pb.ImportTableResponse(progress=progress)

    async def GetImport(self, request: pb.GetImportRequest, _context: Any) -> pb.GetImportResponse:
        """Read how an import stands."""
        row = await self._row(request.import_id)
        return pb.GetImportResponse(progress=self._progress(row))

    async def ListImports(self, request: pb.ListImportsRequest, _context: Any) -> pb.ListImportsResponse:
        """Read the imports of the caller's agency, newest first."""
        agency_id = current().caller.agency_id
        page = await self._store.read(lambda connection: queries.imports_of(connection, agency_id, request))
        return pb.ListImportsResponse(
            imports=[self._progress(row) for row in page.rows], next_page_token=page.next_token
        )

    async def WatchImport(self, request: pb.WatchImportRequest, _context: Any) -> AsyncIterator[pb.WatchImportResponse]:
        """Follow an import until it ends."""
        row = await self._row(request.import_id)
        running = self._importer.running(request.import_id)
        if running is None:
            yield pb.WatchImportResponse(progress=self._progress(row))
            return
        async for progress in running.follow():
            yield pb.WatchImportResponse(progress=progress)

    async def ResumeImport(
        self, request: pb.ResumeImportRequest, _context: Any
    ) -> AsyncIterator[pb.ResumeImportResponse]:
        """Go on with an interrupted import at the first row that was not entered."""
        call = call_of(request.request_id)
        row = await self._row(request.import_id)
        progress = pb.ImportProgress.FromString(row["progress"])
        if row["state"] != "running":
            raise Precondition(
                f"Import {request.import_id} has ended ({row['state']}): there is nothing to resume.",
                message_zh="该导入已结束，无需继续。",
                remedy="Import the corrected file, or correct single rows.",
                reason="IMPORT_NOT_RESUMABLE",
            )
        running: Running = self._importer.resume(
            progress, self._folder / row["sha256"], row["mapping"], call, skip=row["next_row"]
        )
        async for progress in running.follow():
            yield pb.ResumeImportResponse(progress=progress)

    async def ListRejectedRows(self, request: pb.ListRejectedRowsRequest, _context: Any) -> pb.ListRejectedRowsResponse:
        """Read the rows kept aside."""
        await self._row(request.import_id)
        page = await self._store.read(lambda connection: queries.rejected_rows(connection, request))
        rows = [pb.RejectedRow.FromString(body) for body in page.rows]
        return pb.ListRejectedRowsResponse(rows=rows, next_page_token=page.next_token)

    async def CorrectRow(self, request: pb.CorrectRowRequest, _context: Any) -> pb.CorrectRowResponse:
        """Take one corrected row in the place of one kept aside."""
        call = call_of(request.request_id)
        row = await self._row(request.import_id)
        mapping, _rows = await asyncio.to_thread(
            open_mapped, self._folder / row["sha256"], row["file_name"], row["mapping"]
        )
        cells = [request.values.get(header, "") for header in mapping.headers]
        outcome = read_row(TableRow(request.row, cells), mapping)
        if outcome.prepared is None:
            told = "；".join(f"{p.column}：{p.message_zh}，{p.remedy_zh}" for p in outcome.problems if p.is_error)
            raise Invalid(
                f"Row {request.row} still has errors: {', '.join(p.reason for p in outcome.problems if p.is_error)}.",
                message_zh=f"第 {request.row} 行仍有错误：{told or outcome.skipped}",
                remedy="Correct the columns named and send the row again.",
                reason="ROW_STILL_WRONG",
                row=request.row,
            )
        belong(outcome.prepared, call.actor)
        return await self._train.execute(self._do.correct, CorrectRow(request.import_id, outcome.prepared), call)

    async def ExportRejectedRows(
        self, request: pb.ExportRejectedRowsRequest, _context: Any
    ) -> AsyncIterator[pb.ExportRejectedRowsResponse]:
        """Send the rows kept aside, those corrected left out, as a file that can be imported again."""
        row = await self._row(request.import_id)
        kept = await self._store.read(lambda c: queries.uncorrected_rows(c, request.import_id))
        is_xlsx = request.format == "xlsx"
        writer = rejects.to_xlsx if is_xlsx else rejects.to_csv
        name = f"{Path(row['file_name']).stem}-待更正.{'xlsx' if is_xlsx else 'csv'}"
        for number, part in enumerate(await asyncio.to_thread(lambda: list(writer(kept)))):
            yield pb.ExportRejectedRowsResponse(file_name="" if number else name, content=part)

    async def ListFindings(self, request: pb.ListFindingsRequest, _context: Any) -> pb.ListFindingsResponse:
        """Read probable repeats and splits."""
        await self._row(request.import_id)
        page = await self._store.read(lambda connection: queries.findings_of(connection, request))
        found = [pb.Finding.FromString(body) for body in page.rows]
        return pb.ListFindingsResponse(findings=found, next_page_token=page.next_token)

    async def _row(self, import_id: str) -> Any:
        row = await self._store.read(lambda c: queries.import_row(c, import_id))
        if row is None or row["agency_id"] != current().caller.agency_id:
            raise ImportNotFound(import_id)
        return row

    def _progress(self, row: Any) -> pb.ImportProgress:
        """Return an import's progress; one that no process is at work on is interrupted."""
        progress = pb.ImportProgress.FromString(row["progress"])
        if progress.state == "running" and self._importer.running(row["id"]) is None:
            progress.state = "interrupted"
        return progress

    async def _received(self, parts: AsyncIterator[Any]) -> tuple[Path, str, Any]:
        """Store the streamed bytes by their hash; return the path, the hash and the first message."""
        arriving = _Arriving(self._folder)
        first: Any = None
        try:
            async for part in parts:
                first = first if first is not None else part
                arriving.add(part.content)
            if first is None:
                arriving.give_up()
                raise Invalid("No bytes were sent.", message_zh="没有收到文件内容。", reason="TABLE_UNREADABLE")
            path, sha256 = await asyncio.to_thread(arriving.keep)
        except BaseException:
            arriving.give_up()
            raise
        return path, sha256, first


class _Arriving:
    """A table on its way in: a temporary file that becomes a kept one, named by its hash, or vanishes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = tempfile.NamedTemporaryFile(dir=folder, prefix=".arriving-", delete=False)  # noqa: SIM115 - keep() or give_up() closes it
        self._hasher = hashlib.sha256()
        self._size = 0

    def add(self, content: bytes) -> None:
        """Take the next bytes. Raises `Exhausted` beyond the limit or on a full disk."""
        self._size += len(content)
        if self._size > MAX_FILE_BYTES:
            raise _too_large(self._size)
        self._hasher.update(content)
        try:
            self._file.write(content)
        except OSError as error:
            raise disk_full() from error

    def keep(self) -> tuple[Path, str]:
        """Make the file durable under its hash; return its path and hash."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_full() from error
        self._file.close()
        sha256 = self._hasher.hexdigest()
        path = self._folder / sha256
        Path(self._file.name).replace(path)
        return path, sha256

    def give_up(self) -> None:
        """Remove what has arrived, if it was not kept."""
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)


def disk_full() -> Exhausted:
    """Return the refusal of a file for which there is no room."""
    return Exhausted(
        "The disk is full: nothing was imported.",
        message_zh="磁盘已满：未导入任何内容。",
        remedy="Free space on the data volume, then send the file again.",
        reason="DISK_FULL",
    )


def _check_readable(path: Path, name: str, mapping_yaml: str) -> None:
    """Refuse a file that cannot be read before an import of it is begun."""
    _mapping, rows = open_mapped(path, name, mapping_yaml)
    next(rows, None)


def _too_large(size: int) -> Exhausted:
    return Exhausted(
        f"The file has more than {MAX_FILE_BYTES >> 20} MiB ({size >> 20} MiB so far).",
        message_zh=f"文件超过 {MAX_FILE_BYTES >> 20} MiB。",
        remedy="Split the table and send the parts.",
        reason="FILE_TOO_LARGE",
    )
