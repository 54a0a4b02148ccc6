"""The words in which people tell a story: of steps, of who takes them, of sectors, of the keys of a scenario file.

Published cases speak Chinese and name an organ rather than a role; the procedure table has rows (B2) and names. All of them
are read. A word that is like one known step alone is read as that, and the answer says so; another word that is not known is
an error that names the nearest ones, never a step that silently does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from liangfa_procedure import wording
from liangfa_procedure.reading import read_data
from liangfa_procedure.rules import Rule, Rules, Track
from liangfa_procedure.steps import COURSES_RUN_IN, Procedure, Scope, Step

KEYS = {
    "标题": "title", "来源": "source", "领域": "sector", "行业": "sector", "嫌疑人": "suspects", "犯罪嫌疑人": "suspects",
    "步骤": "steps", "经过": "steps", "起始状态": "begins_in", "截止": "until", "节假日": "holidays", "预期": "expected",
    "最终状态": "final_state", "name": "title", "events": "steps", "expect": "expected",
}  # fmt: skip
"""Other words for the keys of the file; the documented ones are in docs/simulation.md."""
STEP_KEYS = {
    "date": "on", "day": "on", "at": "on", "日期": "on", "时间": "on", "action": "step", "event": "step", "步骤": "step",
    "事项": "step", "actor": "by", "who": "by", "role": "by", "主体": "by", "办理": "by", "received_on": "received",
    "收到": "received", "签收": "received", "送达": "received", "嫌疑人": "suspect", "羁押": "custody", "机关": "organisation",
    "organization": "organisation", "文书": "documents", "备注": "note", "说明": "note", "期限延长": "extend", "延长": "extend",
    "情形": "track", "理由": "ground", "批准人": "approver", "回复期限": "reply_by", "答复期限": "reply_by",
}  # fmt: skip
SECTORS = {
    "环境": "environment", "生态环境": "environment", "环保": "environment", "env": "environment",
    "安全生产": "work_safety", "应急管理": "work_safety", "安监": "work_safety", "应急": "work_safety",
    "safety": "work_safety", "药品": "drug", "药监": "drug", "drugs": "drug", "经济": "economic", "经济犯罪": "economic",
    "税务": "tax", "税收": "tax", "食品": "food", "食品安全": "food", "知识产权": "intellectual_property",
    "ip": "intellectual_property", "劳动": "labour", "劳动保障": "labour", "人社": "labour",
    "人力资源和社会保障": "labour", "labor": "labour", "自然资源": "natural_resources", "general": "", "一般": "",
    "市场监管": "", "市场监督管理": "", "工商": "", "烟草": "", "烟草专卖": "", "农业农村": "", "林业": "", "文化": "", "文旅": "",
    "卫生健康": "", "交通运输": "", "水利": "", "城管": "", "城市管理": "",
}  # fmt: skip
"""Fields and offices by what they are called; empty: one that the general rules govern."""
TRACKS = {
    "line_needs_verification": ("核实", "核查", "查证"),
    "major_complex": ("重大", "复杂"),
    "major_cross_region": ("重大", "跨区域"),
    "complex": ("复杂",),
    "special": ("特殊", "特别"),
    "roaming_repeat_gang": ("流窜", "多次", "结伙"),
    "ordinary_latest": ("至迟",),
}
"""Words of which one in a Chinese name of a track tells it among those of its rule."""
_SIDES = {
    "police": ("公安", "警", "派出所", "经侦", "刑侦", "环侦", "侦查", "police"),
    "procuratorate": ("检察", "procurat"),
    "court": ("法院", "审判", "法官", "court"),
    "agency": ("局", "委", "队", "厅", "部门", "行政", "执法", "机关", "agency"),
}
"""Words of which one in the name of an organ or person tells the side; looked for in this order."""
_OFFICERS = {
    "承办人": "officer",
    "办案人员": "officer",
    "执法人员": "officer",
    "负责人": "agency_head",
    "主要负责人": "agency_head",
    "正职负责人": "agency_head",
    "局长": "agency_head",
    "检察官": "procurator",
    "检察长": "chief_procurator",
}
_SPACE = re.compile(r"[\s，,、；;。.（）()《》“”\"_-]+")
_MOST_MEANT = 6


def renamed(row: Mapping[Any, Any], names: Mapping[str, str]) -> dict[Any, Any]:
    """Return `row` with the keys that are other words for known ones called by these; a key that is there stays."""
    found: dict[Any, Any] = {}
    for key, value in row.items():
        # YAML 1.1 reads a bare `on` as true.
        known = "on" if key is True else names.get(str(key), key)
        found[key if known in row and known != key else known] = value
    return found


def plain(word: str) -> str:
    """Return a word without spaces, marks and case."""
    return _SPACE.sub("", word).casefold().replace("’", "'")


def steps_called(word: str) -> tuple[Step, ...]:
    """Return the steps that a word may mean, the likeliest first; empty for a word that is not known.

    A row of the procedure table with many steps (H) means none of them.
    """
    if word in Procedure.load().steps:
        return (Procedure.load().step(word),)
    found = _names().get(plain(word), ())
    if not found and len(plain(word)) > 1:
        found = tuple(dict.fromkeys(step for name, steps in _names().items() if plain(word) in name for step in steps))
        if len({step.name_zh for step in found}) == 1:
            return found
        found = wording.alike(wording.form(plain(word)), _forms())
        if not found and (clause := wording.only_deed(word)):
            return steps_called(clause)
        return found if len(found) <= _MOST_MEANT else ()
    return found if len(found) <= _MOST_MEANT or word not in _rows() else ()


def is_guess(word: str) -> bool:
    """Whether a word is read as a step for being like its name, or a part of it, only."""
    return word not in Procedure.load().steps and plain(word) not in _names()


def sector_called(word: str) -> str:
    """Return the sector that a word names, itself when it is none: 生态环境局 and 环保领域 mean 环境."""
    bare = re.sub(r"(?:领域|行业|类|案件|部门|局|厅|执法|监管|保护)+$", "", word.strip())
    known = SECTORS.get(word.strip(), SECTORS.get(bare))
    if known is not None:
        return known
    # A place may stand before the office (某区生态环境局); a word that holds two fields names neither.
    held = {sector for name, sector in SECTORS.items() if not name.isascii() and name in bare}
    return held.pop() if len(held) == 1 else word.strip()


def rule_called(word: str, sector: str = "") -> str:
    """Return the id of the rule that `word` calls in `sector`: its id, its Chinese name or a part of it; `word` when none does.

    The general rule means the one that the sector has in its place.
    """
    rules, text = Rules.load(), word.strip()
    named = rules.by_id.get(text) or next((rule for rule in rules.by_id.values() if rule.title_zh == text), None)
    if named is not None:
        pair = (named.starts_on, named.ends_on)
        own = [rule.id for rule in rules.in_sector(sector) if (rule.starts_on, rule.ends_on) == pair]
        return own[0] if own and named.sector == "general" else named.id
    bare = re.sub(r"(?:的)?(?:期限|时限)$", "", text)
    held = [rule.id for rule in rules.in_sector(sector) if rule.tracks and len(bare) > 1 and bare in rule.title_zh]
    return held[0] if len(held) == 1 else text


def track_called(word: str, rule: Rule) -> Track | None:
    """Return the track with a length that `word` names among those of `rule`; the only one when there is no word."""
    tracks = [track for track in rule.tracks if track.length is not None]
    if not word.strip():
        return tracks[0] if len(tracks) == 1 else None
    named = [track for track in tracks if track.name == word.strip()]
    named = named or [track for track in tracks if any(mark in word for mark in TRACKS.get(track.name, ()))]
    return named[0] if len(named) == 1 else None


def state_called(word: str) -> str:
    """Return the state of a transfer that a word names (已立案, 待审批), itself when it is none; a suspect's state means 立案."""
    states = Procedure.load().states
    bare = _state_form(word)
    of_transfer = [name for name, state in states[Scope.TRANSFER].items() if _state_form(state.name_zh) == bare]
    if word.strip() in states[Scope.TRANSFER] or of_transfer:
        return word.strip() if word.strip() in states[Scope.TRANSFER] else of_transfer[0]
    of_suspects = any(_state_form(state.name_zh) == bare for state in states[Scope.SUSPECT].values())
    return COURSES_RUN_IN if of_suspects and bare else word.strip()


