"""Playing a scenario: the table decides each step, the clocks start and end, and whoever must be told is told.

Pure and without a clock of its own: years pass in no time. Where the story gives a day without an hour, a step ends
limits as early and starts them as late in that day as possible, so that nobody is called late who may have been in time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from liangfa_procedure.clocks import BEIJING, Due, Extension, Pause, due
from liangfa_procedure.escalation import ladder
from liangfa_procedure.rules import Rule, Rules, Use
from liangfa_procedure.scenario import FILED, Alert, Extended, Level, Moment, Scenario, Told
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.steps import Procedure, Refusal, Scope, Step

BEGINNINGS = {Scope.TRANSFER: "crime_suspected", Scope.SUSPECT: "investigated"}
"""Where a transfer begins by its first step, and a suspect when he is named."""
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario: alerts in the order of their days, the last states, and what a person must know."""

    alerts: tuple[Alert, ...]
    state: str
    suspects: dict[str, str]
    warnings: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield one JSON object a line: each alert in order, then what became of the transfer."""
        for alert in self.alerts:
            row = {"day": str(alert.day), "rule": alert.rule, "recipient": alert.recipient, "level": alert.level.value}
            yield json.dumps(row | ({"suspect": alert.suspect} if alert.suspect else {}), ensure_ascii=False)
        final = {"state": self.state, "suspects": self.suspects, "warnings": self.warnings}
        yield json.dumps(final, ensure_ascii=False)


@dataclass(slots=True)
class _Clock:
    rule: Rule
    suspect: str | None
    started_at: datetime
    in_custody: bool
    is_told: bool
    is_duty: bool
    named_limit: date | None
    extensions: list[Extension] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    levels: set[Level] = field(default_factory=set)
    extended_at: datetime | None = None


@dataclass(slots=True)
class _Unsigned:
    """What was sent and will be signed for; `moot` are the rules whose limits that no longer starts."""

    received: Moment
    told: Told
    moot: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Play:
    scenario: Scenario
    state: str | None
    suspects: dict[str, str]
    custody: dict[str, bool]
    clocks: list[_Clock] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    warnings: set[str] = field(default_factory=set)
    taken: dict[tuple[str, str | None], int] = field(default_factory=dict)
    unsigned: list[_Unsigned] = field(default_factory=list)
    now: datetime | None = None


class StepRefused(ScenarioInvalid):
    """The table does not allow a step of the story; `refusal` says why and names what it would allow."""

    reason = "SCENARIO_STEP_REFUSED"

    def __init__(self, refusal: Refusal, where: int) -> None:
        instead = f"; allowed: {', '.join(refusal.instead) or 'nothing'}"
        super().__init__((refusal.message_en + instead)[:_REASON_LENGTH], where)
        self.refusal = refusal


def play(scenario: Scenario) -> Outcome:
    """Play the scenario to the end of its last watched day. Raises `StepRefused` for a step the table does not allow."""
    suspects = dict.fromkeys(scenario.suspects, BEGINNINGS[Scope.SUSPECT])
    game = _Play(scenario, scenario.first_state, suspects, dict.fromkeys(scenario.suspects, False))
    for event in scenario.events:
        moment = _moment(event, game)
        _sign(game, moment.earliest)
        _watch(game, moment.earliest)
        game.now = max(game.now or moment.earliest, moment.earliest)
        if isinstance(event, Extended):
            _extend(game, event)
        else:
            _take(game, event, moment)
    end = scenario.end
    _sign(game, end)
    _watch(game, end)
    final = game.state or BEGINNINGS[Scope.TRANSFER]
    alerts = tuple(sorted(one for one in game.alerts if is_told_by(scenario, one.rule)))
    return Outcome(alerts, final, game.suspects, tuple(sorted({*game.warnings, *scenario.passed})))


def is_told_by(scenario: Scenario, rule_id: str) -> bool:
    """Whether an alert of this rule may be told of the story.

    Where the law says 立即 or 同时 and the number is the product's own (`kind: design`), a story that never comes to the
    step in question says nothing of it: silence in a story is no breach. The service itself alerts all the same. What is owed
    only to who asked for it (`asked_by`) is told only of a story in which somebody did.
    """
    rule = Rules.load().rule(rule_id)
    steps = [event.step for event in scenario.events if isinstance(event, Told)]
    if rule.asked_by and not any(step.id in rule.asked_by for step in steps):
        return False
    if rule.kind != "design":
        return True
    return any(rule.ends_on in {*step.tells, *step.on_receipt} for step in steps)


def _moment(event: Told | Extended, game: _Play) -> Moment:
    # A step without a date happened some time after the one before it: nothing can be called late by it.
    if event.moment is None:
        return Moment.of(game.now or game.scenario.begins)
    return event.moment.not_before(game.now) if game.now else event.moment


def _take(game: _Play, told: Told, moment: Moment) -> None:
    step = told.step
    _allow(game, told)
    if told.suspect is not None:
        game.suspects[told.suspect] = step.to_state or game.suspects[told.suspect]
        begins_or_ends = {"begins": True, "ends": False}.get(step.custody, game.custody[told.suspect])
        game.custody[told.suspect] = begins_or_ends if told.custody is None else told.custody
    elif step.to_state:
        game.state = step.to_state
    key = (step.id, told.suspect)
    game.taken[key] = game.taken.get(key, 0) + 1
    _sign_answered(game, told, moment)
    _pause(game, told, moment)
    _tell(game, told, step.tells, step, moment, is_dated=told.moment is not None)
    if told.received is None:
        _tell(game, told, step.on_receipt, None, moment, is_dated=told.moment is not None)
    elif step.on_receipt:
        game.unsigned.append(_Unsigned(told.received.not_before(moment.earliest), told))


def _sign(game: _Play, until: datetime) -> None:
    """Let what was sent before `until` be signed for, in the order of the receipts."""
    for sent in sorted(game.unsigned, key=lambda one: one.received.earliest):
        if sent.received.earliest <= until:
            _watch(game, sent.received.earliest)
            game.unsigned.remove(sent)
            _tell(game, sent.told, sent.told.step.on_receipt, None, sent.received, is_dated=True, moot=sent.moot)


def _sign_answered(game: _Play, told: Told, moment: Moment) -> None:
    """Let what the step answers be signed for: nobody answers what he has not received."""
    sides = {Procedure.load().roles[role].side for role in told.roles & told.step.roles}
    for sent in list(game.unsigned):
        begins = sent.told.step.on_receipt
        is_meant = sides & set(sent.told.step.receivers) and sent.told.suspect in {None, told.suspect}
        rules = Rules.load().by_id.values()
        if is_meant and any(rule.starts_on in begins and rule.ends_on in told.step.tells for rule in rules):
            game.unsigned.remove(sent)
            _tell(game, sent.told, begins, None, moment, is_dated=told.moment is not None, moot=sent.moot)


def _tell(
    game: _Play,
    told: Told,
    events: tuple[str, ...],
    step: Step | None,
    moment: Moment,
    *,
    is_dated: bool,
    moot: AbstractSet[str] = frozenset(),
) -> None:
    """End the clocks that `events` end (and those that `step` makes moot), then start those that they start."""
    _end(game, step, events, told.suspect)
    for event in events:
        _start(game, event, told, moment, is_dated=is_dated, moot=moot)


def _allow(game: _Play, told: Told) -> None:
    step = told.step
    if game.state is None and step.scope is Scope.TRANSFER and step.to_state is not None and not step.from_states:
        return
    if told.suspect is not None and all(suspect != told.suspect for _, suspect in game.taken):
        # A suspect's course that begins in the middle begins where its first step can first be taken.
        game.suspects[told.suspect] = Procedure.load().first_from(step) or game.suspects[told.suspect]
    where = game.suspects[told.suspect] if told.suspect is not None else game.state or BEGINNINGS[Scope.TRANSFER]
    refusal = Procedure.load().refusal(step.id, where, told.roles)
    if refusal is not None:
        raise StepRefused(refusal, told.where)
    if told.suspect is not None and game.state != FILED:
        raise ScenarioInvalid(f"'{step.name_en}' is possible once the case is filed", told.where)
    if step.scope is Scope.TRANSFER and game.state == FILED and _is_terminal(step):
        courses = Procedure.load().states[Scope.SUSPECT]
        if going_on := [name for name, state in game.suspects.items() if not courses[state].is_terminal]:
            raise ScenarioInvalid(f"the course of {', '.join(going_on)} has not ended", told.where)
    if step.most and game.taken.get((step.id, told.suspect), 0) >= step.most:
        raise ScenarioInvalid(f"{step.id} is possible {step.most} times at most", told.where)


def _end(game: _Play, step: Step | None, events: tuple[str, ...], suspect: str | None) -> None:
    def is_ended(rule: Rule, of: str | None) -> bool:
        is_meant = of is None or of == suspect
        return (
            is_meant
            and not rule.goes_on(of, game.suspects.values())
            and (rule.ends_on in events or (step is not None and step.ends_rule(rule)))
        )

    game.clocks = [clock for clock in game.clocks if not is_ended(clock.rule, clock.suspect)]
    for sent in game.unsigned:  # a limit that waits for a signature ends like one that runs
        rules = (r for event in sent.told.step.on_receipt for r in Rules.load().started_by(event, game.scenario.sector))
        sent.moot.update(rule.id for rule in rules if is_ended(rule, sent.told.suspect))
    if game.state is not None and Procedure.load().states[Scope.TRANSFER][game.state].is_terminal:
        game.clocks, game.unsigned = [], []


def _is_terminal(step: Step) -> bool:
    return step.to_state is not None and Procedure.load().states[step.scope][step.to_state].is_terminal


def _pause(game: _Play, told: Told, moment: Moment) -> None:
    step = told.step
    for clock in game.clocks:
        if clock.suspect not in {None, told.suspect}:
            continue
        if clock.rule.id in step.pauses:
            clock.pauses.append(Pause(moment.earliest, None, step.name_zh))
        if clock.rule.id in step.resumes:
            clock.pauses = [replace(p, until=moment.latest) if p.until is None else p for p in clock.pauses]


def _start(game: _Play, event: str, told: Told, moment: Moment, *, is_dated: bool, moot: AbstractSet[str]) -> None:
    for rule in Rules.load().started_by(event, game.scenario.sector):
        if rule.id in moot:
            continue
        game.clocks = [c for c in game.clocks if (c.rule.id, c.suspect) != (rule.id, told.suspect)]
        if not is_dated:
            # Without the day of its start a limit cannot be counted: nobody is told anything about it.
            game.warnings.add(f"START_UNKNOWN {rule.id}")
            continue
        in_custody = told.suspect is not None and game.custody[told.suspect]
        comes_later = _comes_later(game.scenario, rule, told)
        is_told = rule.use is not Use.WINDOW or comes_later
        is_duty = rule.use is Use.DUTY or (rule.is_owed_if_taken and comes_later)
        named = told.fields.get("reply_by") if rule.starts_on == "penalty_opinion_received" else None
        clock = _Clock(rule, told.suspect, moment.latest, in_custody, is_told, is_duty, named)
        game.clocks.append(clock)


def _comes_later(scenario: Scenario, rule: Rule, told: Told) -> bool:
    """Whether the story goes on to what ends a window: then there was something to do within it after all."""
    for event in scenario.events:
        if isinstance(event, Told) and event.where > told.where:
            told_then = {*event.step.tells, *event.step.on_receipt}
            if rule.ends_on in told_then:
                return True
            if rule.starts_on in told_then:
                return False
    return False


def _extend(game: _Play, event: Extended) -> None:
    meant = event.suspect or (game.scenario.suspects[0] if len(game.scenario.suspects) == 1 else None)
    running = [c for c in game.clocks if c.rule.id == event.rule_id and c.suspect in {None, meant}]
    if not running:
        raise ScenarioInvalid(f"no clock of {event.rule_id} is running", event.where)
    for clock in running:
        track = next(track for track in clock.rule.tracks if track.name == event.track)
        if track.length is not None:
            clock.extensions.append(Extension(track.length, event.ground, event.approver, track.is_added))
            clock.levels.clear()
            clock.extended_at = event.moment.latest


def _watch(game: _Play, until: datetime) -> None:
    """Tell what becomes due up to and including `until`: each level of each clock once."""
    for clock in game.clocks:
        end = due(
            clock.rule,
            clock.started_at,
            game.scenario.calendar,
            extensions=clock.extensions,
            pauses=clock.pauses,
            in_custody=clock.in_custody,
            named_limit=clock.named_limit,
        )
        game.warnings.update(f"{code} {clock.rule.id}" for code in end.warnings)
        if not clock.is_told:
            continue
        resumed = max((pause.until for pause in clock.pauses if pause.until is not None), default=clock.started_at)
        for level, moment in _levels(clock, end):
            at = max(moment, resumed, clock.extended_at or resumed)
            if at <= until and level not in clock.levels:
                clock.levels.add(level)
                is_named = len(game.suspects) > 1
                game.alerts += _alerts(clock, level, at.astimezone(BEIJING).date(), is_named=is_named)


def _levels(clock: _Clock, end: Due) -> Iterator[tuple[Level, datetime]]:
    if end.warn_at is not None and end.warn_at > clock.started_at:
        yield Level.WARN, end.warn_at
    if end.due_at is not None and clock.is_duty:
        yield Level.OVERDUE, end.due_at


def _alerts(clock: _Clock, level: Level, day: date, *, is_named: bool) -> list[Alert]:
    rungs = ladder(clock.rule)
    names = rungs.warned if level is Level.WARN else clock.rule.tells
    suspect = clock.suspect if clock.suspect and is_named else ""
    return [Alert(day, clock.rule.id, name, level, suspect) for name in names]
