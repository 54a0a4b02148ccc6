"""The lexicon: how offences and facts are recognised in Chinese text. YAML in, checked and compiled values out.

A lexicon file has up to four parts::

    words:
      卖: [销售, 出售, 兜售]                     # in any pattern <卖> is any of them; in a list of terms, each of them

    offences:
      toxic_food:
        gate: [[罂粟壳, 西布曲明], [食品, 餐]]    # groups: one term of each group must stand in cause or narrative
        also: [[瘦肉精]]                       # another set of groups that is enough by itself
        against: [饲料标签]                     # any of these: not this offence
        rank: 3                               # special provisions rank above general ones; 0 when left out
        yields: [饲料标签]                      # with any of these terms a more special offence is likelier: it ranks lower
        causes: [经营有毒食品]                   # enough by itself when it stands in the cause (案由), as the library's own causes are
        acts: ['骗取', '伪造[^。]{0,6}病历']       # words of the deed: where the text has some and denies all of them, not this offence
        presume: {knowing_sale: true}         # facts taken so when the text neither affirms nor denies them; reported as assumed
    facts:
      toxic_nonfood_material_added:
        affirm: ['(添加|加入|掺入)[^。]{0,12}罂粟壳']   # any of these, not negated in its clause: true
        deny: ['未检出罂粟']                       # takes back what is affirmed near it or in the same sentence
        never: ['不含任何']                       # anywhere: false
        until: '移送公安|立案侦查'                 # what `deny` and `never` find after the first of these comes too late
        together: [['罂粟', '底料|汤']]             # all of one list, anywhere and in any order, none negated: true
        default: false                        # value when nothing is said; reported as assumed
      sales_amount:
        kinds: [money]                        # classes of figures (liangfa_screening.quantities)
        before: '销售金额|销售额'                 # what must stand shortly before the figure
        after: '的销售额'                       # or right after it
        not: '罚款'                            # what must not stand before it
        not_after: '受伤'                       # or right after it
        prefer: '超出|超采'                    # figures with this before them count alone when there are any
        prefer_after: '来源不明'                # or with this right after them
        within: 12                            # how many characters may lie between (12 when left out)
        fallback: true                        # without a cue: the largest figure that is not obviously another's
        roles: [capital]                      # also figures of these roles: price, fine, capital (contracts too), limit
        add: true                             # several figures are parts: add them unless a total is given
      water_area:
        choose: {sea: '海域|海洋', inland: '长江|河'}   # first that matches
    agencies:
      market_regulation: [市场监, 市监]              # words in an agency's name that say which it is

Terms in gates are literal; everything else is a regular expression over the normalised text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from liangfa_screening.needles import Pattern, Patterns, Sieve
from liangfa_screening.strict_yaml import read_yaml

Groups = tuple[frozenset[str], ...]
_OFFENCE_KEYS = {"gate", "also", "against", "rank", "presume", "yields", "causes", "acts"}
_FACT_KEYS = {
    "affirm",
    "deny",
    "never",
    "until",
    "together",
    "prefer",
    "prefer_after",
    "default",
    "kinds",
    "before",
    "after",
    "not",
    "not_after",
    "within",
    "add",
    "choose",
    "one_of",
    "factor",
    "fallback",
    "roles",
}


class LexiconError(ValueError):
    """A lexicon file cannot be used. The message names the file, the entry and what is wrong."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """When an offence is a candidate: all groups of one of `gates` hit, and nothing of `against`."""

    gates: tuple[Groups, ...]
    against: frozenset[str]
    rank: int = 0
    presumed: Mapping[str, Any] = field(default_factory=dict)
    yields: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()
    acts: Patterns | None = None


@dataclass(frozen=True, slots=True)
class Extractor:
    """How one fact is read from text; the parts that do not apply are None or empty."""

    fact: str
    affirm: Patterns | None = None
    deny: Patterns | None = None
    never: Patterns | None = None
    until: re.Pattern[str] | None = None
    together: tuple[tuple[Pattern, ...], ...] = ()
    default: Any = None
    kinds: frozenset[str] = frozenset()
    before: Pattern | None = None
    after: Pattern | None = None
    refused: Pattern | None = None
    refused_after: re.Pattern[str] | None = None
    preferred: re.Pattern[str] | None = None
    preferred_after: re.Pattern[str] | None = None
    adds: bool = False
    one_of: Patterns | None = None
    factor: Mapping[str, float] | None = None
    falls_back: bool = False
    roles: frozenset[str] = frozenset()
    choose: tuple[tuple[str, Pattern], ...] = ()

    def lists(self) -> Iterator[Patterns]:
        """Yield the lists of expressions."""
        return (listed for listed in (self.affirm, self.deny, self.never, self.one_of) if listed is not None)

    def patterns(self) -> Iterator[Pattern]:
        """Yield every expression."""
        for listed in self.lists():
            yield from listed.alternatives
        for group in self.together:
            yield from group
        yield from (cue for cue in (self.before, self.after, self.refused) if cue is not None)
        yield from (pattern for _, pattern in self.choose)

    def telling(self) -> int:
        """Return the bits of the expressions one of which must match before the text tells of the fact (no fallback)."""
        bits = 0
        for pattern in self.patterns():
            if pattern is not self.refused:
                bits |= pattern.bit
        return bits


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All recognitions and extractors, by id and name; the words that agencies are called by, first match first."""

    recognitions: Mapping[str, Recognition]
    extractors: Mapping[str, Extractor]
    agencies: tuple[tuple[str, str], ...] = ()
    sieve: Sieve = field(default_factory=lambda: Sieve(()))

    def agency(self, name: str) -> str:
        """Return the key of the agency that `name` (a key, or words such as 某区市场监督管理局) means; empty when unknown."""
        for word, key in self.agencies:
            if word in name or key == name:
                return key
        return ""


