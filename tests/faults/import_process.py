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
from liangfa_enforcement_record.wiring import TOPIC
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub
from liangfa_supervision.tables import KIT as SUPERVISION_KIT

OFFICER = district.officer("market_regulation")
_PIECE = 1 << 16
_PATIENCE_SECONDS = 120


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
        await caught_up(platform)


async def caught_up(platform: Platform) -> None:
    """Return when supervision has applied everything that is journalled now, by the places that it stores."""
    record, supervision = platform.record, platform.supervision
    assert record is not None
    assert supervision is not None
    newest = await record.store.read(lambda c: c.execute(sa.select(sa.func.max(KIT.journal.c.position))).scalar() or 0)
    places = SUPERVISION_KIT.consumer_positions.c
    applied = sa.select(sa.func.max(places.source_position)).where(
        places.key.startswith(f"{supervision.consumer.name}/{TOPIC}/")
    )
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while (await supervision.store.read(lambda c: c.execute(applied).scalar()) or 0) < newest:
            await asyncio.sleep(0.02)


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
