"""What a text says of others, denies over a list, or tells too late: none of it counts, and what does count is added."""

from __future__ import annotations

import pytest

from liangfa_screening import Screener, ScreeningInput, load_library

SCREENER = Screener(load_library())
WAGES = "某公司拖欠15名工人工资共计12万元，人社局责令其五日内支付，期满仍拒不支付，负责人失联。"


def suspected(narrative: str, cause: str = "") -> list[str]:
    return [found.offence.id for found in SCREENER.screen(ScreeningInput("1", "", cause, narrative)).offences]


@pytest.mark.parametrize(
    ("narrative", "offence", "is_one"),
    [
        # A list after one denial is denied as a whole.
        (
            "经查，未发现虚构医药服务和伪造病历等骗保行为，重复收费涉及医保基金7万元，已主动退回。",
            "fraud",
            False,
        ),
        ("经查，该院虚构医药服务、伪造病历，骗取医保基金7万元，已主动退回。", "fraud", True),
        # Statistics and other companies' accidents are not the case.
        (
            "车间主任违反操作规程，机器卷伤一人手指。据统计，上年同类事故造成3人死亡。",
            "major_liability_accident",
            False,
        ),
        (
            "企业未落实安全培训，违反安全管理规定。2018年，园区另一家企业发生爆炸造成3人死亡。",
            "major_liability_accident",
            False,
        ),
        ("车间主任违反操作规程，冒险作业，发生爆炸造成3人死亡。", "major_liability_accident", True),
        # Wages paid in time are paid; paid once the police have the case, they were refused before.
        (f"{WAGES}次日公司将拖欠的工资全部发放完毕。", "refusal_to_pay_wages", False),
        (f"{WAGES}公安机关立案侦查后，其家属将拖欠的工资全部发放完毕。", "refusal_to_pay_wages", True),
        # One worker's months may be told by the first and the last.
        (
            "老板拖欠保姆陈某2023年11月至2024年2月工资2.1万元，经责令限期支付，逾期仍未支付，并转移账户存款。",
            "refusal_to_pay_wages",
            True,
        ),
        (
            "老板拖欠保姆陈某2024年1月至2月工资2.1万元，经责令限期支付，逾期仍未支付，并转移账户存款。",
            "refusal_to_pay_wages",
            False,
        ),
        # A machine for eight counts for eight.
        ("游戏厅内查获具有退币功能的捕鱼机2台，每台8个座位。", "gambling_machines", True),
        ("游戏厅内查获具有退币功能的捕鱼机2台，每台2个座位。", "gambling_machines", False),
        # Sold and found make the business amount, and the number of copies.
        ("顾某无烟草专卖许可证，已售金额3.6万元，查获的342条卷烟价值4.8万元。", "illegal_business_tobacco", True),
        ("顾某无烟草专卖许可证，已售金额0.6万元，查获的34条卷烟价值0.8万元。", "illegal_business_tobacco", False),
        ("打印店未经授权复制教辅书，现场查获成品182册，已售出396册。", "copyright_infringement", True),
        ("打印店未经授权复制教辅书，现场查获成品82册，已售出96册。", "copyright_infringement", False),
        # Waste handed to a licensed company is disposed of.
        (
            "家具厂产生漆渣等危险废物5.2吨，其中4.8吨由持有危险废物经营许可证的单位处置。",
            "environmental_pollution",
            False,
        ),
        # The year's turnover of the whole shop is not the sale of the goods.
        ("当事人销售假冒注册商标的滤清器，货值金额1500元，2023年度营业额86万元。", "sale_of_counterfeit_goods", False),
    ],
)
def test_what_is_not_the_case_does_not_count(narrative: str, offence: str, is_one: bool) -> None:
    """The offence is found, or not, by what the case itself holds."""
    assert (offence in suspected(narrative)) is is_one