def read_lexicon(paths: Sequence[Path], offences: set[str], facts: set[str], agencies: set[str]) -> Lexicon:
    """Read lexicon files. Raises `LexiconError` for unknown names, unknown keys, bad expressions and repeats."""
    called_by: list[tuple[str, str]] = []
    recognitions: dict[str, Recognition] = {}
    extractors: dict[str, Extractor] = {}
    parts = {path: _read(path) for path in paths}
    words = _words(parts)
    for path, written in parts.items():
        try:
            data = {
                part: _spelled(written.get(part) or {}, words, as_terms=part == "offences")
                for part in ("offences", "facts", "agencies")
            }
        except KeyError as error:
            raise LexiconError(f"{path.name}: <{error.args[0]}> stands for no words") from error
        for name, entry in data["offences"].items():
            _check(path, name, entry, offences, _OFFENCE_KEYS, recognitions)
            if unknown := set(entry.get("presume") or {}) - facts:
                raise LexiconError(
                    f"{path.name}: {name} presumes {', '.join(sorted(unknown))}, which the library lacks"
                )
            try:
                recognitions[name] = _recognition(entry)
            except re.error as error:
                raise LexiconError(f"{path.name}: {name}: {error}") from error
        for name, entry in data["facts"].items():
            _check(path, name, entry, facts, _FACT_KEYS, extractors)
            try:
                extractors[name] = _extractor(name, entry)
            except re.error as error:
                raise LexiconError(f"{path.name}: {name}: {error}") from error
        for name, called in data["agencies"].items():
            if name not in agencies:
                raise LexiconError(f"{path.name}: {name} is no agency of the library")
            called_by.extend((word, name) for word in called)
    return Lexicon(recognitions, extractors, tuple(called_by), _numbered(extractors.values()))


def _words(parts: Mapping[Path, Mapping[str, Any]]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for path, data in parts.items():
        for name, listed in (data.get("words") or {}).items():
            if name in words:
                raise LexiconError(f"{path.name}: the words of {name} stand twice")
            words[name] = list(map(str, listed))
    return words


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path.read_bytes()) or {}
    except yaml.YAMLError as error:
        raise LexiconError(f"{path.name}: {error}") from error


def _numbered(extractors: Iterable[Extractor]) -> Sieve:
    """Give every expression its bit, and every list those of its own."""
    found = list(extractors)
    sieve = Sieve(pattern for extractor in found for pattern in extractor.patterns())
    for listed in (listed for extractor in found for listed in extractor.lists()):
        listed.mask = sum(pattern.bit for pattern in listed.alternatives)
    return sieve


