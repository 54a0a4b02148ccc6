"""What a service cannot work without, asked again and again by a real round trip: readiness is what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from liangfa_kit.errors import PlatformError

_log = structlog.get_logger("liangfa.dependencies")
_EVERY_SECONDS = 2.0
_FIRST_ANSWER_SECONDS = 10.0
_ONLY_BUSY = frozenset({"DATABASE_TOO_SLOW", "DATABASE_BUSY"})
"""Answers of something that is there and has much to do: turning callers away would move the load, not lift it."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A database or an event log. `visit` makes a round trip to it and raises when it cannot be used.

    Without one that `calls_need` no call can be answered; without another one calls are, and its effects wait.
    """

    name: str
    visit: Callable[[], Awaitable[object]]
    calls_need: bool = True


@dataclass(slots=True)
class Watched:
    """The dependencies of one service and what came back from them last; silence longer than allowed is a trouble too."""

    dependencies: Sequence[Dependency]
    silent_seconds: float = 30.0
    _troubles: dict[str, str] = field(default_factory=dict)
    _asked_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._troubles = {one.name: f"{one.name} has not answered yet." for one in self.dependencies}

    def troubles(self, *, only_calls: bool = False) -> list[str]:
        """Return what does not answer; with `only_calls` what keeps calls from being answered."""
        found = []
        for one in self.dependencies:
            waited = time.monotonic() - self._asked_at.get(one.name, time.monotonic())
            silent = f"{one.name} has not answered for {waited:.0f} s." if waited > self.silent_seconds else ""
            trouble = silent or self._troubles.get(one.name, "")
            if trouble and (one.calls_need or not only_calls):
                found.append(trouble)
        return found

    async def ask_all(self) -> None:
        """Ask each once, so that what is said at the start is true already; a silent one is not waited for."""
        if self.dependencies:
            visits = [asyncio.create_task(self._ask(one)) for one in self.dependencies]
            _, pending = await asyncio.wait(visits, timeout=_FIRST_ANSWER_SECONDS)
            for visit in pending:
                visit.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def run(self) -> None:
        """Ask all of them every two seconds until cancelled; one that is silent holds up no other."""
        await asyncio.gather(*(self._ask_on(one) for one in self.dependencies))

    async def _ask_on(self, dependency: Dependency) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self._ask(dependency)

    async def _ask(self, dependency: Dependency) -> None:
        name = dependency.name
        self._asked_at[name] = time.monotonic()
        try:
            await dependency.visit()
        except PlatformError as error:
            if error.reason not in _ONLY_BUSY:
                self._tell(name, f"{name} cannot be used: {error.reason}.")
        except Exception as error:  # noqa: BLE001 - or what came back before would be believed for ever
            self._tell(name, f"{name} cannot be used: {type(error).__name__}.")
        else:
            self._tell(name, "")
        finally:
            self._asked_at.pop(name, None)

    def _tell(self, name: str, trouble: str) -> None:
        if trouble != self._troubles.get(name):
            _log.log(30 if trouble else 20, "dependency", name=name, trouble=trouble)
        self._troubles[name] = trouble
