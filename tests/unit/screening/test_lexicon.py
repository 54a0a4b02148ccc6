"""How a lexicon is read: words that stand for their like, patterns that belong together, figures that are preferred."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangfa_screening.extraction import FactFound, Text, extract
from liangfa_screening.lexicon import Lexicon, LexiconError, read_lexicon

LEXICON = """
words:
  倒: [倒入, 排入]
  卖: [销售, 出售, '卖(?:出|给)']
facts:
  sold: {affirm: ['<卖>[^。]{0,6}假烟'], deny: ['未<卖>']}
  poured: {together: [['废酸|酸液', '<倒>']], deny: ['清水']}
  timber: {kinds: [m3], before: '采伐|收购|超出|其中', prefer: '超出', prefer_after: '来路不明'}
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    path = tmp_path / "words.yaml"
    path.write_text(LEXICON, encoding="utf-8")
    return read_lexicon([path], set(), {"sold", "poured", "timber"}, set())


def read(lexicon: Lexicon, fact: str, text: str) -> FactFound | None:
    cel_type = "double" if fact == "timber" else "bool"
    return extract(lexicon.extractors[fact], fact, Text(text, 0), cel_type)


@pytest.mark.parametrize("text", ["出售假烟", "卖给村民假烟", "销售假烟二条"])
def test_a_named_word_stands_for_all_its_like(lexicon: Lexicon, text: str) -> None:
    """Every word of the list is read where its name stands in a pattern."""
    found = read(lexicon, "sold", text)
    assert found is not None
    assert found.value is True


@pytest.mark.parametrize("text", ["把废酸用罐车拉走后倒入河沟", "趁夜排入水塘的是一车酸液"])
def test_patterns_that_belong_together_stand_in_any_order(lexicon: Lexicon, text: str) -> None:
    """All patterns of one list make the fact true, whichever stands first; the words found are those between."""
    found = read(lexicon, "poured", text)
    assert found is not None
    assert found.value is True
    assert found.text in text


@pytest.mark.parametrize("text", ["废酸存放在桶内", "废酸未倒入河沟", "把清水倒入废酸桶"])
def test_half_of_a_group_or_a_denied_part_is_not_enough(lexicon: Lexicon, text: str) -> None:
    """One pattern alone, a negated one, or one that is taken back says nothing."""
    found = read(lexicon, "poured", text)
    assert found is None or found.value is False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("采伐林木39.2立方米，超出4.2立方米", 4.2),
        ("收购木材31立方米，其中16.3立方米来路不明", 16.3),
        ("收购木材31立方米，采伐20立方米", 31.0),
    ],
)
def test_a_preferred_figure_counts_alone(lexicon: Lexicon, text: str, value: float) -> None:
    """A figure with the preferred words before or after it is the one meant; without any, the largest."""
    found = read(lexicon, "timber", text)
    assert found is not None
    assert found.value == value


def test_a_name_that_stands_for_no_words_is_refused(tmp_path: Path) -> None:
    """A misspelt name is told with its file, not matched literally."""
    path = tmp_path / "odd.yaml"
    path.write_text("facts: {sold: {affirm: ['<买>假烟']}}", encoding="utf-8")
    with pytest.raises(LexiconError, match="<买>"):
        read_lexicon([path], set(), {"sold"}, set())


@pytest.mark.parametrize(
    "written",
    [
        "facts:\n  sold: {affirm: [甲]}\n  sold: {affirm: [乙]}",
        "facts:\n  sold: {affirm: [甲], affirm: [乙]}",
        "words:\n  卖: [销售]\n  卖: [出售]",
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, written: str) -> None:
    """The later entry does not silently replace the earlier one, at any depth; the file and the line are told."""
    path = tmp_path / "twice.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(LexiconError, match=r"twice\.yaml(?s:.)*stands twice(?s:.)*line \d"):
        read_lexicon([path], set(), {"sold"}, set())


def test_words_that_two_files_define_are_refused(tmp_path: Path) -> None:
    """A name stands for one list of words, whichever file it is read from."""
    paths = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for path in paths:
        path.write_text("words: {卖: [销售]}", encoding="utf-8")
    with pytest.raises(LexiconError, match="the words of 卖 stand twice"):
        read_lexicon(paths, set(), set(), set())


LATE = """
facts:
  unpaid: {affirm: ['拒不支付'], never: ['已付清'], until: '立案侦查'}
  dead: {kinds: [person], before: '造成', not_after: '重伤|轻伤'}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [("拒不支付，经调解已付清", False), ("拒不支付，立案侦查后已付清", True), ("拒不支付", True)],
)
def test_what_takes_back_comes_in_time_or_not_at_all(tmp_path: Path, text: str, *, value: bool) -> None:
    """A denial after the words of `until` does not count."""
    path = tmp_path / "late.yaml"
    path.write_text(LATE, encoding="utf-8")
    lexicon = read_lexicon([path], set(), {"unpaid", "dead"}, set())
    found = extract(lexicon.extractors["unpaid"], "unpaid", Text(text, 0), "bool")
    assert found is not None
    assert found.value is value


@pytest.mark.parametrize(("text", "value"), [("造成1人重伤", None), ("造成1人死亡，造成2人轻伤", 1)])
def test_a_figure_with_refused_words_after_it_is_another(tmp_path: Path, text: str, value: int | None) -> None:
    """What follows a figure may show that it counts something else."""
    path = tmp_path / "late.yaml"
    path.write_text(LATE, encoding="utf-8")
    lexicon = read_lexicon([path], set(), {"unpaid", "dead"}, set())
    found = extract(lexicon.extractors["dead"], "dead", Text(text, 0), "int")
    assert (None if found is None else found.value) == value
