"""The import of 100,000 rows, end to end through the service, beside a bare insert of the same rows."""

from __future__ import annotations

import asyncio
import csv
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from bench.child import Child, kept_to, serving, token_of
from bench.import_parse import credit_code
from bench.report import Figure
from liangfa_cli.demo import TABLE
from liangfa_cli.district import PROCURATOR, officer
from liangfa_kit.rpc.client import Channel, Outgoing, connect
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub

ROWS = 100_000
CHUNK = 250
NAME, KIND, CODE = "行政相对人名称", "行政相对人类别", "行政相对人代码_1(统一社会信用代码)"
NUMBER, DAY, FACTS = "行政处罚决定书文号", "处罚决定日期", "违法事实"
AMOUNTS = ("罚款金额（万元）", "没收违法所得、没收非法财物的金额（万元）")
_COUNTED = re.compile(r"\d+(?:\.\d+)?(?=余?(?:万?元|公斤|千克|吨|件|箱|瓶|盒|条|支|只|株|亩|斤|双))")
_STEMS = "甲乙丙丁戊己庚辛壬癸"


def run() -> Iterator[Figure]:
    """Write the table, insert it with the driver alone, import it, and tell both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "rows.csv"
        write_table(table, ROWS)
        with kept_to(0):
            bare = insert_rate(table, folder / "bare.sqlite3")
        with serving("platform", str(folder / "platform")) as child, kept_to(1):
            yield from asyncio.run(imported(child, folder / "platform", table, bare))


def write_table(path: Path, count: int) -> None:
    """Write `count` rows varied from the real published table: parties, numbers, dates, amounts, quantities."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        headers = [header for header in reader.fieldnames or () if not header.startswith("x_")]
        real = [{header: row[header] for header in headers} for row in reader]
    chance = random.Random(7)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, headers)
        writer.writeheader()
        for number in range(count):
            writer.writerow(varied(real[number % len(real)], number, number // len(real), chance))


def varied(row: dict[str, str], number: int, block: int, chance: random.Random) -> dict[str, str]:
    """Return another row like this one. One party in five has a second case."""
    who = block - 1 if block % 5 == 4 else block
    stems = "".join(_STEMS[int(digit)] for digit in f"{who:03}")
    factor = chance.uniform(0.4, 1.6)
    scaled = {header: f"{float(row[header]) * factor:.4f}" for header in AMOUNTS if _is_number(row[header])}
    code = credit_code(who * 1_000 + number % 140) if row[KIND] == "法人及非法人组织" else ""
    return {
        **row,
        **scaled,
        NAME: f"{row[NAME]}{stems}",
        CODE: code,
        NUMBER: f"演示罚〔2024〕{number + 1}号",
        DAY: (date(2024, 1, 1) + timedelta(days=chance.randrange(500))).isoformat(),
        FACTS: _COUNTED.sub(lambda found: _times(found.group(), factor), row[FACTS]),
    }


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _times(text: str, factor: float) -> str:
    return f"{float(text) * factor:.2f}" if "." in text else str(max(1, round(int(text) * factor)))


def insert_rate(table: Path, path: Path) -> float:
    """Return rows per second that the driver alone inserts, cells as texts, durable, a commit for every chunk."""
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        headers = next(reader)
        rows = list(reader)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (" + ", ".join(f"c{place} TEXT" for place in range(len(headers))) + ")")
    statement = f"INSERT INTO rows VALUES ({', '.join('?' * len(headers))})"
    begun, left = time.perf_counter(), iter(rows)
    while chunk := list(islice(left, CHUNK)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, chunk)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return len(rows) / seconds


async def imported(child: Child, folder: Path, table: Path, bare: float) -> list[Figure]:
    """Import the table as the command line does; then wait until the supervisor's figures hold every case."""
    enters, watches = token_of(officer("market_regulation"), folder), token_of(PROCURATOR, folder)
    async with connect(child.address, Outgoing(lambda: enters)) as channel:
        begun = time.perf_counter()
        last = pb.ImportProgress()
        async for reply in ImportServiceStub(channel).ImportTable(_parts(table), timeout=600):
            last = reply.progress
        entered = time.perf_counter() - begun
    assert last.state == "finished", last
    assert last.cases_registered == ROWS, last
    async with connect(child.address, Outgoing(lambda: watches)) as channel:
        seen = await asyncio.wait_for(_seen(channel, begun), 120)
    note = f"{entered:.1f} s, peak {child.peak_mib:.0f} MiB, {last.suspected / ROWS:.0%} suspected"
    return [
        Figure("import: entered, screened, searchable", ROWS / entered, "rows/s", bare, "bare insert", note=note),
        Figure("import: also in the supervisor's figures", ROWS / seen, "rows/s", bare, "bare insert"),
    ]


async def _seen(channel: Channel, begun: float) -> float:
    stub = SupervisionServiceStub(channel)
    cases = 0
    while cases < ROWS:
        await asyncio.sleep(0.1)
        cases = sum(line.cases for line in (await stub.GetStatistics(watch_pb.GetStatisticsRequest())).lines)
    return time.perf_counter() - begun


async def _parts(table: Path) -> AsyncIterator[pb.ImportTableRequest]:
    with table.open("rb") as file:
        while piece := file.read(1 << 18):
            yield pb.ImportTableRequest(request_id="bench-import", file_name=table.name, content=piece)
