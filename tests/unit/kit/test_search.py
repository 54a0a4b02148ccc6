"""Chinese full-text terms, tried on the real index: what is found is what stands in the text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liangfa_kit.search import folded, index_terms, match_expression, query_phrases

HAN = st.text(alphabet="销售假药案当事人𠮷", min_size=1, max_size=12)
ANYTHING = st.text(max_size=40)


@pytest.fixture
def index() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE t USING fts5(terms, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')"
    )
    yield connection
    connection.close()


def found(index: sqlite3.Connection, documents: list[str], query: str) -> list[int]:
    """The numbers of the documents that `query` finds."""
    index.execute("INSERT INTO t(t) VALUES ('delete-all')")
    index.executemany(
        "INSERT INTO t(rowid, terms) VALUES (?, ?)", [(n, index_terms(d)) for n, d in enumerate(documents)]
    )
    expression = match_expression(query)
    if expression is None:
        return []
    return [row[0] for row in index.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (expression,))]


on_one_index = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_one_index
@given(documents=st.lists(HAN, max_size=6), query=st.text(alphabet="销售假药案当事人𠮷", min_size=1, max_size=5))
def test_chinese_words_are_found_exactly_where_they_stand(
    index: sqlite3.Connection, documents: list[str], query: str
) -> None:
    """One, two or many characters: no more and no fewer texts than contain the query."""
    assert found(index, documents, query) == [n for n, text in enumerate(documents) if query in text]


@on_one_index
@given(before=HAN, code=st.from_regex(r"[A-Za-z0-9]{1,18}", fullmatch=True), after=HAN)
def test_codes_and_words_in_letters_and_digits_are_found_whole_and_by_their_beginning(
    index: sqlite3.Connection, before: str, code: str, after: str
) -> None:
    """In any case, and next to Chinese characters without a space."""
    documents = [f"{before}{code}{after}"]
    for query in (code, code.lower(), code.upper(), code[:3], f"{before} {code}", f"{before}{code}{after}"):
        assert found(index, documents, query) == [0]


@on_one_index
@given(text=ANYTHING)
def test_any_text_can_be_searched_for_without_harm(index: sqlite3.Connection, text: str) -> None:
    """No syntax of the index leaks in, and every text with a term in it is found by itself."""
    hits = found(index, [text], text)
    assert hits == ([0] if query_phrases(text) else [])


@pytest.mark.parametrize(
    "text", ['"', "a OR b", "NEAR(a b)", "terms:a", "a*", "-a", "^a", "(", 'a" OR "b', "\x00a", "，。"]
)
def test_the_index_syntax_is_only_text(index: sqlite3.Connection, text: str) -> None:
    """An operator of the query language finds itself, not what it would mean."""
    assert found(index, ["b"], text) == []


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("当事人销售假药案", "假药"),
        ("当事人销售假药案", "药"),
        ("统一社会信用代码９１４２０１１１", "91420111"),
        ("ＡＢＣ公司", "abc公司"),
        ("（2023）鄂01行终12号", "鄂01"),
        ("货值 3.5万元", "3.5万元"),
        ("污水COD超标", "cod超标"),
        ("𠮷野家", "𠮷野"),
    ],
)
def test_texts_are_found_across_widths_and_cases(index: sqlite3.Connection, document: str, query: str) -> None:
    """Full width and half width, upper and lower case are one."""
    assert found(index, [document, "别的内容"], query) == [0]


@given(ANYTHING)
def test_terms_are_in_text_order_and_free_of_white_space(text: str) -> None:
    """Each run of letters is one term, each run of Chinese characters its pairs and its last character."""
    terms = index_terms(text)
    assert " ".join(terms.split()) == terms
    assert index_terms(folded(text)) == terms


def test_terms_of_an_example() -> None:
    """The example of the module."""
    assert index_terms("销售假药ABC，12") == "销售 售假 假药 药 abc 12"
    assert query_phrases("假药 abc") == (("假药",), ("abc",))
    assert match_expression(" ，。 ") is None
