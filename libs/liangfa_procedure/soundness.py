"""What makes a table of steps sound: every state can be reached, and from every state an end can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Move = tuple[frozenset[str], str]
"""The states that a step leads from, and the one that it leads to."""


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
