"""Reading facts out of a text: only those that the candidate offences ask for, each with the words it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeVar, cast

from liangfa_screening.bystanders import WORDS_OF_CLEARING, WORDS_OF_OTHERS, about_others, last_clearing
from liangfa_screening.denial import cancels, is_alleged, is_negated, stands
from liangfa_screening.lexicon import Extractor
from liangfa_screening.needles import ALL, Pattern, Patterns
from liangfa_screening.quantities import Quantity, find_quantities

T = TypeVar("T")
SIGNS = WORDS_OF_OTHERS | WORDS_OF_CLEARING
"""Words to look for in a text before it is examined."""

_OTHERS_MONEY = re.compile(
    r"(?:罚|注册|投资|合同(?:价|款|金|总|标|约定)|造价|工程款|估值|房租|租金|工资|垫付|保证金|押金|单价|设备|市价|补税|滞纳金|修复|补缴|年收入|营业收入|"
    r"贷款|预算|广告费|赔偿|退还|退回|追回|奖励|采购额|产值|余额|订货|成本|进价)[^，。；]{0,8}$"
)
_OTHERS_FIGURE = re.compile(
    r"(?:执法人员|民警|批准|许可|准予|核定|允许|产能|年产|日处理|面积为|总面积|承包|流转|能力|限量|距离?|约谈|辅警)[^，。；]{0,8}$"
)
_NEXT_FIGURE = re.compile(r"[^（）]{0,2}（[^（）]*\d$")
"""A cue in brackets with a figure of its own: 4.3亩（基本农田0亩）."""
_WINDOW = 90
_AFTER = 40


class FactFound(NamedTuple):
    """A fact's value and where it stands. `origin`: narrative, cause, given, derived, earlier or assumed.

    `part` is the text that `start` and `end` count in: narrative or cause; empty when there are no words.
    """

    name: str
    label_zh: str
    value: Any
    text: str = ""
    start: int = -1
    end: int = -1
    origin: str = "narrative"
    part: str = ""

    def value_text(self) -> str:
        """Return the value as people write it."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return number_text(self.value) if isinstance(self.value, (int, float)) else str(self.value)


def number_text(value: float) -> str:
    """Return a number as people write it: no exponent, no useless zeros, at most four decimals."""
    return f"{value:,.4f}".rstrip("0").rstrip(".")


class Text:
    """A normalised text under examination; figures are looked for once. `offset` is where the narrative begins."""

    def __init__(self, text: str, offset: int, live: int = ALL, present: AbstractSet[str] | None = None) -> None:
        """Examine `text`; `live` are the patterns that it may match (`liangfa_screening.needles.Sieve`).

        `present` are the words of `SIGNS` that stand in it; None when nobody looked.
        """
        self.text = text
        self.offset = offset
        self.live = live
        self.others = about_others(text) if present is None or not WORDS_OF_OTHERS.isdisjoint(present) else []
        self.may_clear = present is None or not WORDS_OF_CLEARING.isdisjoint(present)
        self._quantities: list[Quantity] | None = None
        self._by_kind: dict[str, list[Quantity]] = {}
        self._kept: dict[str, Any] = {}

    def once(self, key: str, find: Callable[[str], T]) -> T:
        """Return `find` of the text, looked for once: several offences ask for the same."""
        if key not in self._kept:
            self._kept[key] = find(self.text)
        return cast("T", self._kept[key])

    @property
    def quantities(self) -> list[Quantity]:
        """The figures of the text."""
        if self._quantities is None:
            found = find_quantities(self.text)
            self._quantities = [self._placed(quantity) for quantity in found] if self.others else found
            for quantity in self._quantities:
                self._by_kind.setdefault(quantity.kind, []).append(quantity)
        return self._quantities

    def tells_of_others(self, place: int) -> bool:
        """Tell whether what stands at `place` is told of others."""
        return any(start <= place < end for start, end in self.others)

    def _placed(self, quantity: Quantity) -> Quantity:
        is_theirs = not quantity.role and self.tells_of_others(quantity.start)
        return quantity._replace(role="elsewhere") if is_theirs else quantity

    def of_kinds(self, kinds: Iterable[str]) -> list[Quantity]:
        """Return the figures of some kinds, in order when it is one kind."""
        if not self.quantities:
            return []
        return [quantity for kind in kinds for quantity in self._by_kind.get(kind, ())]

    def found(self, name: str, label: str, value: Any, start: int, end: int) -> FactFound:
        """Return a fact with its words; places count from the narrative's first character, or in the cause."""
        words = self.text[start:end]
        if start >= self.offset:
            return FactFound(
                name, label, value, words, start - self.offset, end - self.offset, "narrative", "narrative"
            )
        return FactFound(name, label, value, words, start, end, "cause", "cause")


