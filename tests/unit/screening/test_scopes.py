"""What a text says of others, denies over a list, or tells too late: none of it counts, and what does count is added."""

from __future__ import annotations

import pytest

from liangfa_screening import Screener, ScreeningInput, load_library
from liangfa_screening.bystanders import WORDS_OF_CLEARING, WORDS_OF_OTHERS, about_others

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
        # What was not found is the whole clause.
        ("奶茶抽样检验合格，未检出投诉人所称的反式脂肪酸严重超标及罂粟碱成分。", "substandard_food", False),
        ("奶茶抽样检验，检出反式脂肪酸严重超标。", "substandard_food", True),
        # A complaint that the inquiry did not bear out; one that it did.
        ("有举报称粮油店卖地沟油，经溯源来源合法，抽检符合标准。", "toxic_food", False),
        ("有举报称粮油店卖地沟油，经查该店将餐厨废弃油脂炼成地沟油出售。", "toxic_food", True),
        (
            "稽查部门核查出口退税疑点，企业有真实出口，不存在买单配票情形，因税率适用错误多退税款11.7万元。",
            "export_refund_fraud",
            False,
        ),
        ("企业买单配票，虚构出口，骗取退税款11.7万元。", "export_refund_fraud", True),
        # The parts of a list are added.
        ("涂装公司将2.1吨废漆渣、1.4吨废稀料交给无资质的司机拉到山沟倾倒。", "environmental_pollution", True),
        ("涂装公司将1.1吨废漆渣、1.4吨废漆桶交给无资质的司机拉到山沟，尚未倾倒。", "environmental_pollution", False),
        # Partly paid by the day is not paid.
        (
            "公司少缴税款33万元，占应纳税额27%，《税务处理决定书》限期15日缴清，到期仅入库6万元。",
            "tax_evasion",
            True,
        ),
        ("公司少缴税款33万元，占应纳税额27%，《税务处理决定书》限期15日缴清，期限内已全部缴清。", "tax_evasion", False),
        # Another case's figure.
        ("村民挖石46方自用，价值1840元。去年另案当事人盗采石料价值31万元已被判刑。", "illegal_mining", False),
        # What was looked for and not found, told before its denial.
        ("群众怀疑降糖茶加了西药，抽样送检，格列本脲、二甲双胍等化学药物均未检出。", "toxic_food", False),
        ("群众怀疑降糖茶加了西药，抽样送检，检出格列本脲、二甲双胍。", "toxic_food", True),
        # The price that counts is the one they were sold for.
        (
            "店主从外地按每盒31元进货2,000盒假冒注册商标的粽子，以每盒45元卖给烟酒店1,130盒。",
            "sale_of_counterfeit_goods",
            True,
        ),
        (
            "店主从外地按每盒31元进货2,000盒假冒注册商标的粽子，以每盒45元卖给烟酒店130盒。",
            "sale_of_counterfeit_goods",
            False,
        ),
        # An inquiry's verdict counts, wherever the rumour came from.
        (
            "专班未发现暗管。危险废物库存有废活性炭6.2吨、蒸馏残渣3.1吨，均在一年贮存期内。",
            "environmental_pollution",
            False,
        ),
        ("厂方把废活性炭6.2吨、蒸馏残渣3.1吨倾倒在山沟。", "environmental_pollution", True),
        (
            "商标权利人鉴定意见：产品为真品，属平行进口；采购合同金额58.6万元，在库836件。",
            "sale_of_counterfeit_goods",
            False,
        ),
        ("田间鉴定认为减产与种子质量无关，农户自报损失31万元。", "inferior_agri_inputs", False),
        ("田间鉴定认为减产系种子质量所致，农户损失31万元。", "inferior_agri_inputs", True),
        # Few words for the same: nobody came, no licence, six times ten thousand without a unit.
        ("老板欠31名女工46万元工资跑了，人社局贴了责令支付的决定，期限过了没人理。", "refusal_to_pay_wages", True),
        ("面包车里装了2吨汽油在小区里给人加油，没证。", "dangerous_operation", True),
        ("诊所刷老人医保卡空刷药费，套走统筹金六万多。", "fraud", True),
        # A value by the state's standard is no limit.
        ("查获穿山甲鳞片4.1公斤，价值以国家标准核定为6.5万余元。", "protected_wildlife", True),
        # What was permitted, kept to, or no relic at all.
        ("清淤项目由县政府批准实施，未超范围，清出的砂石由国有公司处置，成交价172.8万元。", "illegal_mining", False),
        ("以清淤为名超范围采砂出售，价值172.8万元。", "illegal_mining", True),
        ("村民报告疑似盗墓。勘察认定系山洪冲刷，非古墓葬。", "digging_ancient_sites", False),
        ("村民报告疑似盗墓。民警抓获正在盗掘古墓葬的四人。", "digging_ancient_sites", True),
        ("冒用去世老人名义领低保四年，领走两万一千多。", "fraud", True),
    ],
)
def test_what_is_not_the_case_does_not_count(narrative: str, offence: str, is_one: bool) -> None:
    """The offence is found, or not, by what the case itself holds."""
    assert (offence in suspected(narrative)) is is_one


def test_texts_without_the_signs_need_no_second_look() -> None:
    """The words that are looked for first are known, so a text without them tells of no others and clears nothing."""
    assert {"据统计", "另一家"} <= WORDS_OF_OTHERS
    assert {"不属实", "未检出"} <= WORDS_OF_CLEARING


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("甲厂爆炸。据统计，全年死亡9人。乙受伤。", ["据统计，全年死亡9人"]),
        ("该局先后办理类似案件37件，罚款2万元", ["该局先后办理类似案件37件，罚款2万元"]),
        ("当事人先后销售37件，得款2万元。", []),
    ],
)
def test_what_is_told_of_others_ends_with_its_sentence(text: str, told: list[str]) -> None:
    """From the words that begin it to the full stop."""
    assert [text[start:end] for start, end in about_others(text)] == told
