"""Facts that follow from other facts: value from price and number, one amount from another. Each says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import lru_cache

from liangfa_screening.amounts import amounts, copies, derived_from
from liangfa_screening.extraction import FactFound, Text
from liangfa_screening.measured import METALS_A, METALS_B, ORDINARY, RESIDUES, excesses
from liangfa_screening.quantities import number
from liangfa_screening.recidivism import PRIOR_PENALTIES, earlier_penalties

_UNIT = re.compile(
    r"(?:公司|企业|集团|合作社|厂|医院|学校|超市|宾馆|酒店|门诊部|中心|协会|事务所|研究院|有限)(?!员工|职工|法定代表人|附近|旁|门口|承包|供货|授权|商标)"
)
_PERSON = re.compile(
    r"个体|自然人|村民|居民|无照|无证经营者|某某|医药代表|业务员|店主|摊主|老板|司机|男子|女子|夫妻|养殖户|种植户|农户|经营户|贩子|药贩|鱼贩|商贩|中介人员|医生|"
    r"当事人[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高]某"
)


def derive(facts: dict[str, FactFound], wanted: frozenset[str], text: Text, labels: dict[str, str]) -> None:
    """Add to `facts` what `wanted` asks for and what follows from the text's other figures. Found facts stay."""
    for step in _steps(wanted):
        step(facts, wanted, text, labels)


_DANGEROUS_GOODS = re.compile(
    r"汽油|柴油|煤油|成品油|油品|燃油|液化|石油气|燃气|天然气|黑气|煤气|甲醇|乙醇|酒精|醇基|生物油|气瓶|钢瓶|乙炔|丙烷|氧气|氢气|液氨|氨水|硝酸|双氧水|过氧化|"
    r"烟花|爆竹|鞭炮|火药|引线|甲苯|二甲苯|稀释剂|天那水|香蕉水|松香水|溶剂|油漆|油墨|危险化学品|危化品|易燃|丁烷|打火机气|硫磺|电石|环己|丙酮"
)
_MUCH = {"kg": 1000.0, "litre": 1000.0, "box": 100.0, "bottle": 30.0, "piece": 30.0, "m3": 1.0}
"""So much of a dangerous good without a licence is taken for a real danger when nothing is said of the surroundings: a
reading to be checked (the result says so), not law."""
_HARMLESS = re.compile(r"空旷|远离|独立(?:库房|仓库)|专用仓库|不具有|不足以|未达到|无现实|没有现实|少量|农机|自用|零星")


