"""The demo district: 武汉市洪山区 with the bodies that a two-law platform needs. Demonstration only: nobody here is real."""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_kit.identity import Actor

REGION = "420111"


@dataclass(frozen=True, slots=True)
class Body:
    """A body of the district: its id, name and kind (a key of the rule library's agencies)."""

    id: str
    name: str
    kind: str


BODIES: dict[str, Body] = {
    body.kind: body
    for body in (
        Body("hs-market", "武汉市洪山区市场监督管理局", "market_regulation"),
        Body("hs-drug", "湖北省药品监督管理局武汉分局", "medical_products"),
        Body("hs-ecology", "武汉市生态环境局洪山区分局", "environment"),
        Body("hs-labour", "武汉市洪山区人力资源局", "labour"),
        Body("hs-health", "武汉市洪山区卫生健康局", "health"),
        Body("hs-emergency", "武汉市洪山区应急管理局", "emergency"),
        Body("hs-forestry", "武汉市洪山区园林和林业局", "forestry_grassland"),
        Body("hs-land", "武汉市自然资源和城乡建设局洪山分局", "natural_resources"),
        Body("hs-agriculture", "武汉市洪山区农业农村局", "agriculture"),
        Body("hs-water", "武汉市洪山区水务和湖泊局", "water"),
        Body("hs-tax", "国家税务总局武汉市洪山区税务局", "tax"),
        Body("hs-tobacco", "武汉市洪山区烟草专卖局", "tobacco"),
        Body("hs-housing", "武汉市洪山区住房和城市更新局", "housing_construction"),
        Body("hs-culture", "武汉市洪山区文化和旅游局", "culture_tourism"),
        Body("hs-transport", "武汉市洪山区交通运输局", "transport"),
        Body("hs-finance", "武汉市洪山区地方金融工作局", "finance"),
        Body("hs-medicare", "武汉市洪山区医疗保障局", "healthcare_security"),
        Body("hs-customs", "武昌海关", "customs"),
        Body("hs-city", "武汉市洪山区城市管理执法局", "urban_management"),
        Body("hs-fire", "武汉市洪山区消防救援大队", "fire"),
    )
}

FIELDS: dict[str, str] = {
    "市场监管": "market_regulation", "药品": "medical_products", "药监": "medical_products", "药品监管": "medical_products",
    "生态环境": "environment", "环保": "environment", "人社": "labour", "劳动监察": "labour", "劳动": "labour",
    "卫生": "health", "卫生健康": "health", "应急": "emergency", "应急管理": "emergency", "安全生产": "emergency",
    "林业": "forestry_grassland", "自然资源": "natural_resources", "国土": "natural_resources", "农业": "agriculture",
    "农业农村": "agriculture", "渔业": "agriculture", "渔政": "agriculture", "水利": "water", "水务": "water",
    "税务": "tax", "烟草": "tobacco", "住建": "housing_construction", "文旅": "culture_tourism",
    "文化": "culture_tourism", "文化市场": "culture_tourism", "交通": "transport", "交通运输": "transport", "金融": "finance",
    "医保": "healthcare_security", "医疗保障": "healthcare_security", "海关": "customs", "城管": "urban_management",
    "消防": "fire", "烟草专卖": "tobacco", "成品油": "market_regulation", "消防交通": "fire",
}  # fmt: skip
"""Fields of the published table, and the body of the district that would have the case."""


def officer(kind: str) -> Actor:
    """Return the officer of the district's body of `kind`; unknown kinds are the city management's."""
    body = BODIES.get(kind, BODIES["urban_management"])
    return Actor(f"{body.id}-officer", "演示承办人", body.id, body.name, body.kind, REGION, frozenset({"officer"}))


PROCURATOR = Actor(
    "hs-procurator",
    "演示检察官",
    "hs-procuratorate",
    "武汉市洪山区人民检察院",
    "oversight",
    REGION,
    frozenset({"procurator"}),
)
POLICE = Actor(
    "hs-police", "演示民警", "hs-police", "武汉市公安局洪山区分局", "public_security", REGION, frozenset({"police"})
)
POLICE_HEAD = Actor(
    "hs-police-head",
    "演示局长",
    "hs-police",
    "武汉市公安局洪山区分局",
    "public_security",
    REGION,
    frozenset({"police_head"}),
)
JUSTICE = Actor(
    "hs-justice",
    "演示司法监督员",
    "hs-justice",
    "武汉市洪山区司法局",
    "oversight",
    REGION,
    frozenset({"justice_supervisor"}),
)
JUDGE = Actor("hs-judge", "演示法官", "hs-court", "武汉市洪山区人民法院", "oversight", REGION, frozenset({"judge"}))
OPERATOR = Actor("hs-operator", "演示管理员", "hs-desk", "洪山区两法衔接平台", "", REGION, frozenset({"operator"}))


def head(kind: str) -> Actor:
    """Return the head of the district's body of `kind`."""
    body = BODIES[kind]
    return Actor(f"{body.id}-head", "演示负责人", body.id, body.name, body.kind, REGION, frozenset({"agency_head"}))
