"""The library of offences, standards and facts: typed, compiled once, versioned by its content.

The data stand in library/offences.yaml and library/facts.yaml with their sources and confidence; how facts are
recognised in text stands in lexicon/*.yaml. The version names the day of research and a hash of all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from liangfa_screening.expressions import (
    Bound,
    Evaluate,
    Facts,
    compiled,
    lower_bounds,
    names,
    negated_names,
    parse,
    undecided,
)
from liangfa_screening.figures import read_figures
from liangfa_screening.lexicon import Lexicon, read_lexicon
from liangfa_screening.strict_yaml import read_yaml

_FOLDER = Path(__file__).parent
_ADDITIVE = frozenset({"money_cny", "kg", "gram", "tonne", "mu", "cubic_meter"})
_NEVER_ADDED = frozenset(
    {"capital_min_statutory", "unpaid_single_worker_amount", "direct_loss", "safety_accident_loss"}
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A named fact: `cel_type` is double, int, bool or string."""

    name: str
    type: str
    cel_type: str
    label_zh: str
    label_en: str
    values: tuple[str, ...] = ()

    @property
    def is_additive(self) -> bool:
        """Whether several acts of one party are added up in this fact: sums of money and measures."""
        return self.type in _ADDITIVE and self.name not in _NEVER_ADDED


@dataclass(frozen=True, slots=True)
class Standard:
    """A filing standard, compiled: `met` under the facts, `near` under lowered bounds (None: no near misses).

    `undecided` names the facts that would help to decide it when it is unknown.
    """

    id: str
    description: str
    expression: str
    kind: str
    source: str
    confidence: str
    effective_from: str
    met: Evaluate
    near: Evaluate | None
    facts: tuple[str, ...]
    exclusions: frozenset[str]
    bounds: tuple[Bound, ...]
    undecided: Callable[[Facts], list[str]]
    examples: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Offence:
    """A crime of the Criminal Law with its standards, any of which is enough."""

    id: str
    name_zh: str
    name_en: str
    article: str
    group: str
    agencies: frozenset[str]
    keywords: tuple[str, ...]
    causes: tuple[str, ...]
    standards: tuple[Standard, ...]
    facts: tuple[str, ...]
    notes: str


@dataclass(frozen=True, slots=True)
class Library:
    """Everything the screening knows, under one version. `parameters` are the regional figures in force."""

    version: str
    as_of: str
    offences: Mapping[str, Offence]
    facts: Mapping[str, Fact]
    parameters: Mapping[str, float | int]
    lexicon: Lexicon
    agencies: Mapping[str, str] = field(default_factory=dict)
    regional: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)

    def for_region(self, region: str) -> Library:
        """Return the library with the figures in force in a division, the most specific code's first; itself if none."""
        codes = [code for code in _containing(region) if code in self.regional]
        if not codes:
            return self
        parameters = dict(self.parameters)
        for code in codes:
            parameters.update(self.regional[code])
        told = hashlib.sha256(repr(sorted(parameters.items())).encode()).hexdigest()[:6]
        return replace(self, parameters=parameters, version=f"{self.version}+{codes[-1]}-{told}")

    @property
    def standard_count(self) -> int:
        """How many standards there are."""
        return sum(len(offence.standards) for offence in self.offences.values())


@lru_cache(maxsize=8)
def load_library(region: str | None = None, folder: Path = _FOLDER, figures: Path | None = None) -> Library:
    """Return the library with the regional parameters of `region` (a division code); cached.

    `figures` is a file of regional figures (`read_figures`). Without one, or an entry in it, the library's default,
    the low end of the national range, holds. Raises `FiguresError`, `LexiconError`.
    """
    sources = sorted([*(folder / "library").glob("*.yaml"), *(folder / "lexicon").glob("*.yaml")])
    contents = {path.name: path.read_bytes() for path in sources}
    digest = hashlib.sha256(b"\0".join(contents[name] for name in sorted(contents))).hexdigest()[:12]
    data = read_yaml(contents["offences.yaml"])
    facts = {item["name"]: _fact(item) for item in read_yaml(contents["facts.yaml"])["facts"]}
    offences = {item["id"]: _offence(item) for item in data["offences"]}
    words = [path for path in sources if path.parent.name == "lexicon"]
    as_of = str(data["as_of"])
    library = Library(
        version=f"{as_of}-{digest}",
        as_of=as_of,
        offences=offences,
        facts=facts,
        parameters={item["name"]: item["default"] for item in data["regional_parameters"]},
        lexicon=read_lexicon(words, set(offences), set(facts), set(data["agencies"])),
        agencies=data["agencies"],
        regional=read_figures(figures, data["regional_parameters"]) if figures else {},
    )
    return library.for_region(region or "")


def _containing(region: str) -> Sequence[str]:
    """Return the codes that contain a district, widest first: province, city, district."""
    return [region[:2] + "0000", region[:4] + "00", region] if len(region) == 6 else []


def _fact(item: Mapping[str, Any]) -> Fact:
    return Fact(
        name=item["name"],
        type=item["type"],
        cel_type=item["cel_type"],
        label_zh=item["label_zh"],
        label_en=item["label_en"],
        values=tuple(item.get("values") or ()),
    )


def _offence(item: Mapping[str, Any]) -> Offence:
    standards = tuple(_standard(standard) for standard in item["standards"])
    used = dict.fromkeys(name for standard in standards for name in standard.facts)
    return Offence(
        id=item["id"],
        name_zh=item["name_zh"],
        name_en=item["name_en"],
        article=item["criminal_law_article"],
        group=item["crime_group"],
        agencies=frozenset(item["agencies"]),
        keywords=tuple(item["trigger"]["keywords_zh"]),
        causes=tuple(item["trigger"]["case_causes_zh"]),
        standards=standards,
        facts=tuple(used),
        notes=item.get("notes", ""),
    )


def _standard(item: Mapping[str, Any]) -> Standard:
    tree = parse(item["expr"])
    ratio = item.get("near_miss")
    used = tuple(dict.fromkeys(name for name in names(tree) if not name.startswith("rp_")))
    return Standard(
        id=item["id"],
        description=item["description_en"],
        expression=item["expr"],
        kind=item["kind"],
        source=item["source"],
        confidence=item["confidence"],
        effective_from=str(item["effective_from"]),
        met=compiled(tree),
        near=compiled(tree, float(ratio)) if ratio else None,
        facts=used,
        exclusions=frozenset(negated_names(tree)),
        bounds=tuple(lower_bounds(tree)),
        undecided=undecided(tree),
        examples=tuple(item["examples"]),
    )