def _danger(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Judge from a large quantity of dangerous goods without a licence that the danger was real."""
    name, unlicensed = "real_danger_of_major_accident", facts.get("unlicensed_high_risk_operation")
    if name in facts or unlicensed is None or not unlicensed.value or _HARMLESS.search(text.text):
        return
    for quantity in text.of_kinds(_MUCH):
        near = text.text[max(0, quantity.start - 40) : quantity.end + 20]
        if quantity.value >= _MUCH[quantity.kind] and not quantity.role and _DANGEROUS_GOODS.search(near):
            read = text.found(name, labels.get(name, name), True, quantity.start, quantity.end)
            facts[name] = read._replace(origin="assumed")
            return


_PYRAMID = re.compile(r"层级|下线|多级|逐级|上下级|上级|级别|拉人头|金字塔|裂变|直推")


def _levels(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Take a network with lines of members, whose depth is not told, for one of three levels: to be checked."""
    if "pyramid_levels" not in facts and (match := _PYRAMID.search(text.text)):
        read = text.found("pyramid_levels", labels.get("pyramid_levels", ""), 3, match.start(), match.end())
        facts["pyramid_levels"] = read._replace(origin="assumed")


_SEATS = re.compile(
    r"每台[^，。；\d]{0,10}(\d+|[二两三四五六七八九十]+)(?:个)?(?:座|人|机|操作|独立|游戏|赌博|单元|席|投注)"
)


def _seats(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Count a machine at which several can play as so many (公通字〔2014〕17号: by the units that one person can operate)."""
    name = "gambling_machines"
    match, told = _SEATS.search(text.text), facts.get(name)
    seats = number(match[1]) if match is not None else None
    if match is not None and seats is not None and told is not None and told.origin != "given":
        facts[name] = text.found(name, labels.get(name, name), int(told.value * seats[0]), told.start, match.end())


_WITH_TAX = re.compile(r"(?:价税合计|票面|面额|开具|虚开|开票|专票|发票)[^。；]{0,24}$")
_TAX_SHARE = 0.06 / 1.06
"""The tax in an invoice whose tax is not told: at the service rate of 6 %, the lowest common one; a reading, not law."""


def _invoice_tax(facts: dict[str, FactFound], wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Estimate the tax of invoices from their face amount where only that is told; reported as assumed."""
    told = [
        q for q in text.of_kinds(("money",))
        if not q.role and _WITH_TAX.search(text.text[max(0, q.start - 40) : q.start])
    ]  # fmt: skip
    for name in ("vat_invoice_tax_amount", "invoice_tax_amount"):
        if told and name in wanted and name not in facts:
            most = max(told)
            read = text.found(name, labels.get(name, name), round(most.value * _TAX_SHARE, 2), most.start, most.end)
            facts[name] = read._replace(origin="assumed")


_RATE = re.compile(
    r"(?P<period>月|日|周|天)(?:利)?(?:息|率|利率)(?:为|高达|达)?\D{0,4}(?P<rate>\d+(?:\.\d+)?|[一二两三四五六七八九十]+)(?P<unit>%|分|角|厘)"
)
_PERIODS = {"月": 12, "周": 52, "日": 365, "天": 365}
_PARTS = {"%": 1.0, "分": 1.0, "角": 10.0, "厘": 0.1}


def _rate(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Read interest told by the month, week or day (月息5分 is 60 % a year)."""
    name = "lending_rate_annual_pct"
    match = None if name in facts else text.once("rate", _RATE.search)
    value = number(match["rate"]) if match is not None else None
    if match is not None and value is not None:
        yearly = value[0] * _PARTS[match["unit"]] * _PERIODS[match["period"]]
        facts[name] = text.found(name, labels.get(name, name), yearly, match.start(), match.end())


_LOAD = re.compile(
    r"核(?:定|载)(?:载(?:客|人)(?:数)?)?\D{0,6}(\d+)\s?[人座][^。；]{0,20}?(?:实|坐|载|拉|装|挤|乘)(?:际)?(?:载|乘|坐|有|了)?(?:客|人)?\D{0,6}(\d+)"
)
_SEVERE_OVERLOAD = 1.2
"""Passengers over the permitted number by a fifth: above that the police of several provinces speak of severe overload.
No national figure was found in the sources at hand; the standard itself says "severely", so this is a reading, not law."""


_CASUALTIES = re.compile(
    r"(?<![\d.])(\d+|[一二两三四五六七八九十]+)人?死(?:亡)?(?![因者胎猪鱼鸡鸭牛羊鸟]|角)(?:[、，]?(\d+|[一二两三四五六七八九十]+)人?(重|轻)?伤)?"
)


def _casualties(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Read 3死2伤 and 一死一重伤; injuries whose grade is not told count for nothing."""
    match = text.once("casualties", _CASUALTIES.search)
    if match is None or text.tells_of_others(match.start()):
        return
    grade = {"重": "serious_injuries", "轻": "minor_injuries"}.get(match[3] or "", "")
    for name, written in (("deaths", match[1]), (grade, match[2])):
        value = number(written) if written else None
        if name and value is not None and (name not in facts or facts[name].value < value[0]):
            facts[name] = text.found(name, labels.get(name, name), int(value[0]), match.start(), match.end())


_MANY_WORKERS = 10
_MANY_WORKERS_CLAIM = 150_000.0
"""Arrears of so much to workers whose number is not told are taken for those of ten: a reading to be checked, not law."""
_WORKERS = re.compile("农民工|工人|民工|员工|职工|劳动者|工资")


_FROM_TO = re.compile(
    r"(?:(?P<year>20\d\d)年)?(?P<first>1[0-2]|[1-9])月(?:份)?(?:至|到|-|—|～)(?:(?P<later>20\d\d)年)?(?P<last>1[0-2]|[1-9])月(?!\d*日)"
)


def _months(facts: dict[str, FactFound], text: Text, labels: dict[str, str]) -> None:
    """Read for how long wages are owed from the first and the last month (2023年11月至2024年2月: four months)."""
    name = "unpaid_months_single"
    match = None if name in facts else _FROM_TO.search(text.text)
    if match is None:
        return
    years = int(match["later"]) - int(match["year"]) if match["later"] and match["year"] else 0
    months = years * 12 + int(match["last"]) - int(match["first"]) + 1
    if 0 < months <= _LONGEST_ARREARS:
        facts[name] = text.found(name, labels.get(name, name), months, match.start(), match.end())


_LONGEST_ARREARS = 60


def _wages(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Find one worker's months and claim; judge from a large claim that there were many workers."""
    single, months, whole = "unpaid_single_worker_amount", "unpaid_months_single", facts.get("unpaid_amount")
    for month in text.of_kinds(("month",)):
        clause = text.text[month.end : month.end + 16]
        for money in text.of_kinds(("money",)):
            gap = money.start - month.end
            if (
                0 <= gap <= 12
                and not money.role
                and not set("，。；") & set(clause[:gap])
                and _is_one(month.start, text)
            ):
                facts[single] = text.found(single, labels.get(single, single), money.value, month.start, money.end)
                facts[months] = text.found(months, labels.get(months, months), int(month.value), month.start, month.end)
                break
    _months(facts, text, labels)
    if whole is None:
        return
    workers = facts.get("unpaid_workers")
    if single not in facts and months in facts and (workers is None or workers.value == 1):
        facts[single] = derived_from(whole, single, labels, whole.value)
    elif single not in facts and months in facts and workers is not None and 1 < workers.value < _MANY_WORKERS:
        facts[single] = derived_from(
            whole, single, labels, round(whole.value / workers.value, 2)
        )  # one has at least the mean
    if workers is None and whole.value >= _MANY_WORKERS_CLAIM and _WORKERS.search(text.text):
        facts["unpaid_workers"] = derived_from(whole, "unpaid_workers", labels, _MANY_WORKERS)


def _is_one(place: int, text: Text) -> bool:
    """Tell whether no number of several people stands before `place` in its clause."""
    begin = max(text.text.rfind(mark, 0, place) for mark in "，。；\n")
    return not any(begin < q.start < place and q.value > 1 for q in text.of_kinds(("person", "household")))


_MEASURED = frozenset({"heavy_metal_a_multiple", "heavy_metal_b_multiple", "harmful_substance_seriously_over_limit"})
_SERIOUS = 3.0
"""Three times the limit counts as seriously over it in food: how agencies often read the words, not a figure of law."""
_SERIOUS_RESIDUE = 10.0
"""Residues of permitted farm chemicals count from ten times the limit: agencies fine what is below. A reading, not law."""


def _measured(facts: dict[str, FactFound], wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    """Compare measured values with the limits told beside them: so many times over, metals by their class."""
    for excess in text.once("excesses", lambda plain: list(excesses(plain))):
        over = round(excess.quotient - 1, 4)
        for name, metals in (("heavy_metal_a_multiple", METALS_A), ("heavy_metal_b_multiple", METALS_B)):
            if name in wanted and metals.search(excess.substance) and (name not in facts or facts[name].value < over):
                facts[name] = text.found(name, labels.get(name, name), over, excess.start, excess.end)
        name = "harmful_substance_seriously_over_limit"
        if (
            name in wanted
            and name not in facts
            and excess.quotient >= (_SERIOUS_RESIDUE if RESIDUES.search(excess.substance) else _SERIOUS)
            and not ORDINARY.search(excess.substance)
        ):
            facts[name] = text.found(name, labels.get(name, name), True, excess.start, excess.end)


def _overload(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    name = "school_bus_or_passenger_severe_overload_or_speeding"
    match = _LOAD.search(text.text)
    if match is not None and name not in facts:
        severe = int(match[2]) >= int(match[1]) * _SEVERE_OVERLOAD
        facts[name] = text.found(name, labels.get(name, name), severe, match.start(), match.end())


def _unit_or_person(facts: dict[str, FactFound], _wanted: AbstractSet[str], text: Text, labels: dict[str, str]) -> None:
    name = "offender_is_unit"
    if name in facts:
        return
    head = text.text[: text.offset + 40]
    match = _UNIT.search(head)
    if match and not _PERSON.search(head):
        facts[name] = text.found(name, labels.get(name, ""), True, match.start(), match.end())
    else:
        facts[name] = FactFound(name, labels.get(name, ""), False, origin="assumed")


_Step = Callable[[dict[str, FactFound], AbstractSet[str], Text, dict[str, str]], None]
_STEPS: tuple[tuple[frozenset[str], _Step], ...] = (
    (frozenset({"offender_is_unit"}), _unit_or_person),
    (PRIOR_PENALTIES, earlier_penalties),
    (frozenset({"deaths"}), _casualties),
    (frozenset({"vat_invoice_tax_amount", "invoice_tax_amount"}), _invoice_tax),
    (frozenset({"unpaid_single_worker_amount"}), _wages),
    (frozenset({"real_danger_of_major_accident"}), _danger),
    (frozenset({"lending_rate_annual_pct"}), _rate),
    (frozenset({"pyramid_levels"}), _levels),
    (frozenset({"gambling_machines"}), _seats),
    (frozenset({"copies_count"}), copies),
    (_MEASURED, _measured),
    (frozenset({"school_bus_or_passenger_severe_overload_or_speeding"}), _overload),
    (frozenset({"sales_amount", "goods_value_unsold", "illegal_business_amount", "goods_value"}), amounts),
)
"""In this order, each where one of its facts is asked for."""


@lru_cache(maxsize=1024)
def _steps(wanted: frozenset[str]) -> tuple[_Step, ...]:
    """Return the steps for an offence that asks for `wanted`: settled once, most offences need one or two."""
    return tuple(step for asked, step in _STEPS if not asked.isdisjoint(wanted))
