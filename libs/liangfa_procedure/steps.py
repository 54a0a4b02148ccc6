"""The procedure as one table: every step, forward and reverse, with who may take it, from where, with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from liangfa_procedure.documents import DocumentKind, documents
from liangfa_procedure.reading import CONFIDENCES, ProcedureError, read_data
from liangfa_procedure.rules import Rule, Rules, Use
from liangfa_procedure.soundness import Act, Move, stranded, unsound

ANY_OPEN = "*"
EVERYTHING = "*"


class Scope(StrEnum):
    """What a step moves: the transfer as a whole, or the course of one suspect after filing."""

    TRANSFER = "transfer"
    SUSPECT = "suspect"


OPENING_STEP = "suspect_crime"
"""The step that opens a transfer."""

SEPARATE_CASE = "separate_case"
"""Where the course of a suspect ends in one transfer because it goes on in another: by no step of the table."""
BEGINNINGS = {
    Scope.TRANSFER: frozenset({"crime_suspected"}),
    Scope.SUSPECT: frozenset({"investigated", SEPARATE_CASE}),
}
"""Where a transfer begins by its first step, and a suspect when he is named; and what is reached by no step."""


COURSES_RUN_IN = "filed"
"""The state of a transfer in which every suspect has a course of his own."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a transfer, or a suspect, stands."""

    id: str
    name_zh: str
    name_en: str
    is_terminal: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """Who takes steps, and on which side: agency, police, procuratorate or court."""

    id: str
    name_zh: str
    name_en: str
    side: str


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table. `reference` is the row of the procedure table (A6); `to_state` None leaves the state.

    `people` says how many people a field names at least; `tells` are the events on which clocks start and end, `on_receipt`
    those of the moment at which the other side has signed for what it was given; `ends` the clocks that it makes moot (`*`:
    all that do not stay); `restores` the duties that run on after it although an earlier step has kept them; `receivers` the
    sides that are handed something and sign for it, the first one what limits run from; `most` how often one suspect may see
    it, 0 for any number; `custody` says whether a suspect's custody `begins` or `ends` with it; `is_for_former_receiver`
    whether a police organ that has passed the case on may still take it.
    """

    id: str
    reference: str
    name_zh: str
    name_en: str
    scope: Scope
    from_states: frozenset[str]
    to_state: str | None
    roles: frozenset[str]
    documents_required: tuple[str, ...]
    required_fields: tuple[str, ...]
    people: Mapping[str, int] = field(hash=False)
    tells: tuple[str, ...]
    on_receipt: tuple[str, ...]
    ends: frozenset[str]
    pauses: frozenset[str]
    resumes: frozenset[str]
    restores: frozenset[str]
    receivers: tuple[str, ...]
    most: int
    custody: str
    is_for_former_receiver: bool
    source: str
    confidence: str

    @property
    def is_hand_over(self) -> bool:
        """Whether something passes from one side to another, for which both sides hold a receipt."""
        return bool(self.receivers)

    def ends_rule(self, rule: Rule) -> bool:
        """Tell whether the step makes limits of `rule` moot."""
        return rule.id in self.ends or (EVERYTHING in self.ends and not rule.stays)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step cannot be taken, and what can: ids of the steps that this role may take from this state."""

    reason: str
    message_zh: str
    message_en: str
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Procedure:
    """The table. `states` by scope and id, `steps` by id, in the order of the procedure."""

    states: Mapping[Scope, Mapping[str, State]]
    steps: Mapping[str, Step]
    roles: Mapping[str, Role]
    rows_without_step: Mapping[str, str] = field(repr=False)
    """Rows of the procedure table that are no step, and why."""

    @classmethod
    def load(cls) -> Procedure:
        """Return the table of the package, checked. Raises `ProcedureError` when it contradicts itself."""
        return _load()

    def step(self, step_id: str) -> Step:
        """Return a step. Raises `KeyError`."""
        return self.steps[step_id]

    def allowed(self, state: str, scope: Scope = Scope.TRANSFER) -> list[Step]:
        """Return the steps that somebody may take from `state`."""
        return [step for step in self.steps.values() if step.scope is scope and self.leads_from(step, state)]

    def leads_from(self, step: Step, state: str) -> bool:
        """Tell whether `step` may be taken from `state`."""
        if ANY_OPEN in step.from_states:
            return not self.states[step.scope][state].is_terminal
        return state in step.from_states

    def first_from(self, step: Step) -> str | None:
        """Return the first state, in the order of the table, that `step` leads from; None when it leads from all or none."""
        return next((state for state in self.states[step.scope] if state in step.from_states), None)

    def refusal(self, step_id: str, state: str, roles: frozenset[str]) -> Refusal | None:
        """Return why nobody with `roles` may take the step from `state`, None when they may."""
        step = self.steps.get(step_id)
        if step is None:
            return self._refused(
                "STEP_UNKNOWN", f"没有“{step_id}”这一步骤", f"there is no step {step_id}", state, roles
            )
        here = self.states[step.scope][state]
        if not self.leads_from(step, state):
            zh = f"当前状态“{here.name_zh}”不能进行“{step.name_zh}”"
            en = f"'{step.name_en}' cannot be taken from '{here.name_en}'"
            return self._refused("STEP_NOT_ALLOWED_HERE", zh, en, state, roles, step.scope)
        if not step.roles & roles:
            who = [self.roles[role] for role in self.roles if role in step.roles]
            zh = f"“{step.name_zh}”应由{'、'.join(role.name_zh for role in who)}进行"
            en = f"'{step.name_en}' is for the {' or the '.join(role.name_en for role in who)}"
            return self._refused("STEP_NOT_YOURS", zh, en, state, roles, step.scope)
        return None

    def _refused(
        self, reason: str, zh: str, en: str, state: str, roles: frozenset[str], scope: Scope = Scope.TRANSFER
    ) -> Refusal:
        if state not in self.states[scope]:
            return Refusal(reason, zh, en, ())
        return Refusal(reason, zh, en, tuple(step.id for step in self.allowed(state, scope) if step.roles & roles))


