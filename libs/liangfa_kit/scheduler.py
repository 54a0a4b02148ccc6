"""What happens because time passes. It asks an index what is due, and lets a command decide: that is why it is told once.

Several replicas may run it: each finds the same rows, and the command that comes second finds nothing left to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from liangfa_kit.clock import Clock, to_micros

K = TypeVar("K")
Alarm = Callable[[int], Awaitable[int]]
"""Tells what is due at an instant (microseconds UTC); returns how much it told, 0 when nothing is left."""
_log = structlog.get_logger("liangfa.scheduler")

_ROUNDS = 100
"""At most so often is one alarm asked in a row: a clock that was set back must not make a loop without end."""


class Scheduler:
    """Runs alarms when `next_at` says that something is due, and once more at once while they find something.

    `next_at` returns when something is to be told next (microseconds UTC), None when nothing is. It is asked every
    `pause_seconds`, for another replica may have added something, or somebody may have set the machine's clock: so
    nothing is told later than a pause after its time. Without `next_at` the alarms themselves are asked as often.
    """

    def __init__(
        self,
        clock: Clock,
        alarms: Sequence[Alarm],
        *,
        pause_seconds: float = 1.0,
        next_at: Callable[[], Awaitable[int | None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._pause_seconds = pause_seconds
        self._next_at = next_at
        self._sleep = sleep

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            seconds = await self._seconds_left()
            if not seconds:
                told = await self.tick()
                if told and self._next_at is not None:
                    continue  # something more may have fallen due meanwhile
                seconds = self._pause_seconds  # what cannot be told makes no busy loop
            await self._sleep(seconds)

    async def tick(self) -> int:
        """Tell everything that is due now; return how much that was."""
        total = 0
        for alarm in self._alarms:
            for _ in range(_ROUNDS):
                count = await alarm(to_micros(self._clock.now()))
                total += count
                if not count:
                    break
        return total

    async def _seconds_left(self) -> float:
        """Return how long nothing is due, at most a pause; 0 when something is, or when nobody can say."""
        if self._next_at is None:
            return 0.0
        at = await self._next_at()
        left = self._pause_seconds if at is None else (at - to_micros(self._clock.now())) / 1_000_000
        return max(0.0, min(left, self._pause_seconds))


def alarm_of(
    due: Callable[[int, int], Awaitable[Sequence[K]]], tell: Callable[[K], Awaitable[object]], *, at_once: int = 200
) -> Alarm:
    """Return the alarm that tells up to `at_once` things together, so that they share a commit.

    `due(now, limit)` returns the keys of what is due, the longest due first; `tell` tells one. What cannot be told is
    logged and due again at the next look; it never silences the others, however much of it there is.
    """

    async def is_told(key: K) -> bool:
        try:
            await tell(key)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are told
            _log.exception("alarm_failed", key=key, exc_info=error)
            return False
        return True

    async def alarm(now: int) -> int:
        failing: set[K] = set()
        while keys := [key for key in await due(now, at_once + len(failing)) if key not in failing]:
            outcomes = await asyncio.gather(*map(is_told, keys))
            if told := sum(outcomes):
                return told
            failing.update(keys)
        return 0

    return alarm
