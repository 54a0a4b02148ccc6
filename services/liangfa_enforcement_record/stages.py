"""The stage table: every move of an administrative case, who may make it, and what it asks for. Data, not code.

Read by the commands (which enforce it), by GetCase (which offers the possible moves), by the docs and by the tests.
General procedure: Administrative Penalty Law (2021) articles 54 (filing), 57 (decision), 58 (legal review), 60 (90 days),
66 ff. (execution); simple procedure: articles 51-53.
"""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_protos.enforcement_record.v1 import case_pb2 as pb

OFFICER = "officer"
HEAD = "agency_head"
LEGAL = "legal_reviewer"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move. `roles` are the roles that may make it; `needs_reason` asks for words that are kept."""

    from_stage: pb.Stage.ValueType
    to_stage: pb.Stage.ValueType
    roles: frozenset[str]
    needs_reason: bool = False
    needs_decision: bool = False


def _move(
    before: pb.Stage.ValueType, after: pb.Stage.ValueType, *roles: str, reason: bool = False, decision: bool = False
) -> Move:
    return Move(before, after, frozenset(roles), reason, decision)


MOVES: tuple[Move, ...] = (
    _move(pb.STAGE_RECEIVED, pb.STAGE_OPENED, OFFICER, HEAD),
    _move(pb.STAGE_RECEIVED, pb.STAGE_NOT_OPENED, OFFICER, HEAD, reason=True),
    _move(pb.STAGE_OPENED, pb.STAGE_INVESTIGATION, OFFICER, HEAD),
    _move(pb.STAGE_OPENED, pb.STAGE_WITHDRAWN, HEAD, reason=True),
    _move(pb.STAGE_INVESTIGATION, pb.STAGE_LEGAL_REVIEW, OFFICER, HEAD),
    _move(pb.STAGE_INVESTIGATION, pb.STAGE_DECIDED, OFFICER, HEAD, decision=True),
    _move(pb.STAGE_INVESTIGATION, pb.STAGE_NO_PENALTY, HEAD, reason=True),
    _move(pb.STAGE_INVESTIGATION, pb.STAGE_WITHDRAWN, HEAD, reason=True),
    _move(pb.STAGE_LEGAL_REVIEW, pb.STAGE_INVESTIGATION, LEGAL, HEAD, reason=True),
    _move(pb.STAGE_LEGAL_REVIEW, pb.STAGE_DECIDED, OFFICER, HEAD, decision=True),
    _move(pb.STAGE_LEGAL_REVIEW, pb.STAGE_NO_PENALTY, HEAD, reason=True),
    _move(pb.STAGE_LEGAL_REVIEW, pb.STAGE_WITHDRAWN, HEAD, reason=True),
    _move(pb.STAGE_DECIDED, pb.STAGE_EXECUTION, OFFICER, HEAD),
    _move(pb.STAGE_DECIDED, pb.STAGE_CLOSED, OFFICER, HEAD),
    _move(pb.STAGE_DECIDED, pb.STAGE_WITHDRAWN, HEAD, reason=True),
    _move(pb.STAGE_EXECUTION, pb.STAGE_CLOSED, OFFICER, HEAD),
    _move(pb.STAGE_NO_PENALTY, pb.STAGE_CLOSED, OFFICER, HEAD),
    _move(pb.STAGE_CLOSED, pb.STAGE_INVESTIGATION, HEAD, reason=True),
)

BY_STAGES = {(move.from_stage, move.to_stage): move for move in MOVES}
ENDED = frozenset({pb.STAGE_CLOSED, pb.STAGE_WITHDRAWN, pb.STAGE_NOT_OPENED})
"""Stages in which a case takes no more changes; CLOSED can be reopened by the head with a reason."""
DECIDED = frozenset({pb.STAGE_DECIDED, pb.STAGE_EXECUTION, pb.STAGE_CLOSED})
FIRST = frozenset({pb.STAGE_RECEIVED, pb.STAGE_OPENED, pb.STAGE_INVESTIGATION})
"""Stages in which a case may be entered; a case entered with a decision starts in DECIDED."""


def possible_moves(stage: pb.Stage.ValueType, roles: frozenset[str]) -> list[pb.Stage.ValueType]:
    """Return the stages that a holder of `roles` may move a case to from `stage`, in table order."""
    return [move.to_stage for move in MOVES if move.from_stage == stage and move.roles & roles]
