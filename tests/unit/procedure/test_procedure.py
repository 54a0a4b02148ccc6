"""The table of the procedure: whole, reachable, and refusing with a reason what it does not allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_procedure.documents import documents
from liangfa_procedure.rules import Rules, Use
from liangfa_procedure.soundness import unsound
from liangfa_procedure.steps import SEPARATE_CASE, Procedure, Scope, Step

PROCEDURE = Procedure.load()
RULES = Rules.load()
BEGINNINGS = {Scope.TRANSFER: "crime_suspected", Scope.SUSPECT: "investigated"}
ROWS = [
    *(f"A{n}" for n in range(1, 12)), "A3'", *(f"B{n}" for n in range(1, 9)), *(f"C{n}" for n in range(1, 8)),
    *(f"D{n}" for n in range(1, 9)), *(f"E{n}" for n in range(1, 6)), *(f"F{n}" for n in range(1, 11)),
    *(f"G{n}" for n in range(1, 7)), "H", *(f"I{n}" for n in range(1, 12)), "J",
]  # fmt: skip
"""The rows of section 4 of the procedure as it was restated from the legal texts."""


def test_every_row_of_the_procedure_is_a_step_or_says_why_it_is_none() -> None:
    """Nothing was left out in silence."""
    taken = {step.reference for step in PROCEDURE.steps.values()}
    assert set(ROWS) == taken | set(PROCEDURE.rows_without_step)


def test_every_limit_starts_and_ends_by_a_step_or_says_why_it_is_not_run() -> None:
    """A clock that nothing starts, or nothing ends, would be a trap."""
    told = {event for step in PROCEDURE.steps.values() for event in (*step.tells, *step.on_receipt)}
    for rule in RULES.by_id.values():
        if rule.use is Use.UNUSED:
            assert rule.why_unused, rule.id
        else:
            assert {rule.starts_on, rule.ends_on} <= told, rule.id


def test_every_event_of_a_step_is_known_to_a_limit_or_a_state() -> None:
    """A misspelt event would start nothing."""
    known = {event for rule in RULES.by_id.values() for event in (rule.starts_on, rule.ends_on)}
    for step in PROCEDURE.steps.values():
        assert {*step.tells, *step.on_receipt} <= known, step.id


def test_a_sectors_rule_wins_over_the_general_one() -> None:
    """Environment counts reconsideration in working days (recalled), others in natural days."""
    general = {rule.id for rule in RULES.started_by("refusal_notice_received_by_agency", "")}
    sector = {rule.id for rule in RULES.started_by("refusal_notice_received_by_agency", "environment")}
    assert "request_reconsideration" in general
    assert "reconsideration_env_request" in sector
    assert "request_reconsideration" not in sector
    filing = [rule.id for rule in RULES.started_by("transfer_accepted_by_police", "economic_crime")]
    assert "police_filing_decision_economic" in filing
    assert "police_filing_decision" not in filing
    assert "police_filing_decision_2006" not in filing


@pytest.mark.parametrize("field", ["tax", "economic", "economic_crime"])
def test_tax_crimes_are_economic_crimes(field: str) -> None:
    """Their filing review is that of the 2017 rules; a field without limits of its own has the general one."""
    filing = {rule.id for rule in RULES.started_by("transfer_accepted_by_police", field)}
    assert "police_filing_decision_economic" in filing
    assert "police_filing_decision" not in filing
    general = RULES.started_by("transfer_accepted_by_police", "labour")
    assert general == RULES.started_by("transfer_accepted_by_police", "")
    assert "police_filing_decision" in {rule.id for rule in general}


@pytest.mark.parametrize("scope", list(Scope))
def test_every_state_can_be_reached_and_left(scope: Scope) -> None:
    """From the beginning to every state; from every state to an end."""
    moves = [step for step in PROCEDURE.steps.values() if step.scope is scope and step.to_state is not None]
    reached = {BEGINNINGS[scope], *({SEPARATE_CASE} if scope is Scope.SUSPECT else ())}
    ending = {state.id for state in PROCEDURE.states[scope].values() if state.is_terminal}
    for _ in PROCEDURE.states[scope]:
        reached |= {step.to_state for step in moves if step.from_states & reached and step.to_state}
        ending |= {origin for step in moves if step.to_state in ending for origin in step.from_states}
    assert reached == set(PROCEDURE.states[scope])
    assert ending >= set(PROCEDURE.states[scope])


STEPS = st.sampled_from(sorted(PROCEDURE.steps))
ROLES = st.sampled_from(sorted(PROCEDURE.roles))


@given(STEPS, st.data(), ROLES)
def test_whatever_is_not_allowed_is_refused_and_told_what_would_be(
    step_id: str, data: st.DataObject, role: str
) -> None:
    """A refusal names the steps that this role may take from this state, and each of them is allowed."""
    step = PROCEDURE.step(step_id)
    state = data.draw(st.sampled_from(sorted(PROCEDURE.states[step.scope])))
    refusal = PROCEDURE.refusal(step_id, state, frozenset({role}))
    may = PROCEDURE.leads_from(step, state) and role in step.roles
    assert (refusal is None) == may
    if refusal is not None:
        assert refusal.reason in {"STEP_NOT_ALLOWED_HERE", "STEP_NOT_YOURS"}
        assert refusal.message_zh
        assert refusal.message_en
        for instead in refusal.instead:
            assert PROCEDURE.refusal(instead, state, frozenset({role})) is None


@given(st.data())
def test_a_random_walk_always_goes_on_or_has_ended(data: st.DataObject) -> None:
    """No legal path leads to a dead end."""
    scope = data.draw(st.sampled_from(list(Scope)))
    state = BEGINNINGS[scope]
    for _ in range(40):
        moves: list[Step] = [step for step in PROCEDURE.allowed(state, scope) if step.to_state is not None]
        if not moves:
            assert PROCEDURE.states[scope][state].is_terminal
            return
        state = data.draw(st.sampled_from(moves)).to_state or state


def test_a_step_that_does_not_exist_is_refused_too() -> None:
    """Also from a state that does not exist."""
    assert (found := PROCEDURE.refusal("fly", "nowhere", frozenset({"police"}))) is not None
    assert (found.reason, found.instead) == ("STEP_UNKNOWN", ())


def test_documents_say_who_issues_them_and_what_they_must_say() -> None:
    """Every kind is used by a step, or is an internal form or a party's paper."""
    used = {kind for step in PROCEDURE.steps.values() for kind in step.documents_required}
    assert set(documents()) - used == {"approval_form", "transfer_refusal"}
    assert all(kind.required_fields for kind in documents().values())


def test_the_page_of_the_docs_is_made_from_the_table() -> None:
    """`python -m liangfa_procedure > docs/procedure.md` after every change of the data."""
    made = subprocess.run(
        [sys.executable, "-m", "liangfa_procedure"], capture_output=True, text=True, check=True
    ).stdout
    assert (Path(__file__).parents[3] / "docs" / "procedure.md").read_text(encoding="utf-8") == made


def test_a_table_with_a_dead_end_or_an_island_says_so() -> None:
    """What is checked when the table is loaded, on a table of three states."""
    terminal = {"a": False, "b": False, "c": True}
    forward = [(frozenset({"a"}), "b"), (frozenset({"b"}), "c")]
    assert unsound(terminal, forward, frozenset({"a"})) == []
    assert unsound(terminal, forward[:1], frozenset({"a"})) == [
        "the state c cannot be reached",
        "from the state a no end can be reached",
        "from the state b no end can be reached",
    ]
    assert unsound(terminal, forward[1:], frozenset({"b"})) == [
        "the state a cannot be reached",
        "from the state a no end can be reached",
    ]
