"""What makes a table of steps sound: every state can be reached, from every state an end can be, and no limit is stranded.

A limit is stranded where it runs and whoever owes it can no longer take the step that keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Move = tuple[frozenset[str], str]
"""The states that a step leads from, and the one that it leads to."""


@dataclass(frozen=True, slots=True)
class Act:
    """A step as the limits see it: those that it starts, those that it keeps, those that it ends without keeping them.

    A limit that runs from receipt counts as started by the step that gives the receipt: it waits for the signature, and
    is kept or ended meanwhile like one that runs.
    """

    id: str
    origins: frozenset[str]
    to: str | None
    starts: frozenset[str]
    keeps: frozenset[str]
    drops: frozenset[str]


def stranded(acts: Sequence[Act], ways: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the limits that run in a state in which they can neither be kept nor were ended on the way there.

    `ways` names, of every limit to be looked at, the steps that lead to the one that keeps it, where several are
    needed; for all others the step itself must be possible in every state in which the limit runs.
    """
    found = ((limit, _running(acts, limit) - _keeping(acts, limit, way)) for limit, way in ways.items())
    return [f"the limit {limit} is stranded in {', '.join(sorted(states))}" for limit, states in found if states]


def _running(acts: Sequence[Act], limit: str) -> set[str]:
    started = {act.to or origin for act in acts if limit in act.starts for origin in act.origins}
    goes_on = [act for act in acts if act.to is not None and limit not in act.keeps | act.drops]
    return _closure(frozenset(started), ((act.origins, act.to) for act in goes_on if act.to is not None))


def _keeping(acts: Sequence[Act], limit: str, way: frozenset[str]) -> set[str]:
    kept = frozenset(origin for act in acts if limit in act.keeps for origin in act.origins)
    backwards = (
        (frozenset({act.to}), origin)
        for act in acts
        if act.id in way and act.to is not None
        for origin in act.origins
    )  # fmt: skip
    return _closure(kept, backwards)


def unsound(terminal: Mapping[str, bool], moves: Iterable[Move], beginnings: frozenset[str]) -> list[str]:
    """Return what is wrong with a table, in the order of its states; empty when it is sound.

    `terminal` tells of every state whether it is an end; `beginnings` are the states in which a course may begin.
    """
    edges = list(moves)
    reached = _closure(beginnings, ((origins, to) for origins, to in edges))
    ends = frozenset(state for state, is_end in terminal.items() if is_end)
    backwards = ((frozenset({to}), origin) for origins, to in edges for origin in origins)
    ending = _closure(ends, backwards)
    return [
        *(f"the state {state} cannot be reached" for state in terminal if state not in reached),
        *(f"from the state {state} no end can be reached" for state in terminal if state not in ending),
    ]


def _closure(start: frozenset[str], moves: Iterable[Move]) -> set[str]:
    edges, found, grows = list(moves), set(start), True
    while grows:
        new = {to for origins, to in edges if origins & found} - found
        found |= new
        grows = bool(new)
    return found
