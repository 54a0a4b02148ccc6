"""The process that the kill test of imports kills: the platform with one import, begun or gone on with.

Usage: python -m tests.faults.import_process FOLDER TABLE. Prints `ready`, then `STATE ROWS_READ` for each progress told.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from liangfa_cli import district
from liangfa_cli.platform import Platform, running
from liangfa_enforcement_record.tables import KIT
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub

OFFICER = district.officer("market_regulation")
_PIECE = 1 << 16


def settings(folder: Path) -> PlatformSettings:
    """Return the settings of a platform whose data and log are in `folder`."""
    return PlatformSettings(
        storage=Storage(folder=folder), listen=Listen(port=0), logging=Logging(level="error", file=folder / "log")
    )


@asynccontextmanager
async def quiet_platform(folder: Path) -> AsyncIterator[Platform]:
    """Run a platform that is closed once all it has committed was published and supervision rests."""
    async with running(settings(folder)) as platform:
        yield platform
        async with asyncio.timeout(20):
            looks, before = 0, -1
            while looks < 3:
                applied = await applied_when_published(platform)
                looks, before = (looks + 1 if applied == before >= 0 else 0), applied
                await asyncio.sleep(0.02)


async def applied_when_published(platform: Platform) -> int:
    """Return how many events supervision has applied in this process; -1 as long as some are not published."""
    record, supervision = platform.record, platform.supervision
    assert record is not None
    assert supervision is not None
    query = sa.select(sa.func.coalesce(sa.func.max(KIT.journal.c.position), 0))
    newest = int(await record.store.read(lambda c: c.execute(query).scalar_one()))
    return supervision.consumer.state.applied if record.relay.state.saved >= newest else -1


def imports(platform: Platform) -> Any:
    return ImportServiceStub(platform.channel_for(OFFICER))


async def pieces(content: bytes, **first: Any) -> AsyncIterator[rpc.ImportTableRequest]:
    """Yield a table in pieces, as clients send it."""
    named: dict[str, Any] = {"file_name": "处罚.csv", "request_id": str(uuid.uuid4())} | first
    for start in range(0, max(1, len(content)), _PIECE):
        yield rpc.ImportTableRequest(content=content[start : start + _PIECE], **(named if not start else {}))


async def followed(platform: Platform, content: bytes) -> AsyncIterator[rpc.ImportProgress]:
    """Go on with the interrupted import there is, else begin one, and yield its progress."""
    stub = imports(platform)
    known = list((await stub.ListImports(rpc.ListImportsRequest())).imports)
    if known:
        request = rpc.ResumeImportRequest(request_id=str(uuid.uuid4()), import_id=known[0].import_id)
        replies = stub.ResumeImport(request)
    else:
        replies = stub.ImportTable(pieces(content))
    async for reply in replies:
        yield reply.progress


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(folder: Path, table: bytes) -> None:
    async with running(settings(folder)) as platform:
        say("ready")
        async for progress in followed(platform, table):
            say(f"{progress.state} {progress.rows_read}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
