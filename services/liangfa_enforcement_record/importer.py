"""Running imports: read in a thread, enter in chunks on the train, tell watchers how it stands, go on after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from liangfa_enforcement_record.commands.import_commands import RUNNING, BeginImport, EndImport, ImportCommands
from liangfa_enforcement_record.errors import refused_table
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.queries.imports import known_cases
from liangfa_enforcement_record.table_reading import Chunk, TableReader
from liangfa_kit.errors import PlatformError, Stale
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Row, Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

INTERRUPTED = "interrupted"
_ATTEMPTS = 3
_log = structlog.get_logger("liangfa.import")


@dataclass
class Running:
    """An import under way in this process: its newest progress, and who wants to know."""

    progress: pb.ImportProgress
    task: asyncio.Task[None] | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, progress: pb.ImportProgress) -> None:
        """Make `progress` the newest."""
        async with self._changed:
            self.progress = progress
            self._changed.notify_all()

    async def follow(self) -> AsyncIterator[pb.ImportProgress]:
        """Yield progress as it changes, the present one first, until the import ends; a slow follower skips some."""
        told: pb.ImportProgress | None = None
        while told is None or told.state == RUNNING:
            async with self._changed:
                await self._changed.wait_for(lambda: self.progress is not told)  # noqa: B023 - awaited right here
                told = self.progress
            yield told


class Importer:
    """Runs imports as background tasks, one task an import, and remembers those under way."""

    def __init__(self, train: Train, store: Store, objects: ObjectStore, commands: ImportCommands) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._do = commands
        self._running: dict[str, Running] = {}

    def running(self, import_id: str) -> Running | None:
        """Return the import under way in this process, None when there is none."""
        return self._running.get(import_id)

    async def begin(self, begin: BeginImport, call: Call) -> Running:
        """Begin an import, or take up the one of that id, and return how to follow it."""
        progress = await self._train.execute(self._do.begin, begin, call)
        return self._taken_up(progress, begin.sha256, begin.mapping, call, skip=0)

    def resume(self, row: Row, call: Call) -> Running:
        """Go on with an import at the first row that was not entered; one that is under way is only followed."""
        progress = pb.ImportProgress.FromString(row["progress"])
        return self._taken_up(progress, row["sha256"], row["mapping"], call, skip=row["next_row"])

    async def stop(self) -> None:
        """Stop the imports under way; they go on from their last chunk when they are resumed."""
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _taken_up(self, progress: pb.ImportProgress, sha256: str, mapping: str, call: Call, *, skip: int) -> Running:
        known = self._running.get(progress.import_id)
        if known is not None:
            return known
        running = Running(progress)
        if progress.state == RUNNING:
            self._running[progress.import_id] = running
            silent = Call(call.actor, traceparent=call.traceparent)
            work = self._run(running, sha256, mapping, silent, skip)
            running.task = asyncio.create_task(work, name=f"import {progress.import_id}")
        return running

    async def _run(self, running: Running, sha256: str, mapping: str, call: Call, skip: int) -> None:
        """Enter the whole table; whatever happens, its followers are told how it ended."""
        import_id = running.progress.import_id
        last = running.progress
        try:
            last = await self._ended(running, sha256, mapping, call, skip)
        except asyncio.CancelledError:
            last = _interrupted(running.progress, "SHUTTING_DOWN", "服务停止，导入已中断，可继续。")
            raise
        except PlatformError as error:
            _log.warning("import_interrupted", import_id=import_id, reason=error.reason)
            last = _interrupted(running.progress, error.reason, error.message_zh or str(error))
        except Exception:  # noqa: BLE001 - a background job's end is told, whatever it is
            _log.exception("import_failed", import_id=import_id)
            last = _interrupted(
                running.progress, "INTERNAL", "导入因内部错误中断，已导入的行保留；请联系运维后继续导入。"
            )
        finally:
            self._running.pop(import_id, None)
            with suppress(asyncio.CancelledError):
                await running.tell(last)

    async def _ended(self, running: Running, sha256: str, mapping: str, call: Call, skip: int) -> pb.ImportProgress:
        """Enter what can be entered and end the import: at the table's end, or where it cannot be read on."""
        import_id = running.progress.import_id
        try:
            path = await self._objects.local_path(sha256)
            reader = TableReader(path, running.progress, mapping, call.actor)
            await self._enter_all(running, reader, call, skip)
            end = EndImport(import_id)
        except TableRefused as refusal:
            error = refused_table(refusal)
            end = EndImport(import_id, error.reason, error.message_zh)
        return await self._train.execute(self._do.end, end, call)

    async def _enter_all(self, running: Running, reader: TableReader, call: Call, skip: int) -> None:
        source = reader.chunks(skip)
        following = _read_ahead(source)
        try:
            while (chunk := await following) is not None:
                following = _read_ahead(source)  # while this one commits
                await running.tell(await self._enter(running.progress.import_id, chunk, call))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _enter(self, import_id: str, chunk: Chunk, call: Call) -> pb.ImportProgress:
        """Enter a chunk; when one of its cases was entered by somebody else meanwhile, look again and repeat it."""
        for attempt in range(_ATTEMPTS):
            keys = [prepared.natural_key for prepared in chunk.prepared]
            known = await self._store.read(lambda connection: known_cases(connection, keys))  # noqa: B023 - awaited here
            hashes = {prepared.natural_key: prepared.row_hash for prepared in chunk.prepared}
            revised = {key: case.id for key, case in known.items() if case.row_hash != hashes[key]}
            try:
                return await self._train.execute(self._do.enter, chunk.command(import_id, revised), call)
            except Stale:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the loop returns or raises")


def _read_ahead(source: Iterator[Chunk]) -> asyncio.Task[Chunk | None]:
    return asyncio.ensure_future(asyncio.to_thread(next, source, None))


def _interrupted(progress: pb.ImportProgress, reason: str, message_zh: str) -> pb.ImportProgress:
    """Return the progress as it is told when an import stops before its end; its place in the file stays stored."""
    told = pb.ImportProgress()
    told.CopyFrom(progress)
    told.state, told.failure_reason, told.failure_message = INTERRUPTED, reason, message_zh
    return told
