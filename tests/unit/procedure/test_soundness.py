"""No limit is stranded: wherever a duty runs, whoever owes it can still do it, or the step that led there has ended it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_procedure.rules import Rule, Rules, Use
from liangfa_procedure.scenario import read_scenario
from liangfa_procedure.simulation import play
from liangfa_procedure.soundness import Act, stranded
from liangfa_procedure.steps import COURSES_RUN_IN, Procedure, Scope, Step, acts, duties

PROCEDURE = Procedure.load()
DUTIES = [rule for rule in Rules.load().by_id.values() if rule.use is Use.DUTY]
BEGINNINGS = {Scope.TRANSFER: "crime_suspected", Scope.SUSPECT: "investigated"}
NOTHING: frozenset[str] = frozenset()


def act(name: str, origins: str, to: str | None, starts: str = "", keeps: str = "", drops: str = "") -> Act:
    sets = (frozenset(words.split()) for words in (origins, starts, keeps, drops))
    first, *rest = sets
    return Act(name, first, to, *rest)


def test_a_limit_that_is_left_behind_is_named_with_the_states() -> None:
    """Asked for in `open`, answered there only: moving on strands it, unless the step that moves on ends it."""
    ask, answer, go = (
        act("ask", "open", None, "reply"),
        act("answer", "open", None, keeps="reply"),
        act("go", "open", "b"),
    )
    on = act("on", "b", "c")
    assert stranded([ask, answer, go, on], {"reply": NOTHING}) == ["the limit reply is stranded in b, c"]
    assert stranded([ask, answer, replace(go, drops=frozenset({"reply"})), on], {"reply": NOTHING}) == []
    anywhere = act("answer", "open b c", None, keeps="reply")
    assert stranded([ask, anywhere, go, on], {"reply": NOTHING}) == []


def test_steps_on_the_way_count_only_when_they_are_named() -> None:
    """Going back to where it could be done is no way of doing it, unless the table says so."""
    ask, answer = act("ask", "a", "b", "reply"), act("answer", "c", None, keeps="reply")
    to_c, back = act("to_c", "b", "c"), act("back", "c", "b")
    assert stranded([ask, answer, to_c, back], {"reply": NOTHING}) == ["the limit reply is stranded in b"]
    assert stranded([ask, answer, to_c, back], {"reply": frozenset({"to_c"})}) == []


@pytest.mark.parametrize("scope", list(Scope))
def test_no_duty_is_stranded_in_the_whole_table(scope: Scope) -> None:
    """Every row, every limit in which somebody can fail."""
    assert stranded(acts(PROCEDURE, scope), duties(PROCEDURE)) == []
    assert len(duties(PROCEDURE)) > 30


@pytest.mark.parametrize(
    ("scope", "step", "limit"),
    [
        (Scope.TRANSFER, "take_transfer_back", "cc_transfer_to_procuratorate"),
        (Scope.TRANSFER, "report_to_head", "assign_task_force"),
        (Scope.TRANSFER, "request_reconsideration", "police_serve_refusal"),
        (Scope.TRANSFER, "notify_to_file", "supplement_materials"),
        (Scope.SUSPECT, "contest_withdrawal", "police_reverse_transfer"),
        (Scope.SUSPECT, "contest_withdrawal", "police_notify_withdrawal"),
        (Scope.SUSPECT, "reply_to_opinion", "tell_agency_non_prosecution"),
    ],
)
def test_a_row_that_no_longer_ends_a_limit_is_found(scope: Scope, step: str, limit: str) -> None:
    """Each of these rows ends a limit that would be stranded without it: the walk sees it at once."""
    rows = [replace(one, drops=one.drops - {limit}) if one.id == step else one for one in acts(PROCEDURE, scope)]
    (found,) = stranded(rows, duties(PROCEDURE))
    assert found.startswith(f"the limit {limit} is stranded in ")


def may_keep(rule: Rule, state: str, scope: Scope) -> bool:
    """Whether a step that keeps the limit can be taken, now or by the steps that are named as the way to it."""
    steps = PROCEDURE.allowed(state, scope)
    if scope is Scope.TRANSFER and state == COURSES_RUN_IN:
        steps += [step for step in PROCEDURE.steps.values() if step.scope is Scope.SUSPECT]
    if any(rule.ends_on in step.tells for step in steps):
        return True
    on = [step for step in steps if step.id in rule.way and step.to_state not in {None, state}]
    return any(step.to_state is not None and may_keep(rule, step.to_state, scope) for step in on)


@given(st.data())
def test_on_any_walk_every_running_duty_can_still_be_done(data: st.DataObject) -> None:
    """The same said a second time, without the walk over sets: at random, step after step, one sector at a time."""
    scope, sector = (
        data.draw(st.sampled_from(list(Scope))),
        data.draw(st.sampled_from(["", "environment", "work_safety"])),
    )
    state, running = BEGINNINGS[scope], set[str]()
    for _ in range(30):
        steps: list[Step] = PROCEDURE.allowed(state, scope)
        if not steps:
            return
        step = data.draw(st.sampled_from(steps))
        events = {*step.tells, *step.on_receipt}
        running = {
            i
            for i in running
            if Rules.load().rule(i).ends_on not in step.tells and not step.ends_rule(Rules.load().rule(i))
        }
        running |= {rule.id for event in events for rule in Rules.load().started_by(event, sector) if rule in DUTIES}
        state = step.to_state or state
        if PROCEDURE.states[scope][state].is_terminal and scope is Scope.TRANSFER:
            return
        for rule_id in running:
            assert may_keep(Rules.load().rule(rule_id), state, scope), (rule_id, step.id, state)


SENT = """
begins_in: not_filed
until: 2026-04-30
steps:
  - {on: 2026-03-02, step: demand_reasons, received: 2026-03-20}
"""


def test_what_was_answered_before_it_was_signed_for_starts_no_limit() -> None:
    """The police filed on the tenth; signing for the demand on the twentieth asks nothing of them."""
    rule = "police_explain_no_filing"
    assert {alert.rule for alert in play(read_scenario(SENT)).alerts} >= {rule}
    filed = SENT + "  - {on: 2026-03-10, step: file_when_asked}\n"
    assert rule not in {alert.rule for alert in play(read_scenario(filed)).alerts}


def test_a_closed_transfer_has_no_limits() -> None:
    """Whatever was still owed ends with it: nobody is told of it afterwards."""
    story = """
    begins_in: delivered
    until: 2026-06-30
    steps:
      - {on: 2026-03-02 09:00, step: accept_transfer}
      - {on: 2026-03-02 10:00, step: return_transfer}
      - {on: 2026-03-02 11:00, step: send_to_right_authority}
      - {on: 2026-03-02 12:00, step: decide_penalty}
      - {on: 2026-03-02 13:00, step: report_result}
    """
    outcome = play(read_scenario(story))
    assert (outcome.state, outcome.alerts) == ("closed", ())
