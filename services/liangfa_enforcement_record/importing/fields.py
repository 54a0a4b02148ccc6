"""The fields a column can be, and the header texts by which they are known. Sources: data standards, sections 1 to 3.

Headers are compared in their plain form (`headers.plain_header`). The codes of the publicity layouts (CF_…), of the Credit
China interface (xy…), of the enterprise publicity system and of the provincial set stand beside the Chinese texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from liangfa_standards.money import MoneyUnit


class Kind(StrEnum):
    """How the cells of a field are read."""

    TEXT = "text"
    NAME = "name"
    CODE = "code"
    DATE = "date"
    MONEY = "money"
    CATEGORIES = "categories"
    FLAG = "flag"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `name` in mapping files, `title` for people, `headers` by which it is known, the unit when none is stated."""

    name: str
    kind: Kind
    title: str
    headers: tuple[str, ...]
    unit: MoneyUnit | None = None


def _field(name: str, kind: Kind, headers: str, unit: MoneyUnit | None = None) -> Field:
    words = tuple(headers.split())
    return Field(name, kind, words[0], words, unit)


_ALL = (
    _field(
        "party_name",
        Kind.NAME,
        "行政相对人名称 相对人名称 当事人名称 当事人 当事人姓名 当事人姓名(名称) 当事人(名称) 被处罚单位名称 "
        "被处罚单位 被处罚人 被处罚人名称 被处罚当事人  "
        "被处罚人姓名(名称) 被处罚对象 处罚对象 行政处罚当事人 行政相对人 单位名称 企业名称 纳税人名称 "
        "违法主体 违法主体名称 违法企业名称 名称 姓名  "
        "CF_XDR_MC xy010101 unitName",
    ),
    _field(
        "party_category",
        Kind.TEXT,
        "行政相对人类别 相对人类别 相对人类型 当事人类型 当事人类别 CF_XDR_LB administrative_cp_type",
    ),
    _field(
        "uscc",
        Kind.CODE,
        "统一社会信用代码 行政相对人代码_1(统一社会信用代码) 行政相对人代码(统一社会信用代码) 社会信用代码 "
        "统一信用代码 信用代码 企业统一社会信用代码  "
        "当事人统一社会信用代码 统一社会信用代码/身份证号 CF_XDR_SHXYM xy010133",
    ),
    _field(
        "registration_number",
        Kind.CODE,
        "工商注册号 行政相对人代码_2(工商注册号) 行政相对人代码_3(工商登记码) 工商登记码 注册号 "
        "营业执照注册号 营业执照号 CF_XDR_GSZC CF_XDR_GSDJ regNO",
    ),
    _field(
        "organisation_code",
        Kind.CODE,
        "组织机构代码 行政相对人代码_3(组织机构代码) 行政相对人代码_2(组织机构代码) 组织机构代码证号 "
        "CF_XDR_ZZJG CF_XDR_ZDM",
    ),
    _field("tax_number", Kind.CODE, "税务登记号 行政相对人代码_4(税务登记号) 纳税人识别号 CF_XDR_SWDJ"),
    _field("institution_number", Kind.CODE, "事业单位证书号 行政相对人代码_5(事业单位证书号) CF_XDR_SYDW"),
    _field("society_number", Kind.CODE, "社会组织登记证号 行政相对人代码_6(社会组织登记证号) CF_XDR_SHZZ"),
    _field(
        "resident_id",
        Kind.CODE,
        "居民身份证号 行政相对人代码_5(居民身份证号) 身份证号 身份证号码 公民身份号码 居民身份证号码 CF_XDR_SFZ",
    ),
    _field("id_document_type", Kind.TEXT, "证件类型 当事人证件类型 CF_XDR_ZJLX"),
    _field("id_document_number", Kind.CODE, "证件号码 证件号 当事人证件号码 当事人证件号 CF_XDR_ZJHM"),
    _field(
        "legal_representative",
        Kind.NAME,
        "法定代表人 法定代表人姓名 法定代表人(负责人) 法定代表人或负责人 法定代表人/负责人 法人代表 法人 "
        "负责人 负责人姓名 CF_FRDB CF_FR leRep",
    ),
    _field("representative_document_type", Kind.TEXT, "法定代表人证件类型 CF_FR_ZJLX legal_representative_type"),
    _field(
        "representative_document_number",
        Kind.CODE,
        "法定代表人证件号码 法定代表人证件号 法定代表人身份证号 CF_FR_ZJHM CF_FR_SFZH",
    ),
    _field("phone", Kind.TEXT, "联系电话 电话 电话号码 当事人电话"),
    _field("address", Kind.TEXT, "住所 地址 住所地 住址 经营地址 注册地址 当事人地址 住所(住址)"),
    _field(
        "document_number",
        Kind.CODE,
        "行政处罚决定书文号 行政处罚决定文号 处罚决定书文号 处罚决定文号 决定书文号 行政处罚文号 处罚文号 "
        "文号 行政处罚决定书文书号 行政处罚决定书编号  "
        "处罚决定书编号 处罚决定书号 决定书编号 处理/处罚文书号 处罚文书号 CF_WSH penDecNo xy020102",
    ),
    _field("case_number", Kind.CODE, "案件编号 案号 立案号 立案编号 案卷号 punish_case_code"),
    _field(
        "case_name", Kind.TEXT, "案件名称 处罚名称 案名 处罚行为名称 行政处罚名称 CF_CFMC CF_AJMC punish_action_name"
    ),
    _field(
        "cause",
        Kind.TEXT,
        "违法行为类型 案由 违法行为 违法类型 违法行为名称 违法违规类型 主要违法违规类型 主要违法行为 CF_WFXW "
        "illegActType",
    ),
    _field(
        "facts",
        Kind.TEXT,
        "违法事实 处罚事由 事由 主要违法事实 违法的主要事实 主要违法违规事实 主要违法违规行为 违法事实和证据 "
        "案件事实 案情介绍 案情简介 案情简介/违法事实  "
        "基本案情 案情 CF_SY xy020104 case_desc",
    ),
    _field("legal_basis", Kind.TEXT, "处罚依据 行政处罚依据 法律依据 依据 处罚法律依据 CF_YJ xy020106"),
    _field(
        "penalty_categories",
        Kind.CATEGORIES,
        "处罚类别 处罚类别1 处罚类别2 处罚种类 处罚类型 行政处罚种类 行政处罚类别 CF_CFLB CF_CFLB1 CF_CFLB2 xy020103",
    ),
    _field(
        "penalty_content",
        Kind.TEXT,
        "处罚内容 处罚结果 行政处罚内容 行政处罚结果 处罚决定内容 处罚决定 处罚内容和种类 内容和种类 "
        "处罚种类和内容 行政处罚决定 决定书全文或摘要 内容 CF_NR CF_JG  "
        "xy020130 penContent",
    ),
    _field("fine", Kind.MONEY, "罚款金额 罚款 罚款数额 处罚金额 CF_NR_FK xy020116"),
    _field(
        "confiscated",
        Kind.MONEY,
        "没收违法所得、没收非法财物的金额 没收违法所得没收非法财物金额 没收金额 "
        "没收违法所得、没收非法财物金额 CF_NR_WFFF",
    ),
    _field("confiscated_income", Kind.MONEY, "没收违法所得 没收违法所得金额 没收违法所得的金额"),
    _field("confiscated_goods", Kind.MONEY, "没收非法财物金额 没收非法财物的金额 没收非法财物 没收财物价值"),
    _field("penalty_total", Kind.MONEY, "罚没合计 罚没金额 罚没款 罚没款合计 罚没金额合计 罚没总额"),
    _field("licence", Kind.TEXT, "暂扣或吊销证照名称及编号 暂扣/吊销证照名称 暂扣或吊销证照名称 CF_NR_ZKDX"),
    _field("licence_number", Kind.TEXT, "暂扣或吊销证照编号 暂扣/吊销证照编号"),
    _field(
        "decided_on",
        Kind.DATE,
        "处罚决定日期 作出处罚决定日期 作出行政处罚决定日期 行政处罚决定日期 处罚日期 行政处罚日期 决定日期 "
        "作出决定日期 做出处罚决定日期 处罚时间 决定书日期 日期  "
        "CF_JDRQ penDecIssDate xy020107",
    ),
    _field("valid_until", Kind.DATE, "处罚有效期 处罚截止日期 有效期 处罚有效期截止日期 CF_YXQ CF_JZRQ"),
    _field("publicity_until", Kind.DATE, "公示截止期 公示截止日期 公示期限 CF_GSJZQ xy020133"),
    _field("published_on", Kind.DATE, "公示日期 公开日期 发布日期 publicDate"),
    _field(
        "agency_name",
        Kind.NAME,
        "处罚机关 行政处罚机关 作出处罚机关 作出处罚决定机关 作出行政处罚决定机关 作出行政处罚决定的机关名称 "
        "作出处罚决定的机关名称 作出决定机关 决定机关  "
        "处罚机关名称 处罚单位 处罚部门 执法主体名称 执法主体 执法单位 执法部门 机关 CF_CFJG CF_XZJG xy020101 "
        "penAuth_CN",
    ),
    _field(
        "agency_uscc", Kind.CODE, "处罚机关统一社会信用代码 执法主体统一社会信用码 执法主体统一社会信用代码 CF_CFJGDM"
    ),
    _field("data_source_name", Kind.NAME, "数据来源单位 数据来源 CF_SJLY"),
    _field("data_source_uscc", Kind.CODE, "数据来源单位统一社会信用代码 数据来源单位代码 CF_SJLYDM"),
    _field("region_code", Kind.CODE, "地方编码 行政区划编码 行政区划代码 区划代码 DFBM"),
    _field("state", Kind.TEXT, "当前状态 CF_ZT 状态"),
    _field("cancelled", Kind.FLAG, "撤销立案 是否撤销 iscancelcase"),
    _field("cancel_reason", Kind.TEXT, "案件撤销原因"),
    _field("updated_on", Kind.DATE, "数据更新时间戳 SJC 更新时间 创建时间"),
    _field("remarks", Kind.TEXT, "备注 其他信息 BZ QT"),
    _field("case_source", Kind.TEXT, "案件来源 case_source_type"),
    _field("procedure", Kind.TEXT, "案件程序类别 程序类别 处罚程序 适用程序 case_process_type"),
    _field("occurred_on", Kind.DATE, "案发时间 案发日期 违法行为发生时间"),
    _field("occurred_place", Kind.TEXT, "案发区域 案发地 违法行为发生地"),
    _field("handlers", Kind.TEXT, "承办人 执法人员姓名 办案人员 执法人员"),
    _field("handled_on", Kind.DATE, "承办时间"),
    _field("handling_opinion", Kind.TEXT, "承办意见"),
    _field("amount_involved", Kind.MONEY, "涉案金额 案值 货值金额 涉案货值", MoneyUnit.YUAN),
    _field("persons", Kind.TEXT, "当事人信息"),
    _field("companies", Kind.TEXT, "企业信息"),
    _field("transferred", Kind.FLAG, "是否移送司法机关 移送司法标志 is_deported transf_justi_sign"),
    _field("transferred_on", Kind.DATE, "移送、抄送司法机关时间 deport_time"),
    _field("transferred_to", Kind.TEXT, "移送部门名称 移送部门"),
    _field("operation", Kind.TEXT, "opt_type 操作类型"),
    _field("environment", Kind.TEXT, "env_flag"),
    _field("record_id", Kind.TEXT, "唯一标志符 record_unique_identity"),
    _field("sequence", Kind.UNUSED, "序号 行号 编号"),
)
FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
"""Every field by its name, in the order in which a mapping file lists them."""
