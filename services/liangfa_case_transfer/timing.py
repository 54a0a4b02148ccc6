"""Clocks of a transfer: started and ended by the events of steps, as the procedure's rules say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from liangfa_case_transfer.authority import party
from liangfa_case_transfer.tables import clocks
from liangfa_kit.clock import to_micros
from liangfa_kit.work import Work
from liangfa_procedure.clocks import BEIJING, Calendar, Due, Extension, Pause, due
from liangfa_procedure.escalation import Rung, ladder
from liangfa_procedure.rules import NAMED_BY_DOCUMENT, VERSION, Duration, Rule, Rules, Use
from liangfa_procedure.steps import BEGINNINGS, Procedure, Scope, Step, restorable
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

(BEGINNING,) = BEGINNINGS[Scope.TRANSFER]
_RUNNING = (pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_SUSPENDED)


class Clocks:
    """The clocks of one transfer that a command can touch; `touched` are those that it has changed.

    They are those that run, options that have closed and can still be used too late, and duties that were kept and can be
    taken up again. `count` is how many limits the transfer has started in all, which numbers the next one.
    """

    def __init__(self, transfer: pb.Transfer, work: Work, calendar: Calendar, count: int) -> None:
        self._transfer = transfer
        self._work = work
        self._calendar = calendar
        rows = work.rows(clocks, "open_of", transfer.id)
        self.count = count
        self._all = {row["id"]: pb.Clock.FromString(row["body"]) for row in rows}
        self._started: set[str] = set()
        self.touched: dict[str, pb.Clock] = {}
        self.found_late: list[pb.Clock] = []
        """Options that had closed when the step that they were for was taken after all: too late."""

    def running(self, clock_id: str) -> pb.Clock | None:
        """Return a clock that has not ended."""
        clock = self._all.get(clock_id)
        return clock if clock is not None and clock.state in _RUNNING else None

    def begins_after(self, step: Step, suspect_id: str, at: datetime) -> bool:
        """Tell whether a limit that the step would end began only after `at`."""
        return any(
            Rules.load().rule(clock.rule_id).ends_on in step.tells and clock.started_at.ToDatetime(tzinfo=UTC) > at
            for clock in self._meant(suspect_id)
        )

    def take(self, step: Step, suspect_id: str, at: datetime) -> None:
        """Do what a step does to the clocks: end, pause, resume, make moot, start."""
        kept = [clock for clock in self._ended(pb.CLOCK_STATE_STOPPED) if clock.rule_id in step.restores]
        self._find_late(set(step.tells), suspect_id, at)
        self._end(set(step.tells), suspect_id, at)
        for clock in self._meant(suspect_id):
            rule = Rules.load().rule(clock.rule_id)
            if step.ends_rule(rule):
                self._close(clock, pb.CLOCK_STATE_MOOT, at)
            elif rule.id in step.pauses:
                self._change(clock, "suspended", step.name_zh, at)
            elif rule.id in step.resumes:
                self._change(clock, "resumed", step.name_zh, at)
        for clock in kept:
            self._restore(clock, step.name_zh, at)
        if step.to_state == BEGINNING and not step.restores:  # the way begins anew: what was kept before stays kept
            for clock in self._ended(pb.CLOCK_STATE_STOPPED):
                self._release(clock)
        self.start(step.tells, suspect_id, at)

    def receive(self, receipt: pb.Receipt, at: datetime) -> None:
        """Do what signing for a receipt does: end what it answers, start what runs from it and was not ended meanwhile."""
        events = Procedure.load().step(receipt.step).on_receipt
        self._end(set(events), receipt.suspect_id, at)
        self.start(events, receipt.suspect_id, at, moot=receipt.moot, named_limit=receipt.reply_by)

    def end_awaited(self, receipt: pb.Receipt, step: Step | None) -> bool:
        """Note on an open receipt which limits its signature no longer starts after `step`; None: the transfer is closed.

        Returns whether there were any: a limit that waits for the signature is ended like one that runs.
        """
        waiting = starts_on_receipt(receipt, self._transfer.sector)
        ended = [rule.id for rule in waiting if step is None or rule.ends_on in step.tells or step.ends_rule(rule)]
        receipt.moot.extend(ended)
        return bool(ended)

    def start(
        self, events: Iterable[str], suspect_id: str, at: datetime, *, moot: Collection[str] = (), named_limit: str = ""
    ) -> None:
        """Start what `events` start, but for the rules in `moot`; a clock of the same rule that runs already is replaced.

        `named_limit` is the last day (ISO date) that the document handed over names for its answer.
        """
        for event in events:
            for rule in Rules.load().started_by(event, self._transfer.sector):
                if rule.id in moot:
                    continue
                for clock in self._meant(suspect_id):
                    if clock.rule_id == rule.id and clock.suspect_id == suspect_id:
                        self._close(clock, pb.CLOCK_STATE_MOOT, at)
                for clock in self._ended(pb.CLOCK_STATE_LAPSED, pb.CLOCK_STATE_STOPPED):
                    if (clock.rule_id, clock.suspect_id) == (rule.id, suspect_id):
                        self._release(clock)
                clock = self._new(rule, suspect_id, at, named_limit)
                self._started.add(clock.id)
                self._put(clock)

    def pass_on(self, former: str) -> None:
        """Let the transfer's receiver owe what the organ `former` owed, but for what passing it on has just begun."""
        for clock in list(self._all.values()):
            if clock.state in _RUNNING:
                if clock.owes_id == former and clock.id not in self._started:
                    clock.owes_id = self._transfer.receiver.id
                    self._put(clock)
                self._work.save(clocks, clock_row(clock, self._transfer))  # it names the sides

    def extend(self, clock: pb.Clock, extension: Extension, track: str, at: datetime) -> None:
        """Give a clock more time, keeping the end that it had."""
        change = self._changed(clock, "extended", extension.ground, at)
        change.length, change.added = str(extension.length), extension.is_added
        change.approver = extension.approver
        change.what = f"extended: {track}"
        _forget_told(clock)
        self._count(clock)

    def changes_nothing(self, step: Step, suspect_id: str) -> bool:
        """Tell whether `step` would suspend limits that are suspended already, or resume such as run."""
        wanted = pb.CLOCK_STATE_RUNNING if step.pauses else pb.CLOCK_STATE_SUSPENDED
        meant = [clock for clock in self._meant(suspect_id) if clock.rule_id in step.pauses | step.resumes]
        return bool(meant) and all(clock.state != wanted for clock in meant)

    def change_custody(self, suspect_id: str, ground: str, at: datetime) -> None:
        """Count the suspect's running limits anew: in custody no last day is moved (刑事诉讼法第一百零五条)."""
        for clock in self._meant(suspect_id):
            if clock.suspect_id != suspect_id or clock.state != pb.CLOCK_STATE_RUNNING or clock.id in self._started:
                continue
            before = clock.due_at.ToMicroseconds()
            recount(clock, self._in_custody(suspect_id), self._calendar, ground, at)
            if clock.due_at.ToMicroseconds() != before:
                self._put(clock)

    def end_moot(self, at: datetime) -> None:
        """End whatever runs still: the transfer is closed."""
        for clock in list(self._all.values()):
            if clock.state in _RUNNING:
                self._close(clock, pb.CLOCK_STATE_MOOT, at)

    def _meant(self, suspect_id: str) -> Sequence[pb.Clock]:
        """Return the running clocks that a step about `suspect_id` can touch: its own, and those of the whole case."""
        return [
            clock
            for clock in self._all.values()
            if clock.state in _RUNNING and clock.suspect_id in {"", suspect_id}
        ]  # fmt: skip

    def _end(self, events: set[str], suspect_id: str, at: datetime) -> None:
        courses = {suspect.state for suspect in self._transfer.suspects}
        for clock in self._meant(suspect_id):
            rule = Rules.load().rule(clock.rule_id)
            if rule.ends_on in events and not rule.goes_on(clock.suspect_id, courses):
                self._close(clock, pb.CLOCK_STATE_STOPPED, at)

    def _find_late(self, events: set[str], suspect_id: str, at: datetime) -> None:
        """Call missed what had quietly passed, once the step that it was for comes too late after all."""
        for clock in self._ended(pb.CLOCK_STATE_LAPSED):
            rule = Rules.load().rule(clock.rule_id)
            is_meant = clock.suspect_id in {"", suspect_id}
            if is_meant and rule.ends_on in events and rule.is_owed_if_taken:
                clock.missed_at.CopyFrom(clock.due_at)
                self.found_late.append(clock)
                self._close(clock, pb.CLOCK_STATE_STOPPED, at)

    def _ended(self, *states: pb.ClockState.ValueType) -> list[pb.Clock]:
        return [clock for clock in self._all.values() if clock.state in states and clock.id not in self._started]

    def _release(self, clock: pb.Clock) -> None:
        """Let no step ask after an ended clock any more."""
        self._work.save(clocks, clock_row(self._all.pop(clock.id), self._transfer) | {"open_of": None})

    def _restore(self, clock: pb.Clock, ground: str, at: datetime) -> None:
        """Let a duty that was kept run on: it ends when it did, and whoever is late with it now is told of it anew."""
        _forget_told(clock)
        clock.ClearField("ended_at")
        self._change(clock, "restored", ground, at)

    def _close(self, clock: pb.Clock, state: pb.ClockState.ValueType, at: datetime) -> None:
        clock.state = state
        clock.ended_at.FromDatetime(at)
        self._put(clock)

    def _change(self, clock: pb.Clock, what: str, ground: str, at: datetime) -> None:
        self._changed(clock, what, ground, at)
        self._count(clock)

    def _changed(self, clock: pb.Clock, what: str, ground: str, at: datetime) -> pb.ClockChange:
        return noted(clock, what, ground, at)

    def _count(self, clock: pb.Clock) -> None:
        fill_in(clock, counted(clock, self._in_custody(clock.suspect_id), self._calendar))
        self._put(clock)

    def _new(self, rule: Rule, suspect_id: str, at: datetime, named_limit: str) -> pb.Clock:
        self.count += 1
        clock = pb.Clock(
            id=f"{self._transfer.id}/{rule.id}/{self.count}",
            number=self.count,
            transfer_id=self._transfer.id,
            suspect_id=suspect_id,
            rule_id=rule.id,
            rule_version=VERSION,
            title_zh=rule.title_zh,
            title_en=rule.title_en,
            use=rule.use.value,
            owes=rule.owes,
            owes_id=party(self._transfer, rule.owes).id,
            tells=rule.tells,
            source=rule.source,
            article=rule.article,
            confidence=rule.confidence,
            named_limit=named_limit if rule.starts_on in NAMED_BY_DOCUMENT else "",
        )
        clock.started_at.FromDatetime(at)
        fill_in(clock, counted(clock, self._in_custody(suspect_id), self._calendar))
        return clock

    def _in_custody(self, suspect_id: str) -> bool:
        return is_held(self._transfer, suspect_id)

    def _put(self, clock: pb.Clock) -> None:
        self._all[clock.id] = self.touched[clock.id] = clock
        self._work.save(clocks, clock_row(clock, self._transfer))


