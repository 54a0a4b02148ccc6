"""`kill -9` in the middle of an import, again and again: going on loses no row, repeats none and keeps the chain whole."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_enforcement_record.tables import KIT, cases, import_rows
from liangfa_kit.verify import journal_faults
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_rpc
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from tests.faults.figures import Outcome, Record
from tests.faults.import_process import caught_up, followed, imports, quiet_platform

pytestmark = [pytest.mark.fault, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
ROWS, KILLS = 6_000, 7  # twice what the kills come to pass, so that a starved parent still kills in time
HEADER = (
    "行政相对人名称,行政处罚决定书文号,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期,当前状态"
)
_FACTS = "当事人销售假冒注册商标的白酒，销售金额共计{}元，现场查获尚未销售的同款白酒{}瓶，经责令后已改正。"


def table() -> tuple[bytes, Counter[str]]:
    """Return a table of all kinds of rows, and how many of each: cases, repeats, rows to correct, withdrawn ones."""
    chance, lines, kinds = random.Random(20261123), [HEADER], Counter[str]()
    for number in range(ROWS):
        kind = chance.choices(["case", "repeat", "rejected", "withdrawn"], [90, 3, 4, 3])[0] if number else "case"
        kinds[kind] += 1
        if kind == "repeat":
            lines.append(next(line for line in reversed(lines) if line.endswith(",0") and "2025-03-04" in line))
            continue
        facts = _FACTS.format(chance.randrange(100, 90_000), number)
        day, state = ("2025-02-30" if kind == "rejected" else "2025-03-04"), int(kind == "withdrawn")
        lines.append(
            f"武汉第{number}商贸有限公司,洪市监处罚〔2025〕{number}号,虚假宣传,{facts},罚款,罚款1万元,1,{day},{state}"
        )
    return "\n".join([*lines, ""]).encode(), kinds


def run_and_kill(folder: Path, file: Path, told_before: int, after_seconds: float) -> tuple[str, int]:
    """Run the import and kill it `after_seconds` behind its next step; return state and rows that it told last."""
    command = [sys.executable, "-m", "tests.faults.import_process", str(folder), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        told = ["", "0"]
        while int(told[1]) <= told_before and (line := process.stdout.readline()):
            told = line.split() if len(line.split()) == 2 else told
            if told_before < 0:
                break
        time.sleep(after_seconds)
        process.kill()
        for line in process.stdout.read().splitlines():
            told = line.split() if len(line.split()) == 2 else told
    assert process.returncode == -9, "the import ended before it was killed"
    return told[0], int(told[1])


async def gone_on_with(folder: Path, content: bytes, kinds: Counter[str]) -> list[str]:
    async with quiet_platform(folder) as platform:
        (stopped,) = (await imports(platform).ListImports(rpc.ListImportsRequest())).imports
        assert stopped.state == "interrupted"
        assert 0 < stopped.rows_read <= ROWS  # all may be read, and the end not yet committed
        async for told in followed(platform, content):
            last = told
        assert last.import_id == stopped.import_id
        assert last.state == "finished"
        counted = (last.rows_read, last.cases_registered, last.rows_repeated, last.rows_rejected, last.rows_skipped)
        assert counted == (ROWS, kinds["case"], kinds["repeat"], kinds["rejected"], kinds["withdrawn"])
        assert last.cases_amended == 0
        assert platform.record is not None
        store = platform.record.store
        numbers = await store.read(lambda c: [row.document_number for row in c.execute(cases.select())])
        kept = await store.read(lambda c: [row.row for row in c.execute(import_rows.select())])
        types = await store.read(lambda c: Counter(row.type for row in c.execute(KIT.journal.select())))
        assert len(numbers) == len(set(numbers)) == kinds["case"]
        assert len(kept) == len(set(kept)) == kinds["rejected"]
        registered = [count for name, count in types.items() if name.endswith("CaseRegistered")]
        started = [count for name, count in types.items() if name.endswith(("ImportStarted", "ImportFinished"))]
        assert (registered, started) == ([kinds["case"]], [1, 1])
        assert list(journal_faults(store, KIT)) == []
        assert await supervised(platform) == kinds["case"]
        return numbers


async def supervised(platform: Platform) -> int:
    """Return how many cases supervision has counted, once all that was committed has reached it."""
    await caught_up(platform)
    stub = SupervisionServiceStub(platform.channel_for(district.PROCURATOR))
    request = watch_rpc.GetStatisticsRequest(dimension=watch_rpc.STATISTICS_DIMENSION_AGENCY)
    return sum(line.cases for line in (await stub.GetStatistics(request)).lines)


@pytest.mark.timeout(600)
def test_an_import_killed_seven_times_loses_and_repeats_nothing(tmp_path: Path, record_property: Record) -> None:
    """Six thousand rows: cases, repeats, rows kept aside and withdrawn ones each end as what they are, once."""
    content, kinds = table()
    file, folder, chance = tmp_path / "table.csv", tmp_path / "data", random.Random(7)
    file.write_bytes(content)
    folder.mkdir()
    run_and_kill(folder, file, -1, chance.uniform(0.0, 0.02))  # at its very beginning, perhaps before it is known
    read = 0
    for _ in range(KILLS - 1):
        state, rows = run_and_kill(folder, file, read, chance.uniform(0.0, 0.03))
        assert state == "running"
        assert read < rows < ROWS
        read = rows
    entered = asyncio.run(gone_on_with(folder, content, kinds))
    lost, doubled = kinds["case"] - len(set(entered)), len(entered) - len(set(entered))
    Outcome("kill -9 in an import (rows)", KILLS, kinds["case"], lost, doubled).tell(record_property)