def extract(extractor: Extractor, label: str, text: Text, cel_type: str) -> FactFound | None:
    """Return the fact as the text gives it, the assumed default, or None when it is unknown."""
    found: FactFound | None = None
    if cel_type == "bool":
        found = _truth(extractor, label, text)
    elif extractor.choose:
        found = _choice(extractor, label, text)
    if found is None and extractor.kinds:
        found = _figure(extractor, label, text, cel_type)
    if found is None and extractor.one_of is not None and cel_type == "int":
        found = _single(extractor, label, text)
    if found is None and extractor.default is not None:
        return FactFound(extractor.fact, label, extractor.default, origin="assumed")
    return found


def _truth(extractor: Extractor, label: str, text: Text) -> FactFound | None:
    """Return true for the first affirming words that nothing takes back, false when something denies, else None."""
    plain, live = text.text, text.live
    last = _deadline(extractor, plain)
    if extractor.never is not None and (never := extractor.never.matches(plain, live)) and never[0].start() < last:
        return text.found(extractor.fact, label, False, *never[0].span())
    denying = [] if extractor.deny is None else extractor.deny.matches(plain, live)
    denials = [match.span() for match in denying if match.start() < last and stands(match)]
    taken_back: tuple[int, int] | None = denials[0] if denials else None
    affirming = [] if extractor.affirm is None else extractor.affirm.matches(plain, live)
    if affirming and text.others:
        affirming = [match for match in affirming if not text.tells_of_others(match.start())]
    if affirming and text.may_clear and _is_cleared(affirming, text):
        return text.found(extractor.fact, label, False, *affirming[0].span())
    refuted = {match[0] for match in affirming if is_negated(match)}
    for match in affirming:
        if match[0] in refuted and (is_negated(match) or is_alleged(match)):
            taken_back = taken_back or match.span()
        elif not any(cancels(denial, match.span(), text.text) for denial in denials):
            return text.found(extractor.fact, label, True, match.start(), match.end())
    for group in extractor.together:
        if all(live & pattern.bit for pattern in group) and (span := _together(group, denials, plain)):
            return text.found(extractor.fact, label, True, *span)
    return text.found(extractor.fact, label, False, *taken_back) if taken_back else None


def _deadline(extractor: Extractor, text: str) -> int:
    """Return where it is too late for a denial: who pays once the police have the case had not paid before."""
    late = extractor.until.search(text) if extractor.until is not None else None
    return late.start() if late is not None else len(text)


def is_denied(acts: Patterns, text: Text) -> bool:
    """Tell whether the text has some of these words and denies every one of them."""
    found = acts.matches(text.text, text.live)
    return bool(found) and all(is_negated(match) for match in found)


_LONGEST_SPAN = 80


def _together(group: tuple[Pattern, ...], denials: list[tuple[int, int]], text: str) -> tuple[int, int] | None:
    """Return where all patterns of a group stand; far apart, the words of the first of them."""
    spans: list[tuple[int, int]] = []
    for pattern in group:
        found = next(
            (
                m.span()
                for m in pattern.compiled.finditer(text)
                if not is_negated(m) and not any(cancels(d, m.span(), text) for d in denials)
            ),
            None,
        )
        if found is None:
            return None
        spans.append(found)
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    return (start, end) if end - start <= _LONGEST_SPAN else spans[0]


def _is_cleared(affirming: list[re.Match[str]], text: Text) -> bool:
    """Tell whether somebody only said so and the inquiry did not bear it out."""
    said = [match for match in affirming if not is_negated(match)]
    return bool(said) and text.once("cleared", last_clearing) >= said[-1].end() and all(map(is_alleged, said))


def _choice(extractor: Extractor, label: str, text: Text) -> FactFound | None:
    for value, pattern in extractor.choose:
        if text.live & pattern.bit and (match := pattern.search(text.text)):
            return text.found(extractor.fact, label, value, match.start(), match.end())
    return None


def _single(extractor: Extractor, label: str, text: Text) -> FactFound | None:
    """Return 1 when the text tells of one without a figure (致人死亡)."""
    if extractor.one_of is None:
        return None
    for match in extractor.one_of.matches(text.text, text.live):
        if not (is_negated(match) or text.tells_of_others(match.start())):
            return text.found(extractor.fact, label, 1, match.start(), match.end())
    return None