_WORDS = re.compile(r"<([\u4e00-\u9fff]+)>")


def _spelled(value: Any, words: Mapping[str, Sequence[str]], *, as_terms: bool = False) -> Any:
    """Return a part of a file with every <name> spelled out: in patterns any of its words, in gates each as a term."""
    if isinstance(value, str):
        return _WORDS.sub(lambda match: f"(?:{'|'.join(_spelled(word, words) for word in words[match[1]])})", value)
    if isinstance(value, dict):
        return {key: _spelled(inner, words, as_terms=as_terms) for key, inner in value.items()}
    if isinstance(value, list):
        spelled: list[Any] = []
        for item in value:
            name = _WORDS.fullmatch(item) if as_terms and isinstance(item, str) else None
            spelled.extend(words[name[1]] if name is not None else [_spelled(item, words, as_terms=as_terms)])
        return spelled
    return value


def _check(path: Path, name: str, entry: Any, known: set[str], keys: set[str], seen: Mapping[str, object]) -> None:
    if name not in known:
        raise LexiconError(f"{path.name}: {name} is not in the library")
    if name in seen:
        raise LexiconError(f"{path.name}: {name} stands twice")
    if not isinstance(entry, dict) or set(entry) - keys:
        raise LexiconError(f"{path.name}: {name}: only {', '.join(sorted(keys))} are known")


def _recognition(entry: Mapping[str, Any]) -> Recognition:
    gates = tuple(_groups(entry[key]) for key in ("gate", "also") if entry.get(key))
    against = frozenset(map(str, entry.get("against") or ()))
    yields, causes = (frozenset(map(str, entry.get(key) or ())) for key in ("yields", "causes"))
    presumed = dict(entry.get("presume") or {})
    return Recognition(gates, against, int(entry.get("rank", 0)), presumed, yields, causes, _any(entry.get("acts")))


def _groups(groups: Sequence[Sequence[str]]) -> Groups:
    return tuple(frozenset(map(str, group)) for group in groups)


def _extractor(name: str, entry: Mapping[str, Any]) -> Extractor:
    within = entry.get("within", 12)
    return Extractor(
        fact=name,
        affirm=_any(entry.get("affirm")),
        deny=_any(entry.get("deny")),
        never=_any(entry.get("never")),
        until=re.compile(entry["until"]) if entry.get("until") else None,
        together=tuple(tuple(map(Pattern, group)) for group in entry.get("together") or ()),
        default=entry.get("default"),
        kinds=frozenset(entry.get("kinds") or ()),
        before=_cue(entry.get("before"), lambda cue: f"(?:{cue})[^\\d。；]{{0,{within}}}$"),
        after=_cue(entry.get("after"), lambda cue: f"^[^\\d，。；]{{0,6}}(?:{cue})"),
        refused=_cue(entry.get("not"), lambda cue: f"(?:{cue})[^\\d，。；]{{0,8}}$"),
        refused_after=re.compile(f"[^，。；]{{0,6}}(?:{entry['not_after']})") if entry.get("not_after") else None,
        preferred=re.compile(f"(?:{entry['prefer']})[^\\d，。；]{{0,8}}$") if entry.get("prefer") else None,
        preferred_after=re.compile(f"[^\\d，。；]{{0,6}}(?:{entry['prefer_after']})")
        if entry.get("prefer_after")
        else None,
        adds=bool(entry.get("add", False)),
        one_of=_any(entry.get("one_of")),
        factor=entry.get("factor"),
        falls_back=bool(entry.get("fallback", False)),
        roles=frozenset(entry.get("roles") or ()),
        choose=tuple((value, Pattern(pattern)) for value, pattern in (entry.get("choose") or {}).items()),
    )


def _cue(text: str | None, within: Callable[[str], str]) -> Pattern | None:
    return Pattern(text, within) if text else None


def _any(patterns: Sequence[str] | None) -> Patterns | None:
    return Patterns(patterns) if patterns else None
