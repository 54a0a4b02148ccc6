"""Two hosts on one machine: this one, and a network namespace that a thread of a test moves into, with a link to cut.

A link that is down says nothing: no end of a connection comes through it, which is what a pulled cable does and a killed
server does not.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
MISSING = "NETWORK TESTS SKIPPED: they need root and iproute2 (`apt-get install iproute2`), to make a network namespace"


class Link:
    """A namespace and its link to this host, where servers listen on `here`."""

    def __init__(self) -> None:
        number = os.getpid() % 16_000
        self.name = f"liangfa{number}"
        self._ours, self._theirs = f"lfo{number}", f"lft{number}"
        network = f"10.{201 + number // 64 // 250}.{number // 64 % 250}."
        self.here, self._there = (f"{network}{number % 64 * 4 + last}" for last in (1, 2))

    def make(self) -> None:
        """Make it. Raises `CalledProcessError` where that is not allowed."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.name)
        _ip("address", "add", f"{self.here}/30", "dev", self._ours)
        _ip("-n", self.name, "address", "add", f"{self._there}/30", "dev", self._theirs)
        for device in ("lo", self._theirs):
            _ip("-n", self.name, "link", "set", device, "up")
        _ip("link", "set", self._ours, "up")

    def cut(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self._ours, "down")

    def heal(self) -> None:
        """Put it back."""
        _ip("link", "set", self._ours, "up")

    def drop(self) -> None:
        """Remove the namespace and with it the link."""
        _ip("netns", "delete", self.name)

    def inside(self, work: Callable[[], T]) -> T:
        """Do it in a thread of the namespace; threads that it starts are there too. Raises what it raises."""
        outcome: list[T] = []
        error: list[BaseException] = []

        def run() -> None:
            try:
                _move_to(self.name)
                outcome.append(work())
            except BaseException as raised:  # noqa: BLE001 - raised again in the test's own thread
                error.append(raised)

        thread = threading.Thread(target=run, name="elsewhere")
        thread.start()
        thread.join()
        if error:
            raise error[0]
        return outcome[0]


def _move_to(space: str) -> None:
    """Move the thread that calls into a namespace. Raises `OSError`."""
    with Path(f"/run/netns/{space}").open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def link() -> Iterator[Link]:
    """Make a link for the length of a block. Skips the test where that cannot be."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip(MISSING)
    found = Link()
    try:
        found.make()
        found.inside(lambda: None)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"{MISSING} ({error})")
    try:
        yield found
    finally:
        found.drop()


def _ip(*arguments: str) -> None:
    subprocess.run([shutil.which("ip") or "ip", *arguments], check=True, capture_output=True)
