"""The way from one state to another: the steps by which a course gets to where a story begins."""

from __future__ import annotations

from collections import deque

from liangfa_procedure.steps import Procedure, Scope, Step


def path(scope: Scope, origin: str, target: str) -> list[Step]:
    """Return the shortest legal way from `origin` to `target`; the first in the order of the table among equals.

    Raises `ValueError` when there is none. Steps that name another receiver, and those that may be taken only so often,
    are left aside unless there is no other way.
    """
    for spares in (True, False):
        found = _search(scope, origin, target, spares=spares)
        if found is not None:
            return found
    raise ValueError(f"no way leads from {origin} to {target}")


def _search(scope: Scope, origin: str, target: str, *, spares: bool) -> list[Step] | None:
    table = Procedure.load()
    ways: dict[str, list[Step]] = {origin: []}
    waiting = deque([origin])
    while waiting:
        here = waiting.popleft()
        if here == target:
            return ways[here]
        for step in table.allowed(here, scope):
            is_spared = spares and (step.most or "receiving_organ" in step.required_fields)
            if step.to_state is not None and step.to_state not in ways and not is_spared:
                ways[step.to_state] = [*ways[here], step]
                waiting.append(step.to_state)
    return None