def _state_form(name: str) -> str:
    """Return a state's name without 已, 阶段 and what stands in brackets."""
    bare = re.sub(r"^已(?:经)?|(?:阶段|状态|中)$", "", re.sub(r"（.*）|\(.*\)", "", name.strip()))
    return "接受" if bare in {"受理", "立案审查"} else bare


def is_row_without_step(word: str) -> bool:
    """Whether the procedure table has a row of this id that is no step of a transfer (A1: the filing at the agency)."""
    return word.strip() in Procedure.load().rows_without_step


def nearest(word: str) -> str:
    """Return what to say instead of a word that names no step."""
    row = [step.id for step in Procedure.load().steps.values() if step.reference == word.strip()]
    if row:
        return f"the row {word} has several steps, name one: {', '.join(row)}"
    close = get_close_matches(plain(word), _names(), n=3, cutoff=0.4)
    meant = dict.fromkeys(f"{step.id} ({step.name_zh})" for name in close for step in _names()[name])
    return f"the nearest are {', '.join(meant)}" if meant else "the steps stand in docs/procedure.md"


def roles_called(word: str, step: Step) -> frozenset[str]:
    """Return the roles that a word names for `step`; empty for a word that is not known.

    An organ (police, 公安机关, 某市人民检察院, 市场监督管理局) means whoever there may take the step, or anybody there when nobody may.
    """
    roles = Procedure.load().roles
    if word in roles and word != "police":
        return frozenset({word})
    named = {name for name, role in roles.items() if word in {role.name_zh, role.name_en}}
    named |= {role for name, role in _OFFICERS.items() if word == name}
    if named:
        return frozenset(named)
    side = next((side for side, marks in _SIDES.items() if any(mark in word.casefold() for mark in marks)), None)
    there = frozenset(name for name, role in roles.items() if role.side == side)
    return there & step.roles or there


def _rows() -> frozenset[str]:
    return frozenset(step.reference for step in Procedure.load().steps.values())


@cache
def _forms() -> dict[str, tuple[Step, ...]]:
    """Return the steps by the one form of what they are called in Chinese."""
    found: dict[str, dict[Step, None]] = {}
    for name, steps in _names().items():
        if not name.isascii():
            found.setdefault(wording.form(name), {}).update(dict.fromkeys(steps))
    return {name: tuple(steps) for name, steps in found.items()}


@cache
def _names() -> dict[str, tuple[Step, ...]]:
    """Return the steps by what they are called."""
    table, others = Procedure.load(), read_data("step_names.yaml")
    found: dict[str, dict[Step, None]] = {}
    for step in table.steps.values():
        found.setdefault(plain(step.id), {})[step] = None
    for step in table.steps.values():
        for name in (step.name_zh, step.name_en, step.reference, *others.get(step.id, ())):
            found.setdefault(plain(str(name)), {})[step] = None
    return {name: tuple(steps) for name, steps in found.items()}
