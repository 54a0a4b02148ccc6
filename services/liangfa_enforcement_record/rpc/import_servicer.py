"""ImportService: tables in, progress out. The bytes are kept by their hash, so that an import can go on after a stop."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

from liangfa_enforcement_record.commands.import_commands import (
    RUNNING,
    BeginImport,
    ImportCommands,
    TakeCorrectedRow,
)
from liangfa_enforcement_record.drafted import kept_outcome, prepared
from liangfa_enforcement_record.errors import (
    FileTooLarge,
    ImportNotFound,
    ImportNotResumable,
    RowStillWrong,
    refused_table,
)
from liangfa_enforcement_record.importer import Importer
from liangfa_enforcement_record.importing.limits import Limits
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.rejects import rejects_csv, write_rejects_xlsx
from liangfa_enforcement_record.importing.rows import suggestion_for
from liangfa_enforcement_record.importing.tables import open_table
from liangfa_enforcement_record.queries import imports as queries
from liangfa_enforcement_record.rpc.case_servicer import call_of
from liangfa_enforcement_record.table_reading import TableReader, checked, notes_zh
from liangfa_kit.boarding import actor_text
from liangfa_kit.context import current
from liangfa_kit.errors import FieldViolation
from liangfa_kit.objects import PIECE_BYTES, ObjectStore
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceServicer

_LIMITS = Limits()
_NAMESPACE = uuid.UUID("2f0c5c1e-6d0b-5c1a-9a53-1d9a5f6f7a10")


class ImportServicer(ImportServiceServicer):
    """Translates between streams of bytes and imports."""

    def __init__(
        self, train: Train, store: Store, objects: ObjectStore, handlers: ImportCommands, importer: Importer
    ) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._do = handlers
        self._importer = importer

    async def SuggestMapping(
        self, request_iterator: AsyncIterator[pb.SuggestMappingRequest], _context: Any
    ) -> pb.SuggestMappingResponse:
        """Propose which column is which field, for a person to confirm. The file is not kept."""
        with tempfile.TemporaryDirectory(prefix="liangfa-") as folder:
            path = Path(folder) / "table"
            name = ""
            with path.open("wb") as file:
                async for part in request_iterator:
                    name = name or part.file_name
                    if file.tell() + len(part.content) > _LIMITS.file_bytes:
                        raise FileTooLarge(_LIMITS.file_bytes, file.tell() + len(part.content))
                    file.write(part.content)
            return await asyncio.to_thread(_suggestion, path, name)

    async def ImportTable(
        self, request_iterator: AsyncIterator[pb.ImportTableRequest], _context: Any
    ) -> AsyncIterator[pb.ImportTableResponse]:
        """Take a table in and import it. An import of the same table that has not ended is gone on with."""
        first, sha256, call = await self._received(request_iterator)
        path = await self._objects.local_path(sha256)
        table = await asyncio.to_thread(checked, path, first.file_name, first.mapping_yaml)
        agency_id = call.actor.agency_id
        unfinished = await self._store.read(
            lambda connection: queries.unfinished_import(
                connection, agency_id, sha256, first.mapping_yaml, is_dry_run=first.dry_run
            )
        )
        if unfinished is not None:
            going = self._importer.gone_on(unfinished["id"], call)
        else:
            begin = BeginImport(
                import_id=str(uuid.uuid5(_NAMESPACE, f"{call.actor.person_id}/{call.request_id}")),
                file_name=first.file_name,
                sha256=sha256,
                mapping=first.mapping_yaml,
                dry_run=first.dry_run,
                importer=actor_text(call.actor),
                notes_zh=notes_zh(table),
            )
            going = self._importer.begin(begin, call)
        async for progress in going:
            yield pb.ImportTableResponse(progress=progress)

    async def GetImport(self, request: pb.GetImportRequest, _context: Any) -> pb.GetImportResponse:
        """Read how an import stands."""
        row = await self._row(request.import_id)
        return pb.GetImportResponse(progress=self._importer.progress_of(row))

    async def ListImports(self, request: pb.ListImportsRequest, _context: Any) -> pb.ListImportsResponse:
        """Read the imports of the caller's agency, newest first."""
        agency_id = current().caller.agency_id
        page = await self._store.read(lambda connection: queries.imports_of(connection, agency_id, request))
        return pb.ListImportsResponse(
            imports=[self._importer.progress_of(row) for row in page.rows], next_page_token=page.next_token
        )

    async def WatchImport(self, request: pb.WatchImportRequest, _context: Any) -> AsyncIterator[pb.WatchImportResponse]:
        """Follow an import until it ends."""
        await self._row(request.import_id)
        async for progress in self._importer.followed(request.import_id):
            yield pb.WatchImportResponse(progress=progress)

    async def ResumeImport(
        self, request: pb.ResumeImportRequest, _context: Any
    ) -> AsyncIterator[pb.ResumeImportResponse]:
        """Go on with an interrupted import at the first row that was not entered."""
        call = call_of(request.request_id)
        row = await self._row(request.import_id)
        if row["state"] != RUNNING:
            raise ImportNotResumable(request.import_id, row["state"])
        async for progress in self._importer.gone_on(request.import_id, call):
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
        progress = pb.ImportProgress.FromString(row["progress"])
        reader = TableReader(await self._objects.local_path(row["sha256"]), progress, row["mapping"], call.actor)
        outcome = await asyncio.to_thread(reader.corrected, request.row, dict(request.values))
        taken = prepared(outcome, call.actor, request.import_id)
        if taken is None:
            told = "；".join(f"{found.column}：{found.message_zh}，{found.remedy_zh}" for found in outcome.errors)
            violations = tuple(FieldViolation(f.column, f.reason, f.message_zh) for f in outcome.errors)
            raise RowStillWrong(request.row, violations, told or "该行不是案件")
        keys = [taken.natural_key]
        known = await self._store.read(lambda connection: queries.known_cases(connection, keys))
        command = TakeCorrectedRow(request.import_id, taken, {key: case.id for key, case in known.items()})
        return await self._train.execute(self._do.correct, command, call)

    async def ExportRejectedRows(
        self, request: pb.ExportRejectedRowsRequest, _context: Any
    ) -> AsyncIterator[pb.ExportRejectedRowsResponse]:
        """Send the rows kept aside, those corrected left out, as a file that can be imported again."""
        row = await self._row(request.import_id)
        kind = "xlsx" if request.format == "xlsx" else "csv"
        name = f"{Path(row['file_name']).stem}-待更正.{kind}"
        with tempfile.TemporaryFile(prefix="liangfa-") as file:
            await asyncio.to_thread(self._write_rejects, request.import_id, kind, file)
            file.seek(0)
            while content := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield pb.ExportRejectedRowsResponse(file_name=name, content=content)
                name = ""

    def _write_rejects(self, import_id: str, kind: str, file: IO[bytes]) -> None:
        """Write the rows that nobody has corrected yet, however many there are, in bounded memory."""
        with self._store.reading() as connection:
            outcomes = map(kept_outcome, queries.uncorrected_rows(connection, import_id))
            if kind == "xlsx":
                write_rejects_xlsx(outcomes, file)
            else:
                file.writelines(rejects_csv(outcomes))

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

    async def _received(self, parts: AsyncIterator[pb.ImportTableRequest]) -> tuple[pb.ImportTableRequest, str, Call]:
        """Keep the streamed bytes by their hash; return the first message, the hash and the caller's `Call`.

        The fingerprint of the request is that of the file: the same request id with another file is another request.
        """
        first: pb.ImportTableRequest | None = None
        upload_id, hasher, size = str(uuid.uuid4()), hashlib.sha256(), 0
        try:
            async for part in parts:
                if first is None:
                    first = part
                    call = call_of(part.request_id)
                if size + len(part.content) > _LIMITS.file_bytes:
                    raise FileTooLarge(_LIMITS.file_bytes, size + len(part.content))  # noqa: TRY301 - discarded below
                if part.content:
                    hasher.update(part.content)
                    size = await self._objects.append(upload_id, size, part.content)
            if first is None or not size:
                raise refused_table(TableRefused("FILE_EMPTY"))  # noqa: TRY301 - discarded below
            await self._objects.finish(upload_id, size, hasher.hexdigest())
        except BaseException:
            await self._objects.discard(upload_id)
            raise
        sha256 = hasher.hexdigest()
        return first, sha256, Call(call.actor, call.request_id, bytes.fromhex(sha256), call.traceparent)


def _suggestion(path: Path, name: str) -> pb.SuggestMappingResponse:
    try:
        _header, suggestion = suggestion_for(open_table(path, name))
    except TableRefused as refusal:
        raise refused_table(refusal) from refusal
    columns = [
        pb.ColumnSuggestion(
            header=column.header,
            field=column.field,
            confidence=column.confidence,
            reason=column.reason_en,
            reason_zh=column.reason_zh,
            unit=str(column.unit) if column.unit else "",
            samples=column.samples,
        )
        for column in suggestion.columns
    ]
    return pb.SuggestMappingResponse(
        layout=suggestion.layout,
        columns=columns,
        mapping_yaml=suggestion.mapping.to_yaml(),
        certain=suggestion.is_certain,
    )
