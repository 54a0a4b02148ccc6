"""How a measured figure is told: ours, the limit beside it, the ratio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measurement. `ratio` is ours over the limit's, or the limit's over ours where less is better."""

    what: str
    ours: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    less_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours against the limit; None without one."""
        return None if not self.limit or not self.ours else self.ours / self.limit

    def line(self) -> str:
        """Return one line of the report."""
        text = f"{self.what:<52} {self.ours:>12,.1f} {self.unit:<14}"
        if self.limit:
            text += f" {self.ratio:>7.2f} of {self.limit:,.1f} ({self.limit_name})"
        return f"{text}  {self.note}".rstrip()
