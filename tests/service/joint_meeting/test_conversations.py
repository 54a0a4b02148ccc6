"""Live conversations: stored before they are told, in sequence, without gap or repeat, at nobody's expense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liangfa_joint_meeting.hub import QUEUE_LIMIT
from liangfa_kit.errors import Invalid, NotFound, Precondition
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from tests.consulting import ECOLOGY, MARKET, MARKET_HEAD, POLICE, PROCURATOR, Chat, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]


async def test_what_is_said_is_stored_then_told_to_everybody(tmp_path: Path) -> None:
    """The sender gets the place of the message; all get the message, by stream or by reading."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        market, police = await Chat(service, MARKET, key).live(), await Chat(service, POLICE, key).live()
        market.say("货值怎么计算？", "m1")
        await police.until(lambda: police.sequences == [1])
        await market.until(lambda: market.of("stored"))
        assert (market.of("stored")[0].client_message_id, market.of("stored")[0].sequence) == ("m1", 1)
        police.say("按标价计算。")
        await service.say(key, "收到。")
        await market.until(lambda: len(market.sequences) == 3)
        assert market.sequences == [1, 2, 3]
        read = await service.consult(POLICE).ListMessages(rpc.ListMessagesRequest(consultation_id=key))
        assert [m.text for m in market.of("message")] == [m.text for m in read.messages]
        await market.cut()
        await police.cut()
        assert service.parts.hub.seats == 0


async def test_a_message_sent_twice_is_one_message(tmp_path: Path) -> None:
    """By stream and by unary call alike; other words under the same id are refused and the stream goes on."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        chat = await Chat(service, MARKET, key).live()
        for _ in range(3):
            chat.say("请问何时答复？", "m1")
        await chat.until(lambda: len(chat.of("stored")) == 3)
        assert {one.sequence for one in chat.of("stored")} == {1}
        assert (await service.say(key, "请问何时答复？", request_id="m1")).sequence == 1
        chat.say("别的话", "m1")
        await chat.until(lambda: chat.of("refused"))
        assert chat.of("refused")[0].reason == "REQUEST_ID_REUSED"
        chat.say("x" * 8_001, "m2")
        await chat.until(lambda: len(chat.of("refused")) == 2)
        assert chat.of("refused")[1].reason == "TEXT_TOO_LONG"
        chat.say("谢谢")
        await chat.until(lambda: len(chat.sequences) == 2)
        assert chat.sequences == [1, 2]
        assert len(await service.events("MessageSent")) == 2
        await chat.cut()


async def test_after_a_cut_the_conversation_goes_on_where_it_was(tmp_path: Path) -> None:
    """Whatever was said meanwhile comes first, once each, while others go on talking."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        seen: list[int] = []
        for _ in range(5):
            chat = Chat(service, POLICE, key, after=seen[-1] if seen else 0)
            saying = asyncio.create_task(_say_some(service, key, 12))
            await chat.until(lambda chat=chat: len(chat.sequences) >= 7)
            await chat.cut()
            seen += chat.sequences
            await saying
        chat = Chat(service, POLICE, key, after=seen[-1])
        await chat.until(lambda: seen[-1] + len(chat.sequences) >= 60)
        await chat.cut()
        assert seen + chat.sequences == list(range(1, 61))


async def _say_some(service: object, key: str, count: int) -> None:
    for number in range(count):
        await service.say(key, f"第{number}句")  # type: ignore[attr-defined]  # the fixture's service


async def test_marks_only_grow_and_are_told_to_the_others(tmp_path: Path) -> None:
    """In whatever order they arrive, past the end or backwards; read is delivered too."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        for number in range(5):
            await service.say(key, f"{number}")
        market, police = await Chat(service, MARKET, key).live(), await Chat(service, POLICE, key).live()
        for delivered, read in ((5, 0), (2, 0), (0, 3), (0, 1), (99, 0)):
            police.mark(delivered, read)
        await market.until(lambda: any(m.read_sequence == 3 for moved in market.of("marks") for m in moved.marks))
        await service.parts.marks.flush()
        (mark,) = (await service.read(key)).marks
        assert (mark.person_id, mark.delivered_sequence, mark.read_sequence) == (POLICE.person_id, 5, 3)
        unary = await service.consult(POLICE).MarkMessages(
            rpc.MarkMessagesRequest(consultation_id=key, delivered_sequence=1, read_sequence=4)
        )
        assert (unary.mark.delivered_sequence, unary.mark.read_sequence) == (5, 4)
        await market.cut()
        await police.cut()


async def test_typing_is_told_to_the_others_and_not_kept(tmp_path: Path) -> None:
    """At most once a second, and never to oneself."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        market, police = await Chat(service, MARKET, key).live(), await Chat(service, POLICE, key).live()
        for _ in range(5):
            police.typing()
        police.say("完")
        await market.until(lambda: market.sequences == [1])
        assert [one.person_id for one in market.of("typing")] == [POLICE.person_id]
        assert police.of("typing") == []
        assert (await service.event_names())[-1] == "MessageSent"
        await market.cut()
        await police.cut()


