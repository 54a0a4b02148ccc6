"""Archiving every journal of a platform, and comparing the platform with its archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from liangfa_cli.journals import Checked, journals
from liangfa_kit.archive import alone, archive_faults, end_of, extend
from liangfa_kit.settings import PlatformSettings
from liangfa_kit.store.port import Store
from liangfa_kit.store.tables import KitTables
from liangfa_kit.verify import entries


@dataclass(frozen=True, slots=True)
class Archived:
    """What was added to one journal's archive: how many entries, the last position, and the hash of the entry there."""

    name: str
    added: int
    last: int
    hash: str


def archive(settings: PlatformSettings, target: Path) -> Iterator[Archived]:
    """Add to the archive in `target` what every journal has gained; the platform may be running.

    Raises `ArchiveBroken`, `ArchiveDiffers` (nothing is added to that journal's archive), `Precondition` ARCHIVE_BUSY.
    """
    with alone(target):
        for name, store, tables in journals(settings):
            try:
                yield _extended(name, store, tables, target / name)
            finally:
                store.close()


def _extended(name: str, store: Store, tables: KitTables, folder: Path) -> Archived:
    folder.mkdir(exist_ok=True, mode=0o700)
    end = end_of(folder)
    with store.reading() as connection:
        rows = entries(connection, tables, max(0, end - 1))
        at_end = next(rows, None) if end else None
        known = at_end if at_end is not None and at_end.position == end else None
        added, last = extend(folder, known, rows)
    return Archived(name, added, last.position if last else 0, last.hash.hex() if last else "")


def compared(settings: PlatformSettings, target: Path) -> Sequence[Checked]:
    """Check the archive in `target` for itself, and every journal against it, entry by entry."""
    parts = []
    for name, store, tables in journals(settings):
        try:
            end = end_of(target / name)
            with store.reading() as connection:
                found = list(archive_faults(target / name, entries(connection, tables)))
            parts.append(Checked(name, f"{end} archived entries", found))
        finally:
            store.close()
    return parts
