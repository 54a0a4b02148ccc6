"""Identifiers: UUIDv7 (RFC 9562), time-ordered so that indexes grow at one end."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator

from liangfa_kit.clock import Clock, to_micros

_DRAWN_AT_ONCE = 128


class UuidSequence:
    """Makes UUIDv7 strings that never go backwards within one process.

    The 48-bit millisecond is taken from the clock; the 12 bits after it count within the millisecond,
    so that ids of one commit train sort in the order in which they were made (RFC 9562, method 1).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._chance: Iterator[tuple[int]] = iter(())

    def __call__(self) -> str:
        """Return the next id: 36 lower-case characters."""
        now = to_micros(self._clock.now()) // 1000 << 12
        with self._lock:
            self._last = stamp = now if now > self._last else self._last + 1
            drawn = next(self._chance, None)
            if drawn is None:  # the system is asked for many ids at once: each call costs more than all else here
                self._chance = struct.iter_unpack("Q", os.urandom(8 * _DRAWN_AT_ONCE))
                drawn = next(self._chance)
        tail = drawn[0] & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        head = f"{stamp >> 12:012x}"
        return f"{head[:8]}-{head[8:]}-7{stamp & 0xFFF:03x}-{tail >> 48:04x}-{tail & 0xFFFF_FFFF_FFFF:012x}"
