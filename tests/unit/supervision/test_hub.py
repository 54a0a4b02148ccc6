"""The live feed: stored items, then live ones, without gap or repeat; a slow watcher is told and slows nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.hub import QUEUE_LIMIT, FeedFilter, FeedRow, Hub

pytestmark = pytest.mark.asyncio


class Feed:
    """A stored feed in memory, read page by page as the hub reads the database."""

    def __init__(self) -> None:
        self.rows: list[FeedRow] = []
        self.pages_read = 0
        self.hub = Hub(self.page, self.newest, heartbeat_seconds=0.05)

    async def page(self, wanted: FeedFilter, after: int, limit: int) -> Sequence[FeedRow]:
        self.pages_read += 1
        await asyncio.sleep(0)
        return [row for row in self.rows if row.cursor > after and wanted.matches(row)][:limit]

    async def newest(self) -> int:
        await asyncio.sleep(0)
        return len(self.rows)

    def store(self, count: int, region: str = "420111", severity: int = 1, *, is_told: bool = True) -> None:
        for _ in range(count):
            cursor = len(self.rows) + 1
            item = pb.FeedItem(cursor=cursor, region=region, severity=pb.Severity.ValueType(severity))
            self.rows.append(FeedRow(cursor, 1, severity, region, "a1", "c1", item.SerializeToString()))
        if is_told:
            self.hub.refresh()


async def items(stream: AsyncIterator[bytes], count: int) -> list[int]:
    found: list[int] = []
    async for data in stream:
        message = pb.WatchResponse.FromString(data)
        if message.HasField("item"):
            found.append(message.item.cursor)
        if len(found) == count:
            return found
    return found


async def test_stored_items_come_first_and_live_ones_follow_without_gap_or_repeat() -> None:
    """Items stored before, during and after joining arrive once each, in order."""
    feed = Feed()
    feed.store(700)
    reading = asyncio.ensure_future(items(feed.hub.watch(FeedFilter(), 0), 900))
    for _ in range(20):
        feed.store(10)
        await asyncio.sleep(0.001)
    assert await asyncio.wait_for(reading, 60) == list(range(1, 901))


async def test_what_another_replica_has_stored_is_shown_too() -> None:
    """Its commits wake nobody here: the hub looks for them by itself."""
    feed = Feed()
    looking = asyncio.create_task(feed.hub.run())
    stream = feed.hub.watch(FeedFilter(), 0)
    assert await items(stream, 0) == []
    feed.store(3, is_told=False)
    assert await asyncio.wait_for(items(stream, 3), 60) == [1, 2, 3]
    looking.cancel()


async def test_a_watcher_resumes_after_its_cursor_or_asks_only_for_what_is_new() -> None:
    """A cursor of 5 skips five items; -1 skips everything stored."""
    feed = Feed()
    feed.store(10)
    await asyncio.sleep(0.01)
    assert await items(feed.hub.watch(FeedFilter(), 5), 5) == [6, 7, 8, 9, 10]
    new = asyncio.ensure_future(items(feed.hub.watch(FeedFilter(), -1), 1))
    await asyncio.sleep(0.01)
    feed.store(1)
    assert await asyncio.wait_for(new, 60) == [11]


async def test_nothing_is_read_while_nobody_watches_and_the_first_to_come_begins_at_the_end() -> None:
    """What was stored meanwhile is not new to whoever asks only for what is new; after the last has left it is the same."""
    feed = Feed()
    for expected in (701, 1402):
        feed.store(700)
        await asyncio.sleep(0)
        read_before = feed.pages_read
        stream = feed.hub.watch(FeedFilter(), -1)
        assert pb.WatchResponse.FromString(await anext(stream)).heartbeat.cursor == expected - 1
        feed.store(1)
        assert await asyncio.wait_for(items(stream, 1), 60) == [expected]
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator
        assert feed.pages_read - read_before <= 3
        assert feed.hub.watchers == 0
        read_before = feed.pages_read
    feed.store(700)
    await asyncio.sleep(0)
    assert feed.pages_read == read_before


async def test_filters_let_through_only_what_was_asked_for() -> None:
    """Region prefix and severity; a heartbeat still moves the cursor on."""
    feed = Feed()
    feed.store(3, region="420111")
    feed.store(2, region="420106", severity=4)
    wanted = FeedFilter(region_prefixes=("420106",), least_severity=3)
    assert await items(feed.hub.watch(wanted, 0), 2) == [4, 5]
    assert not FeedFilter(region_prefixes=("43",)).matches(feed.rows[0])


async def test_a_slow_watcher_is_told_and_loses_nothing_and_others_do_not_wait() -> None:
    """A watcher that reads nothing while hundreds arrive is served from the store when it reads again."""
    feed = Feed()
    slow = feed.hub.watch(FeedFilter(), -1)
    assert pb.WatchResponse.FromString(await anext(slow)).heartbeat.live
    waiting = asyncio.ensure_future(anext(slow))
    quick = asyncio.ensure_future(items(feed.hub.watch(FeedFilter(), 0), QUEUE_LIMIT // 10 * 30))
    for _ in range(30):
        feed.store(QUEUE_LIMIT // 10)
        await asyncio.sleep(0.001)
    assert len(await asyncio.wait_for(quick, 60)) == QUEUE_LIMIT // 10 * 30
    found = [pb.WatchResponse.FromString(await waiting).item.cursor]
    kinds: set[str | None] = set()
    async for data in slow:
        message = pb.WatchResponse.FromString(data)
        kinds.add(message.WhichOneof("content"))
        if message.HasField("item"):
            found.append(message.item.cursor)
        if found[-1] == len(feed.rows):
            break
    assert found == list(range(1, len(feed.rows) + 1))
    assert "lagging" in kinds


async def test_an_idle_watcher_gets_heartbeats_and_leaving_frees_its_place() -> None:
    """Nothing to tell is told; a closed stream is forgotten."""
    feed = Feed()
    stream = feed.hub.watch(FeedFilter(), 0)
    beats = [pb.WatchResponse.FromString(await anext(stream)) for _ in range(3)]
    assert all(beat.HasField("heartbeat") for beat in beats)
    assert feed.hub.watchers == 1
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert feed.hub.watchers == 0
