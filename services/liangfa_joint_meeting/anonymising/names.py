"""Names of persons, bodies and places, found by what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from liangfa_standards.divisions import divisions

Span = tuple[int, int]

_HAN = "\u4e00-\u9fff"
_SURNAMES = (
    "欧阳|太史|端木|上官|司马|东方|独孤|南宫|万俟|闻人|夏侯|诸葛|尉迟|公羊|赫连|澹台|皇甫|宗政|濮阳|公冶|太叔|申屠|公孙|慕容|"
    "钟离|长孙|宇文|司徒|鲜于|司空|令狐|[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜"
    "倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时"
    "穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑"
    "迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊萧蔚檀揭阚晁逄郗邸仝亓郇邴幸寿荀戎漆尧花庹么]"
)
_LABELS = (
    "当事人|犯罪嫌疑人|嫌疑人|被告人|被害人|受害人|证人|举报人|投诉人|法定代表人|法人代表|负责人|经营者|实际控制人|"
    "联系人|承办人|经办人|会计|司机|驾驶员|老板|股东|店主|业主|员工|工人|厂长|经理|村民|居民|姓名|签名|本人|其妻|其夫|其子|其女|其父|其母|其兄|其弟"
)
_NOT_GIVEN = frozenset(
    "销在于的从将向未无以因为是与和等已曾自经生购现称使通利有及系到把对被处违涉拒逃，。、；：的了说还将其该则由并又就也都不没所用进卖买做开做让给应可能需要于此后前时内外上下中"
)
"""What follows a name of two characters; as the third character of a name it is rare."""
_NAME = rf"(?:{_SURNAMES})[{_HAN}]{{1,2}}"
_LABELLED = re.compile(rf"(?:{_LABELS})(?:系|为|是|叫)?[:：（(\s]?({_NAME}(?:[、和与及,，]{_NAME})*)")
_STATED = re.compile(rf"(?:{_LABELS})(?:系|为|是|叫|[:：])\s*([{_HAN}]{{2,4}})(?=[，。；、（(\s]|$)")
"""A name after a label and a colon, whatever the surname."""
_NO_PERSON = re.compile(r"公司|单位|个体|机构|企业|机关|不详|本人|未知|以上|上述|同上|无")
_DESCRIBED = re.compile(rf"({_NAME})(?=[（(，,]\s*(?:男|女|绰号|别名|曾用名|身份证|公民身份))")
_TITLED = re.compile(
    rf"({_NAME})(?=先生|女士|队长|所长|局长|科长|处长|经理|老板|律师|法官|检察官|警官|同志|医生|老师|师傅)"
)
_DOTTED = re.compile(rf"[{_HAN}]{{1,8}}·[{_HAN}]{{1,8}}")
_ONE_NAME = re.compile(_NAME)

_BODY = (
    "有限责任公司|股份有限公司|有限公司|公司|集团|商行|商店|超市|经营部|门市部|批发部|专卖店|药店|药房|诊所|酒楼|酒店|饭店|餐馆|餐厅|火锅店|"
    "小吃店|早餐店|便利店|烟酒店|汽修店|加油站|养殖场|加工厂|化工厂|食品厂|厂|作坊|工作室|合作社|事务所|幼儿园|学校|工程队|卫生室|美容院|养生馆|茶楼|网吧|中心|商场|市场部|医院|门诊部|卫生院|服务部|营业部|经销部|供应站|服务站|加油点|加工点|回收站|基地|农场|牧场|林场|渔场|"
    "俱乐部|会所|浴场|影城|书店|宾馆|民宿|旅社|旅行社|驾校|研究所|研究院|培训学校|合伙企业|企业|店"
)
_BODIES = re.compile(
    rf"([{_HAN}A-Za-z0-9（）()·&]{{2,30}}?)(?:{_BODY})(?!长|主|员|务|面|铺|名|址|家|内|里|外|区|房|商|子)"
)
_BEFORE_BODY = re.compile(
    rf"^.*(?:{_LABELS}|被告单位|嫌疑单位|涉案单位|位于|查明|发现|销售|购进|查获|委托|冒充|假冒|注册|成立|开设|经营|前往|供货商|供应商|生产商|厂家)"
    r"(?:系|为|是|了|的)?"
)
_GENERIC = re.compile(
    r"^(?:该|本|其|某|这家|一家|多家|上述|前述|涉案|相关|有关|同一|两家|的|在|到|从|由|向|与|和|及|等|有限|责任|股份|多个|各|公司|企业|单位|店)+$"
)

_PLACE = re.compile(
    rf"(?:[{_HAN}]{{2,8}}(?:省|自治区|市|州|盟|区|县|旗))*[{_HAN}0-9]{{1,12}}?"
    rf"(?:镇|乡|街道|大道|路|街|巷|弄|胡同|村|社区|小区|花园|广场|大厦|工业园|产业园|开发区)"
    rf"(?:[{_HAN}]{{0,6}}?[0-9一二三四五六七八九十百]+(?:号|栋|幢|单元|楼|层|室|组|座|门面|店铺))+(?:[0-9A-Za-z]+(?:号|室))?"
)
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|"
    "内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_PLACE_WORDS = ("镇", "乡", "村", "街道", "社区", "小区")
_SETTLEMENT = re.compile(rf"[{_HAN}]{{2,4}}(?:{'|'.join(_PLACE_WORDS)})(?!民|镇|委)")
_NO_SETTLEMENT = re.compile(r"(?:走村|进村|入村|串村|乡镇|城镇|农村|城乡|全村|本村|该村|各村|所在|外乡|小镇|同村|下乡)")


def persons(text: str) -> Iterator[str]:
    """Yield the names of persons that a label, a title or a description betrays. One name may come several times."""
    for found in _LABELLED.finditer(text):
        for name in _ONE_NAME.finditer(found.group(1)):
            yield _trimmed(name.group())
    for found in _STATED.finditer(text):
        if not _NO_PERSON.search(found.group(1)):
            yield found.group(1)
    for pattern in (_DESCRIBED, _TITLED):
        for found in pattern.finditer(text):
            yield _trimmed(found.group(1))
    for found in _DOTTED.finditer(text):
        yield re.sub(rf"^.*(?:{_LABELS})(?:系|为|是|叫)?", "", found.group())


def _trimmed(name: str) -> str:
    """Cut off a last character that is hardly part of a name: 张三销 -> 张三."""
    return name[:-1] if len(name) > 2 and name[-1] in _NOT_GIVEN else name


def bodies(text: str) -> Iterator[Span]:
    """Yield names of companies, shops and the like, rather with a word before them than without their first one."""
    for found in _BODIES.finditer(text):
        start = found.start() + (len(cut.group()) if (cut := _BEFORE_BODY.match(found.group(1))) else 0)
        name = text[start : found.end(1)]
        if place := _division_names().search(name):
            start += place.start()
        elif len(name) < 2 or _GENERIC.match(name):
            continue
        yield start, found.end()


def places(text: str) -> Iterator[Span]:
    """Yield addresses, and the names of provinces, cities and counties."""
    for found in _PLACE.finditer(text):
        yield found.span()
    for found in _division_names().finditer(text):
        yield found.span()
    for found in _SETTLEMENT.finditer(text):
        if not _NO_SETTLEMENT.search(found.group()):
            yield found.span()


@cache
def _division_names() -> re.Pattern[str]:
    """Return the pattern of the names of divisions, the longest first; names of provinces also without their kind."""
    names = {division.name for division in divisions() if len(division.name) > 2}
    names |= {
        division.name.rstrip("市区县")
        for division in divisions()
        if len(division.name) > 2 and division.level == "city"
    }
    ordered = sorted((re.escape(name) for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile(rf"(?:(?:{_PROVINCES})(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区)?|{'|'.join(ordered)})+")