@cache
def _load() -> Procedure:
    data = read_data("steps.yaml")
    states = {
        scope: {
            name: State(name, row["zh"], row["en"], row.get("terminal", False))
            for name, row in data[f"{scope.value}_states"].items()
        }
        for scope in Scope
    }
    roles = {name: Role(name, row["zh"], row["en"], row["side"]) for name, row in data["roles"].items()}
    steps: dict[str, Step] = {}
    for scope in Scope:
        for row in data[f"{scope.value}_steps"]:
            step = _step(row, scope)
            if step.id in steps:
                raise ProcedureError(f"steps.yaml has {step.id} twice")
            steps[step.id] = step
    procedure = Procedure(states, steps, roles, data["refs_without_step"])
    for step in steps.values():
        _check(step, procedure, documents())
    for scope in Scope:
        if wrong := unsound(
            {name: state.is_terminal for name, state in states[scope].items()},
            _moves(procedure, scope),
            BEGINNINGS[scope],
        ):
            raise ProcedureError(f"steps.yaml, {scope.value}: {'; '.join(wrong)}")
        if wrong := stranded(acts(procedure, scope), duties(procedure)):
            raise ProcedureError(f"steps.yaml, {scope.value}: {'; '.join(wrong)}")
    return procedure


@cache
def restorable() -> frozenset[str]:
    """Return the rules whose limits some step takes up again after they were kept."""
    return frozenset[str]().union(*(step.restores for step in Procedure.load().steps.values()))


def duties(procedure: Procedure) -> dict[str, frozenset[str]]:
    """Return the limits in which somebody can fail, with the steps on the way to keeping them. Raises `ProcedureError`."""
    rules = Rules.load().by_id.values()
    found = {rule.id: rule.way for rule in rules if rule.use is Use.DUTY}
    if unknown := frozenset[str]().union(*found.values(), *(rule.asked_by for rule in rules)) - procedure.steps.keys():
        raise ProcedureError(f"clock_use.yaml names steps that do not exist: {sorted(unknown)}")
    if nowhere := {rule.while_any for rule in rules if rule.while_any} - procedure.states[Scope.SUSPECT].keys():
        raise ProcedureError(f"clock_use.yaml names states of a suspect that do not exist: {sorted(nowhere)}")
    return found