def is_held(transfer: pb.Transfer, suspect_id: str) -> bool:
    """Tell whether the suspect is in custody."""
    return any(suspect.id == suspect_id and suspect.in_custody for suspect in transfer.suspects)


def noted(clock: pb.Clock, what: str, ground: str, at: datetime) -> pb.ClockChange:
    """Return a new change of the clock, with the end that it had."""
    change = clock.changes.add(what=what, ground=ground)
    change.at.FromDatetime(at)
    if clock.HasField("due_at"):
        change.earlier_due_at.CopyFrom(clock.due_at)
    return change


def recount(clock: pb.Clock, in_custody: bool, calendar: Calendar, ground: str, at: datetime) -> None:
    """Count a running clock anew; the end that it had is kept where it has another one now."""
    found = counted(clock, in_custody, calendar)
    before = clock.due_at.ToDatetime(tzinfo=UTC)
    if found.due_at is not None and found.due_at != before:
        noted(clock, "recounted", ground, at)
        if found.due_at > before:
            _forget_told(clock)
    fill_in(clock, found)


def starts_on_receipt(receipt: pb.Receipt, sector: str) -> list[Rule]:
    """Return the rules whose limits begin when the receipt is signed for."""
    events = Procedure.load().step(receipt.step).on_receipt
    waiting = (rule for event in events for rule in Rules.load().started_by(event, sector))
    return [rule for rule in waiting if rule.id not in receipt.moot]