def _figure(extractor: Extractor, label: str, text: Text, cel_type: str) -> FactFound | None:
    fitting = _fitting(extractor, text)
    if not fitting and extractor.falls_back:
        fitting = [q for q in text.of_kinds(extractor.kinds) if _may_be_meant(extractor, q, text.text)]
    if not fitting:
        return None
    if extractor.preferred is not None and len(fitting) > 1:
        fitting = [q for q in fitting if _is_preferred(extractor, q, text.text)] or fitting
    totals = [q for q in fitting if q.is_total]
    if totals and max(_value(extractor, q) for q in totals) < max(_value(extractor, q) for q in fitting):
        totals = []  # a total is never less than its parts: it is another total
    if not totals and len(fitting) > 1:
        totals = _sum_told(fitting, text)
    if extractor.adds and not totals and len(fitting) > 1:
        distinct = {(_value(extractor, q)): q for q in fitting}
        value = sum(distinct)
        return text.found(extractor.fact, label, _typed(value, cel_type), fitting[0].start, fitting[-1].end)
    chosen = max(totals or fitting, key=lambda q: _value(extractor, q))
    if not totals and (listed := _listed(chosen, fitting, text.text)):
        value = sum(_value(extractor, q) for q in listed)
        return text.found(extractor.fact, label, _typed(value, cel_type), listed[0].start, listed[-1].end)
    value = _value(extractor, chosen)
    if chosen.is_less:
        value = value - 1 if cel_type == "int" else value * 0.999
    return text.found(extractor.fact, label, _typed(value, cel_type), chosen.start, chosen.end)


_JOINED = re.compile("[^，。；]{0,12}(?:、|和|及|与)[^，。；]{0,10}")


def _listed(chosen: Quantity, fitting: list[Quantity], text: str) -> list[Quantity]:
    """Return the figures that stand in one list with the chosen one (2.1吨废漆渣、1.4吨废稀料); none when it stands alone."""
    place = fitting.index(chosen)
    first = last = place
    while first and _JOINED.fullmatch(text, fitting[first - 1].end, fitting[first].start):
        first -= 1
    while last + 1 < len(fitting) and _JOINED.fullmatch(text, fitting[last].end, fitting[last + 1].start):
        last += 1
    return fitting[first : last + 1] if last > first else []


def _sum_told(parts: list[Quantity], text: Text) -> list[Quantity]:
    """Return the total that the text gives for these parts, when it has no cue of its own: 2.9万元、2.6万元，合计5.5万元."""
    whole = sum({q.value for q in parts})
    totals = (q for q in text.of_kinds((parts[0].kind,)) if q.is_total and not q.role and q.start > parts[0].start)
    return [q for q in totals if abs(q.value - whole) <= 0.01 * whole][:1]


def _may_be_meant(extractor: Extractor, quantity: Quantity, text: str) -> bool:
    """Tell whether a figure without a cue may be the case's: it is no price, fine, capital or somebody else's sum."""
    before = text[max(0, quantity.start - 20) : quantity.start]
    before = before[max(before.rfind("。"), before.rfind("；"), before.rfind("\n")) + 1 :]
    if quantity.role or (extractor.refused is not None and extractor.refused.search(before)):
        return False
    if extractor.refused_after is not None and extractor.refused_after.match(text, quantity.end):
        return False
    return not (_OTHERS_MONEY if quantity.kind == "money" else _OTHERS_FIGURE).search(before)


def _is_preferred(extractor: Extractor, quantity: Quantity, text: str) -> bool:
    before, after = extractor.preferred, extractor.preferred_after
    return bool(
        (before is not None and before.search(text[max(0, quantity.start - 20) : quantity.start]))
        or (after is not None and after.match(text, quantity.end))
    )


def _value(extractor: Extractor, quantity: Quantity) -> float:
    return quantity.value * (extractor.factor or {}).get(quantity.unit, 1.0)


def _typed(value: float, cel_type: str) -> float | int:
    return int(value) if cel_type == "int" else float(value)


def _fitting(extractor: Extractor, text: Text) -> list[Quantity]:
    """Return the figures that the extractor's cues speak of."""
    before, after = (
        cue if cue is not None and text.live & cue.bit else None for cue in (extractor.before, extractor.after)
    )
    if before is None and after is None:
        return []
    return [
        quantity
        for quantity in text.of_kinds(extractor.kinds)
        if not quantity.role or quantity.role in extractor.roles
        if _fits(extractor, quantity, text.text, before, after)
    ]


def _fits(extractor: Extractor, quantity: Quantity, text: str, cue: Pattern | None, after: Pattern | None) -> bool:
    before = text[max(0, quantity.start - _WINDOW) : quantity.start]
    cut = max(before.rfind("。"), before.rfind("；"), before.rfind("\n"))
    before = before[cut + 1 :]
    if extractor.refused is not None and extractor.refused.search(before):
        return False
    if extractor.refused_after is not None and extractor.refused_after.match(text, quantity.end):
        return False
    if cue is not None and cue.search(before):
        return True
    following = text[quantity.end : quantity.end + _AFTER]
    match = after.search(following) if after is not None else None
    return match is not None and not _NEXT_FIGURE.match(following[: match.end() + 1])
