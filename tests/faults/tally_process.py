"""The process that the kill tests kill: commands, relay and consumer of the toy service, in one process.

Usage: python -m tests.faults.tally_process FOLDER SEED. It raises tallies as fast as it can, each command with its own
request id, and prints one line for each acknowledgement: `<request id> <reply>`. It repeats what it does not know
to have succeeded, as a careful client does, from the request log that its parent hands it on standard input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from liangfa_kit.clock import SystemClock
from tests.tally import Tally, model_service, tally_broker, tally_service


async def main(folder: Path, first: int) -> None:
    broker = tally_broker(folder)
    async with tally_service(folder, SystemClock()) as tally, model_service(folder, broker) as (_, consumer):
        tasks = [asyncio.ensure_future(tally.relay(broker).run()), asyncio.ensure_future(consumer.run())]
        number = first
        while True:
            await asyncio.gather(*(raise_one(tally, n) for n in range(number, number + 8)))
            number += 8
            if any(task.done() for task in tasks):
                await asyncio.gather(*tasks)


async def raise_one(tally: Tally, number: int) -> None:
    reply = await tally.raise_(f"t{number % 5}", 1, request_id=f"r{number}")
    sys.stdout.write(f"r{number} {reply}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