def counted(clock: pb.Clock, in_custody: bool, calendar: Calendar) -> Due:
    """Return when a clock ends, with all its changes, on the calendar of now."""
    extensions: list[Extension] = []
    pauses: list[Pause] = []
    for change in clock.changes:
        at = change.at.ToDatetime(tzinfo=UTC)
        if change.what == "suspended":
            pauses.append(Pause(at, None, change.ground))
        elif change.what == "resumed" and pauses:
            pauses[-1] = Pause(pauses[-1].since, at, pauses[-1].ground)
        elif change.length:
            extensions.append(Extension(Duration.read(change.length), change.ground, change.approver, change.added))
    started = clock.started_at.ToDatetime(tzinfo=UTC)
    rule = Rules.load().rule(clock.rule_id)
    named = date.fromisoformat(clock.named_limit) if clock.named_limit else None
    return due(rule, started, calendar, extensions=extensions, pauses=pauses, in_custody=in_custody, named_limit=named)


def fill_in(clock: pb.Clock, found: Due) -> None:
    """Write a counted end into a running clock."""
    clock.state = pb.CLOCK_STATE_RUNNING if found.due_at else pb.CLOCK_STATE_SUSPENDED
    clock.ClearField("due_at")
    clock.ClearField("warn_at")
    if found.due_at is not None:
        clock.due_at.FromDatetime(found.due_at)
    if found.warn_at is not None and found.warn_at > clock.started_at.ToDatetime(tzinfo=UTC):
        clock.warn_at.FromDatetime(found.warn_at)
    clock.last_day = found.last_day.isoformat() if found.last_day else ""
    clock.calendar = found.calendar_name
    clock.explanation_zh, clock.explanation_en = found.explanation_zh, found.explanation_en
    clock.warnings[:] = found.warnings


