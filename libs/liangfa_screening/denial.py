"""Whether a text denies what words in it say: negation before, inside and after them, hearsay, and what takes them back."""

from __future__ import annotations

import re

_DONE = (
    "发现|见|检出|查实|查见|查到|构成|造成|导致|引发|涉及|参与|使用|"
    "添加|掺入|实施|从事|存在|出现|发生|影响|证明|能证明|能认定|收到|用于|含有|对"
)
_NEGATION = re.compile(
    rf"(?:(?:未|没有?|并未|尚未|从未|均未|并无|(?<!三)无)(?:{_DONE})[^，。；]{{0,8}}|没有[^，。；的]{{0,2}}|"
    r"(?:(?<!从)未|没|并未|尚未|从未|均未|并无|(?<!三)无|不|并非|(?<!除)非)|"
    r"(?:不存在|不含|不属于?|不在|未在|未处于|不处于|不涉及|不是|并非|排除|否认|不足以|无法认定|不能认定|防止|避免|是否|无证据证明|没有证据)[^，。；]{0,8})\Z"
)
_LIST_NEGATION = re.compile(
    r"(?:(?:(?:未|没有|并未|均未|也未)(?:发现|查实|查见|检出|查获|出现)|不存在)[^，。；]{0,30}(?:、|或者?|以及|及|和|等)[^，。；]{0,6}|"
    r"未检出[^，。；]{0,30})\Z"
)
"""A denial that holds for a whole list: 未发现转移、隐匿财产或者逃匿."""
_DENIED_AFTER = re.compile("[^，。；]{0,24}(?:未检出|未被检出|未检测出|[为呈]阴性)")
"""A denial after what it denies: 格列本脲、二甲双胍均未检出."""
_INNER = re.compile("(?:未|没有)(?:发现|检出|查见|查到)|不存在|并非|不是")
_ALLEGED = re.compile("(?:怀疑|疑似|举报|投诉|反映|爆料|来电|来信|热线|网传|传言)[^。；]{0,60}$")
_ALLEGED_AFTER = re.compile('[”"」）]?(?:举报|投诉|线索|嫌疑|疑点)')
_UNDONE = re.compile(r"(?:未|没有?|无|不)$")
_NEAR = 20


def is_negated(match: re.Match[str]) -> bool:
    """Tell whether words before the match in its clause, or words like 未发现 inside it, deny it."""
    start, text = match.start(), match.string
    if _NEGATION.search(text[max(0, start - 14) : start]) or _INNER.search(match[0]):
        return True
    after = text[match.end() : match.end() + 32]
    if ("检出" in after or "阴性" in after) and _DENIED_AFTER.match(after):
        return True
    before = text[max(0, start - 44) : start]
    return ("未" in before or "没有" in before or "不存在" in before) and _LIST_NEGATION.search(before) is not None


def is_alleged(match: re.Match[str]) -> bool:
    """Tell whether somebody only says so: a complaint, a suspicion. What was found out decides then."""
    start, end, text = match.start(), match.end(), match.string
    return _ALLEGED.search(text[max(0, start - 70) : start]) is not None or _ALLEGED_AFTER.match(text, end) is not None


def stands(denial: re.Match[str]) -> bool:
    """Tell whether a denial is not itself denied (未按要求改正)."""
    return not _UNDONE.search(denial.string[max(0, denial.start() - 3) : denial.start()])


def cancels(denial: tuple[int, int], match: tuple[int, int], text: str) -> bool:
    """Tell whether a denial is about the same thing: overlapping, near, or in the same sentence."""
    first, second = sorted((denial, match))
    gap = text[first[1] : second[0]]
    return len(gap) <= _NEAR or not ("。" in gap or "；" in gap or "\n" in gap)
