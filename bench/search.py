"""Searching cases by words of 2, 4 and 8 characters, with filters and further pages, beside the index and the SQL alone.

`python -m bench search` has 100,000 cases, `python -m bench search 1000000` a million (filling them takes minutes).
"""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.enforcement import MIGRATIONS
from tests.reading_cost import gather_statistics, statements
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
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc

STAGES = [case_pb2.STAGE_OPENED, case_pb2.STAGE_INVESTIGATION]
CASES, CHUNK, ASKED = 100_000, 10_000, 60
PROVINCE = Scope(region="420000")
REGIONS = ("420111", "420106", "420102", "420502", "420602", "430102")
AGENCIES, MICROS_A_MINUTE = 12, 60_000_000
YEARS: Any = {"decided_from": "2024-01-01", "decided_to": "2025-12-31"}
FIRST_DAY, DAYS = date(2016, 1, 1), 3_650
TABLE = Path(__file__).parents[1] / "tests" / "data" / "penalty_disclosures" / "penalty_disclosures.csv"
Reading = Callable[[sa.Connection], Any]


def run(count: int = CASES) -> Iterator[Figure]:
    """Measure both databases with `count` cases."""
    with tempfile.TemporaryDirectory() as name:
        yield from figures(Path(name), "SQLite", count)
    with tempfile.TemporaryDirectory() as name, postgres.running(durable=True) as server:
        put_on_postgres(Path(name), server.url, "liangfa_bench")
        yield from figures(Path(name), "PostgreSQL", count)


def figures(folder: Path, name: str, count: int) -> Iterator[Figure]:
    """Measure one database."""
    chance, parts = random.Random(20261123), pieces()
    store = open_store(database_of(folder), "enforcement_record", folder / "records.sqlite3", MIGRATIONS)
    try:
        begun = time.perf_counter()
        fill(store, parts, chance, count)
        gather_statistics(folder)
        print(f"  {name}: {count:,} cases, stored in {time.perf_counter() - begun:.0f} s", flush=True)
        chinese = [part for part in parts if all("\u4e00" <= character <= "\u9fff" for character in part[:8])]
        for length in (2, 4, 8):
            words = [chance.choice(chinese)[:length] for _ in range(ASKED)]
            yield from of_words(store, f"{name}, {length} characters", words)
        asked = [rpc.SearchCasesRequest(region=region, stages=STAGES, page_size=50) for region in REGIONS[:-1] * 10]
        yield beside_sql(store, f"{name}, no words, district and stages", asked)
    finally:
        store.close()


def of_words(store: Store, what: str, words: list[str]) -> Iterator[Figure]:
    """Measure searches for words: all that match, with filters, and the second page."""
    plain = [rpc.SearchCasesRequest(text=word) for word in words]
    alone = percentile(store, [partial(index_alone, store, word) for word in words])
    whole = beside_sql(store, what, plain)
    yield Figure(f"{what}, p95", whole.ours, "ms", alone, "the index alone", less_is_better=True)
    yield whole
    filtered = [rpc.SearchCasesRequest(text=word, region="420111", stages=STAGES, **YEARS) for word in words]
    yield beside_sql(store, f"{what}, district, stages, two years", filtered)
    with store.reading() as connection:
        pages = [search_cases(connection, store, PROVINCE, request).page.next_token for request in plain]
    further = [
        rpc.SearchCasesRequest(text=word, page_token=page) for word, page in zip(words, pages, strict=True) if page
    ]
    if further:
        yield beside_sql(store, f"{what}, second page", further)


def beside_sql(store: Store, what: str, asked: list[rpc.SearchCasesRequest]) -> Figure:
    """Return the 95th percentile of searches beside that of their statements by the driver alone."""
    searches = [partial(_searched, store, request) for request in asked]
    with store.reading() as connection:
        noted = [statements(connection, search) for search in searches]
    ours = percentile(store, searches)
    bare = percentile(store, [partial(_bare, of_one) for of_one in noted])
    return Figure(f"{what}, p95", ours, "ms", bare, "its SQL by the driver alone", less_is_better=True)


def percentile(store: Store, readings: Sequence[Reading]) -> float:
    """Return the 95th percentile in milliseconds of the readings, each done once and some of them before."""
    warming, taken = readings[:5], list[float]()  # connections and caches
    for reading in (*warming, *readings):
        with store.reading() as connection:
            begun = time.perf_counter()
            reading(connection)
            taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken[len(warming) :])[int(len(readings) * 0.95)]


def index_alone(store: Store, word: str, connection: sa.Connection) -> None:
    """Read the keys of the cases that contain a word."""
    if (matching := store.search(CASE_TEXT, word)) is not None:
        connection.execute(matching).all()


def _searched(store: Store, request: rpc.SearchCasesRequest, connection: sa.Connection) -> None:
    search_cases(connection, store, PROVINCE, request)


def _bare(noted: list[tuple[str, Any]], connection: sa.Connection) -> None:
    driver: Any = connection.connection.driver_connection
    for text, given in noted:
        driver.execute(text, given).fetchall()


def pieces() -> list[str]:
    """Return pieces of 40 characters of published penalties, of which the cases are put together."""
    with TABLE.open(encoding="utf-8-sig") as lines:
        texts = ["\n".join(filter(None, row.values())) for row in csv.DictReader(lines)]
    return [text[start : start + 40] for text in texts for start in range(0, max(1, len(text) - 40), 40)]


def fill(store: Store, parts: list[str], chance: random.Random, count: int) -> None:
    """Store `count` cases of 200 characters with their documents."""
    ids = UuidSequence(SystemClock())
    for start in range(0, count, CHUNK):
        texts = [(ids(), "，".join(chance.choices(parts, k=5))) for _ in range(min(CHUNK, count - start))]
        with store.transaction() as tx:
            tx.insert(cases, [_row(key, text, number) for number, (key, text) in enumerate(texts, start=start)])
            tx.index([IndexChange(CASE_TEXT, key, index_terms(text), None) for key, text in texts])


def _row(key: str, text: str, number: int) -> dict[str, Any]:
    region = REGIONS[number % len(REGIONS)]
    agency = f"agency-{region}-{number // len(REGIONS) % AGENCIES}"
    decided = (FIRST_DAY + timedelta(days=number * 7 % DAYS)).isoformat()
    case = case_pb2.Case(id=key, agency_id=agency, region=region, title=text[:40], narrative=text, version=1)
    values: dict[str, Any] = {column.name: "" for column in cases.c if not column.nullable}
    values.update(id=key, agency_id=agency, region=region, title=text[:40], decided_on=decided)
    values.update(
        version=1,
        stage=number // len(REGIONS) % 6,
        screening_outcome=number % 3,
        registered_at=number * MICROS_A_MINUTE,
    )
    values.update(fine_hao=number, amount_hao=number, body=case.SerializeToString())
    return values
