"""The store's contract. Every implementation joins through the `store` fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_kit.search import index_terms
from liangfa_kit.store.port import Clash, IndexChange, Store
from tests.tally import TALLY_TEXT, metadata, open_store, tallies


@pytest.fixture
def store(tmp_path: Path, either_database: str) -> Iterator[Store]:
    store = open_store(tmp_path / "store.sqlite3", metadata)
    yield store
    store.close()


def row(name: str, total: int = 1, note: str | None = None, *, is_open: bool | None = None) -> dict[str, object]:
    return {"name": name, "total": total, "note": note, "owner": "p1", "is_open": is_open}


def everything(store: Store) -> list[tuple[object, ...]]:
    with store.reading() as connection:
        return [tuple(r) for r in connection.execute(sa.select(tallies.c.name, tallies.c.total).order_by("name"))]


def test_a_committed_transaction_is_read_back_as_it_was_written(store: Store) -> None:
    """Rows come back with their types: text, integers, booleans and NULL."""
    with store.transaction() as tx:
        tx.insert(tallies, [row("甲", 5, "备注", is_open=True), row("乙", 2**60, is_open=False), row("丙")])
    with store.transaction() as tx:
        found = tx.load(tallies, "name", ["甲", "乙", "丙", "missing"])
    assert [dict(r) for r in found] == [
        row("甲", 5, "备注", is_open=True),
        row("乙", 2**60, is_open=False),
        row("丙"),
    ]


def test_an_exception_leaves_no_trace_of_the_transaction(store: Store) -> None:
    """Whatever was written before the exception is rolled back."""
    with pytest.raises(RuntimeError), store.transaction() as tx:
        tx.insert(tallies, [row("a")])
        tx.set_counter("journal", 9)
        raise RuntimeError
    with store.transaction() as tx:
        assert tx.lock_counter("journal") == 0
    assert everything(store) == []


def test_inserting_a_taken_key_is_a_clash_and_upserting_replaces_the_row(store: Store) -> None:
    """Insert refuses, upsert overwrites every column."""
    with store.transaction() as tx:
        tx.insert(tallies, [row("a", 1, "first")])
    with pytest.raises(Clash) as clash, store.transaction() as tx:
        tx.insert(tallies, [row("b"), row("a", 2)])
    assert clash.value.table == "tallies"
    with store.transaction() as tx:
        tx.upsert(tallies, [{"name": "a", "total": 3}])
        assert dict(tx.load(tallies, "name", ["a"])[0])["note"] is None
    assert everything(store) == [("a", 3)]


def test_a_unique_index_is_a_clash_on_upsert_too(store: Store) -> None:
    """Only the primary key is replaced; another unique rule refuses."""
    with store.transaction() as tx:
        tx.insert(tallies, [row("a", 1, "same")])
    with pytest.raises(Clash), store.transaction() as tx:
        tx.upsert(tallies, [row("b", 1, "same")])


def test_loading_by_an_indexed_column_returns_all_members_in_order(store: Store) -> None:
    """One statement serves many keys, in order of arrival."""
    with store.transaction() as tx:
        tx.insert(tallies, [row(f"t{i}", i) for i in range(2000)])
        assert [r["total"] for r in tx.load(tallies, "owner", ["p1", "p2"])] == list(range(2000))


def test_deleting_and_truncating_remove_rows_and_missing_ones_are_no_error(store: Store) -> None:
    """Delete works by primary key."""
    with store.transaction() as tx:
        tx.insert(tallies, [row("a"), row("b"), row("c")])
        tx.delete(tallies, ["a", "nobody"])
    assert [name for name, _ in everything(store)] == ["b", "c"]
    with store.transaction() as tx:
        tx.truncate(tallies)
    assert everything(store) == []


def test_an_unknown_column_is_a_bug_that_is_told(store: Store) -> None:
    """A misspelt column must not vanish silently."""
    with pytest.raises(TypeError, match="colour"), store.transaction() as tx:
        tx.insert(tallies, [{**row("a"), "colour": "red"}])


def test_a_reader_sees_one_snapshot_while_the_writer_goes_on(store: Store) -> None:
    """Reading never waits for a writer and never sees half of it."""
    with store.transaction() as tx:
        tx.insert(tallies, [row("a")])
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tallies)).scalar() == 1
        with store.transaction() as tx:
            tx.insert(tallies, [row("b")])
        assert connection.execute(sa.select(sa.func.count()).select_from(tallies)).scalar() == 1


def test_a_reader_cannot_write(store: Store) -> None:
    """Reads are read-only by the database's own word."""
    with pytest.raises(sa.exc.DBAPIError), store.reading() as connection:
        connection.execute(sa.insert(tallies).values(name="x", total=1))


