"""Searching cases by words of 2, 4 and 8 characters at 100,000 cases, on SQLite and on PostgreSQL, beside the index alone."""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.enforcement import MIGRATIONS
from tests.servers import postgres
from tests.servers.databases import database_of, put_on_postgres

from bench.report import Figure
from liangfa_enforcement_record.authority import Scope
from liangfa_enforcement_record.queries.searching import search_cases
from liangfa_enforcement_record.tables import CASE_TEXT, cases
from liangfa_kit.clock import SystemClock
from liangfa_kit.ids import UuidSequence
from liangfa_kit.search import index_terms
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import IndexChange, Store
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc

COUNT, CHUNK, ASKED = 100_000, 1_000, 60
TABLE = Path(__file__).parents[1] / "tests" / "data" / "penalty_disclosures" / "penalty_disclosures.csv"


def pieces() -> list[str]:
    """Return pieces of 40 characters of published penalties, of which the cases are put together."""
    with TABLE.open(encoding="utf-8-sig") as lines:
        texts = ["\n".join(filter(None, row.values())) for row in csv.DictReader(lines)]
    return [text[start : start + 40] for text in texts for start in range(0, max(1, len(text) - 40), 40)]


def fill(store: Store, parts: list[str], chance: random.Random) -> None:
    """Store `COUNT` cases of 200 characters with their documents."""
    ids = UuidSequence(SystemClock())
    empty = {c.name: "" for c in cases.c if not c.nullable}
    for start in range(0, COUNT, CHUNK):
        rows, documents = [], []
        for number in range(start, start + CHUNK):
            key, text = ids(), "，".join(chance.choices(parts, k=5))
            numbers = {"version": 1, "stage": number % 6, "screening_outcome": number % 3, "registered_at": number}
            money = {"fine_hao": number, "amount_hao": number}
            rows.append(empty | numbers | money | {"id": key, "region": "420111", "title": text, "body": b""})
            documents.append(IndexChange(CASE_TEXT, key, index_terms(text), None))
        with store.transaction() as tx:
            tx.insert(cases, rows)
            tx.index(documents)


def percentile(store: Store, words: list[str], *, index_alone: bool) -> float:
    """Return the 95th percentile in milliseconds of one search a word."""
    taken = []
    for word in words:
        begun = time.perf_counter()
        with store.reading() as connection:
            if not index_alone:
                search_cases(connection, store, Scope(region="420000"), rpc.SearchCasesRequest(text=word))
            elif (matching := store.search(CASE_TEXT, word)) is not None:
                connection.execute(matching).all()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)[int(len(taken) * 0.95)]


def figures(folder: Path, name: str) -> Iterator[Figure]:
    """Measure one database."""
    chance, parts = random.Random(20261123), pieces()
    store = open_store(database_of(folder), "enforcement_record", folder / "records.sqlite3", MIGRATIONS)
    try:
        fill(store, parts, chance)
        chinese = [part for part in parts if all("\u4e00" <= character <= "\u9fff" for character in part[:8])]
        for length in (2, 4, 8):
            words = [chance.choice(chinese)[:length] for _ in range(ASKED)]
            percentile(store, words[:5], index_alone=False)  # connections and caches
            alone = percentile(store, words, index_alone=True)
            whole = percentile(store, words, index_alone=False)
            yield Figure(f"search on {name}, {length} characters, p95", whole, "ms", alone, "the index alone", True)
    finally:
        store.close()


def run() -> Iterator[Figure]:
    """Measure both databases."""
    with tempfile.TemporaryDirectory() as name:
        yield from figures(Path(name), "SQLite")
    with tempfile.TemporaryDirectory() as name, postgres.running(durable=True) as server:
        put_on_postgres(Path(name), server.url, "liangfa_bench")
        yield from figures(Path(name), "PostgreSQL")