def next_alarm(clock: pb.Clock) -> int | None:
    """Return when something is to be told of a clock next, in microseconds UTC; None when nothing is."""
    if clock.state != pb.CLOCK_STATE_RUNNING:
        return None
    due_at = clock.due_at.ToMicroseconds()
    if clock.HasField("missed_at"):
        rung = next_rung(clock)
        return None if rung is None else due_at + _micros(rung.after)
    last_day = last_day_begins(clock)
    moments = [due_at]
    if last_day is not None and not clock.HasField("reminded_at"):
        moments.append(last_day)
    if clock.HasField("warn_at") and not clock.HasField("warned_at") and not clock.HasField("reminded_at"):
        moments.append(clock.warn_at.ToMicroseconds())
    return min(moments)


def next_rung(clock: pb.Clock) -> Rung | None:
    """Return the rung of the ladder that is told next of a missed clock; None when all were told."""
    further = ladder(Rules.load().rule(clock.rule_id)).missed[1:]
    return further[clock.rungs_told] if clock.rungs_told < len(further) else None


def last_day_begins(clock: pb.Clock) -> int | None:
    """Return when the last day of a clock begins, in microseconds UTC; None when nobody is told of that.

    Limits in hours have no last day, and nobody is told on the day on which a limit began.
    """
    if not clock.last_day or not ladder(Rules.load().rule(clock.rule_id)).on_the_day:
        return None
    begins = to_micros(datetime.combine(date.fromisoformat(clock.last_day), time(), BEIJING))
    return begins if begins > clock.started_at.ToMicroseconds() else None


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def is_duty(clock: pb.Clock) -> bool:
    """Tell whether somebody fails when the clock runs out."""
    return clock.use == Use.DUTY.value


def _forget_told(clock: pb.Clock) -> None:
    """Let the clock be told of like any other: a miss that was told before is journalled."""
    for told in ("warned_at", "reminded_at", "rungs_told", "missed_at"):
        clock.ClearField(told)


def is_open(clock: pb.Clock) -> bool:
    """Tell whether a step can touch the clock: it runs, was kept and may run on, or lapsed and may be found kept too late."""
    if clock.state == pb.CLOCK_STATE_STOPPED:
        return clock.rule_id in restorable()
    is_lapsed = clock.state == pb.CLOCK_STATE_LAPSED
    return clock.state in _RUNNING or (is_lapsed and Rules.load().rule(clock.rule_id).is_owed_if_taken)


def clock_row(clock: pb.Clock, transfer: pb.Transfer) -> dict[str, Any]:
    """Return the row of a clock."""
    return {
        "id": clock.id,
        "transfer_id": clock.transfer_id,
        "number": clock.number,
        "open_of": clock.transfer_id if is_open(clock) else None,
        "is_running": clock.state in _RUNNING,
        "sender_id": transfer.sender.id,
        "receiver_id": transfer.receiver.id,
        "supervisor_id": transfer.supervisor.id,
        "owes_id": clock.owes_id,
        "due_at": clock.due_at.ToMicroseconds() if clock.HasField("due_at") else None,
        "next_alarm_at": next_alarm(clock),
        "body": clock.SerializeToString(deterministic=True),
    }
