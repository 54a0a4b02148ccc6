"""The commit train: together or not at all, once, in order, and nobody pays for a neighbour's mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from liangfa_kit.errors import Precondition, RequestIdReused, Stale, Unavailable
from liangfa_kit.journal import Entry
from liangfa_kit.messaging.relay import entries_after
from liangfa_kit.verify import journal_faults
from tests.tally import CLERK, KIT, metadata, open_store, running, tallies, tally_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("either_database")]


async def test_one_command_writes_its_state_its_entry_and_its_reply_together(tmp_path: Path) -> None:
    """Row, journal entry, stream head and stored reply appear in one commit."""
    async with tally_service(tmp_path) as tally:
        assert await tally.raise_("a", 5, request_id="r1") == 5
        (entry,) = await tally.rows(KIT.journal)
        assert [r["total"] for r in await tally.rows(tallies)] == [5]
        assert (entry["position"], entry["stream"], entry["version"]) == (1, "tally/a", 1)
        assert '"person":"p1"' in entry["actor"]
        assert [r["key"] for r in await tally.rows(KIT.replies)] == ["p1/r1"]
        assert [(r["stream"], r["version"]) for r in await tally.rows(KIT.streams)] == [("tally/a", 1)]


async def test_a_refused_command_leaves_no_trace_and_its_neighbours_commit(tmp_path: Path) -> None:
    """Refusals and bugs are their sender's alone."""
    async with tally_service(tmp_path) as tally:
        results = await asyncio.gather(
            tally.raise_("a"),
            tally.raise_("b", 1_000_000),
            tally.raise_("c", -1),
            tally.raise_("a"),
            return_exceptions=True,
        )
        assert [r if isinstance(r, int) else type(r) for r in results] == [1, Precondition, ZeroDivisionError, 2]
        assert [(r["name"], r["total"]) for r in await tally.rows(tallies)] == [("a", 2)]
        assert [e["stream"] for e in await tally.rows(KIT.journal)] == ["tally/a", "tally/a"]


async def test_of_two_writers_of_one_stream_one_is_stale_and_nothing_is_lost(tmp_path: Path) -> None:
    """Both read version 1; the second to arrive must read again."""
    async with tally_service(tmp_path) as tally:
        await tally.raise_("a")
        results = await asyncio.gather(
            tally.raise_("a", 10, at_version=1), tally.raise_("a", 100, at_version=1), return_exceptions=True
        )
        assert [r if isinstance(r, int) else type(r) for r in results] == [11, Stale]
        assert await tally.raise_("a", 100, at_version=2) == 111


async def test_two_instances_on_one_database_meet_at_the_version_check(tmp_path: Path) -> None:
    """The same rule holds between processes that share the database."""
    async with tally_service(tmp_path) as one:
        other_store = open_store(tmp_path / "tally.sqlite3", metadata)
        async with running(other_store) as two:
            await one.raise_("a")
            results = await asyncio.gather(
                *(instance.raise_("a", 1, at_version=1) for instance in (one, two) * 5), return_exceptions=True
            )
            assert sorted(type(r).__name__ for r in results) == ["Stale"] * 9 + ["int"]
            await asyncio.gather(*(instance.raise_("a") for instance in (one, two) * 20))
            assert [r["total"] for r in await one.rows(tallies)] == [42]
        other_store.close()
        assert list(journal_faults(one.store, KIT)) == []


async def test_a_repeated_request_id_returns_the_first_reply_and_does_nothing_again(tmp_path: Path) -> None:
    """Repeats in one train, in a later one and after a restart."""
    async with tally_service(tmp_path) as tally:
        first = await asyncio.gather(*(tally.raise_("a", 7, request_id="r1") for _ in range(5)))
        assert first == [7] * 5
        assert await tally.raise_("a", 7, request_id="r1") == 7
    async with tally_service(tmp_path) as tally:
        assert await tally.raise_("a", 7, request_id="r1") == 7
        assert len(await tally.rows(KIT.journal)) == 1


async def test_a_request_id_cannot_carry_another_request_or_show_another_callers_reply(tmp_path: Path) -> None:
    """Reuse is refused; ids of different people never meet."""
    async with tally_service(tmp_path) as tally:
        await tally.raise_("a", 7, request_id="r1", fingerprint=b"one")
        with pytest.raises(RequestIdReused):
            await tally.raise_("a", 8, request_id="r1", fingerprint=b"two")
        somebody = type(CLERK)("p2", "某乙", "a2", "某局", "market", "420111", frozenset())
        assert await tally.raise_("a", 1, request_id="r1", fingerprint=b"one", actor=somebody) == 8


async def test_a_refused_request_id_may_be_tried_again(tmp_path: Path) -> None:
    """Only success is remembered: after the state changes the same request may succeed."""
    async with tally_service(tmp_path) as tally:
        with pytest.raises(Precondition):
            await tally.raise_("a", 1_000_000, request_id="r1")
        assert await tally.raise_("a", 3, request_id="r1") == 3


async def test_a_uniqueness_clash_fails_only_the_command_that_causes_it(tmp_path: Path) -> None:
    """The train is taken apart and its commands run one by one."""
    async with tally_service(tmp_path) as tally:
        await tally.raise_("first", note="taken")
        results = await asyncio.gather(
            *(tally.raise_(f"t{i}", note="taken" if i == 3 else None) for i in range(6)), return_exceptions=True
        )
        assert [r if isinstance(r, int) else type(r) for r in results] == [1, 1, 1, Stale, 1, 1]
        assert list(journal_faults(tally.store, KIT)) == []


async def test_many_commands_share_commits_and_positions_leave_no_gap(tmp_path: Path) -> None:
    """Hundreds of waiting commands need far fewer commits, and the chain holds."""
    async with tally_service(tmp_path) as tally:
        commits: list[Sequence[Entry]] = []
        tally.train.on_commit.append(commits.append)
        await asyncio.gather(*(tally.raise_(f"t{i % 7}") for i in range(500)))
        assert len(commits) < 50
        told = [entry for entries in commits for entry in entries]
        assert told == await tally.store.read(lambda connection: entries_after(connection, KIT.journal, 0, 1_000))
        assert [e["position"] for e in await tally.rows(KIT.journal)] == list(range(1, 501))
        assert sum(r["total"] for r in await tally.rows(tallies)) == 500
        assert list(journal_faults(tally.store, KIT)) == []


async def test_a_stopping_train_finishes_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    """Shutting down loses no accepted command and accepts none that it cannot finish."""
    store = open_store(tmp_path / "tally.sqlite3", metadata)
    async with running(store) as tally:
        waiting = [asyncio.ensure_future(tally.raise_("a")) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, tally.train.stop)
        assert sorted(await asyncio.gather(*waiting)) == list(range(1, 51))
        with pytest.raises(Unavailable):
            await tally.raise_("a")
    store.close()
