"""The columns of the known layouts: header texts and what they are. Sources: data standards, sections 1 to 3.

A header is looked up in its plain form (`plain_header`): NFKC, no blanks, no brackets around units. The 2016 and 2018
layouts give "code 2" different meanings; the text in brackets decides, the layout only when there is none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

WAN = "万元"
YUAN = "元"


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is: a field of the draft, and the unit of its amounts where it has one."""

    field: str
    unit: str = ""


_ALIASES: dict[str, str] = {
    "party_name": "行政相对人名称 当事人名称 当事人 被处罚单位名称 被处罚单位 被处罚人 被处罚当事人 纳税人名称 企业名称 单位名称 相对人名称 名称 "
    "当事人姓名 违法主体 处罚对象 cf_xdr_mc xy010101 unitname 行政相对人",
    "party_kind": "行政相对人类别 当事人类型 相对人类型 cf_xdr_lb administrative_cp_type",
    "uscc": "统一社会信用代码 行政相对人代码_1 社会信用代码 行政相对人代码1 cf_xdr_shxym xy010133 信用代码 统一信用代码",
    "org_code": "组织机构代码 cf_xdr_zdm cf_xdr_zzjg",
    "registration_number": "工商注册号 工商登记码 注册号 cf_xdr_gsdj cf_xdr_gszc regno",
    "tax_number": "税务登记号 纳税人识别号 cf_xdr_swdj",
    "institution_number": "事业单位证书号 cf_xdr_sydw",
    "society_number": "社会组织登记证号 cf_xdr_shzz",
    "id_document_number": "居民身份证号 身份证号 证件号码 身份证号码 公民身份号码 cf_xdr_sfz cf_xdr_zjhm",
    "id_document_type": "证件类型 cf_xdr_zjlx",
    "legal_representative": "法定代表人 法定代表人姓名 负责人 法定代表人负责人 法人代表 法人 cf_fr cf_frdb lerep",
    "representative_document": "法定代表人证件号码 法定代表人证件类型 法定代表人身份证号 cf_fr_zjlx cf_fr_zjhm cf_fr_sfzh",
    "document_number": "行政处罚决定书文号 决定书文号 处罚决定书文号 行政处罚文号 处罚文书号 文号 行政处罚决定文书号 cf_wsh xy020102 pendecno 案号 "
    "处理处罚文书号 处罚决定文号",
    "title": "处罚名称 案件名称 cf_cfmc cf_ajmc 处罚行为名称 punish_action_name",
    "cause": "违法行为类型 案由 违法行为 处罚种类名称 违法类型 cf_wfxw illegacttype 违法违规类型 主要违法违规行为",
    "reason": "处罚事由 cf_sy 事由",
    "narrative": "违法事实 案情简介 主要违法事实 违法的主要事实 案情介绍 违法事实和证据 案件事实 xy020104 case_desc 案情 主要违法违规事实",
    "legal_basis": "处罚依据 法律依据 依据 cf_yj xy020106",
    "category": "处罚类别 处罚类别1 处罚种类 cf_cflb cf_cflb1 xy020103 内容和种类",
    "category2": "处罚类别2 cf_cflb2",
    "content": "处罚内容 处罚结果 行政处罚内容 处罚决定内容 cf_nr cf_jg xy020130 pencontent 内容 处罚决定 决定书全文或摘要",
    "fine": "罚款金额 罚款 罚款数额 处罚金额 cf_nr_fk xy020116",
    "confiscated": "没收违法所得、没收非法财物的金额 没收违法所得没收非法财物的金额 没收金额 没收违法所得 cf_nr_wfff",
    "licence": "暂扣或吊销证照名称及编号 cf_nr_zkdx",
    "decided_on": "处罚决定日期 处罚日期 决定日期 作出处罚决定日期 处罚时间 cf_jdrq xy020107 pendecissdate 日期 行政处罚日期 作出决定日期",
    "valid_until": "处罚有效期 cf_yxq 处罚截止日期 cf_jzrq",
    "published_until": "公示截止期 cf_gsjzq xy020113",
    "decided_by": "处罚机关 作出决定机关 决定机关 执法主体名称 执法主体 执法单位 处罚单位 机关 cf_cfjg cf_xzjg xy020101 penauth_cn 作出处罚决定的机关名称",
    "decided_by_uscc": "处罚机关统一社会信用代码 cf_cfjgdm",
    "reporter": "数据来源单位 cf_sjly",
    "reporter_uscc": "数据来源单位统一社会信用代码 cf_sjlydm",
    "state": "当前状态 cf_zt 公示状态",
    "region_code": "地方编码 dfbm 行政区划编码",
    "updated_on": "数据更新时间戳 sjc 创建时间",
    "remarks": "备注 bz 其他信息 qt",
    "case_number": "案件编号 punish_case_code 唯一标志符",
    "source": "案件来源 case_source_type",
    "occurred_on": "案发时间 立案日期 发现日期 违法行为发生时间 案件来源日期",
    "handlers": "承办人 执法人员姓名 办案人员",
    "amount": "涉案金额 案值 货值金额",
    "persons": "当事人信息",
    "companies": "企业信息",
    "address": "住所 地址 经营地址 注册地址 住址",
    "phone": "电话 联系电话",
    "transferred": "是否移送司法机关 移送司法标志 is_deported transf_justi_sign",
    "cancelled": "案件撤销原因 iscancelcase",
}
_YUAN_BY_NATURE = frozenset({"amount"})
_NOISE = re.compile(r"[\s_:：*＊、，,。\-—]")
_UNIT = re.compile(r"[(\[【](?:单位[:：]?)?(万元|元|人民币元|亩|日期)[)\]】]")
_BRACKETS = re.compile(r"[(\[【]([^)\]】]*)[)\]】]")


def plain_header(header: str) -> tuple[str, str]:
    """Return a header's plain form and its unit (万元, 元 or empty)."""
    text = unicodedata.normalize("NFKC", header).lower()
    unit = _UNIT.search(text.replace(" ", ""))
    text = _UNIT.sub("", text.replace(" ", ""))
    return _NOISE.sub("", text), (unit[1] if unit and unit[1] in {WAN, YUAN} else "")


_BY_HEADER = {
    _NOISE.sub("", unicodedata.normalize("NFKC", alias).lower()): field
    for field, aliases in _ALIASES.items()
    for alias in aliases.split()
}
FIELDS = frozenset(_ALIASES)


def column_of(header: str) -> Column | None:
    """Return what a header says its column is, None when it is not known."""
    plain, unit = plain_header(header)
    inside = _BRACKETS.search(plain)
    candidates = ([inside[1]] if inside else []) + [_BRACKETS.sub("", plain), plain]
    for candidate in candidates:
        field = _BY_HEADER.get(candidate)
        if field is not None:
            return Column(field, unit or (YUAN if field in _YUAN_BY_NATURE else ""))
    return None


def layout_of(fields: set[str], headers: list[str]) -> str:
    """Return the name of the layout that a header row is of; empty when only its columns are known."""
    text = " ".join(headers)
    if "reason" in fields and ("处罚类别2" in text.replace(" ", "") or "state" in fields):
        return "shuanggongshi_2016"
    if {"party_name", "narrative", "category"} <= fields and ("fine" in fields or "published_until" in fields):
        return "shuanggongshi_2018"
    if {"persons", "companies"} & fields:
        return "two_law_intake"
    return ""
