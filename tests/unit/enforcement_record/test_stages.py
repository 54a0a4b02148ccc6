"""The stage table as a machine: whatever is tried in whatever order, only what the table allows happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_enforcement_record.commands.case_commands import AdvanceStage, CaseCommands
from liangfa_enforcement_record.records import case_row
from liangfa_enforcement_record.stages import BY_STAGES, DECIDED, ENDED, FIRST, HEAD, MOVES, possible_moves
from liangfa_enforcement_record.tables import cases
from liangfa_kit.errors import PlatformError
from liangfa_kit.work import Call, Loaded, Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from tests.enforcement import actor, case, decision, screening

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROLES = ("officer", "agency_head", "legal_reviewer")
STAGES = [stage for stage in pb.Stage.values() if stage]


def tried(at: pb.Case, to: int, role: str, reason: str) -> pb.Case | None:
    """Run the command on `at`, without a database; return the case after it, None when it was refused."""
    loaded = Loaded()
    row = case_row(at, registered_at=0, natural_key=None, row_hash=None)
    loaded.add(Need(cases, "id", (at.id,)), [row])
    work = Work(loaded, now=NOW, call=Call(actor(role)), ids=lambda: "e")
    handler = CaseCommands(screening()).advance
    try:
        reply = handler.handle(AdvanceStage(at.id, at.version, to, reason), work)  # type: ignore[arg-type]  # any number
    except PlatformError:
        assert not work.changes.events
        return None
    after: pb.Case = reply.case
    assert work.changes.saved[cases][at.id]["stage"] == after.stage  # type: ignore[index]  # saved, not removed
    assert len(work.changes.events) == 1
    return after


def stored(stage: int, *, decided: bool) -> pb.Case:
    parts: dict[str, Any] = {"decision": decision()} if decided else {}
    return case(id="c1", version=1, stage=stage, agency_id="market-hongshan", region="420111", **parts)


attempts = st.lists(
    st.tuples(
        st.sampled_from([*STAGES, 0, 99]), st.sampled_from([*ROLES, "procurator"]), st.sampled_from(["", "理由"])
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(start=st.sampled_from(STAGES), decided=st.booleans(), attempts=attempts)
def test_only_moves_of_the_table_ever_happen(start: int, decided: bool, attempts: list[tuple[int, str, str]]) -> None:
    """A move happens exactly when the table has it for the role, with a reason and a decision where it asks for them."""
    at = stored(start, decided=decided)
    for to, role, reason in attempts:
        move = BY_STAGES.get((at.stage, to))  # type: ignore[arg-type]  # any number
        allowed = (
            move is not None
            and role in move.roles
            and (bool(reason) or not move.needs_reason)
            and (decided or not move.needs_decision)
        )
        after = tried(at, to, role, reason)
        assert (after is not None) == allowed
        if after is not None:
            assert (after.stage, after.version) == (to, at.version + 1)
            at = after


def test_no_move_stands_twice_in_the_table() -> None:
    """Two rows for one move would make the first of them a lie."""
    assert len(BY_STAGES) == len(MOVES)


def test_every_stage_can_be_reached_and_every_open_stage_can_be_left() -> None:
    """Nothing in the table is dead, and no case is stuck."""
    reached = set(FIRST) | {pb.STAGE_DECIDED}
    while fresh := {move.to_stage for move in MOVES if move.from_stage in reached} - reached:
        reached |= fresh
    assert reached == set(STAGES)
    for stage in set(STAGES) - ENDED:
        assert possible_moves(stage, frozenset(ROLES))


def test_every_open_case_can_be_ended() -> None:
    """From anywhere some way leads to an end."""
    ending = set(ENDED)
    while fresh := {move.from_stage for move in MOVES if move.to_stage in ending} - ending:
        ending |= fresh
    assert ending == set(STAGES)


@pytest.mark.parametrize("stage", sorted(ENDED))
def test_only_a_head_with_a_reason_reopens_what_has_ended(stage: Any) -> None:
    """An end is an end, except for a closed case under new evidence."""
    for move in MOVES:
        if move.from_stage == stage:
            assert (move.roles, move.needs_reason) == (frozenset({HEAD}), True)


def test_what_gives_up_a_case_asks_for_a_reason_of_the_head_or_at_its_beginning() -> None:
    """Not opening, withdrawing and sparing a penalty are where cases get lost: words are kept."""
    for move in MOVES:
        if move.to_stage in {pb.STAGE_WITHDRAWN, pb.STAGE_NO_PENALTY, pb.STAGE_NOT_OPENED}:
            assert move.needs_reason
            assert move.roles == {HEAD} or move.to_stage == pb.STAGE_NOT_OPENED


def test_a_decided_stage_is_entered_with_a_decision_only() -> None:
    """Nobody executes what nobody decided."""
    for move in MOVES:
        if move.to_stage in DECIDED and move.from_stage not in DECIDED | {pb.STAGE_NO_PENALTY}:
            assert move.needs_decision
