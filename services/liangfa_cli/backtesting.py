"""Trying another rule library: on a file of cases, or on all that the platform has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

import liangfa_enforcement_record.wiring as record_wiring
from liangfa_enforcement_record.queries.stored import stored_inputs
from liangfa_kit.errors import NotFound
from liangfa_kit.settings import PlatformSettings
from liangfa_kit.store.opening import existing_store, has_store
from liangfa_screening import Screener
from liangfa_screening.backtest import Case, Flip, flips, from_lines

_TOLD_EVERY = 1_000


@contextmanager
def cases_of_file(source: Path) -> Iterator[Iterable[Case]]:
    """Give the cases of a file of JSON lines."""
    with source.open("rb") as lines:
        yield from_lines(lines)


@contextmanager
def stored_cases(settings: PlatformSettings) -> Iterator[Iterable[Case]]:
    """Give every case that enforcement_record has stored, with its parties' earlier ones. Raises `NotFound`."""
    path = record_wiring.database_path(settings.storage.folder)
    if not has_store(settings.database, record_wiring.NAME, path):
        raise NotFound(
            f"There are no stored cases in {settings.storage.folder}.",
            message_zh=f"目录 {settings.storage.folder} 中没有案件数据。",
            remedy="Name the data folder with --folder (the demo's is var/demo).",
            reason="NO_DATA",
        )
    with closing(existing_store(settings.database, record_wiring.NAME, path)) as store, store.reading() as connection:
        yield ((case, earlier) for _, case, earlier in stored_inputs(connection))


def show_flips(cases: Iterable[Case], old: Screener, new: Screener, out: Console, err: Console) -> int:
    """Print the cases whose result differs and how many there are; return that number."""
    table = Table("case", f"before: {old.library.version}", f"now: {new.library.version}", "why", title="复测 Backtest")
    seen: list[int] = [0]
    found = list(flips(_counted(cases, seen, lambda count: err.print(f"[dim]{count} cases …[/]")), old, new))
    for flip in found:
        table.add_row(*_row(flip))
    if found:
        out.print(table)
    out.print(
        f"{seen[0]} cases compared, {len(found)} with another result. 比较 {seen[0]} 件，结果不同 {len(found)} 件。"
    )
    return len(found)


def _counted(cases: Iterable[Case], seen: list[int], tell: Callable[[int], object]) -> Iterator[Case]:
    for case in cases:
        seen[0] += 1
        if seen[0] % _TOLD_EVERY == 0:
            tell(seen[0])
        yield case


def _row(flip: Flip) -> tuple[str, str, str, str]:
    return flip.case_id, flip.before, flip.after, flip.why
