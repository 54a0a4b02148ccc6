"""Who may watch what: supervisors their region, agencies what concerns their own cases, nobody else anything."""

from __future__ import annotations

from liangfa_kit.errors import Forbidden
from liangfa_kit.identity import Actor
from liangfa_protos.supervision.v1 import order_service_pb2
from liangfa_standards.divisions import covers, region_prefix
from liangfa_supervision.hub import FeedFilter

AGENCY = frozenset({"officer", "agency_head", "legal_reviewer"})
SUPERVISORS = frozenset({"procurator", "chief_procurator", "police", "police_head", "justice_supervisor"})
_SERVICE = "/liangfa_protos.supervision.v1.SupervisionService/"

RULES: dict[str, frozenset[str]] = {
    f"{_SERVICE}{name}": AGENCY | SUPERVISORS
    for name in ("Watch", "ListAlerts", "GetAlertCounts", "GetStatistics", "GetCaseFeed", "GetFunnel", "GetTimeInState")
}

OVERSEEING = frozenset({"procurator", "chief_procurator", "justice_supervisor"})
"""Who issues and judges supervision orders, and sees those of the region."""
ADDRESSED = frozenset({"officer", "agency_head", "police", "police_head"})
"""Who answers them."""
_ORDERS = "/liangfa_protos.supervision.v1.OrderService/"
RULES |= {
    **{f"{_ORDERS}{name}": OVERSEEING for name in ("IssueOrder", "JudgeReply", "WithdrawOrder")},
    f"{_ORDERS}ReplyToOrder": ADDRESSED,
    **{f"{_ORDERS}{name}": OVERSEEING | ADDRESSED for name in ("GetOrder", "ListOrders")},
}


def may_see_order(actor: Actor, order: order_service_pb2.Order) -> bool:
    """Tell whether the order exists for `actor`: it takes part, or oversees the region."""
    if actor.agency_id and actor.agency_id in {order.issuer_id, order.addressee_id}:
        return True
    return bool(OVERSEEING & actor.roles) and covers(actor.region, order.region)


def authorise(method: str, actor: Actor, _request: object = None) -> None:
    """Raise `Forbidden` unless a role of `actor` may call `method`. A method without a rule is for nobody."""
    if not RULES.get(method, frozenset()) & actor.roles:
        raise Forbidden(
            f"Your roles do not allow {method.rpartition('/')[2]}.",
            message_zh="您的角色无权进行此操作。",
            remedy="Ask the operator of your district for a supervising role.",
            reason="ROLE_NOT_ALLOWED",
            method=method,
        )


def narrowed(
    actor: Actor,
    *,
    region: str = "",
    agency_id: str = "",
    kinds: frozenset[int] = frozenset(),
    least_severity: int = 0,
    case_id: str = "",
) -> FeedFilter:
    """Return the caller's conditions narrowed to what they may see.

    An agency's officer sees the own agency only, whatever they ask for; a supervisor sees the own region or a part of
    it. Asking for what lies outside gives a filter that matches nothing, not an error: it does not exist for them.
    """
    if not actor.roles & SUPERVISORS:
        own = actor.agency_id if agency_id in {"", actor.agency_id} and actor.agency_id else _NOBODY
        prefixes = (region_prefix(region),) if region else ()
        return FeedFilter(prefixes, own, kinds, least_severity, case_id)
    mine, asked = region_prefix(actor.region), region_prefix(region) if region else ""
    prefix = _overlap(mine, asked) if actor.region else _NOBODY
    return FeedFilter((prefix,), agency_id, kinds, least_severity, case_id)


_NOBODY = "\N{NO-BREAK SPACE}"
"""A region prefix and agency id that no record has."""


def _overlap(mine: str, asked: str) -> str:
    if asked.startswith(mine):
        return asked
    return mine if mine.startswith(asked) else _NOBODY
