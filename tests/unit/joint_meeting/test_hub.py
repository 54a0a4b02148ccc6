"""Live conversations at the seat: whatever reaches the hub in whatever order, the reader gets each message once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_joint_meeting.hub import Hub
from liangfa_joint_meeting.queries.consulting import StoredMessage
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from tests.consulting import POLICE

KEY = "c1"


class Conversation:
    """Stored messages in memory, read page by page as the hub reads the database."""

    def __init__(self, heartbeat_seconds: float = 0.002) -> None:
        self.stored: list[pb.Message] = []
        self.hub = Hub(self.page, self.ends, heartbeat_seconds=heartbeat_seconds)

    async def page(self, key: str, unit: str, after: int, limit: int) -> Sequence[StoredMessage]:
        await asyncio.sleep(0)
        found = [one for one in self.stored if one.sequence > after][: min(limit, 7)]
        return [StoredMessage(one.sequence, one.SerializeToString()) for one in found]

    async def ends(self, keys: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(keys, len(self.stored))

    def store(self) -> pb.Message:
        message = pb.Message(consultation_id=KEY, sequence=len(self.stored) + 1, text="x")
        self.stored.append(message)
        return message

    async def read(self, after: int, count: int) -> list[int]:
        seat, sequences = self.hub.sit(KEY, POLICE), list[int]()
        try:
            async for wire in self.hub.listen(seat, after):
                response = rpc.ConverseResponse.FromString(wire)
                if response.HasField("message"):
                    sequences.append(response.message.sequence)
                if len(sequences) >= count:
                    return sequences
        finally:
            self.hub.rise(seat)
        return sequences


async def play(before: int, after: int, happenings: list[str]) -> list[int]:
    """Store `before` messages, sit down after `after` of them, then let things happen; return what was read."""
    conversation = Conversation()
    for _ in range(before):
        conversation.store()
    late: list[pb.Message] = []
    total = before + sum(one != "twice" for one in happenings)
    reading = asyncio.ensure_future(conversation.read(after, total - after))
    for what in happenings:
        await asyncio.sleep(0)
        if what == "twice":
            for message in conversation.stored[-2:]:
                conversation.hub.deliver(message)
            continue
        message = conversation.store()
        if what == "told":
            conversation.hub.deliver(message)
        elif what == "late":
            late.append(message)
        elif what == "looked":
            conversation.hub.look(KEY)
    for message in reversed(late):
        conversation.hub.deliver(message)
    return await asyncio.wait_for(reading, 60) if total > after else []


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 20),
    st.data(),
    st.lists(st.sampled_from(["told", "late", "unheard", "looked", "twice"]), max_size=40),
)
def test_every_message_comes_once_and_in_order(before: int, data: st.DataObject, happenings: list[str]) -> None:
    """Delivered, delivered late, twice, or never heard of: the store closes every gap."""
    after = data.draw(st.integers(0, before))
    total = before + sum(one != "twice" for one in happenings)
    read = asyncio.run(play(before, after, happenings))
    assert read == (list(range(after + 1, total + 1)) if total > after else [])


async def another_process() -> list[int]:
    conversation = Conversation(heartbeat_seconds=600.0)
    reading = asyncio.ensure_future(conversation.read(0, 3))
    await asyncio.sleep(0.01)
    for _ in range(3):  # stored by a process whose hub is not this one
        conversation.store()
    await conversation.hub.look_around()
    return await asyncio.wait_for(reading, 60)


def test_what_another_process_stored_is_found_by_looking_around() -> None:
    """Long before the next heartbeat, and once: looking again finds nothing new."""
    assert asyncio.run(another_process()) == [1, 2, 3]
