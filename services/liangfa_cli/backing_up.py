"""Backing up an embedded platform while it runs, and beginning its event log anew after a restore.

The log is not copied: every event stands in a journal, and a new log is made of the journals. What must hold is that
no copy has seen an event that the copy of its journal lacks. So who consumes is copied before whom it consumes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import liangfa_case_transfer.wiring as transfer_wiring
import liangfa_enforcement_record.wiring as record_wiring
import liangfa_joint_meeting.wiring as meeting_wiring
import liangfa_supervision.wiring as supervision_wiring
from liangfa_cli.journals import Checked, checked, journals
from liangfa_kit.errors import Precondition
from liangfa_kit.settings import PlatformSettings, Storage
from liangfa_kit.store.copying import begin_log_anew, copy_database

CONSUMERS_FIRST: Sequence[tuple[str, Callable[[Path], Path]]] = (
    (supervision_wiring.NAME, supervision_wiring.database_path),
    (meeting_wiring.NAME, meeting_wiring.database_path),
    (transfer_wiring.NAME, transfer_wiring.database_path),
    (record_wiring.NAME, record_wiring.database_path),
)
"""Every service, in the order in which databases are copied."""
_NOT_COPIED = shutil.ignore_patterns("*.sqlite3", "*.sqlite3-*", "events", "*.jsonl", "*.log")


async def back_up(settings: PlatformSettings, target: Path, tell: Callable[[str], object]) -> list[Checked]:
    """Copy the platform's data to the new folder `target`, ready to be started there, and return what verifying it says.

    Raises `Precondition` when the databases are on PostgreSQL, or when `target` holds something already.
    """
    await asyncio.to_thread(_copy, settings, target, tell)
    return await checked(settings.model_copy(update={"storage": Storage(folder=target)}))


def _copy(settings: PlatformSettings, target: Path, tell: Callable[[str], object]) -> None:
    folder = settings.storage.folder
    _check_target(settings, folder, target)
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    for name, path in CONSUMERS_FIRST:
        if path(folder).exists():
            copy_database(path(folder), path(target))
            tell(f"{name}: {path(target).stat().st_size:,} bytes")
    shutil.copytree(folder, target, ignore=_NOT_COPIED, dirs_exist_ok=True, copy_function=_copied)
    begin_anew(settings.model_copy(update={"storage": Storage(folder=target)}))


def _check_target(settings: PlatformSettings, folder: Path, target: Path) -> None:
    if settings.database.url.get_secret_value():
        raise Precondition(
            "The databases are on PostgreSQL: its own tools back them up.",
            message_zh="数据库在 PostgreSQL 上，请用其自带工具备份。",
            remedy="Use pg_dump or base backups, then copy the folder of files (docs/operations.md, PostgreSQL).",
            reason="BACKUP_BY_DATABASE",
        )
    if target.resolve().is_relative_to(folder.resolve()):
        raise Precondition(
            f"{target} lies in {folder} itself.",
            message_zh=f"备份目录 {target} 位于数据目录之内。",
            remedy="Name a folder outside the data, best on another disk.",
            reason="TARGET_IN_DATA",
        )
    if target.exists() and any(target.iterdir()):
        raise Precondition(
            f"{target} is not empty.",
            message_zh=f"目录 {target} 不是空目录。",
            remedy="Name a new folder: a backup is never mixed with another one.",
            reason="TARGET_NOT_EMPTY",
        )
    for _, store, _ in journals(settings):  # raises `NotFound` where there is no data at all
        store.close()


def begin_anew(settings: PlatformSettings) -> list[str]:
    """Let every service publish its journal anew, and read the log from the beginning; return their names."""
    names = []
    for name, store, tables in journals(settings):
        with closing(store):
            begin_log_anew(store, tables)
        names.append(name)
    return names


def _copied(source: str, target: str) -> str:
    """Copy one file, unless it has gone meanwhile: an upload that ended is a kept file now, and no record names it yet."""
    try:
        return str(shutil.copy2(source, target))
    except FileNotFoundError:
        if os.path.lexists(source):
            raise
        return target
