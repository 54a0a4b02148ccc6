"""Identifiers: UUIDv7 (RFC 9562), time-ordered so that indexes grow at one end."""

from __future__ import annotations

import os
import threading

from liangfa_kit.clock import Clock, to_micros


class UuidSequence:
    """Makes UUIDv7 strings that never go backwards within one process.

    The 48-bit millisecond is taken from the clock; the 12 bits after it count within the millisecond,
    so that ids of one commit train sort in the order in which they were made (RFC 9562, method 1).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """Return the next id: 36 lower-case characters."""
        now = to_micros(self._clock.now()) // 1000 << 12
        with self._lock:
            self._last = now if now > self._last else self._last + 1
            stamp = self._last
        tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        text = f"{stamp >> 12:012x}7{stamp & 0xFFF:03x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
