"""What bench.transfer runs beside ours: `python -m bench.durable DATABASE CLIENTS SECONDS` prints dbos workflows a second."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

STEPS = 8
BODY = "x" * 1_000


def main(path: str, clients: int, seconds: float) -> None:
    """Run workflows of eight steps and a timer from as many threads as clients."""
    from dbos import DBOS

    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})

    @DBOS.step()  # type: ignore[untyped-decorator]
    def step(number: int) -> str:
        return f"{number}{BODY}"

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def way() -> int:
        DBOS.sleep(0.001)
        return sum(len(step(number)) for number in range(STEPS))

    DBOS.launch()
    until = time.perf_counter() + seconds

    def client(_number: int) -> int:
        mine = 0
        while time.perf_counter() < until:
            way()
            mine += 1
        return mine

    with ThreadPoolExecutor(clients) as pool:
        finished = sum(pool.map(client, range(clients)))
    print(finished / seconds)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