ID_A = "01a2066c-9ffb-7000-afe9-f8806f576566"
ID_B = "01a2066c-9ffb-7001-906c-7b65457eb66b"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("假药", {ID_A}),
        ("销售假药", {ID_A}),
        ("药", {ID_A, ID_B}),
        ("售药", set()),
        ("药品", {ID_B}),
        ("洪市监处罚〔2017〕12号", {ID_A}),
        ("ABC", {ID_B}),
        ("销售 2017", {ID_A}),
        ("销售 ABC", set()),
        ('" OR 1', set()),
    ],
)
def test_full_text_search_finds_exactly_what_contains_the_words(store: Store, query: str, expected: set[str]) -> None:
    """Terms of one, two and more characters, numbers of documents, words together."""
    texts = {ID_A: "某店销售假药，洪市监处罚〔２０１７〕12号", ID_B: "药品ＡＢＣ过期"}
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, k, index_terms(v), None) for k, v in texts.items()])
    selected = store.search(TALLY_TEXT, query)
    assert selected is not None
    with store.reading() as connection:
        found = set(connection.execute(selected).scalars())
    assert found == expected


def test_replaced_text_is_found_by_its_new_words_only(store: Store) -> None:
    """An amended document forgets its old terms."""
    old, new = index_terms("销售假药"), index_terms("销售劣药")
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, ID_A, old, None)])
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, ID_A, new, old)])

    def found(query: str) -> list[str]:
        selected = store.search(TALLY_TEXT, query)
        assert selected is not None
        with store.reading() as connection:
            return list(connection.execute(selected).scalars())

    assert found("假药") == []
    assert found("劣药") == [ID_A]
    assert store.search(TALLY_TEXT, " 、！") is None


def keys_with(store: Store, query: str) -> list[str]:
    selected = store.search(TALLY_TEXT, query)
    assert selected is not None
    with store.reading() as connection:
        return sorted(connection.execute(selected).scalars())


def test_documents_of_ids_made_in_the_same_instant_stay_apart(store: Store) -> None:
    """Two processes may make ids that differ in their random bits only."""
    twins = [f"{ID_A[:18]}-{tail}" for tail in ("afe9-f8806f576566", "8001-000000000001")]
    for number, key in enumerate(twins):
        with store.transaction() as tx:
            tx.index([IndexChange(TALLY_TEXT, key, index_terms(f"销售假药{number}号"), None)])
    assert keys_with(store, "假药") == sorted(twins)
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, twins[0], index_terms("改正"), index_terms("销售假药0号"))])
    assert keys_with(store, "假药") == [twins[1]]


def test_a_removed_document_is_found_no_more_and_may_come_back(store: Store) -> None:
    """Removing one document leaves its neighbours; indexing a key twice without its old text is a clash."""
    terms = index_terms("销售假药")
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, key, terms, None) for key in (ID_A, ID_B)])
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, ID_A, None, terms)])
    assert keys_with(store, "假药") == [ID_B]
    with store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, ID_A, terms, None)])
    assert keys_with(store, "假药") == [ID_A, ID_B]
    with pytest.raises(Clash), store.transaction() as tx:
        tx.index([IndexChange(TALLY_TEXT, ID_B, terms, None)])
