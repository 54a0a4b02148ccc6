"""What the goods of a case come to: sold and unsold, price times number, copies found and copies sold."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any

from liangfa_screening.extraction import FactFound, Text
from liangfa_screening.quantities import UNITS, Quantity

_UNSOLD = re.compile(
    r"尚未(?:销|售|卖)|未(?:销售|售出|卖出)|库存|待售|待销|现场(?:查获|查扣|查封|扣押|发现)|仓库内?|查获|查扣|货架"
)
_SOLD = re.compile(
    r"已(?:经)?(?:全部)?(?:销|售|卖)|(?<!未)(?<!没)(?<!待)(?:售出|卖出)|(?<!未)(?<!待)销售(?:给|了|金额|额|收入|所得)|全部销售|售完|"
    r"(?<!未)(?<!拟)(?<!欲)(?<!备)(?:出售|售予|售给|卖给|卖到|卖往|销往|销给|供货给|供应给|售往|发往|批给|批发给|批出)"
)
_EACH_WEIGHT = re.compile("(?:每|/|一)(?:吨|公斤|千克|斤)")
_EACH = {unit: re.compile(f"(?:每|/|一){re.escape(unit)}") for unit, of in UNITS.items() if of.kind == "kg"}
_PIECES = frozenset({"piece", "bottle", "copy", "strip", "box", "machine", "animal", "stick"})


def amounts(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Find what was sold, what is unsold and what both come to, from those of the three that are told and the goods' value."""
    value = facts.get("goods_value")
    if value is None and not facts.keys() & {"sales_amount", "goods_value_unsold", "illegal_business_amount"}:
        value = _priced(text, labels)
    if value is not None:
        sold = facts.get("sales_amount")
        unsold_words = text.once("unsold", _UNSOLD.search)
        sold_words = text.once("sold", _SOLD.search)
        if "goods_value_unsold" not in facts and not sold_words and "sales_amount" not in facts:
            facts["goods_value_unsold"] = derived_from(value, "goods_value_unsold", labels, value.value)
        elif "sales_amount" not in facts and sold_words and not unsold_words:
            facts["sales_amount"] = derived_from(value, "sales_amount", labels, value.value)
        elif sold is not None and "goods_value_unsold" not in facts and unsold_words and value.value > sold.value:
            facts["goods_value_unsold"] = derived_from(value, "goods_value_unsold", labels, value.value - sold.value)
        elif sold is None and "goods_value_unsold" not in facts and unsold_words:
            facts["goods_value_unsold"] = derived_from(value, "goods_value_unsold", labels, value.value)
        if "illegal_business_amount" not in facts:
            facts["illegal_business_amount"] = derived_from(value, "illegal_business_amount", labels, value.value)
    sold, unsold, whole = (facts.get(n) for n in ("sales_amount", "goods_value_unsold", "illegal_business_amount"))
    known = [fact for fact in (sold, unsold) if fact is not None]
    total = sum(fact.value for fact in known)
    if known and (whole is None or _is_part(whole, sold, unsold)):
        facts["illegal_business_amount"] = derived_from(known[0], "illegal_business_amount", labels, total)
    if sold is not None and unsold is None:
        facts["goods_value_unsold"] = FactFound(
            "goods_value_unsold", labels.get("goods_value_unsold", ""), 0.0, origin="assumed"
        )
    if unsold is not None and sold is None:
        facts["sales_amount"] = FactFound("sales_amount", labels.get("sales_amount", ""), 0.0, origin="assumed")


_COST = re.compile(r"(?:进货|进价|购进|购入|收购|买进|买来|成本|批发来)[^，。；\d]{0,6}$")
_COST_AFTER = re.compile(r"[^，。；\d]{0,4}(?:进货|购进|购入|收购|买进|买来)")


def _is_cost(price: Quantity, text: str) -> bool:
    """Tell whether a price is what the goods were bought for."""
    before = text[max(0, price.start - 10) : price.start]
    return _COST.search(before) is not None or _COST_AFTER.match(text, price.end) is not None


def _is_apart(one: Quantity, other: Quantity, text: str) -> bool:
    """Tell whether two figures stand in different clauses."""
    first, second = sorted((one, other), key=lambda q: q.start)
    return not {"，", "。", "；"}.isdisjoint(text[first.end : second.start])


def _is_part(whole: FactFound, sold: FactFound | None, unsold: FactFound | None) -> bool:
    """Tell whether what was read as the whole is only the goods sold, or only those found, while the text tells both."""
    if whole.origin == "given" or sold is None or unsold is None or not sold.value or not unsold.value:
        return False
    return sold.start != unsold.start and any(
        part.start == whole.start and part.origin in ("narrative", "cause") for part in (sold, unsold)
    )


def _priced(text: Text, labels: dict[str, str]) -> FactFound | None:
    """Return price times number, when the text has one price and one number of pieces before or after it."""
    prices = [q for q in text.quantities if q.is_price]
    if len(prices) > 1:
        prices = [q for q in prices if not _is_cost(q, text.text)]
    if len(prices) != 1:
        return None
    price = prices[0]
    around = text.text[max(0, price.start - 6) : price.end + 5]
    weighed = [q for q in text.of_kinds(("kg",)) if _EACH[q.unit].search(around)] if _EACH_WEIGHT.search(around) else []
    pieces = weighed or [q for q in text.quantities if q.kind in _PIECES and q.value > 1]
    if not pieces:
        return None
    nearest = min(pieces, key=lambda q: (_is_apart(q, price, text.text), abs(q.start - price.start)))
    start, end = min(price.start, nearest.start), max(price.end, nearest.end)
    if end - start > 40:
        return None
    number_of = nearest.value / UNITS[nearest.unit].factor if nearest.kind == "kg" else nearest.value
    return text.found("goods_value", labels.get("goods_value", ""), price.value * number_of, start, end)


_SOLD_COPIES = re.compile(r"(?:售出|卖出|已售|销售|出售|售卖)(?:了)?[^，。；\d]{0,8}$")
_LEFT_COPIES = re.compile(r"(?:查获|查扣|扣押|库存|尚存|剩余|起获|缴获|未售出|未卖出)[^。；\d]{0,14}$")


def copies(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Add the copies found to those sold before, where the text gives both and no total."""
    name = "copies_count"
    told = facts.get(name)
    if told is None or told.origin == "given":
        return
    counted = [q for q in text.of_kinds(("copy",)) if not q.role]
    sold, left = (
        [q for q in counted if cue.search(text.text[max(0, q.start - 24) : q.start])]
        for cue in (_SOLD_COPIES, _LEFT_COPIES)
    )
    if len(sold) == 1 and len(left) == 1 and sold != left and told.value in (sold[0].value, left[0].value):
        start, end = min(sold[0].start, left[0].start), max(sold[0].end, left[0].end)
        facts[name] = text.found(name, labels.get(name, name), int(sold[0].value + left[0].value), start, end)


def derived_from(source: FactFound, name: str, labels: dict[str, str], value: Any) -> FactFound:
    """Return a fact that follows from `source`, with its words."""
    return FactFound(name, labels.get(name, name), value, source.text, source.start, source.end, "derived", source.part)
