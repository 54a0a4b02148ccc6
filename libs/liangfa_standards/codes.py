"""Code lists: penalty categories, agencies, parties, identity documents, sources. Read once from the data files beside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from liangfa_standards.blanks import is_blank
from liangfa_standards.texts import clean_text


def load_data(name: str) -> Any:
    """Return the parsed YAML data file `name` of this package."""
    text = resources.files("liangfa_standards").joinpath("data", name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)  # noqa: S506 - safe loaders both


@dataclass(frozen=True, slots=True)
class PenaltyCategory:
    """A kind of penalty: Administrative Penalty Law (2021) article 9 and the 2018 publicity template."""

    key: str
    name: str
    group: str
    law_item: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PenaltyCategories:
    """A 处罚类别 cell as read. `keys` in the order written, each once."""

    keys: tuple[str, ...] = ()
    other_words: tuple[str, ...] = ()
    """What stands behind 其他-, and words that no list knows."""
    not_penalties: tuple[str, ...] = ()
    """Words of the column that are no penalty (责令改正, 移送公安机关): kept as text, worth a remark."""
    unknown: tuple[str, ...] = ()


@cache
def penalty_categories() -> dict[str, PenaltyCategory]:
    """Return the penalty categories by key, in the order of the law."""
    rows = load_data("penalty_categories.yaml")["categories"]
    return {
        row["key"]: PenaltyCategory(row["key"], row["name"], row["group"], row["law_item"], tuple(row["aliases"]))
        for row in rows
    }


@cache
def _category_words() -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    data = load_data("penalty_categories.yaml")
    words: dict[str, tuple[str, ...]] = {}
    for category in penalty_categories().values():
        for word in (category.name, *category.aliases):
            words.setdefault("".join(word.split()), (category.key,))
    # The template's own heading names two categories at once.
    words["没收违法所得、没收非法财物"] = ("confiscate_income", "confiscate_goods")
    return words, frozenset([*data["not_a_penalty"], *data["tax_only"]])


_SEPARATORS = re.compile(r"[;；、,，/\n|]+|(?<=.)[-－](?=罚款|警告|没收)")
_CELL_LIMIT = 500


def read_penalty_categories(text: str) -> PenaltyCategories:
    """Read a 处罚类别 cell: values separated by ; ； 、 , ， / or line breaks; 其他- with its own words. Never raises."""
    return _read_categories(text) if len(text) <= _CELL_LIMIT else PenaltyCategories(unknown=(text,))


def _joined(text: str) -> str:
    return "".join(text.split())


@lru_cache(maxsize=4096)
def _read_categories(text: str) -> PenaltyCategories:
    words, not_penalties = _category_words()
    whole = _joined(clean_text(text))
    if is_blank(whole):
        return PenaltyCategories()
    keys: dict[str, None] = {}
    others: list[str] = []
    refused: list[str] = []
    unknown: list[str] = []
    for part in [whole] if whole in words else map(_joined, _SEPARATORS.split(clean_text(text))):
        if is_blank(part):
            continue
        if part in words:
            keys.update(dict.fromkeys(words[part]))
        elif part.startswith("其他"):
            keys["other"] = None
            others.append(part.removeprefix("其他").lstrip("-－—:：（("))
        else:
            (refused if part in not_penalties else unknown).append(part)
    found = tuple(word for word in others if word)
    return PenaltyCategories(tuple(keys), found, tuple(refused), tuple(unknown))


@dataclass(frozen=True, slots=True)
class AgencyType:
    """A kind of agency. `names` are those before and after the reforms of 2018-2019."""

    key: str
    name: str
    names: tuple[str, ...] = field(default=())
    abbreviations: tuple[str, ...] = ()
    """Tokens in document numbers (市监处罚, 环罚)."""


@cache
def agency_types() -> dict[str, AgencyType]:
    """Return the kinds of agencies by key."""
    rows = load_data("agency_types.yaml")["agencies"]
    return {row["key"]: _agency_type(row) for row in rows}


def _agency_type(row: dict[str, Any]) -> AgencyType:
    former = [re.sub(r"\s*\(.*?\)", "", name) for name in row.get("former", [])]
    return AgencyType(row["key"], row["name"], (*row["words"], *former), tuple(row["abbr"]))


@cache
def _agency_words() -> list[tuple[str, str]]:
    pairs = [(word, agency.key) for agency in agency_types().values() for word in agency.names]
    return sorted(pairs, key=lambda pair: -len(pair[0]))


@lru_cache(maxsize=8192)
def agency_type_of(name: str) -> AgencyType | None:
    """Return the kind of the agency called `name`, by the longest word of its name that is known; None when none is."""
    for word, key in _agency_words():
        if word in name:
            return agency_types()[key]
    return None


@dataclass(frozen=True, slots=True)
class PartyCategory:
    """行政相对人类别 of the 2018 standard: exactly one of three."""

    key: str
    name: str
    uscc_prefixes: tuple[str, ...]
    aliases: tuple[str, ...]


@cache
def party_categories() -> dict[str, PartyCategory]:
    """Return the party categories (`org`, `trader`, `person`) by key."""
    rows = load_data("party_categories.yaml")["categories"]
    return {r["key"]: PartyCategory(r["key"], r["name"], tuple(r["uscc_prefixes"]), tuple(r["aliases"])) for r in rows}


@cache
def _party_words() -> dict[str, str]:
    return {word: c.key for c in party_categories().values() for word in (c.name, *c.aliases)}


_ORGANISATION_TAIL = re.compile(
    r"(?:公司|集团|厂|院|校|学|园|局|社|所|店|部|行|馆|场|站|中心|委员会|事务所|超市|酒店|药房|诊室|诊所|工作室|商行|门诊部|合作社)"
    r"(?:[（(].{1,30}[）)])?$"
)
_TRADER_TAIL = re.compile(
    r"(?:店|超市|商行|经营部|餐馆|餐厅|饭店|酒楼|菜馆|服装店|小吃|工作室|诊所|药房|摊|铺|坊)(?:[（(].{1,30}[）)])?$|个体工商户"
)
_PERSON = re.compile(
    r"[\u4e00-\u9fff]某[某甲乙丙丁\u4e00-\u9fff]?|[\u4e00-\u9fff]{2,3}|[\u4e00-\u9fff]{1,10}·[\u4e00-\u9fff·]{1,15}"
)


def read_party_category(text: str) -> str:
    """Return the key of the category that a cell names, or empty when it names none that is known."""
    return _party_words().get("".join(text.split()), "")


def likely_party_category(name: str, uscc: str, has_resident_id: bool, has_representative: bool) -> str:
    """Return the category that code, documents and name suggest when the column is blank, or empty. A suggestion only."""
    if uscc:
        for category in party_categories().values():
            if uscc.startswith(category.uscc_prefixes):
                return category.key
        return "org"
    if has_resident_id and not has_representative:
        return "person"
    return _category_by_name(name)


@lru_cache(maxsize=16384)
def _category_by_name(name: str) -> str:
    if _TRADER_TAIL.search(name) and "公司" not in name:
        return "trader"
    if _ORGANISATION_TAIL.search(name):
        return "org"
    return "person" if _PERSON.fullmatch(name) else ""


@dataclass(frozen=True, slots=True)
class IdDocumentType:
    """证件类型: its key, name and the codes of other systems."""

    key: str
    name: str
    aliases: tuple[str, ...]
    codes: tuple[str, ...]
    has_resident_check: bool


@cache
def id_document_types() -> dict[str, IdDocumentType]:
    """Return the identity document types by key."""
    return {row["key"]: _document_type(row) for row in load_data("id_document_types.yaml")["types"]}


def _document_type(row: dict[str, Any]) -> IdDocumentType:
    codes = tuple(str(row[name]) for name in ("gat517", "gov_service") if row.get(name))
    is_checked = row.get("check") == "gb11643"
    return IdDocumentType(row["key"], row["name"], tuple(row.get("aliases", ())), codes, is_checked)


@cache
def _document_words() -> dict[str, str]:
    types = id_document_types().values()
    return {word: kind.key for kind in types for word in (kind.name, *kind.aliases, *kind.codes)}


def read_id_document_type(text: str) -> str:
    """Return the key of the document type that a cell names by name or code (`身份证`, `111`, `001`), or empty."""
    return _document_words().get("".join(text.split()), "")


@cache
def case_sources() -> dict[int, str]:
    """Return the six sources of a case by their number on existing two-law platforms (案件来源)."""
    return {int(number): name for number, name in load_data("case_states.yaml")["case_sources"].items()}


_SOURCE_WORDS = (
    (2, ("举报", "申诉", "检举", "投诉", "控告", "信访")),
    (3, ("投案", "自首")),
    (4, ("上级", "交办", "督办", "指定")),
    (5, ("移送", "移交", "转办", "其他部门", "通报")),
    (6, ("舆论", "媒体", "舆情", "曝光")),
    (1, ("主动发现", "日常", "检查", "巡查", "监测", "抽检", "执法")),
)


def read_case_source(text: str) -> int | None:
    """Return the number of the source that a cell names, by number, by its full text or by a telling word; else None."""
    text = "".join(text.split())
    for number, name in case_sources().items():
        if text in {name, str(number), f"0{number}"}:
            return number
    return next((number for number, words in _SOURCE_WORDS if any(word in text for word in words)), None)


STATES_2016 = {
    "0": "normal",
    "正常": "normal",
    "1": "withdrawn",
    "撤销": "withdrawn",
    "2": "disputed",
    "异议": "disputed",
}


def read_publicity_state(text: str) -> str:
    """Return `normal`, `withdrawn`, `disputed` or `other` for a 当前状态 cell; blank is normal, unknown words are other."""
    text = "".join(clean_text(text).split()).removesuffix(".0")
    if text in STATES_2016:
        return STATES_2016[text]
    if is_blank(text):
        return "normal"
    return "withdrawn" if "撤销" in text or "撤消" in text else "other"
