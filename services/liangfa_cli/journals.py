"""Reaching the services' databases without running the services: verification and the operator's repairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

import liangfa_case_transfer.wiring as transfer_wiring
import liangfa_enforcement_record.wiring as record_wiring
import liangfa_joint_meeting.wiring as meeting_wiring
import liangfa_supervision.wiring as supervision_wiring
from liangfa_case_transfer.queries.files import kept_files as kept_documents
from liangfa_case_transfer.tables import KIT as TRANSFER_KIT
from liangfa_enforcement_record.queries.files import kept_files
from liangfa_enforcement_record.tables import KIT as RECORD_KIT
from liangfa_joint_meeting.queries.files import journalled_files
from liangfa_joint_meeting.tables import KIT as MEETING_KIT
from liangfa_kit.clock import SystemClock, from_micros
from liangfa_kit.errors import Invalid, NotFound
from liangfa_kit.journal import Fault
from liangfa_kit.messaging.opening import open_broker
from liangfa_kit.messaging.topics import TOPICS
from liangfa_kit.object_storage import open_objects
from liangfa_kit.settings import PlatformSettings
from liangfa_kit.store.opening import existing_store, has_store
from liangfa_kit.store.port import Row, Store
from liangfa_kit.store.tables import KitTables, journal_position
from liangfa_kit.verify import applied_positions, file_faults, journal_faults, journal_length
from liangfa_supervision.tables import KIT as SUPERVISION_KIT


def journals(settings: PlatformSettings) -> Iterator[tuple[str, Store, KitTables]]:
    """Yield name, store and tables of every journal of the platform. The caller closes the stores."""
    folder, database = settings.storage.folder, settings.database
    known = (
        (record_wiring.NAME, record_wiring.database_path(folder), RECORD_KIT),
        (transfer_wiring.NAME, transfer_wiring.database_path(folder), TRANSFER_KIT),
        (supervision_wiring.NAME, supervision_wiring.database_path(folder), SUPERVISION_KIT),
        (meeting_wiring.NAME, meeting_wiring.database_path(folder), MEETING_KIT),
    )
    present = [(name, path, tables) for name, path, tables in known if has_store(database, name, path)]
    if not present:
        raise NotFound(
            f"There is no platform data in {folder}.",
            message_zh=f"目录 {folder} 中没有平台数据。",
            remedy="Name the data folder with --folder (the demo's is var/demo).",
            reason="NO_DATA",
        )
    for name, path, tables in present:
        yield name, existing_store(database, name, path), tables


@dataclass(frozen=True, slots=True)
class Checked:
    """A part of the stored record that was checked: what it is, how much, and what is wrong with it."""

    name: str
    what: str
    faults: Sequence[Fault]


async def checked(settings: PlatformSettings) -> list[Checked]:
    """Check every journal of the platform, every file that a journal says is kept, and how far consumers are.

    It may run beside the platform: the consumers' places are read before the journals.
    """
    parts, ends, applied = [], dict[str, int](), dict[str, dict[str, int]]()
    for name, store, tables in journals(settings):
        with closing(store):
            applied[name] = applied_positions(store, tables)
    for name, store, tables in journals(settings):
        with closing(store):
            parts.append(Checked(name, f"{journal_length(store, tables)} entries", list(journal_faults(store, tables))))
            with store.reading() as connection:
                ends[name] = journal_position(connection, tables)
            if name in FILES:
                parts.append(await _checked_files(settings, name, store))
    followed = {name: topics for name, topics in applied.items() if topics}
    return parts + [_checked_places(name, topics, ends) for name, topics in followed.items()]


def _checked_places(name: str, applied: Mapping[str, int], ends: Mapping[str, int]) -> Checked:
    """Find a consumer that is ahead of the journal that it follows: it would take what comes next for known already."""
    owners = {topic.name: topic.owner for topic in TOPICS}
    faults = [
        Fault(position, topic, 0, "", "CONSUMER_AHEAD", _AHEAD.format(name, owners[topic], ends[owners[topic]]))
        for topic, position in applied.items()
        if topic in owners and position > ends.get(owners[topic], position)
    ]
    return Checked(f"{name} places", f"{len(applied)} topics", faults)


_AHEAD = "{} has applied this position, but the journal of {} ends at {}: these databases are of different moments"
FILES = {
    record_wiring.NAME: (kept_files, record_wiring.files_path),
    transfer_wiring.NAME: (kept_documents, transfer_wiring.files_path),
    meeting_wiring.NAME: (journalled_files, meeting_wiring.files_path),
}
"""Services that keep files: what their journal names, and where it lies."""


async def _checked_files(settings: PlatformSettings, name: str, store: Store) -> Checked:
    named, path = FILES[name]
    objects = open_objects(settings.objects, name, path(settings.storage.folder))
    with store.reading() as connection:
        files = list(named(connection))
    faults = [fault async for fault in file_faults(objects, files)]
    return Checked(f"{name} files", f"{len({file.sha256 for file in files})} files", faults)


async def tend_consumer(
    settings: PlatformSettings, action: str, event_id: str, out: Console, of: str = supervision_wiring.NAME
) -> None:
    """List, replay or rebuild, as an operator asks, for the consumer `of` a service."""
    wiring = {supervision_wiring.NAME: supervision_wiring, meeting_wiring.NAME: meeting_wiring}.get(of)
    if wiring is None:
        raise Invalid(
            f"{of!r} consumes no events.", remedy="Say supervision or joint_meeting.", reason="CONSUMER_UNKNOWN"
        )
    broker = open_broker(settings)
    service = wiring.build(settings.storage.folder, broker, SystemClock(), database=settings.database)
    service.start()
    try:
        if action == "aside":
            out.print(_aside_table(await service.consumer.set_aside()))
        elif action == "replay":
            await service.consumer.replay(event_id)
            out.print(f"Event {event_id} and those waiting for it were applied.")
        elif action == "rebuild":
            count = await service.consumer.rebuild()
            out.print(f"The read models were rebuilt from {count} events.")
        else:
            raise Invalid(
                f"Unknown action {action!r}.",
                remedy="Say aside, replay, rebuild, renew, tail or topics.",
                reason="ACTION_UNKNOWN",
            )
    finally:
        await service.stop()
        await broker.close()


def _aside_table(rows: Sequence[Row]) -> Table:
    table = Table("event", "type", "stream", "since", "cause", title="Events set aside")
    for row in rows:
        key, at = row["key"], from_micros(row["at"])
        table.add_row(key.partition("/")[2], row["type"], row["stream"], at.isoformat(), row["cause"])
    return table
