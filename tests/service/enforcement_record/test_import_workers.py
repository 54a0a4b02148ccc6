"""Whether an import is under way is judged by what is stored: another process, or the next one, knows it too."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from liangfa_enforcement_record.importer import LEASE_SECONDS, Importer
from liangfa_enforcement_record.tables import cases, imports
from liangfa_kit.clock import ManualClock
from liangfa_kit.context import CallContext, serving
from liangfa_kit.store.port import Transaction
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from tests.enforcement import OFFICER, START
from tests.enforcement_service import Service, running_service

pytestmark = pytest.mark.asyncio
HEADER = "行政相对人名称,行政处罚决定书文号,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n"
ROWS = 3_000
LINE = "武汉导入{0}商贸有限公司,洪市监处罚〔2025〕{0}号,虚假宣传,当事人在网页上使用国家级用语。,罚款,罚款1万元,1,2025-03-04\n"
TABLE = (HEADER + "".join(LINE.format(number) for number in range(ROWS))).encode()
ELSEWHERE = "another-machine:7:123:abc"


async def parts() -> AsyncIterator[rpc.ImportTableRequest]:
    yield rpc.ImportTableRequest(request_id="i", file_name="t.csv", content=TABLE)


async def begun(service: Service) -> str:
    """Begin an import, leave it after its first chunk, and stop it as a process does that ends."""
    async for reply in service.imports().ImportTable(parts()):
        import_id: str = reply.progress.import_id
        if reply.progress.rows_read:
            break
    await service.record.importer.stop()
    return import_id


async def set_worker(service: Service, name: str, seen_before: timedelta = timedelta(0)) -> None:
    """Make the stored import look as if the process `name` were at work on it."""
    from liangfa_kit.clock import to_micros

    seen_at = to_micros(service.clock.now() - seen_before)
    import_id = (await stored(service))["id"]

    def change(tx: Transaction) -> None:
        (row,) = tx.load(imports, "id", [import_id])
        tx.upsert(imports, [{**row, "worker": name, "seen_at": seen_at}])

    await service.record.train.write(change)


async def stored(service: Service) -> dict[str, Any]:
    return dict(await service.record.store.read(lambda c: c.execute(imports.select()).mappings().one()))


async def state(service: Service, import_id: str) -> str:
    reply = await service.imports().GetImport(rpc.GetImportRequest(import_id=import_id))
    told: str = reply.progress.state
    return told


async def test_an_import_of_another_process_is_running_until_that_falls_silent(tmp_path: Path) -> None:
    """A fresh word counts, an old one does not, and a process that left says so."""
    async with running_service(tmp_path, ManualClock(START)) as service:
        import_id = await begun(service)
        assert (await stored(service))["worker"] == ""
        assert await state(service, import_id) == "interrupted"
        await set_worker(service, ELSEWHERE)
        assert await state(service, import_id) == "running"
        await set_worker(service, ELSEWHERE, timedelta(seconds=LEASE_SECONDS))
        assert await state(service, import_id) == "interrupted"


async def test_a_process_that_ended_on_this_machine_is_known_at_once(tmp_path: Path) -> None:
    """No lease is waited for after a crash and a restart."""
    source = (
        "import sys; from liangfa_enforcement_record.worker import own_worker; print(own_worker(), flush=True); input()"
    )
    command = [sys.executable, "-c", source]
    pipes: Any = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes, cwd=Path(__file__).parents[3] / "services")
    assert process.stdout is not None
    name = (await process.stdout.readline()).decode().strip()
    async with running_service(tmp_path, ManualClock(START)) as service:
        import_id = await begun(service)
        await set_worker(service, name)
        assert await state(service, import_id) == "running"
        await process.communicate(b"\n")
        assert await state(service, import_id) == "interrupted"


async def test_resuming_follows_the_other_process_and_takes_over_when_it_falls_silent(tmp_path: Path) -> None:
    """Nobody works twice on the same rows; all of them are entered, once."""
    clock = ManualClock(START)
    async with running_service(tmp_path, clock) as service:
        import_id = await begun(service)
        await set_worker(service, ELSEWHERE)
        told: list[rpc.ImportProgress] = []
        request = rpc.ResumeImportRequest(request_id="r", import_id=import_id)
        async for reply in service.imports().ResumeImport(request):
            told.append(reply.progress)
            if len(told) == 1:
                assert (reply.progress.state, service.record.importer.running(import_id)) == ("running", None)
                clock.advance(timedelta(seconds=LEASE_SECONDS))
        assert (told[-1].state, told[-1].cases_registered) == ("finished", ROWS)
        rows = await service.record.store.read(lambda c: c.execute(cases.select()).mappings().all())
        assert len({row["document_number"] for row in rows}) == len(rows) == ROWS


async def test_of_two_processes_the_one_that_lost_the_import_enters_nothing_more(tmp_path: Path) -> None:
    """A process that was only slow finds its import taken over, and leaves it to the other."""
    async with running_service(tmp_path) as service:
        record = service.record
        other = Importer(
            record.train, record.store, record.importer._objects, record.importer._do, service.clock
        )  # fmt: skip
        last = rpc.ImportProgress()
        took_over: asyncio.Task[rpc.ImportProgress] | None = None
        async for reply in service.imports().ImportTable(parts()):
            last = reply.progress
            if last.rows_read and took_over is None:
                await set_worker(service, ELSEWHERE, timedelta(hours=1))
                took_over = asyncio.create_task(_gone_on(other, last.import_id))
        assert took_over is not None
        assert (last.state, last.failure_reason) == ("interrupted", "IMPORT_TAKEN_OVER")
        ended = await took_over
        assert (ended.state, ended.cases_registered) == ("finished", ROWS)


async def _gone_on(importer: Importer, import_id: str) -> rpc.ImportProgress:
    call = CallContext("/test")
    call.actor = OFFICER
    last = rpc.ImportProgress()
    with serving(call):
        async for progress in importer.gone_on(import_id, Call(OFFICER)):
            last = progress
    return last
