"""Several hosts on one machine, each in a network namespace, and the condition of the wires between them.

The test itself is on the host `HERE`. Nothing is left behind, also when the test is killed: the namespaces belong to
processes that end with it, and the devices to the switch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.faults.network import MISSING

HERE = "here"
_READY = "ip link set lo up && echo done && exec cat"
_END_SECONDS = 30


@dataclass(frozen=True)
class Condition:
    """One direction of a wire: seconds of `delay`, give or take `jitter`, and the part of the packets that is lost."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


FINE = Condition()
CUT = Condition(loss=1.0)
FAR = Condition(delay=0.1, jitter=0.025, loss=0.02)
"""A bad line: a round trip takes 150 to 250 ms, and one packet in fifty is lost."""


class Network:
    """The hosts `names`, and `HERE`, each reaching every other over wires that are fine at first."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [HERE, *names]
        self._number = os.getpid() % 512
        self._spaces: dict[str, subprocess.Popen[str]] = {}
        self._switch: subprocess.Popen[str] | None = None

    def make(self) -> None:
        """Make it. Raises `CalledProcessError` or `OSError` where that is not allowed."""
        for name in self._names[1:]:
            self._spaces[name] = _process("unshare", "--net", "sh", "-c", _READY)
        wires = [f"{self._device(name)}={self.address(name)}" for name in self._names]
        self._switch = _process(sys.executable, "-m", "tests.faults.switch_process", *wires)
        for name in self._names:
            device, address = self._device(name), f"{self.address(name)}/24"
            if name != HERE:
                _run("ip", "link", "set", device, "netns", str(self._spaces[name].pid))
            _run(*self.on(name), "ip", "address", "add", address, "dev", device)
            _run(*self.on(name), "ip", "link", "set", device, "up")

    def address(self, name: str) -> str:
        """Return a host's address, in the block that is kept for testing networks (RFC 2544)."""
        return f"198.{18 + self._number // 256}.{self._number % 256}.{self._names.index(name) + 1}"

    def on(self, name: str) -> list[str]:
        """Return the command that runs another one on a host."""
        return [] if name == HERE else ["nsenter", f"--net=/proc/{self._spaces[name].pid}/ns/net"]

    def one_way(self, source: str, target: str, condition: Condition) -> None:
        """Let packets from `source` to `target` go like that from now on."""
        assert self._switch is not None
        ends = {"source": self.address(source), "target": self.address(target)}
        _told(self._switch, json.dumps(ends | asdict(condition)))

    def between(self, one: str, other: str, condition: Condition) -> None:
        """Let both directions be like that from now on."""
        self.one_way(one, other, condition)
        self.one_way(other, one, condition)

    def around(self, name: str, condition: Condition) -> None:
        """Let all wires of a host be like that from now on."""
        for other in self._names:
            if other != name:
                self.between(name, other, condition)

    def heal(self) -> None:
        """Let all wires be fine."""
        for name in self._names:
            self.around(name, FINE)

    def drop(self) -> None:
        """Remove the hosts; what runs on them is ended before by whoever started it."""
        for process in filter(None, (self._switch, *self._spaces.values())):
            with suppress(OSError):
                process.communicate(timeout=_END_SECONDS)

    def _device(self, name: str) -> str:
        return f"lfs{self._number}h{self._names.index(name)}"


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """Make hosts for the length of a block. Skips the test where that cannot be."""
    tools = all(shutil.which(tool) for tool in ("ip", "unshare", "nsenter"))
    if os.geteuid() != 0 or not tools or not Path("/dev/net/tun").exists():
        pytest.skip(f"{MISSING} and /dev/net/tun, to carry its packets")
    found = Network(names)
    try:
        try:
            found.make()
        except (subprocess.CalledProcessError, OSError) as error:
            pytest.skip(f"{MISSING} ({error})")
        yield found
    finally:
        found.drop()


def _process(*command: str) -> subprocess.Popen[str]:
    """Start a process that ends with its input; returns when it has said that it is ready. Raises `OSError`."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _told(process)
    except OSError:
        process.communicate(timeout=_END_SECONDS)
        raise
    return process


def _told(process: subprocess.Popen[str], line: str = "") -> None:
    """Say a line, if any, and wait for the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    if process.stdout.readline() != "done\n":
        raise OSError(f"{process.args!r} did not do it")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
