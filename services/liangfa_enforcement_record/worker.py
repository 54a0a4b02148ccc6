"""Which process is at work on an import: a name that another process can judge, on the same machine at once."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path


def own_worker() -> str:
    """Return a fresh name of this process: machine, process, when it was started, and what tells two in it apart."""
    number = os.getpid()
    return f"{socket.gethostname()}:{number}:{_started(number)}:{uuid.uuid4().hex[:12]}"


def is_gone(worker: str) -> bool:
    """Tell whether the process of that name has certainly ended: it was on this machine and is not there any more.

    False for another machine's: only its silence tells (see `importer.LEASE_SECONDS`).
    """
    machine, _, rest = worker.partition(":")
    number, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    if machine != socket.gethostname() or not number.isdecimal() or not started:
        return False
    return _started(int(number)) != started


def _started(number: int) -> str:
    """Return when a process was started, in the kernel's ticks; empty for one that is not there."""
    try:
        facts = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return facts.rpartition(")")[2].split()[19]
