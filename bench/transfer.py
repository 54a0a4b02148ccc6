"""A transfer's whole way, ten calls from the suspicion to the judgment, beside raw transactions, dbos and an empty echo."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

from bench.child import ECHO, kept_to, serving, token_of
from bench.entry import rate
from bench.report import Figure
from liangfa_cli import district
from liangfa_kit.identity import Actor
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

CLIENTS = (1, 16)
SECONDS = 8.0
WARMING_SECONDS = 1.0
CALL_SECONDS = 30.0
PROCEDURE = Procedure.load()
WAY = (
    ("report_to_head", "officer"),
    ("approve_transfer", "agency_head"),
    ("deliver_transfer", "officer"),
    ("accept_transfer", "police"),
    ("file_case", "police_head"),
    ("hand_over_items", "officer"),
    ("send_for_prosecution", "police_head"),
    ("prosecute", "procurator"),
    ("pronounce_judgment", "judge"),
)
CALLS = len(WAY) + 1
_OFFICER = district.officer("market_regulation")
PEOPLE = {
    "officer": _OFFICER,
    "agency_head": district.head("market_regulation"),
    "police": district.POLICE,
    "police_head": replace(district.POLICE, person_id="hs-police-head", roles=frozenset({"police_head"})),
    "procurator": district.PROCURATOR,
    "judge": district.JUDGE,
}


def run() -> Iterator[Figure]:
    """Measure in turn, servers on one core and their clients on the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = {role: token_of(actor, folder) for role, actor in PEOPLE.items()}
        with serving("echo") as echo, serving("platform", name) as platform, kept_to(1):
            for clients in CLIENTS:
                bare = asyncio.run(rate(echo.address, ECHO, "", clients))
                ours = asyncio.run(_ways(platform.address, tokens, clients))
                what = f"whole way, {clients} clients"
                yield Figure(what, ours, "cases/s", bare / CALLS, f"empty echo called {CALLS} times")
                with kept_to(0):
                    raw = _raw_rate(folder / f"raw{clients}.sqlite3", *_sizes(folder))
                    yield Figure(what, ours, "cases/s", raw, "raw driver: as many transactions, same rows and bytes")
                    durable = _durable_rate(folder / f"durable{clients}.sqlite3", clients)
                if durable:
                    yield Figure(what, ours, "cases/s", durable, "dbos: workflow of 8 steps and a timer, no RPC")
                else:
                    print("  (dbos is not installed: pip install dbos)")


async def _ways(address: str, tokens: dict[str, str], clients: int) -> float:
    """Return how many cases go their whole way in a second, all clients together."""
    finished = 0
    headers = {role: (("authorization", f"Bearer {token}"),) for role, token in tokens.items()}
    async with grpc.aio.insecure_channel(address) as channel:
        stub = TransferServiceStub(channel)

        async def client(until: float) -> None:
            nonlocal finished
            while time.perf_counter() < until:
                await _one_way(stub, headers)
                finished += time.perf_counter() < until

        for seconds in (WARMING_SECONDS, SECONDS):
            finished, until = 0, time.perf_counter() + seconds
            await asyncio.gather(*(client(until) for _ in range(clients)))
    return finished / SECONDS


async def _one_way(stub: Any, headers: dict[str, Any]) -> None:
    opening = rpc.OpenTransferRequest(
        request_id=str(uuid.uuid4()),
        case_id=str(uuid.uuid4()),
        title="某酒行销售假冒注册商标的白酒案",
        receiver=_organisation(district.POLICE),
        supervisor=_organisation(district.PROCURATOR),
        suspect_names=["张某"],
        offences=["销售假冒注册商标的商品罪"],
    )
    opened = await stub.OpenTransfer(opening, timeout=CALL_SECONDS, metadata=headers["officer"])
    transfer = opened.transfer
    for name, role in WAY:
        step = PROCEDURE.step(name)
        request = rpc.TakeStepRequest(
            request_id=str(uuid.uuid4()),
            transfer_id=transfer.id,
            step=name,
            suspect_id=transfer.suspects[0].id if step.scope == "suspect" else "",
            expected_version=transfer.version,
            documents=[pb.Document(kind=k, title=k, sha256="0" * 64, size_bytes=9) for k in step.documents_required],
            fields=dict.fromkeys(step.required_fields, "洪山") | dict.fromkeys(step.people, "甲、乙"),
        )
        taken = await stub.TakeStep(request, timeout=CALL_SECONDS, metadata=headers[role])
        transfer = taken.transfer


def _organisation(actor: Actor) -> pb.Organisation:
    return pb.Organisation(id=actor.agency_id, name=actor.agency_name)


def _sizes(folder: Path) -> tuple[float, float]:
    """Return rows and bytes that one call left in the database of case_transfer, for the raw driver to write as many."""
    with sqlite3.connect(folder / "case_transfer" / "transfers.sqlite3") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        (calls,) = connection.execute("SELECT count(DISTINCT request_id) FROM journal").fetchone()
        rows = bytes_ = 0
        for name in names:
            columns = [column for _, column, *_ in connection.execute(f'PRAGMA table_info("{name}")')]
            widths = "+".join(f'coalesce(length("{column}"), 0)' for column in columns)
            count, width = connection.execute(f'SELECT count(*), sum({widths}) FROM "{name}"').fetchone()
            rows, bytes_ = rows + count, bytes_ + (width or 0)
    return rows / calls, bytes_ / calls


def _raw_rate(path: Path, rows: float, bytes_: float) -> float:
    """Return cases a second of the driver alone: a transaction for each call, with the rows and bytes of ours."""
    body = b"x" * int(bytes_ / rows)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE state (name INTEGER PRIMARY KEY, body BLOB)")
    until, count = time.perf_counter() + SECONDS / 2, 0
    while time.perf_counter() < until:
        connection.execute("BEGIN IMMEDIATE")
        first = connection.execute("SELECT coalesce(max(name), 0) FROM state").fetchone()[0]
        connection.executemany("INSERT INTO state VALUES (?, ?)", ((first + n + 1, body) for n in range(round(rows))))
        connection.execute("COMMIT")
        count += 1
    connection.close()
    return count / (SECONDS / 2) / CALLS


def _durable_rate(path: Path, clients: int) -> float:
    """Return workflows a second of dbos, in a process of its own; 0 where it is not installed."""
    if importlib.util.find_spec("dbos") is None:
        return 0.0
    command = [sys.executable, "-m", "bench.durable", str(path), str(clients), str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
