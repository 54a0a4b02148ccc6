"""Whole cases: what is suspected, what is near, what is missing, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_screening import Earlier, Screener, ScreeningInput, ScreeningResult, load_library

SCREENER = Screener(load_library())
TRADEMARK = "销售侵犯注册商标专用权的商品"


def screened(narrative: str, cause: str = "", earlier: tuple[Earlier, ...] = (), **rest: Any) -> ScreeningResult:
    return SCREENER.screen(ScreeningInput("t", cause=cause, narrative=narrative, **rest), earlier)


def test_a_tiny_amount_with_a_criminal_behaviour_is_suspected_and_shows_its_words() -> None:
    """Toxic food needs no threshold; the span points at the words."""
    narrative = "后厨使用罂粟壳熬制底料，违法所得35元，罚款5万元。"
    result = screened(narrative, "经营有毒有害食品")
    fact = next(f for f in result.offences[0].facts if f.value is True)
    assert result.offences[0].offence.id == "toxic_food"
    assert narrative[fact.start : fact.end] == fact.text
    assert "罂粟" in fact.text


def test_without_an_order_to_pay_unpaid_wages_are_not_yet_a_crime() -> None:
    """Over every number, but the order is missing."""
    text = "拖欠32名工人工资共计41.5万元，负责人更换手机失联{}。"
    assert not screened(text.format(""), "拖欠工资").suspected
    assert screened(text.format("，经责令限期支付后仍未支付"), "拖欠工资").suspected


def test_a_recovered_refund_is_the_refund_obtained_and_its_means_come_second() -> None:
    """What is recovered is the refund obtained by fraud (Tax Collection Law, art. 66); an underground bank was its means."""
    text = "操纵7户企业买单配票、地下钱庄结汇，追缴{}。"
    found = screened(text.format("5707万元"), "骗取出口退税").offences[0]
    assert found.offence.id == "export_refund_fraud"
    assert [fact.value for fact in found.facts if fact.name == "export_refund_amount"] == [57_070_000]
    assert not screened(text.format("3万元"), "骗取出口退税").suspected


def test_close_below_a_threshold_is_a_near_miss_with_its_distance_and_a_fine_is_no_fact() -> None:
    """90 % of 50,000 yuan; the fine of 200,000 does not count."""
    result = screened("销售假冒名牌皮鞋，销售金额4.5万元，罚款20万元。", TRADEMARK)
    assert not result.suspected
    assert "90%" in result.near_misses[0].distance


@pytest.mark.parametrize(
    ("amount", "is_suspected"),
    [
        ("5万元", True),
        ("5万余元", True),
        ("近5万元", False),
        ("不足5万元", False),
        ("4万至6万元", False),
        ("5万至6万元", True),
    ],
)
def test_a_qualified_figure_meets_a_threshold_only_when_it_must(amount: str, is_suspected: bool) -> None:
    """The low end of what the words say decides."""
    assert screened(f"销售假冒名牌皮鞋，销售金额{amount}。", TRADEMARK).suspected is is_suspected


def test_a_denied_behaviour_is_not_one() -> None:
    """未检出 means what it says."""
    assert not screened("抽检火锅底料，未检出罂粟碱、吗啡等成分。", "食品抽检").suspected


def test_a_suspicion_that_the_tests_refuted_is_no_fact_and_one_they_confirmed_is() -> None:
    """A complaint tells what somebody thinks; what was found decides, wherever it stands."""
    text = "有顾客投诉，怀疑店家在卤水中放了罂粟壳。市场监管所抽样送检。对后厨搜查{}罂粟壳及其制品。"
    assert not screened(text.format("未发现"), "餐饮服务食品安全").suspected
    assert screened(text.format("发现"), "餐饮服务食品安全").suspected


def test_penalties_that_somebody_never_had_are_not_counted() -> None:
    """Two earlier penalties are a condition of the repeat offence: 没有被…给予过二次 tells of none."""
    text = (
        "隐匿收入，少缴税款327万元，占应纳税额六成。经税务机关通知后缴清税款、滞纳金和罚款。五年内{}给予二次行政处罚。"
    )
    assert not screened(text.format("没有被税务机关"), "偷税").suspected
    assert screened(text.format("曾被税务机关"), "偷税").suspected


def test_untreated_acts_of_one_party_reach_a_standard_together_and_are_named() -> None:
    """Two amounts below the threshold are above it together; the other case is named."""
    text = "销售假冒名牌皮鞋，销售金额3万元。"
    facts = screened(text, TRADEMARK).additive_facts()
    earlier = Earlier("c1", "2026-01-05", is_penalised=False, facts=facts)
    result = screened(text, TRADEMARK, (earlier,), dated_on="2026-03-01")
    assert result.offences[0].counted_case_ids == ("c1",)
    assert result.offences[0].standard.id == "sale_of_counterfeit_goods.sales"


def test_an_earlier_penalty_counts_as_one_and_its_amount_is_not_added() -> None:
    """Penalised within two years and 30,000 now: the standard for repeated acts."""
    text = "销售假冒名牌皮鞋，销售金额3万元。"
    facts = screened(text, TRADEMARK).additive_facts()
    earlier = Earlier("c1", "2026-01-05", is_penalised=True, facts=facts)
    result = screened(text, TRADEMARK, (earlier,), dated_on="2026-03-01")
    assert result.offences[0].standard.id == "sale_of_counterfeit_goods.repeat"
    assert result.offences[0].counted_case_ids == ()


def test_acts_longer_ago_than_the_window_are_not_added() -> None:
    """Two years, as most interpretations set."""
    text = "销售假冒名牌皮鞋，销售金额3万元。"
    facts = screened(text, TRADEMARK).additive_facts()
    old = Earlier("c0", "2020-01-05", is_penalised=False, facts=facts)
    assert not screened(text, TRADEMARK, (old,), dated_on="2026-03-01").suspected


def test_earlier_penalties_on_record_count_where_a_standard_asks_for_them() -> None:
    """The third time without a licence to practise, after two penalties on record."""
    text = "当事人无医师资格为他人诊疗，收费800元。"
    facts = screened(text, "非医师行医").additive_facts()
    earlier = tuple(Earlier(f"c{n}", f"2024-0{n}-01", is_penalised=True, facts=facts) for n in (1, 2))
    assert not screened(text, "非医师行医").suspected
    result = screened(text, "非医师行医", earlier, dated_on="2026-03-01")
    assert result.offences[0].offence.id == "illegal_medical_practice"


def test_the_same_case_gives_the_same_result_and_unknown_words_are_no_error() -> None:
    """Deterministic; unknown agencies and facts are remarked."""
    case = ScreeningInput("x", "火星局", "占道经营", "占道摆摊。", {"色": 1, "deaths": "many"})
    first, second = SCREENER.screen(case), Screener(load_library()).screen(case)
    assert first.to_json() == second.to_json()
    assert [remark.split(":")[0] for remark in first.remarks] == ["UNKNOWN_FACT", "UNUSABLE_VALUE"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*SCREENER.library.facts]) | st.text(max_size=8),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.integers(), max_size=2),
        max_size=6,
    ),
    st.text(max_size=60),
)
def test_no_given_fact_and_no_text_makes_the_screening_fail(facts: dict[str, Any], text: str) -> None:
    """Wrong types, absurd values, unknown names: a remark at most."""
    case = ScreeningInput("t", text, f"{text}拖欠工资", f"拖欠32名工人工资{text}", facts)
    assert SCREENER.screen(case).to_json()["id"] == "t"


def test_an_officers_facts_count_before_what_the_text_says() -> None:
    """A given amount replaces the extracted one."""
    text = "销售假冒名牌皮鞋，销售金额9万元。"
    given_facts = {"sales_amount": 1000.0, "goods_value_unsold": 0, "illegal_income": 0}
    assert screened(text, TRADEMARK).suspected
    assert not screened(text, TRADEMARK, facts=given_facts).suspected


def test_every_span_shows_the_words_it_names() -> None:
    """In the original text: full-width digits and half-width punctuation included."""
    narrative = "当事人(个体)销售假冒名牌皮鞋,销售金额６２，０００元,库存货值1万元;"
    result = screened(narrative, TRADEMARK)
    read = [fact for fact in result.offences[0].facts if fact.origin == "narrative"]
    assert read
    assert "６２，０００元" in {narrative[fact.start : fact.end] for fact in read}


def test_a_huge_narrative_is_read_to_a_limit_and_says_so() -> None:
    """Bounded work whatever is sent."""
    result = screened("销售商品。" * 100_000)
    assert result.remarks[0].startswith("NARRATIVE_CUT")
