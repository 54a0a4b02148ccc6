"""The wires between the hosts of a test: it carries IP packets between TUN devices, late, or not at all.

Usage: python -m tests.faults.switch_process DEVICE=ADDRESS… It makes the devices and says `done`; from then on each line
of its input is the condition of one direction, `{"source", "target", "delay", "jitter", "loss"}` (seconds; loss from 0
to 1), which it answers with `done`. It ends with its input, and the devices with it.

It does what the kernel's `netem` does, which not every kernel has. Packets of one direction stay in order.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x1001
_PACKET_BYTES = 65_536
_AT_ONCE = 64
_LONGEST_WAIT_SECONDS = 1.0


@dataclass
class Direction:
    """How packets go from one host to another now. `last_due` keeps them in order."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    last_due: float = 0.0


class Switch:
    """The devices by address, what is under way, and the condition of each direction."""

    def __init__(self, devices: dict[bytes, int]) -> None:
        self.devices = devices
        self._directions: dict[tuple[bytes, bytes], Direction] = {}
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._numbers = itertools.count()
        self._chance = random.Random(20261123)

    def change(self, line: bytes) -> None:
        """Take a new condition. What is under way arrives nevertheless."""
        given = json.loads(line)
        direction = self._direction(*(socket.inet_aton(given.pop(end)) for end in ("source", "target")))
        direction.delay, direction.jitter, direction.loss = given["delay"], given["jitter"], given["loss"]

    def take(self, device: int, now: float) -> None:
        """Take what a host has sent."""
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(device, _PACKET_BYTES)
            except OSError:  # nothing more, or its end is down
                return
            target = self.devices.get(packet[16:20])
            if packet[0] >> 4 != 4 or target is None:
                continue
            way = self._direction(packet[12:16], packet[16:20])
            if way.loss and self._chance.random() < way.loss:
                continue
            way.last_due = max(way.last_due, now + way.delay + self._chance.uniform(-way.jitter, way.jitter))
            heapq.heappush(self._under_way, (way.last_due, next(self._numbers), target, packet))

    def deliver(self, now: float) -> float:
        """Hand over what is due; return the seconds until the next packet is."""
        while self._under_way and self._under_way[0][0] <= now:
            _, _, target, packet = heapq.heappop(self._under_way)
            try:
                os.write(target, packet)
            except OSError:  # its queue is full, or its end is down: lost, as on a wire
                continue
        return min(self._under_way[0][0] - now, _LONGEST_WAIT_SECONDS) if self._under_way else _LONGEST_WAIT_SECONDS

    def _direction(self, source: bytes, target: bytes) -> Direction:
        return self._directions.setdefault((source, target), Direction())


def device(name: str) -> int:
    """Make a TUN device. Raises `OSError` where that is not allowed."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return file


def say_done() -> None:
    sys.stdout.write("done\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    pairs = [argument.split("=") for argument in arguments]
    switch = Switch({socket.inet_aton(address): device(name) for name, address in pairs})
    say_done()
    rest, wait = b"", _LONGEST_WAIT_SECONDS
    while True:
        ready, _, _ = select.select([0, *switch.devices.values()], [], [], wait)
        for one in ready:
            if one:
                switch.take(one, time.monotonic())
                continue
            said = os.read(0, _PACKET_BYTES)
            if not said:
                return
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                switch.change(line)
                say_done()
        wait = max(0.0, switch.deliver(time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1:])
