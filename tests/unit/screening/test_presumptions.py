"""What is taken to be so when a text does not say: reported as assumed, ranked lower, and given up when the text denies it."""

from __future__ import annotations

import pytest

from liangfa_screening import Screener, ScreeningInput, ScreeningResult, load_library

SCREENER = Screener(load_library())


def screened(cause: str, narrative: str) -> ScreeningResult:
    return SCREENER.screen(ScreeningInput("t", cause=cause, narrative=narrative))


def test_a_presumed_fact_is_reported_as_assumed() -> None:
    """Nets and decoys are used where hunting is closed: taken so, and said to be taken so."""
    found = screened("非法猎捕", "用粘网和电子诱鸟器抓麻雀143只。").offences[0]
    area = next(fact for fact in found.facts if fact.name == "closed_area_or_season")
    assert (found.offence.id, area.value, area.origin) == ("illegal_hunting", True, "assumed")


def test_what_the_text_denies_is_not_presumed() -> None:
    """Outside a closed area and season the same nets are no crime."""
    assert not screened("非法猎捕", "用粘网抓麻雀143只，不在禁猎区，也不在禁猎期。").suspected


def test_an_offence_that_rests_on_a_presumption_ranks_below_one_whose_facts_are_told() -> None:
    """A lorry kills: the told responsibility in traffic goes before a presumed breach of safety rules."""
    result = screened("交通事故致人死亡", "渣土车司机右转时未观察盲区，碾轧骑车女子致其当场死亡，司机承担主要责任。")
    assert result.offences[0].offence.id == "traffic_casualty"


def test_a_cause_that_names_an_offence_opens_it_without_any_other_term() -> None:
    """假冒注册商标 in the cause is enough; in the narrative alone it would need a second term."""
    found = screened("假冒注册商标", "在自产轴承上激光刻“甲乙”，成交额13.5万元。").offences
    assert [item.offence.id for item in found][:1] == ["counterfeit_trademark"]


@pytest.mark.parametrize(
    ("narrative", "is_suspected"),
    [
        ("未经许可在院内储存柴油3.2吨对外销售。", True),
        ("未经许可储存柴油3.2吨对外销售，位置空旷，远离居民。", False),
        ("未经许可在院内储存柴油80公斤对外销售。", False),
    ],
)
def test_much_of_a_dangerous_good_without_a_licence_is_taken_for_a_real_danger(
    narrative: str, *, is_suspected: bool
) -> None:
    """A reading to be checked: the quantity decides unless the text tells that nothing was near."""
    result = screened("非法储存危险物品", narrative)
    assert any(item.offence.id == "dangerous_operation" for item in result.offences) is is_suspected


@pytest.mark.parametrize(
    ("rate", "yearly"), [("月息10%", 120.0), ("月息5分", 60.0), ("月利率3%", 36.0), ("日息1%", 365.0)]
)
def test_interest_told_by_the_month_or_day_is_read_by_the_year(rate: str, yearly: float) -> None:
    """The standard speaks of the yearly rate."""
    text = f"无放贷资质，以{rate}借给62人，累计放款310万元。"
    found = [item for item in screened("非法放贷", text).offences if item.offence.id == "illegal_business_lending"]
    told = [fact.value for item in found for fact in item.facts if fact.name == "lending_rate_annual_pct"]
    assert told == ([yearly] if yearly > 36 else [])


def test_a_fact_says_in_which_text_its_words_stand() -> None:
    """In the cause or in the narrative, also when it follows from another; an assumed one stands in neither."""
    cause, narrative = "使用电鱼方法捕捞", "禁渔期内在水库捕捞，渔获物12公斤。"
    result = screened(cause, narrative)
    facts = [fact for offence in result.offences for fact in offence.facts]
    texts = {"cause": cause, "narrative": narrative}
    assert {fact.part for fact in facts} >= {"cause", "narrative"}
    for fact in facts:
        if fact.part:
            assert texts[fact.part][fact.start : fact.end] == fact.text
        else:
            assert not fact.text
    assert all("part" in fact for offence in result.to_json()["offences"] for fact in offence["facts"])
