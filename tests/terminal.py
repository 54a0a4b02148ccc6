"""The command line in this process, against a platform that runs beside it in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner, Result

from liangfa_cli import documents, ledger, main, meetings, transfers
from liangfa_cli.platform import Platform, running
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from tests.transferring import NAMES

_T = TypeVar("_T")


@dataclass
class Terminal:
    """A terminal on a running platform. `say` runs a command as somebody."""

    platform: Platform
    folder: Path
    loop: asyncio.AbstractEventLoop

    def say(self, *words: str, who: tuple[str, str] = ("officer", "market")) -> Result:
        """Run a command against the platform; `who` is role and organisation."""
        role, unit = who
        caller = ["--as", role, "--agency", unit, "--agency-name", NAMES.get(unit, unit), "--folder", str(self.folder)]
        return offline(*words, *caller, "--address", self.platform.address)

    def ask(self, work: Callable[[Platform], Awaitable[_T]]) -> _T:
        """Run `work` on the platform and return what it returns."""

        async def run() -> _T:
            return await work(self.platform)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)


def offline(*words: str) -> Result:
    """Run a command that needs no platform. Wide, so that no sentence is broken over lines."""
    for console in (main.out, main.err, ledger.out, ledger.err, transfers.out, documents.out, meetings.out):
        console.width = 300  # not by COLUMNS: a worker of a parallel run may have settled that before
    return CliRunner().invoke(main.app, list(words))


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """Run a platform on `folder` until the block ends."""
    settings = PlatformSettings(
        storage=Storage(folder=folder), listen=Listen(port=0), logging=Logging(level="error", file=folder / "log")
    )
    started: Any = {}
    ready = threading.Event()

    async def run() -> None:
        ends = asyncio.Event()
        try:
            async with running(settings) as platform:
                started.update(platform=platform, loop=asyncio.get_running_loop(), ends=ends)
                ready.set()
                await ends.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(120)
    try:
        yield Terminal(started["platform"], folder, started["loop"])
    finally:
        if "loop" in started:
            started["loop"].call_soon_threadsafe(started["ends"].set)
        thread.join(120)
