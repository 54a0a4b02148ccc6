"""Who is told of a clock, and who next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from liangfa_procedure.escalation import check_ladders, ladder, recipients
from liangfa_procedure.rules import Rules, Use

RULES = Rules.load()


def test_every_rule_has_a_ladder_and_every_recipient_exists() -> None:
    """A missed limit of which nobody is told would be no limit; only the appeal of a party tells nobody."""
    check_ladders()
    silent = {rule.id for rule in RULES.by_id.values() if rule.use is Use.DUTY and not ladder(rule).missed}
    assert silent == set()


def test_the_ladder_climbs_from_the_handler_to_the_superior() -> None:
    """Delivery within 24 hours: the handler before, the head on the day, the procuratorate when missed, then above."""
    rungs = ladder(RULES.rule("send_to_police"))
    assert rungs.warned == ("agency_handler",)
    assert rungs.on_the_day == ("agency_handler", "agency_head")
    assert [(rung.after, rung.recipients) for rung in rungs.missed] == [
        (timedelta(0), ("agency_handler", "agency_head", "procuratorate")),
        (timedelta(days=7), ("superior_agency",)),
    ]


def test_nobody_is_told_twice_of_one_missed_limit() -> None:
    """Whoever was told at once is not among the superiors told later."""
    for rule in RULES.by_id.values():
        told = [name for rung in ladder(rule).missed for name in rung.recipients]
        assert len(told) == len(set(told)), rule.id


@pytest.mark.parametrize("rule", ["request_reconsideration", "propose_supervision_direct"])
def test_a_right_is_missed_by_nobody(rule: str) -> None:
    """Its owner is reminded, and it lapses."""
    assert ladder(RULES.rule(rule)).missed == ()
    assert ladder(RULES.rule(rule)).warned == ("agency_handler",)


def test_a_recipient_is_found_by_role_and_organisation() -> None:
    """The head of the police that hold the transfer, not of any police."""
    head = recipients()["police_head"]
    assert head.organisation == "police"
    assert head.roles == frozenset({"police_head"})


def test_no_missed_duty_stops_below_a_superior() -> None:
    """A second rung, or a superior among those who are told at once; above a court and the upper level nobody stands here."""
    above = {"superior_agency", "upper_procuratorate"}
    for rule in Rules.load().by_id.values():
        if rule.use is Use.DUTY and rule.owes not in {"court", "upper_procuratorate"}:
            told = {name for rung in ladder(rule).missed for name in rung.recipients}
            assert told & above, rule.id
