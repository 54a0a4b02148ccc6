"""What follows from a text's figures: earlier penalties by date, values over limits, casualties, one worker's claim, sums."""

from __future__ import annotations

import pytest

from liangfa_screening import Screener, ScreeningInput, load_library
from liangfa_screening.extraction import FactFound, Text
from liangfa_screening.measured import excesses
from liangfa_screening.quantities import normalised
from liangfa_screening.reading import FactReader
from liangfa_screening.recidivism import earlier_penalties

LIBRARY = load_library()
READER = FactReader(LIBRARY)


def facts(offence: str, narrative: str, cause: str = "") -> dict[str, FactFound]:
    text = Text(normalised(f"{cause}\n{narrative}"), len(cause) + 1)
    return READER.read(LIBRARY.offences[offence], text, {}, {})


@pytest.mark.parametrize(
    ("narrative", "two_years", "total"),
    [
        ("2022年因售假被罚款2万元，2023年9月再次查获", 1, 1),
        ("2016年因售假被处罚，2023年又因销售假货被查", 0, 1),
        ("此前于2020年、2022年两次因非法行医被行政处罚", 2, 2),
        ("曾某因无证行医于2021年3月、2022年11月先后被罚款，2024年仍在行医", 1, 2),
        ("一年内已因同类行为受过两次行政处罚", 2, 2),
        ("上一年度曾因售假酒被罚款1.5万元", 1, 1),
        ("曾于2019年10月、2021年4月因非法行医受到行政处罚，2022年3月再次行医", 1, 2),
        ("2021年3月、8月先后因非法行医受到行政处罚，2022年3月又行医", 2, 2),
        ("2024年1月第一次罚款3000元；次年5月被查，第二次罚款并没收器械。2025年11月又在行医", 2, 2),
        ("2022年3月被查获，系第二次行政处罚", 1, 1),
    ],
)
def test_earlier_penalties_count_within_their_window(narrative: str, two_years: int, total: int) -> None:
    """By the years that are told; without years in every window."""
    found: dict[str, FactFound] = {}
    wanted = {"prior_admin_penalties_2y", "prior_admin_penalties_total"}
    earlier_penalties(found, wanted, Text(normalised("\n" + narrative), 1), {})
    values = {name: found[name].value if name in found else 0 for name in wanted}
    assert values == {"prior_admin_penalties_2y": two_years, "prior_admin_penalties_total": total}


@pytest.mark.parametrize(
    "narrative", ["2023年5月被罚款3万元。", "当事人被处以罚款5万元。", "曾两次被责令整改。", "曾因盗窃被判刑。"]
)
def test_the_present_penalty_is_no_earlier_one(narrative: str) -> None:
    """Nor is an order to mend."""
    found: dict[str, FactFound] = {}
    earlier_penalties(found, {"prior_admin_penalties_total"}, Text(normalised("\n" + narrative), 1), {})
    assert found == {}


@pytest.mark.parametrize(
    ("text", "quotients"),
    [
        ("总铜浓度为6.1mg/L，超过标准限值（0.5mg/L）", [12.2]),
        ("国家标准限值为100mg/kg，实测铝的残留量为628mg/kg", [6.28]),
        ("镉含量500μg/kg（标准≤0.2mg/kg）", [2.5]),
        ("总镍1.8mg/L。化学需氧量的标准限值为80mg/L", []),
        ("孔雀石绿12.5μg/kg，不得检出", []),
    ],
)
def test_a_measured_value_is_compared_with_the_limit_of_its_sentence(text: str, quotients: list[float]) -> None:
    """In either order, in the same kind of unit."""
    assert [round(excess.quotient, 2) for excess in excesses(normalised(text))] == quotients


def test_metals_over_their_limit_are_counted_in_times_over_it() -> None:
    """6.1 against 0.5 is 11.2 times over; copper belongs to the second class of metals."""
    found = facts("environmental_pollution", "车间排口总铜浓度为6.1mg/L，标准限值0.5mg/L。")
    assert found["heavy_metal_b_multiple"].value == pytest.approx(11.2)
    assert "heavy_metal_a_multiple" not in found


@pytest.mark.parametrize(("text", "deaths"), [("事故造成3死2伤", 3), ("致一死一重伤", 1), ("造成2人死亡", 2)])
def test_casualties_are_read_in_their_short_form(text: str, deaths: int) -> None:
    """3死2伤, 一死一重伤."""
    assert facts("major_liability_accident", text)["deaths"].value == deaths


@pytest.mark.parametrize(
    ("narrative", "amount"),
    [
        ("拖欠5名教师工资合计4.2万元，其中一人被欠3个月工资1.05万元", 10_500),
        ("拖欠李某4个月工资1.2万元", 12_000),
        ("拖欠27名员工3个月工资38.6万元", None),
    ],
)
def test_one_workers_claim_is_told_from_that_of_many(narrative: str, amount: float | None) -> None:
    """A sum behind the number of several workers is everybody's."""
    found = facts("refusal_to_pay_wages", narrative).get("unpaid_single_worker_amount")
    assert (found.value if found else None) == amount


def test_parts_give_way_to_the_total_that_is_their_sum() -> None:
    """The total stands without the word for sales."""
    text = "2023年销售额2.9万元，2024年销售额2.6万元，两项合计5.5万元。"
    assert facts("sale_of_counterfeit_goods", text)["sales_amount"].value == 55_000


def test_a_fact_that_is_judged_and_not_read_says_so() -> None:
    """Unsold goods that nobody mentions are assumed to be none."""
    result = Screener(LIBRARY).screen(
        ScreeningInput("1", "market_regulation", "销售侵犯注册商标专用权的商品", "销售假冒名牌皮鞋，销售金额9万元。")
    )
    origins = {fact.name: fact.origin for fact in result.offences[0].facts}
    assert origins["sales_amount"] == "narrative"
