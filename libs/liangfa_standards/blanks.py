"""Cells that say nothing: the words agencies write where there is nothing to write."""

from __future__ import annotations

BLANK_WORDS = frozenset(
    [
        *("无", "空", "暂无", "不详", "未填", "未知", "缺", "没有", "无数据", "暂缺", "不适用"),
        *("/", "\\", "//", "／", "＼", "-", "--", "---", "—", "——", "－", "_", "*", ".", "。", "?"),
        *("null", "none", "nil", "nan", "n/a", "na", "#n/a", "#null!", "<null>", "undefined"),
    ]
)
"""Compared after trimming and in lower case. Seen in exports; 无 also as 无。 and （无）."""

_TRIMMED = " \t\r\n\v\f\u00a0\u3000\u200b\u200c\u200d\u2060\ufeff\u0000（）()【】[]\"'`“”"
_LONGEST = max(map(len, BLANK_WORDS)) + 12
_FIRST = frozenset(
    [*_TRIMMED, *(word[0] for word in BLANK_WORDS), *(word[0].upper() for word in BLANK_WORDS), "0", "０"]
)
"""What a blank cell can begin with: most cells are told by their first character."""


def is_blank(text: str, *, zero_is_blank: bool = False) -> bool:
    """Tell whether a cell holds nothing, or only a word for nothing (`无`, `/`, `空`, `暂无`, `null`, `-`).

    With `zero_is_blank` a lone `0` counts too: guides of two-law platforms ask for `0` or `无` in text fields without
    content. Never use that for money or counts.
    """
    if not text:
        return True
    if text[0] not in _FIRST:
        return False
    if len(text) > _LONGEST:
        return text.isspace()
    core = text.strip(_TRIMMED)
    if len(core) > 1:
        core = core.rstrip("。.")
    return not core or core.lower() in BLANK_WORDS or (zero_is_blank and core in {"0", "０", "0.0"})
