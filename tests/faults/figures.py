"""What a fault test has counted, told to `make reliability` by pytest's report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

Record = Callable[[str, object], None]
"""pytest's `record_property`."""


@dataclass(frozen=True)
class Outcome:
    """Operations that were acknowledged to somebody, and what became of them. `recovery` is the longest, in seconds."""

    fault: str
    times: int
    acknowledged: int
    lost: int
    doubled: int
    disordered: int = 0
    recovery: float | None = None

    def renamed(self, fault: str, times: int) -> Outcome:
        """Return the same figures of another fault."""
        return replace(self, fault=fault, times=times)

    def tell(self, record: Record) -> None:
        """Put the figures into the report; nothing may be lost, doubled or out of order."""
        for name, value in asdict(self).items():
            if value is not None:
                record(name, value)
        assert (self.lost, self.doubled, self.disordered) == (0, 0, 0), self
