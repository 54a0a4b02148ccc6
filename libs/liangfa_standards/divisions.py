"""Administrative divisions (GB/T 2260) of Hubei and Wuhan: names, containment, and the division in an agency's name.

Containment needs no table and holds for the whole country; names are known for Hubei only (state of 2023-2024).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

NATION = "000000"
_CODE = re.compile(r"[0-9]{6}(?:[0-9]{3}|[0-9]{6})?")
_NOW = re.compile(r"now ([0-9]{6})")


@dataclass(frozen=True, slots=True)
class Division:
    """A division. `code` is empty for functional zones, which have none in GB/T 2260; their `city_code` places them."""

    code: str
    name: str
    level: str
    """province, city, district, county, group (a grouping code, no place), zone."""
    city_code: str
    short: str = ""
    is_abolished: bool = False
    now: str = ""
    """Code of the division that an abolished one became."""


@cache
def divisions() -> tuple[Division, ...]:
    """Return every division known by name, those of Wuhan with their short forms, abolished codes and zones included."""
    wuhan = [_wuhan_row(row) for row in _rows("wuhan_districts.csv")]
    known = {division.code for division in wuhan if division.code}
    others = [_hubei_row(row) for row in _rows("hubei_divisions.csv") if row["code"] not in known]
    return (*others, *wuhan)


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("liangfa_standards").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _wuhan_row(row: dict[str, str]) -> Division:
    level = "zone" if row["level"] == "functional zone" else row["level"]
    now = _NOW.search(row["note"] or "")
    is_old = row["status"] == "abolished"
    return Division(row["code"], row["name"], level, "420100", row["short"], is_old, now[1] if now else "")


def _hubei_row(row: dict[str, str]) -> Division:
    code = row["code"]
    level = "province" if code.endswith("0000") else "city" if code.endswith("00") else "district"
    return Division(code, row["name"], "group" if code == "429000" else level, row["city_code"] or code)


@cache
def _by_code() -> dict[str, Division]:
    return {division.code: division for division in divisions() if division.code}


def division(code: str) -> Division | None:
    """Return the division of a code of 6, 9 or 12 digits (the first six count), or None when its name is not known."""
    return _by_code().get(code[:6])


def region_code(text: str) -> str:
    """Return the six-digit code that a 地方编码 cell means, or empty: 6, 9 or 12 digits; abolished codes become today's."""
    text = text.strip().removesuffix(".0")
    if _CODE.fullmatch(text) is None:
        return ""
    known = _by_code().get(text[:6])
    return known.now if known is not None and known.now else text[:6]


def region_prefix(region: str) -> str:
    """Return the prefix that the codes in a region of six digits share: 420000 -> 42, 420100 -> 4201, 420111 -> 420111.

    The whole country (000000, also 100000) is the empty prefix; so is an empty region, which callers tell apart first.
    """
    if region in {NATION, "100000"}:
        return ""
    if region.endswith("0000"):
        return region[:2]
    return region[:4] if region.endswith("00") else region


def covers(outer: str, inner: str) -> bool:
    """Tell whether region `outer` contains region `inner` or is the same; both of 6, 9 or 12 digits.

    `420000` covers `420111`, `420100` covers `420111`, `429000` covers `429004`, `000000` covers all; an abolished county is
    its successor. False when either is no division code.
    """
    outer, inner = region_code(outer), region_code(inner)
    if not outer or not inner:
        return False
    return inner.startswith(region_prefix(outer))


@cache
def _names() -> list[tuple[str, Division]]:
    pairs = []
    for known in divisions():
        if known.level == "group" or known.is_abolished:
            continue
        pairs.append((known.name, known))
        if known.level == "zone":
            pairs.append((known.name.removeprefix("武汉"), known))
    # Districts before the cities and the province that stand in front of them; longer names before shorter.
    order = {"zone": 0, "county": 1, "district": 1, "city": 2, "province": 3}
    return sorted(pairs, key=lambda pair: (order[pair[1].level], -len(pair[0])))


@cache
def _cities() -> list[tuple[str, Division]]:
    cities = [known for known in divisions() if known.level == "city"]
    short = [(known.name.removesuffix("市"), known) for known in cities]
    return [*((known.name, known) for known in cities), *short, ("恩施州", division("422800") or cities[0])]


@lru_cache(maxsize=8192)
def division_in_name(name: str) -> Division | None:
    """Return the narrowest Hubei division that an agency's name contains, or None; 青山区 of another province is none."""
    city = next((known for word, known in _cities() if word in name), None)
    for word, known in _names():
        at = name.find(word)
        if at < 0 and known.level == "district" and city is not None:
            at = name.find(f"{word[:-1]}分局")
        if at < 0:
            continue
        is_inside = known.level in {"city", "province", "zone"} or (city is not None and known.city_code == city.code)
        # Without its city, a county counts only where the name begins with it or with 湖北省.
        if is_inside or (city is None and (at == 0 or name.startswith("湖北省"))):
            return known
    return city
