"""Full-text search finds the same on every database: what contains the words, whatever the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liangfa_kit.search import index_terms, query_phrases
from liangfa_kit.store.port import IndexChange, Store
from tests.tally import TALLY_TEXT, admin_engine, metadata, open_store, tallies

LETTERS = "销售假药a1b2 ，。A０'\\\":&|!*(𠮷"
DOCUMENTS = st.lists(st.text(alphabet=LETTERS, max_size=14), min_size=1, max_size=5)
QUERIES = st.text(alphabet=LETTERS, min_size=1, max_size=6)
on_one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.fixture
def stores(tmp_path: Path, on_postgres: None) -> Iterator[dict[str, Store]]:
    beside = tmp_path.parent / f"{tmp_path.name}-sqlite"
    beside.mkdir()
    opened = {name: open_store(place / "tally.sqlite3", metadata) for name, place in (("p", tmp_path), ("s", beside))}
    yield opened
    for store in opened.values():
        store.close()


def found(store: Store, documents: list[str], query: str) -> set[str]:
    """The documents that `query` finds when they are all there is."""
    terms = {str(number): index_terms(document) for number, document in enumerate(documents)}
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, key, text, None) for key, text in terms.items()])
    selected = store.search(TALLY_TEXT, query)
    hits = set[str]()
    if selected is not None:
        with store.reading() as connection:
            hits = set(connection.execute(selected).scalars())
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, key, None, text) for key, text in terms.items()])
    return hits


@on_one_database
@given(documents=DOCUMENTS, query=QUERIES)
def test_both_databases_find_the_same_documents(stores: dict[str, Store], documents: list[str], query: str) -> None:
    """Phrases, prefixes, single characters, separators, and what is syntax elsewhere."""
    assert found(stores["p"], documents, query) == found(stores["s"], documents, query)


@on_one_database
@given(text=st.text(max_size=60))
def test_any_text_is_indexed_and_finds_itself(stores: dict[str, Store], text: str) -> None:
    """No character of any script upsets the index."""
    assert found(stores["p"], [text], text) == ({"0"} if query_phrases(text) else set())


def test_a_phrase_is_found_at_the_end_of_the_longest_narrative(stores: dict[str, Store]) -> None:
    """Far beyond the positions that a tsvector can count, among thousands of the same term."""
    text = "药品" * 45_000 + "，销售假药案" + "x" * 5_000
    for store in stores.values():
        assert found(store, [text, "药品"], "销售假药案") == {"0"}
        assert found(store, [text, "药品"], "售假药品") == set()
        assert found(store, [text, "药品"], "x" * 150) == {"0"}


def test_the_index_goes_first_whatever_else_a_search_asks(stores: dict[str, Store], tmp_path: Path) -> None:
    """A condition whose effect the planner underrates must not make it look through document after document."""
    names = [f"t{number}" for number in range(3_000)]
    with stores["p"].transaction() as tx:
        tx.insert(tallies, [{"name": name, "total": 1, "owner": "p1"} for name in names])
        texts = (("销售假药" if number % 20 == 0 else "未亮照经营") + "某店" * 60 for number in range(3_000))
        documents = zip(names, map(index_terms, texts), strict=True)
        tx.index([IndexChange(TALLY_TEXT, name, terms, None) for name, terms in documents])
    engine = admin_engine(tmp_path / "tally.sqlite3")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    matching = stores["p"].search(TALLY_TEXT, "假药")
    assert matching is not None
    query = sa.select(tallies).where(tallies.c.name.in_(matching), sa.func.substr(tallies.c.owner, 1, 1) == "p")
    with stores["p"].reading() as connection:
        compiled = query.compile(connection)
        explained = connection.exec_driver_sql(f"EXPLAIN {compiled}", dict(compiled.params))
        plan = "\n".join(row[0] for row in explained)
    assert "tally_text_pkey" not in plan, plan
