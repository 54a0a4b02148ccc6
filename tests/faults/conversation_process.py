"""The process that the fault tests of conversations kill: joint_meeting alone, on a port that it prints.

Usage: python -m tests.faults.conversation_process FOLDER.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from liangfa_cli.platform import running
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage


def settings(folder: Path) -> PlatformSettings:
    """Return the settings of a platform whose data and log are in `folder`."""
    return PlatformSettings(
        storage=Storage(folder=folder), listen=Listen(port=0), logging=Logging(level="error", file=folder / "log")
    )


async def main(folder: Path) -> None:
    async with running(settings(folder), "joint_meeting") as platform:
        sys.stdout.write(f"{platform.host.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
