"""One instant for each step of a story that may give days alone: for playing it where a step happens at one moment.

The hours that the story leaves out are chosen so that nobody is late, or near the end, who may not have been: as late as
the story allows, but early enough to end what runs in hours before it is spoken of, then before it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from liangfa_procedure.clocks import HOURS_WARNED
from liangfa_procedure.rules import Rules
from liangfa_procedure.scenario import Extended, Moment, Scenario, Told

_Edge = tuple[int, int, timedelta]
"""The second event happens at most so much after the first (negative: before it)."""
_MINUTE = timedelta(minutes=1)


def instants(scenario: Scenario) -> list[datetime]:
    """Return when each event of the story happens, never going back. A step without a day happens with the one before it."""
    bounds = _bounds(scenario)
    earliest = [moment.earliest for moment in bounds]
    chosen = [moment.latest for moment in bounds]
    edges = [
        *((later, later - 1, timedelta()) for later in range(1, len(bounds))),
        *((n - 1, n, timedelta()) for n, event in enumerate(scenario.events) if n and event.moment is None),
        *_hours(scenario, bounds),
    ]
    for _ in chosen:
        before = list(chosen)
        for source, target, most in edges:
            chosen[target] = max(earliest[target], min(chosen[target], chosen[source] + most))
        if chosen == before:
            break
    for n in range(1, len(chosen)):
        chosen[n] = max(chosen[n], chosen[n - 1])
    return chosen


def _bounds(scenario: Scenario) -> list[Moment]:
    found = [Moment.of(scenario.begins)]
    for event in scenario.events:
        found.append(found[-1] if event.moment is None else event.moment.not_before(found[-1].earliest))
    return found[1:]


def _hours(scenario: Scenario, bounds: list[Moment]) -> Iterator[_Edge]:
    """Yield what limits in hours ask of the steps that start and end them, wherever that can be had."""
    for first, event in enumerate(scenario.events):
        for event_id in event.step.tells if isinstance(event, Told) else ():
            for rule in Rules.load().started_by(event_id, scenario.sector):
                last = _ended(scenario.events, first, rule.ends_on)
                length = timedelta(hours=rule.duration.hours)
                if not length or last is None:
                    continue
                room = bounds[first].latest + length - bounds[last].earliest
                if room > HOURS_WARNED:
                    yield first, last, length - HOURS_WARNED - _MINUTE
                elif room > timedelta():
                    yield first, last, length - _MINUTE


def _ended(events: tuple[Told | Extended, ...], first: int, ends_on: str) -> int | None:
    later = (
        n for n, event in enumerate(events) if n > first and isinstance(event, Told) and ends_on in event.step.tells
    )
    return next(later, None)
