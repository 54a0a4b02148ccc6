"""Running imports: read in a thread, enter in chunks on the train, tell watchers how it stands, go on after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from liangfa_enforcement_record.commands.import_commands import (
    RUNNING,
    BeginImport,
    EndImport,
    HoldImport,
    ImportCommands,
)
from liangfa_enforcement_record.errors import refused_table
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.queries.imports import import_row, known_cases
from liangfa_enforcement_record.table_reading import Chunk, TableReader
from liangfa_enforcement_record.worker import is_gone, own_worker
from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.errors import PlatformError, Stale
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Row, Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

INTERRUPTED = "interrupted"
LEASE_SECONDS = 15
"""A process that has not been heard of for so long is not at work on its imports any more."""
_ATTEMPTS = 3
_LOOK_SECONDS = 0.5
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

    def __init__(
        self, train: Train, store: Store, objects: ObjectStore, commands: ImportCommands, clock: Clock
    ) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._do = commands
        self._clock = clock
        self._worker = own_worker()
        self._running: dict[str, Running] = {}

    def running(self, import_id: str) -> Running | None:
        """Return the import under way in this process, None when there is none."""
        return self._running.get(import_id)

    async def begin(self, begin: BeginImport, call: Call) -> AsyncIterator[pb.ImportProgress]:
        """Begin an import, or take up the one of that id, and tell how it goes until it ends."""
        await self._train.execute(self._do.begin, begin, call)
        async for progress in self.gone_on(begin.import_id, call):
            yield progress

    async def gone_on(self, import_id: str, call: Call) -> AsyncIterator[pb.ImportProgress]:
        """Go on with an import at the first row that was not entered, and tell how it goes until it ends.

        One that is under way, here or in another process, is followed; it is taken up when that process falls silent.
        """
        told: pb.ImportProgress | None = None
        while (running := self._running.get(import_id)) is None:
            row = await self._store.read(lambda connection: import_row(connection, import_id))
            progress = self.progress_of(row)
            if progress.state == INTERRUPTED:
                running = await self._taken_up(import_id, call)
                break
            if progress != told:
                yield progress
            if progress.state != RUNNING:
                return
            told = progress
            await asyncio.sleep(_LOOK_SECONDS)
        async for progress in running.follow():
            yield progress

    async def followed(self, import_id: str) -> AsyncIterator[pb.ImportProgress]:
        """Tell how an import goes, here or in another process, until it ends or nobody is at work on it."""
        told: pb.ImportProgress | None = None
        while told is None or told.state == RUNNING:
            running = self._running.get(import_id)
            if running is not None:
                async for progress in running.follow():
                    yield progress
                return
            row = await self._store.read(lambda connection: import_row(connection, import_id))
            progress = self.progress_of(row)
            if progress != told:
                told = progress
                yield progress
            if progress.state == RUNNING:
                await asyncio.sleep(_LOOK_SECONDS)

    def progress_of(self, row: Row) -> pb.ImportProgress:
        """Return how a stored import stands; one on which no process is at work any more is interrupted."""
        running = self._running.get(row["id"])
        if running is not None:
            return running.progress
        progress = pb.ImportProgress.FromString(row["progress"])
        is_elsewhere = row["worker"] not in {"", self._worker} and not is_gone(row["worker"])
        silent_micros = to_micros(self._clock.now()) - row["seen_at"]
        if progress.state == RUNNING and not (is_elsewhere and silent_micros < LEASE_SECONDS * 1_000_000):
            progress.state = INTERRUPTED
        return progress

    async def stop(self) -> None:
        """Stop the imports under way; they go on from their last chunk when they are resumed."""
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _taken_up(self, import_id: str, call: Call) -> Running:
        """Make the import this process's own and begin at the first row that was not entered."""
        silent = Call(call.actor, traceparent=call.traceparent)
        await self._train.execute(self._do.hold, HoldImport(import_id, self._worker, takes_over=True), silent)
        row = await self._store.read(lambda connection: import_row(connection, import_id))
        known = self._running.get(import_id)
        if known is not None:
            return known
        running = Running(pb.ImportProgress.FromString(row["progress"]))
        if running.progress.state == RUNNING:
            self._running[import_id] = running
            work = self._run(running, row["sha256"], row["mapping"], silent, row["next_row"])
            running.task = asyncio.create_task(work, name=f"import {import_id}")
        return running

    async def _held(self, import_id: str, call: Call) -> None:
        """Say again and again that this process is at work on the import: reading may take longer than a lease."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(PlatformError):  # the next chunk tells what is wrong
                await self._train.execute(self._do.hold, HoldImport(import_id, self._worker), call)

    async def _left(self, import_id: str, call: Call) -> None:
        """Say that this process has left the import, so that nobody waits for it."""
        with suppress(PlatformError):
            await self._train.execute(self._do.hold, HoldImport(import_id, "", held_by=self._worker), call)

    async def _run(self, running: Running, sha256: str, mapping: str, call: Call, skip: int) -> None:
        """Enter the whole table; whatever happens, its followers are told how it ended."""
        import_id = running.progress.import_id
        last = running.progress
        holding = asyncio.create_task(self._held(import_id, call), name=f"hold {import_id}")
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
            holding.cancel()
            if last.state == INTERRUPTED:
                await self._left(import_id, call)
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
                return await self._train.execute(self._do.enter, chunk.command(import_id, self._worker, revised), call)
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