async def test_a_slow_participant_is_told_loses_nothing_and_slows_nobody(tmp_path: Path) -> None:
    """Its queue is dropped, and the rest comes from the store when it reads again."""
    async with running_service(tmp_path) as service:
        key = (await service.ask(consulted_unit_ids=["police"], invited_unit_ids=["procuratorate"])).id
        hub = service.parts.hub
        seat = hub.sit(key, PROCURATOR)
        slow = hub.listen(seat, 0)
        assert rpc.ConverseResponse.FromString(await anext(slow)).HasField("live")
        quick = await Chat(service, POLICE, key).live()
        count = QUEUE_LIMIT + 50
        await asyncio.gather(*(service.say(key, str(number)) for number in range(count)))
        await quick.until(lambda: len(quick.sequences) == count)
        assert quick.sequences == list(range(1, count + 1))
        kinds, sequences = [], []
        async for wire in slow:
            response = rpc.ConverseResponse.FromString(wire)
            kinds.append(response.WhichOneof("content"))
            if response.HasField("message"):
                sequences.append(response.message.sequence)
            if sequences and sequences[-1] == count:
                break
        assert sequences == list(range(1, count + 1))
        assert "lagging" in kinds
        await quick.cut()


async def test_leaving_ends_the_stream_and_what_comes_after_stays_unseen(tmp_path: Path) -> None:
    """The same answer as for a conversation that never was."""
    async with running_service(tmp_path) as service:
        key = (await service.ask(invited_unit_ids=["ecology"])).id
        ecology = await Chat(service, ECOLOGY, key).live()
        await service.leave(key, MARKET, "ecology")
        await service.say(key, "以下内容不再公开。")
        await ecology.until(lambda: ecology.error is not None)
        assert isinstance(ecology.error, NotFound)
        assert ecology.error.reason == "CONSULTATION_NOT_FOUND"
        assert all(m.kind == pb.MESSAGE_KIND_LEFT for m in ecology.of("message"))
        again = Chat(service, ECOLOGY, key)
        await again.until(lambda: again.error is not None)
        assert again.seen == []


async def test_notices_of_commands_and_of_time_reach_the_conversation(tmp_path: Path) -> None:
    """Answers, receipts, outcomes, reminders and the closing stand in it in order."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        chat = await Chat(service, MARKET_HEAD, key).live()
        await service.later(days=6)
        await service.accept(await service.answer(key))
        await service.close(key)
        await chat.until(lambda: len(chat.sequences) == 5)
        assert [message.kind for message in chat.of("message")] == [
            pb.MESSAGE_KIND_REMINDED, pb.MESSAGE_KIND_ANSWERED, pb.MESSAGE_KIND_ACKNOWLEDGED,
            pb.MESSAGE_KIND_OUTCOME, pb.MESSAGE_KIND_CLOSED,
        ]  # fmt: skip
        chat.say("还能说吗")
        await chat.until(lambda: chat.of("refused"))
        assert chat.of("refused")[0].reason == "CONSULTATION_CLOSED"
        await chat.cut()


async def test_another_processs_message_is_found_at_the_next_heartbeat(tmp_path: Path) -> None:
    """The hub of this process did not hear of it; the store did."""
    async with running_service(tmp_path, heartbeat_seconds=0.05) as service:
        key = (await service.ask()).id
        chat = await Chat(service, POLICE, key).live()
        hub = service.parts.hub
        seats, hub._seats = hub._seats, {}  # as if another process, where nobody of ours sits, had stored it
        await service.say(key, "来自另一进程")
        hub._seats = seats
        await chat.until(lambda: chat.sequences == [1])
        await chat.cut()


async def test_a_conversation_begins_with_open_and_has_no_other(tmp_path: Path) -> None:
    """Anything else ends it with a reason."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id

        async def wrong() -> AsyncIterator[rpc.ConverseRequest]:
            yield rpc.ConverseRequest(typing=rpc.ReportTyping())

        with pytest.raises(Invalid) as refused:
            async for _ in service.consult().Converse(wrong()):
                pass
        assert refused.value.reason == "CONVERSATION_NOT_OPENED"
        chat = await Chat(service, MARKET, key).live()
        chat.outgoing.put_nowait(rpc.ConverseRequest(open=rpc.OpenConversation(consultation_id=key)))
        await chat.until(lambda: chat.error is not None)
        assert isinstance(chat.error, Invalid)


async def test_whoever_stops_sending_goes_on_listening(tmp_path: Path) -> None:
    """A half-closed stream still delivers."""
    async with running_service(tmp_path) as service:
        key = (await service.ask()).id
        chat = await Chat(service, POLICE, key).live()
        chat.outgoing.put_nowait(None)
        await service.say(key, "还在听吗？")
        await chat.until(lambda: chat.sequences == [1])
        await chat.cut()
        with pytest.raises(Precondition):
            await service.say(key, "另一句", request_id=chat.of("message")[0].client_message_id)
