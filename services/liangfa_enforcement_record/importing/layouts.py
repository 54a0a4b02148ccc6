"""The layouts agencies are known to send. Which one a header is of tells how some columns are meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: the fields that tell it from others, those it has and lacks, and what differs in reading it."""

    key: str
    title: str
    needs: frozenset[str]
    has: frozenset[str]
    lacks: frozenset[str] = frozenset()
    facts_are_cause: bool = False
    """The column read as facts is 处罚事由: often short, and the only place of the cause beside the case's name."""
    is_decided: bool = True
    """Whether each row is a penalty decision; intake sheets hold cases before one."""


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CODES = "uscc registration_number organisation_code tax_number"
_DECISION = "legal_basis penalty_categories penalty_content document_number decided_on agency_name"
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "publicity_2016",
        "双公示 2016 版（20 列）",
        _fields("party_name case_name facts penalty_content state"),
        _fields(
            f"party_name {_CODES} resident_id legal_representative case_name facts {_DECISION} state region_code updated_on remarks"
        ),
        facts_are_cause=True,
    ),
    Layout(
        "publicity_2018_organisations",
        "双公示 2018 版 法人及非法人组织、个体工商户（26 列）",
        _fields("party_name cause facts fine"),
        _fields(
            f"party_name party_category {_CODES} institution_number society_number legal_representative {_DECISION} cause facts fine "
            "confiscated licence valid_until publicity_until agency_uscc data_source_name data_source_uscc remarks"
        ),
    ),
    Layout(
        "publicity_2018_persons",
        "双公示 2018 版 自然人（20 列）",
        _fields("party_name id_document_number cause facts fine"),
        _fields(
            f"party_name id_document_type id_document_number {_DECISION} cause facts fine confiscated licence valid_until "
            "publicity_until agency_uscc data_source_name data_source_uscc remarks"
        ),
        lacks=_fields("uscc"),
    ),
    Layout(
        "provincial_enforcement",
        "省级行政执法/互联网+监管处罚数据",
        _fields("case_number case_name facts"),
        _fields(
            f"record_id case_number case_name party_name party_category facts procedure case_source transferred transferred_on "
            f"handlers address phone operation environment region_code {_DECISION} fine confiscated"
        ),
    ),
    Layout(
        "tax",
        "税务行政处罚",
        _fields("party_name tax_number document_number fine"),
        _fields("party_name uscc tax_number document_number legal_basis decided_on fine"),
    ),
    Layout(
        "enterprise_publicity",
        "国家企业信用信息公示系统",
        _fields("document_number cause penalty_content published_on"),
        _fields(
            "document_number cause penalty_content agency_name decided_on published_on party_name registration_number legal_representative"
        ),
    ),
    Layout(
        "two_law_intake",
        "两法衔接平台 行政受理表（11 列）",
        _fields("case_number case_name facts handling_opinion"),
        _fields(
            "case_number case_name case_source occurred_place occurred_on facts handlers handled_on handling_opinion persons companies"
        ),
        is_decided=False,
    ),
    Layout(
        "agency_page",
        "机关网站公开表",
        _fields("party_name document_number"),
        _fields(f"party_name uscc legal_representative case_name facts cause fine confiscated remarks {_DECISION}"),
    ),
    Layout("other", "其他", frozenset(), frozenset()),
)
BY_KEY = {layout.key: layout for layout in LAYOUTS}


def layout_of(fields: Collection[str]) -> Layout:
    """Return the layout that a header with these fields is of: the most specific whose needs are met, else `other`."""
    present = frozenset(fields)
    fitting = [each for each in LAYOUTS if each.has and each.needs <= present and not each.lacks & present]
    return max(fitting, key=lambda each: (len(each.needs), _share(each, present)), default=BY_KEY["other"])


def _share(layout: Layout, present: frozenset[str]) -> float:
    return len(layout.has & present) / len(layout.has | present)
