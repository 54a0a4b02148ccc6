"""Live conversations: one encode per message, and nobody waits for a slow participant.

A seat has a queue of what came since it sat down. Messages carry their sequence: what was seen already is passed over,
and a gap (or a queue that ran full) sends the seat back to the store, which has every message. Marks and typing notices
carry no sequence and are not kept: a seat that falls behind misses them, and reads the marks anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]  # the library's own varint

from liangfa_joint_meeting.errors import ConsultationNotFound
from liangfa_joint_meeting.queries.consulting import StoredMessage
from liangfa_kit.identity import Actor
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc

QUEUE_LIMIT = 256
PAGE = 200
_MESSAGE_TAG = bytes([rpc.ConverseResponse.MESSAGE_FIELD_NUMBER << 3 | 2])

ReadPage = Callable[[str, str, int, int], Awaitable[Sequence[StoredMessage]]]
"""(consultation, unit, after sequence, limit) -> messages; raises `ConsultationNotFound` once the unit takes no part."""
ReadEnds = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""Consultations -> the sequence of the newest message of each."""


@dataclass(eq=False, slots=True)
class Seat:
    """One person's live part in one conversation, and what waits for them: (sequence or 0, wire bytes)."""

    consultation_id: str
    person: Actor
    queue: deque[tuple[int, bytes]] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_behind: bool = False
    must_look: bool = False
    error: Exception | None = None

    def put(self, sequence: int, wire: bytes) -> None:
        """Queue something; a full queue is dropped, and the seat goes back to the store."""
        if len(self.queue) >= QUEUE_LIMIT:
            self.is_behind = True
            self.queue.clear()
        elif not self.is_behind:
            self.queue.append((sequence, wire))
        self.woken.set()

    def look(self) -> None:
        """Let the seat read the store: something was stored that nobody handed it."""
        self.must_look = True
        self.woken.set()

    def fail(self, error: Exception) -> None:
        """End the seat's stream with `error`."""
        self.error = error
        self.woken.set()


def message_wire(body: bytes) -> bytes:
    """Return a serialised ConverseResponse around a serialised message: framed, not encoded again."""
    length: bytes = _VarintBytes(len(body))
    return _MESSAGE_TAG + length + body


class Hub:
    """Hands what happens in conversations to those who sit in them, in this process.

    What other processes store is found by asking for the ends of the conversations that somebody here sits in, once every
    `look_seconds`; a seat of its own accord looks every `heartbeat_seconds`.
    """

    def __init__(
        self,
        read_page: ReadPage,
        read_ends: ReadEnds,
        *,
        heartbeat_seconds: float = 15.0,
        look_seconds: float = 1.0,
    ) -> None:
        self._read_page = read_page
        self._read_ends = read_ends
        self._heartbeat_seconds = heartbeat_seconds
        self._look_seconds = look_seconds
        self._seats: dict[str, set[Seat]] = {}
        self._newest: dict[str, int] = {}

    async def run(self) -> None:
        """Look for what other processes have stored until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            await self.look_around()

    async def look_around(self) -> None:
        """Let those seats read whose conversation is longer than this process knows."""
        keys = list(self._seats)
        for start in range(0, len(keys), PAGE):
            for key, last in (await self._read_ends(keys[start : start + PAGE])).items():
                if key in self._seats and last > self._newest.get(key, 0):
                    self._newest[key] = last
                    self.look(key)

    @property
    def seats(self) -> int:
        """How many seats are taken."""
        return sum(len(seats) for seats in self._seats.values())

    def deliver(self, message: pb.Message) -> None:
        """Hand a message that has just been stored to every seat of its conversation."""
        seats = self._seats.get(message.consultation_id)
        if seats:
            self._newest[message.consultation_id] = max(message.sequence, self._newest.get(message.consultation_id, 0))
            wire = message_wire(message.SerializeToString(deterministic=True))
            for seat in seats:
                seat.put(message.sequence, wire)

    def tell(self, consultation_id: str, response: rpc.ConverseResponse, *, but: Seat | None = None) -> None:
        """Hand something that is not kept to the seats of a conversation, `but` one."""
        seats = self._seats.get(consultation_id)
        if seats:
            wire = response.SerializeToString()
            for seat in seats:
                if seat is not but:
                    seat.put(0, wire)

    def look(self, consultation_id: str) -> None:
        """Let the seats of a conversation read what was stored."""
        for seat in self._seats.get(consultation_id, ()):
            seat.look()

    def close(self, consultation_id: str, unit_id: str) -> None:
        """End the streams of a unit that takes no part any more."""
        for seat in self._seats.get(consultation_id, ()):
            if seat.person.agency_id == unit_id:
                seat.fail(ConsultationNotFound(consultation_id))

    def sit(self, consultation_id: str, person: Actor) -> Seat:
        """Take a seat; from now on everything is queued for it."""
        seat = Seat(consultation_id, person)
        self._seats.setdefault(consultation_id, set()).add(seat)
        return seat

    def rise(self, seat: Seat) -> None:
        """Give a seat back."""
        seats = self._seats.get(seat.consultation_id, set())
        seats.discard(seat)
        if not seats:
            self._seats.pop(seat.consultation_id, None)
            self._newest.pop(seat.consultation_id, None)

    async def listen(self, seat: Seat, after: int) -> AsyncIterator[bytes]:
        """Yield serialised ConverseResponses after the sequence `after`, for ever; raises the seat's error."""
        cursor, has_told = after, -1
        while True:
            seat.must_look = seat.is_behind = False
            while page := await self._read_page(seat.consultation_id, seat.person.agency_id, cursor, PAGE):
                for stored in page:
                    yield message_wire(stored.body)
                    cursor = stored.sequence
            if has_told != cursor or not seat.queue:
                yield _live(cursor)
                has_told = cursor
            async for sequence, wire in self._live(seat):
                if sequence > cursor + 1:
                    break
                if not sequence or sequence > cursor:
                    cursor = max(cursor, sequence)
                    yield wire
            if seat.error is not None:
                raise seat.error
            if seat.is_behind:
                yield rpc.ConverseResponse(lagging=rpc.ConversationLagging(sequence=cursor)).SerializeToString()

    async def _live(self, seat: Seat) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what is queued until the seat must look into the store, or nothing has come for a heartbeat."""
        while not (seat.must_look or seat.is_behind or seat.error):
            if not seat.queue:
                seat.woken.clear()
                try:
                    async with asyncio.timeout(self._heartbeat_seconds):
                        await seat.woken.wait()
                except TimeoutError:
                    return
                continue
            yield seat.queue.popleft()


def _live(sequence: int) -> bytes:
    return rpc.ConverseResponse(live=rpc.ConversationLive(sequence=sequence)).SerializeToString()


def marks_response(moved: Iterable[pb.Mark]) -> rpc.ConverseResponse:
    """Return what seats are told of marks that have grown."""
    return rpc.ConverseResponse(marks=rpc.MarksMoved(marks=moved))
