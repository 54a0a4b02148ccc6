"""What happens because time passes. It asks an index what is due, and lets a command decide: that is why it is told once.

Several replicas may run it: each finds the same rows, and the command that comes second finds nothing left to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from liangfa_kit.clock import Clock, to_micros

Alarm = Callable[[int], Awaitable[int]]
"""Tells what is due at an instant (microseconds UTC); returns how much it found, 0 when nothing is left."""

_ROUNDS = 100
"""At most so often is one alarm asked in a row: a clock that was set back must not make a loop without end."""


class Scheduler:
    """Runs alarms every `pause_seconds`, and once more at once while they find something."""

    def __init__(self, clock: Clock, alarms: Sequence[Alarm], *, pause_seconds: float = 5.0) -> None:
        self._clock = clock
        self._alarms = alarms
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(self._pause_seconds)

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
