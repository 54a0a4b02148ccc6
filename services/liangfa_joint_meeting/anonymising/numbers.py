"""Numbers, plates, contacts and documents that identify: what a pattern alone can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-Za-z][·\s-]?"
    r"(?:[A-Za-z0-9]{4,5}[A-Za-z0-9挂学警港澳]|[A-Za-z0-9]{5,6})"
)
_CONTACTS = (
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII),
    re.compile(r"(?:https?://|www\.)[^\s，。；、【】]+"),
    re.compile(r"(?:微信|QQ|qq|支付宝|抖音|快手|微博)(?:号|账号|账户)?[:：为是]?\s*[A-Za-z0-9_@.-]{5,}"),
    re.compile(r"(?<![0-9A-Za-z])(?:\+?86[\s-]?)?1[3-9]\d[\s-]?\d{4}[\s-]?\d{4}(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z])[(（]?0\d{2,3}[)）]?[\s-]?\d{7,8}(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z])[48]00[\s-]?\d{3}[\s-]?\d{4}(?![0-9A-Za-z])"),
    re.compile(r"[〇零一二三四五六七八九幺]{7,}"),
)
_RESIDENT = re.compile(r"(?<![0-9A-Za-z])\d{6}[\s-]?(?:19|20)\d{2}[\s-]?\d{4}[\s-]?\d{3}[0-9Xx](?![0-9A-Za-z])")
_CODE = re.compile(r"[0-9A-Za-z]{8}-[0-9A-Za-z](?![0-9A-Za-z])|[0-9A-Za-z]{7,}")
_GROUPED = re.compile(r"(?<!\d)\d{4}(?:[\s-]\d{4}){2,4}(?:[\s-]\d{1,3})?(?!\d)")
_MONEY = re.compile(r"\d+(?:\.\d+)?\s*(?:万元|亿元|元|万|亿|千克|公斤|吨|克|升|瓶|箱|件)")
_DOCUMENT = re.compile(r"[\u4e00-\u9fff]{1,14}[〔\[(（]\d{4}[〕\])）]\s*第?\s*\d+\s*号")
_BEFORE_DOCUMENT = re.compile(
    r"^.*(?:根据|依据|按照|参照|以及|作出|送达|第[一二三四五六七八九十百]+条|和|与|及|的)(?:和|与|及)?"
)
_JUDGMENT = re.compile(r"[（(〔]\d{4}[）)〕][\u4e00-\u9fff]{1,2}\d{0,6}[\u4e00-\u9fff]{1,6}\d+号")
_LAW = re.compile(r"法释|法发|法研|高检|公通字|国发|国办|中办|环环监|环发|人社部|食药监|国市监|国土资|主席令|国务院令")
"""Documents of national bodies are grounds of law and identify nobody."""
_FEW_DIGITS = 4


def plates(text: str) -> Iterator[Span]:
    """Yield number plates."""
    for found in _PLATE.finditer(text):
        if any(character.isdigit() for character in found.group()[2:]):
            yield found.span()


def contacts(text: str) -> Iterator[Span]:
    """Yield telephones, addresses of mail and web, and accounts; also telephones spelt in Chinese numerals."""
    for pattern in _CONTACTS:
        for found in pattern.finditer(text):
            yield found.span()


def identifiers(text: str) -> Iterator[Span]:
    """Yield numbers of documents of persons and bodies: any code of seven characters or more with four digits in it.

    An amount or a quantity with its unit is no code.
    """
    amounts = {found.start() for found in _MONEY.finditer(text)}
    for pattern in (_RESIDENT, _GROUPED):
        for found in pattern.finditer(text):
            yield found.span()
    for found in _CODE.finditer(text):
        digits = sum(character.isdigit() for character in found.group())
        if digits >= _FEW_DIGITS and found.start() not in amounts:
            yield found.span()


def documents(text: str) -> Iterator[Span]:
    """Yield the numbers of documents and judgments of one case; those of national law are left."""
    for found in _DOCUMENT.finditer(text):
        if not _LAW.search(found.group()):
            before = _BEFORE_DOCUMENT.match(found.group())
            yield found.start() + (len(before.group()) if before else 0), found.end()
    for found in _JUDGMENT.finditer(text):
        yield found.span()
