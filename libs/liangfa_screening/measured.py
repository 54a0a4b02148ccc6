"""Measured values beside their limits: 实测总铜6.1mg/L，标准限值0.5mg/L. How many times over, and in what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_VALUE = re.compile(
    r"(?P<value>\d+(?:\.\d+)?)\s?(?P<mass>mg|g|μg|µg|ug|毫克|微克|克)\s?(?:/|每)\s?(?P<per>L|l|升|kg|千克|公斤|m³|立方米|100g|100克)",
    re.IGNORECASE,
)
_MASS = {"mg": 1.0, "毫克": 1.0, "g": 1000.0, "克": 1000.0, "μg": 0.001, "µg": 0.001, "ug": 0.001, "微克": 0.001}
_PER = {
    "l": "L",
    "升": "L",
    "kg": "kg",
    "千克": "kg",
    "公斤": "kg",
    "m³": "m³",
    "立方米": "m³",
    "100g": "100g",
    "100克": "100g",
}
_LIMIT = re.compile(r"(?:标准|限值|限量|允许|不得|不应|不大于|不高于|不超过|≤|<|要求|规定|国标)[^，。；\d]{0,10}$")
_SENTENCE = re.compile(r"[^。；\n]+")
METALS_A = re.compile("铅|汞|镉|铬|砷|铊|锑")
METALS_B = re.compile("镍|铜|锌|银|钒|锰|钴")
ORDINARY = re.compile(
    "COD|化学需氧量|生化需氧|氨氮|总磷|总氮|悬浮|二氧化硫|氮氧化物|颗粒物|烟尘|粉尘|挥发性有机|VOC|非甲烷|色度|石油类|甲醛释放",
    re.IGNORECASE,
)
"""Substances of waste water and air whose excess says nothing of food or of poison."""
RESIDUES = re.compile(
    "农药|农残|兽药|残留|灭蝇胺|腐霉利|噻虫|啶虫脒|吡虫啉|多菌灵|氯氟氰菊酯|氯氰菊酯|吡唑醚菌酯|咪鲜胺|烯酰吗啉|恩诺沙星|磺胺"
)
"""What is left of farm chemicals that are permitted as such: a little too much of them is a matter for a fine."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A measured value and its limit. `quotient` is one over the other; `substance` the words before the value."""

    quotient: float
    substance: str
    start: int
    end: int


def excesses(text: str) -> Iterator[Excess]:
    """Yield the pairs of a normalised text: value and limit of one sentence, in the same unit, the nearer limit."""
    if "/" not in text and "每" not in text:
        return
    for sentence in _SENTENCE.finditer(text):
        found = list(_VALUE.finditer(text, *sentence.span()))
        limits = [
            match for match in found if _LIMIT.search(text[max(sentence.start(), match.start() - 18) : match.start()])
        ]
        for match in found:
            fitting = [limit for limit in limits if _per(limit) == _per(match)]
            if match in limits or not fitting:
                continue
            limit = min(fitting, key=lambda limit: abs(limit.start() - match.start()))
            if (allowed := _milligrams(limit)) > 0:
                substance = text[max(sentence.start(), match.start() - 30) : match.start()]
                span = sorted((match.span(), limit.span()))
                yield Excess(_milligrams(match) / allowed, substance, span[0][0], span[1][1])


def _milligrams(match: re.Match[str]) -> float:
    return float(match["value"]) * _MASS[match["mass"].lower()]


def _per(match: re.Match[str]) -> str:
    return _PER[match["per"].lower()]