def acts(procedure: Procedure, scope: Scope) -> list[Act]:
    """Return the steps of `scope` as the limits see them. Those of the suspects count for the whole case where it is filed."""
    return [
        _act(step, scope, procedure)
        for step in procedure.steps.values()
        if step.scope is scope or scope is Scope.TRANSFER
    ]  # fmt: skip


def _act(step: Step, scope: Scope, procedure: Procedure) -> Act:
    rules = [rule for rule in Rules.load().by_id.values() if rule.use is not Use.UNUSED]
    keeps = frozenset(rule.id for rule in rules if rule.ends_on in step.tells)
    drops = frozenset(rule.id for rule in rules if step.ends_rule(rule))
    if step.scope is not scope:
        return Act(step.id, frozenset({COURSES_RUN_IN}), None, frozenset(), keeps, drops)
    origins = frozenset(name for name in procedure.states[scope] if procedure.leads_from(step, name))
    starts = frozenset(rule.id for rule in rules if rule.starts_on in {*step.tells, *step.on_receipt}) | step.restores
    if scope is Scope.TRANSFER and step.to_state is not None and procedure.states[scope][step.to_state].is_terminal:
        drops = frozenset(rule.id for rule in rules)  # whatever runs still ends with the transfer
    return Act(step.id, origins, step.to_state, starts, keeps, drops)


def _moves(procedure: Procedure, scope: Scope) -> list[Move]:
    return [
        (frozenset(name for name in procedure.states[scope] if procedure.leads_from(step, name)), step.to_state)
        for step in procedure.steps.values()
        if step.scope is scope and step.to_state is not None
    ]


def _step(row: dict[str, Any], scope: Scope) -> Step:
    return Step(
        id=row["id"],
        reference=row["ref"],
        name_zh=row["zh"],
        name_en=row["en"],
        scope=scope,
        from_states=frozenset(row["from"]),
        to_state=row.get("to"),
        roles=frozenset(row["by"]),
        documents_required=tuple(row.get("docs", ())),
        required_fields=tuple(row.get("needs", ())),
        people=row.get("people", {}),
        tells=tuple(row.get("tells", ())),
        on_receipt=tuple(row.get("on_receipt", ())),
        ends=frozenset(row.get("ends", ())),
        pauses=frozenset(row.get("pauses", ())),
        resumes=frozenset(row.get("resumes", ())),
        restores=frozenset(row.get("restores", ())),
        receivers=_sides(row.get("gives", ())),
        most=row.get("most", 0),
        custody=row.get("custody", ""),
        is_for_former_receiver=row.get("former_receiver", False),
        source=row["source"],
        confidence=row["confidence"],
    )


def _sides(gives: str | list[str]) -> tuple[str, ...]:
    return (gives,) if isinstance(gives, str) else tuple(gives)


def _check(step: Step, procedure: Procedure, kinds: Mapping[str, DocumentKind]) -> None:
    """Raise `ProcedureError` when a row names what does not exist."""
    rules = Rules.load().by_id
    states = procedure.states[step.scope]
    wrong = [
        *(f"state {name}" for name in step.from_states - {ANY_OPEN} if name not in states),
        *(f"state {name}" for name in (step.to_state,) if name is not None and name not in states),
        *(f"role {name}" for name in step.roles if name not in procedure.roles),
        *(f"document {name}" for name in step.documents_required if name not in kinds),
        *(
            f"rule {name}"
            for name in (step.ends - {EVERYTHING}) | step.pauses | step.resumes | step.restores
            if name not in rules
        ),
        *("one side to sign" for _ in step.on_receipt[:1] if len(step.receivers) != 1),
        *(
            f"side {side} to sign"
            for side in step.receivers
            if side not in {role.side for role in procedure.roles.values()}
        ),
        *(f"field {name}" for name in step.people if name not in step.required_fields),
        *(f"confidence {name}" for name in (step.confidence,) if name not in CONFIDENCES),
    ]
    if wrong:
        raise ProcedureError(f"steps.yaml, {step.id}: there is no {', no '.join(wrong)}")
