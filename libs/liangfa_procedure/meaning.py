"""What the words of a story mean where several steps are called alike: the ones that make the whole story possible.

`立案` is the police's own decision, one on reconsideration or one on the procuratorate's notice, whichever can be taken from where the
story stands. Of several the first not yet taken is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from liangfa_procedure.steps import ANY_OPEN, COURSES_RUN_IN, Procedure, Scope, Step

_State = tuple[str | None, tuple[str | None, ...]]
"""Where the transfer stands and each suspect; None: the story has not said."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a story as told: the steps that its word may mean, and whom it names. No names: whom it can concern."""

    choices: tuple[Step, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meant:
    """The step that a line means and the suspects whom it concerns (none for a step of the whole transfer)."""

    step: Step
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Path:
    """What the lines so far mean; `taken` are the steps among them."""

    meant: Meant
    before: _Path | None
    taken: frozenset[str]


def meanings(lines: Sequence[Line], suspects: tuple[str, ...], begins_in: str | None) -> list[Meant]:
    """Return what each line means. From a line on that nothing makes possible the first choices stand: playing refuses them."""
    reached: dict[_State, _Path | None] = {(begins_in, (None,) * len(suspects)): None}
    for line in lines:
        further: dict[_State, _Path | None] = {}
        for state, path in reached.items():
            for meant, then in _possible(line, state, suspects, path.taken if path else frozenset()):
                further.setdefault(then, _onward(meant, path))
        if not further:
            state, path = next(iter(reached.items()))
            step = line.choices[0]
            names = (line.names or suspects) if step.scope is Scope.SUSPECT else ()
            further = {state: _onward(Meant(step, names), path)}
        reached = further
    found: list[Meant] = []
    path = next(iter(reached.values()))
    while path is not None:
        found.append(path.meant)
        path = path.before
    return found[::-1]


def _onward(meant: Meant, path: _Path | None) -> _Path:
    return _Path(meant, path, (path.taken if path else frozenset()) | {meant.step.id})


def _possible(
    line: Line, state: _State, suspects: tuple[str, ...], taken: frozenset[str]
) -> Iterator[tuple[Meant, _State]]:
    for step in sorted(line.choices, key=lambda step: (step.id in taken, not _is_near(step, line, state, suspects))):
        if step.scope is Scope.TRANSFER:
            yield from _of_transfer(step, state)
        elif state[0] in {None, COURSES_RUN_IN}:
            yield from _of_suspects(step, line.names, state[1], suspects)


def _is_near(step: Step, line: Line, state: _State, suspects: tuple[str, ...]) -> bool:
    """Whether the step belongs to where the story has brought a suspect: 通知行政机关 after 撤案 tells of the withdrawal."""
    if step.scope is not Scope.SUSPECT:
        return False
    here = [course for name, course in zip(suspects, state[1], strict=True) if name in (line.names or suspects)]
    return any(course is not None and Procedure.load().leads_from(step, course) for course in here)


def _of_transfer(step: Step, state: _State) -> Iterator[tuple[Meant, _State]]:
    table, here = Procedure.load(), state[0]
    if here is None and ANY_OPEN not in step.from_states:
        here = table.first_from(step) or step.to_state
    elif here is not None and not table.leads_from(step, here):
        return
    yield Meant(step, ()), (step.to_state or here, state[1])


def _of_suspects(
    step: Step, names: tuple[str, ...], courses: tuple[str | None, ...], suspects: tuple[str, ...]
) -> Iterator[tuple[Meant, _State]]:
    table = Procedure.load()
    can = {name for name, here in zip(suspects, courses, strict=True) if here is None or table.leads_from(step, here)}
    meant = tuple(name for name in names or suspects if name in can)
    if not meant or (names and len(meant) < len(names)):
        return
    then = tuple(
        step.to_state or here or table.first_from(step) if name in meant else here
        for name, here in zip(suspects, courses, strict=True)
    )
    yield Meant(step, meant), (COURSES_RUN_IN, then)
