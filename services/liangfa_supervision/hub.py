"""The live part of the feed: one encode per item, one match per distinct filter, and nobody waits for a slow watcher.

A watcher that falls behind is not cut off and loses nothing: its queue is dropped, it is told, and it reads the stored
feed from its own cursor until it has caught up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]  # the library's own varint

from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb

QUEUE_LIMIT = 256
PAGE = 500
_ITEM_TAG = bytes([pb.WatchResponse.ITEM_FIELD_NUMBER << 3 | 2])


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A stored feed item: what filters look at, and the bytes that watchers get."""

    cursor: int
    kind: int
    severity: int
    region: str
    agency_id: str
    case_id: str
    item: bytes

    def wire(self) -> bytes:
        """Return a serialised WatchResponse around the stored item: framed, not encoded again."""
        length: bytes = _VarintBytes(len(self.item))
        return _ITEM_TAG + length + self.item


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """Which items a watcher wants; empty conditions do not count. `region_prefixes` are division code prefixes.

    `case_id` and `agency_id` must match whole.
    """

    region_prefixes: tuple[str, ...] = ()
    agency_id: str = ""
    kinds: frozenset[int] = frozenset()
    least_severity: int = 0
    case_id: str = ""

    def matches(self, row: FeedRow) -> bool:
        """Tell whether the watcher wants `row`."""
        return (
            row.severity >= self.least_severity
            and (not self.kinds or row.kind in self.kinds)
            and (not self.region_prefixes or row.region.startswith(self.region_prefixes))
            and (not self.agency_id or row.agency_id == self.agency_id)
            and (not self.case_id or row.case_id == self.case_id)
        )


@dataclass(eq=False, slots=True)
class Watcher:
    """One connected watcher's queue of (cursor, wire bytes)."""

    wanted: FeedFilter
    joined_at: int
    queue: deque[tuple[int, bytes]] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    has_fallen_behind: bool = False


ReadPage = Callable[[FeedFilter, int, int], Awaitable[Sequence[FeedRow]]]
"""(filter, after cursor, limit) -> matching rows in cursor order."""
ReadNewest = Callable[[], Awaitable[int]]
"""() -> the newest cursor of the stored feed."""


class Hub:
    """Hands new feed rows to watchers. `read_page` and `read_newest` read the stored feed; `heartbeat_seconds` keeps streams alive.

    What this process applies is handed out at once, what other replicas have stored within `look_seconds`. While nobody
    watches nothing is read: whoever comes first looks where the feed ends by then.
    """

    def __init__(
        self,
        read_page: ReadPage,
        read_newest: ReadNewest,
        *,
        heartbeat_seconds: float = 15.0,
        look_seconds: float = 0.5,
    ) -> None:
        self._read_page = read_page
        self._read_newest = read_newest
        self._look_seconds = look_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._groups: dict[FeedFilter, set[Watcher]] = {}
        self._everything = FeedFilter()
        self._refreshing: asyncio.Task[None] | None = None
        self._again = False
        self.newest = 0

    def start(self, newest: int) -> None:
        """Begin at the feed's stored end, `newest`."""
        self.newest = newest

    async def run(self) -> None:
        """Look for what other replicas have stored until cancelled. Raises what reading raises."""
        while True:
            await asyncio.sleep(self._look_seconds)
            self.refresh()
            if self._refreshing is not None:
                await asyncio.shield(self._refreshing)

    @property
    def watchers(self) -> int:
        """How many watchers are connected."""
        return sum(len(group) for group in self._groups.values())

    def refresh(self) -> None:
        """Fetch and hand out what was stored since the last time. Called on the event loop after each commit."""
        if not self._groups:
            return
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.ensure_future(self._fetch())
        else:
            self._again = True

    async def _fetch(self) -> None:
        while True:
            self._again = False
            rows = await self._read_page(self._everything, self.newest, PAGE)
            if rows:
                self.deliver(rows)
            if not self._again and len(rows) < PAGE:
                return

    def deliver(self, rows: Sequence[FeedRow]) -> None:
        """Queue rows at every watcher that wants them."""
        for row in rows:
            wire: bytes | None = None
            for wanted, group in self._groups.items():
                if not wanted.matches(row):
                    continue
                wire = wire or row.wire()
                for watcher in group:
                    _queue(watcher, row.cursor, wire)
        self.newest = max(self.newest, rows[-1].cursor)

    async def watch(self, wanted: FeedFilter, after_cursor: int) -> AsyncIterator[bytes]:
        """Yield serialised WatchResponses after `after_cursor` (-1: only what is new), for ever.

        The stored part comes first, then a heartbeat that says the stream is live, then items as they come.
        """
        await self._catch_up()
        cursor = self.newest if after_cursor < 0 else after_cursor
        while True:
            watcher = self._join(wanted)
            try:
                while page := await self._read_page(wanted, cursor, PAGE):
                    for row in page:
                        yield row.wire()
                    cursor = page[-1].cursor
                cursor = max(cursor, watcher.joined_at)
                yield _heartbeat(cursor)
                async for message in self._live(watcher, cursor):
                    if isinstance(message, int):
                        cursor = message
                    else:
                        yield message
            finally:
                self._leave(watcher)
            yield pb.WatchResponse(lagging=pb.Lagging(cursor=cursor, newest_cursor=self.newest)).SerializeToString()
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Look where the feed ends, unless somebody watches and it is known."""
        if not self._groups:
            newest = await self._read_newest()
            if not self._groups:  # else somebody has joined meanwhile, and must get what lies between
                self.newest = max(self.newest, newest)

    async def _live(self, watcher: Watcher, cursor: int) -> AsyncIterator[bytes | int]:
        """Yield live items, each followed by its cursor, until the watcher falls behind."""
        while not watcher.has_fallen_behind:
            if not watcher.queue:
                watcher.woken.clear()
                try:
                    async with asyncio.timeout(self._heartbeat_seconds):
                        await watcher.woken.wait()
                except TimeoutError:
                    if not watcher.queue:  # everything it wants up to the newest item has been sent
                        cursor = max(cursor, self.newest)
                        yield cursor
                        yield _heartbeat(cursor)
                continue
            place, wire = watcher.queue.popleft()
            if place > cursor:
                cursor = place
                yield wire
                yield cursor

    def _join(self, wanted: FeedFilter) -> Watcher:
        watcher = Watcher(wanted, joined_at=self.newest)
        self._groups.setdefault(wanted, set()).add(watcher)
        return watcher

    def _leave(self, watcher: Watcher) -> None:
        group = self._groups.get(watcher.wanted)
        if group is not None:
            group.discard(watcher)
            if not group:
                del self._groups[watcher.wanted]


def _queue(watcher: Watcher, cursor: int, wire: bytes) -> None:
    if watcher.has_fallen_behind:
        return
    if len(watcher.queue) >= QUEUE_LIMIT:
        watcher.has_fallen_behind = True
        watcher.queue.clear()
    else:
        watcher.queue.append((cursor, wire))
    watcher.woken.set()


def _heartbeat(cursor: int) -> bytes:
    return pb.WatchResponse(heartbeat=pb.Heartbeat(cursor=cursor, live=True)).SerializeToString()
