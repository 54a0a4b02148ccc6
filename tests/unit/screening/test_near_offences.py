"""What looks like an offence and is none beside what is one: the element that tells them apart, told in few words."""

from __future__ import annotations

import pytest

from liangfa_screening import Screener, load_library
from liangfa_screening.offline import to_input

SCREENER = Screener(load_library())
PAIRS = [
    # Ride-hailing without a licence is no trade in what the state reserves; bottled gas is.
    ("illegal_business_other", "张某无证经营网约车，三个月接单收入8万元。", False),
    ("illegal_business_other", "张某未取得燃气经营许可证，在出租屋充装并销售瓶装燃气，经营额8万元。", True),
    (
        "illegal_business_other",
        "车间一台可燃气体报警器未经检定；未取得特种作业证的焊工2人上岗；公司在建合同3亿元。",
        False,
    ),
    # A wrong heading honestly declared is an irregularity; a price told lower than it is, is smuggling.
    (
        "smuggling_ordinary_goods",
        "公司进口轴承时品名、价格如实，税则号列归类有误，申报不实影响海关税款征收，漏缴税款60万元。",
        False,
    ),
    ("smuggling_ordinary_goods", "公司进口轴承时制作假合同低报价格向海关申报，偷逃应缴税额60万元。", True),
    ("smuggling_ordinary_goods", "公司瞒报收入，少缴增值税60万元，税务机关追缴后已全部缴清税款。", False),
    # A hole in a database is a neglected duty; data sold are a crime.
    ("personal_information", "公司未履行数据安全保护义务，系统存在漏洞，涉及用户信息20万条，未发现被窃取。", False),
    ("personal_information", "公司员工将业主姓名、电话等个人信息6万条出售给装修公司。", True),
    # A mark that is like another infringes; the same mark counterfeits.
    ("counterfeit_trademark", "食品厂生产的饮料使用与他人注册商标近似的标识，容易导致混淆，违法经营额20万元。", False),
    ("counterfeit_trademark", "食品厂未经许可在自产饮料上使用与他人注册商标相同的商标，违法经营额20万元。", True),
    # Fraud told by what was done, without its name.
    (
        "false_vat_invoices",
        "公司进项为棉花，销项品名却为铜材，开具增值税专用发票税额90万元，货款当日回流，公司已走逃。",
        True,
    ),
    ("export_refund_fraud", "公司购买他人报关单配单，虚构服装出口，向税务机关申报退税，取得税款95万元。", True),
    ("export_refund_fraud", "公司出口服装，向税务机关申报退税，取得税款95万元，因资料缺失被要求补正。", False),
    ("fake_inferior_products", "店主用猪肉冒充牛肉卷卖给烧烤店，送货单合计8万元。", True),
    # Danger is what was measured and who was inside.
    ("dangerous_operation", "车间主任拉闸切断可燃气体报警器电源，现场测得可燃气体浓度为爆炸下限的45%。", True),
    ("dangerous_operation", "副矿长用胶带封口甲烷传感器，实测甲烷浓度1.8%，工作面仍有19名矿工。", True),
    ("dangerous_operation", "检查发现一台可燃气体报警器超过检定有效期两个月，工作正常，当日送检。", False),
    # What a permit allows is no felled timber; what was felled without one is.
    ("excessive_logging", "张某未办理采伐许可证，采伐自家山场杉木32立方米。", True),
    ("excessive_logging", "张某按采伐许可证规定的32立方米采伐自家山场杉木，未超量。", False),
    ("toxic_food", "豆腐坊用工业碳酸钠制作豆腐皮，货值3000元。", True),
    ("toxic_food", "假农药窝点将滑石粉装入阿维菌素包装袋销售，销售金额7万元。", False),
    # A gas alarm in a paint shop names solvents: nobody deals in precursors.
    ("drug_precursors", "涂料车间可燃气体探测器断电，车间每日使用甲苯1吨用于调漆。", False),
    ("environmental_pollution", "煤矿用塑料袋包裹甲烷传感器，篡改瓦斯监测数据，浓度超限。", False),
    # A residue a little over the limit, or a trader who checked, is fined; a seller of much more is looked at.
    ("substandard_food", "菜摊芹菜检出啶虫脒0.9mg/kg，标准限量不得超过0.3mg/kg，售出12公斤。", False),
    ("substandard_food", "小作坊馒头检出铅4.2mg/kg，标准限量不得超过0.5mg/kg，已售出60公斤。", True),
    ("substandard_food", "超市购进的鲫鱼检出镉0.9mg/kg，标准限量0.1mg/kg，超市已履行进货查验义务。", False),
    # An appliance without registration is no drug; what is injected and never approved is one.
    ("obstructing_drug_administration", "美容店使用无注册证的注射仪2台，货值3万元。", False),
    ("obstructing_drug_administration", "美容店从境外代购未取得药品注册证书的肉毒素8支，给顾客注射5支。", True),
    # A broken seal is a matter of metering; altered software is one of data.
    ("monitoring_system_damage", "粮站地磅计量铅封被破坏，多收粮款2万元。", False),
    ("monitoring_system_damage", "粮站在地磅内植入遥控芯片修改称重数据，多收粮款2万元。", True),
    # Starch in a bottle that names a medicine is a fake, whatever it is called.
    ("fake_drugs", "张某把面粉压成片装入标有头孢克肟字样的药瓶卖给村民，收款900元。", True),
    ("fake_drugs", "药店按处方销售头孢克肟片，药瓶标签破损，抽检均合格。", False),
    # Paid within the time is paid; not paid within the time is not.
    (
        "tax_evasion",
        "公司设两套账，少申报增值税合计86万元，占应纳税额31%，税务局送达处理决定书，在规定期限内未缴纳。",
        True,
    ),
    (
        "tax_evasion",
        "公司设两套账，少申报增值税合计86万元，占应纳税额31%，税务局送达处理决定书，在规定期限内全部缴纳。",
        False,
    ),
    # In the closed rivers a device for shocking fish is enough; a net that the rules allow is not.
    ("illegal_fishing", "二人使用背式捕鱼机在沱江下河捕捞，渔获0.8公斤。", True),
    ("illegal_fishing", "渔民休渔期船上放有符合规定的刺网一张，无渔获。", False),
    # Who did not know and names his supplier is no seller of counterfeits.
    (
        "sale_of_counterfeit_goods",
        "商店销售假冒注册商标的润滑油，销售金额6万元，能证明合法取得，并能说明提供者，市场监管局认定其不知道是侵权商品。",
        False,
    ),
    (
        "sale_of_counterfeit_goods",
        "商店销售假冒注册商标的润滑油，销售金额6万元，辩称不知道是侵权商品，不能证明合法取得并说明提供者。",
        True,
    ),
    ("sale_of_counterfeit_goods", "商店低价购进假冒注册商标的润滑油对外出售，销售金额6万元。", True),
    # Of several workers' arrears one has the mean or more; lending is no taking of deposits.
    ("refusal_to_pay_wages", "店主欠5名工人4个月工资共6万元后逃匿，人社局责令限期支付，逾期未付。", True),
    ("refusal_to_pay_wages", "店主欠5名工人4个月工资共6万元，人社局责令限期支付后，五日内付清。", False),
    ("illegal_deposit_taking", "投资公司向两家企业出借资金300万元，收取年息15%的利息。", False),
    ("illegal_deposit_taking", "投资公司以年息15%为诱饵向社会公众吸收资金300万元。", True),
    ("excessive_logging", "经营者持证采伐，实地超采活立木蓄积26立方米。", True),
    # A suspicion that was not borne out, told at length, is none: each beside the same that was.
    (
        "environmental_pollution",
        "工厂危废间贮存废乳化液6.5吨超过一年，台账与转移联单一致，已委托有资质单位处置。",
        False,
    ),
    ("environmental_pollution", "工厂将废乳化液6.5吨交无资质的个人倾倒在荒地。", True),
    ("false_vat_invoices", "运输公司专用发票税额45万元被疑虚开，经核对每笔均有对应运输业务，虚开疑点不成立。", False),
    ("false_vat_invoices", "运输公司没有真实运输业务，为他人虚开专用发票税额45万元，收取开票费。", True),
    ("excessive_logging", "接报查明伐桩220个，折合蓄积31立方米，采伐地点、方式、数量与许可证一致。", False),
    ("substandard_food", "学校16名学生呕吐，留样未检出致病菌，疾控中心认定为人际传播，与供餐无关。", False),
    ("substandard_food", "婚宴后16名宾客呕吐住院，剩余凉菜检出沙门氏菌，认定为食物中毒。", True),
    (
        "refusal_to_pay_wages",
        "项目部拖欠40名农民工工资70万元，人社局下达限期改正指令书后，保证金垫付30万元，余款由总包在届满前付清。",
        False,
    ),
    ("illegal_deposit_taking", "养老院预收老人押金260万元，专户存管，未承诺利息，老人可随时退费。", False),
    ("sale_of_counterfeit_goods", "商场销售的名牌香水被举报为假货，货值20万元，权利人书面确认系正品。", False),
    ("fake_inferior_products", "藕粉配料表如实标注木薯淀粉，正面字样与其不一致，货值22万元，认定为标签瑕疵。", False),
    ("hiding_accounting_records", "举报称公司隐匿收入600万元，核对账簿和流水，收入均已入账。", False),
    ("hiding_accounting_records", "财务负责人为逃避检查，将涉及收支600万元的账簿和会计凭证藏匿并烧毁。", True),
    ("forced_trading", "车队在货场堵路拦车，逼货主接受其运输服务，先后有5名货主被迫接受。", True),
    ("forced_trading", "车队在货场降价揽客，与另一车队争抢货主，双方互有言语争执。", False),
]


@pytest.mark.parametrize(("offence", "narrative", "is_met"), PAIRS)
def test_the_element_that_tells_them_apart_decides(offence: str, narrative: str, is_met: bool) -> None:
    """One sentence each: what is met, and what only looks like it."""
    result = SCREENER.screen(to_input({"id": "1", "cause": "", "narrative": narrative}))
    assert (offence in {found.offence.id for found in result.offences}) is is_met
