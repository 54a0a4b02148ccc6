"""A consultation as a state machine: whatever is tried in whatever order, what must hold, holds."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_joint_meeting.tables import KIT, reply_clocks
from liangfa_kit.errors import PlatformError
from liangfa_kit.identity import Actor
from liangfa_kit.verify import journal_faults
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from tests.consulting import ECOLOGY, MARKET, POLICE, PROCURATOR, Service, person, running_service

PEOPLE = (MARKET, POLICE, PROCURATOR, ECOLOGY, person("court", "judge"))
TRIES = (
    "say",
    "answer",
    "acknowledge",
    "outcome",
    "close",
    "reopen",
    "invite",
    "ask_more",
    "leave",
    "send_away",
    "wait",
)
tried = st.lists(st.tuples(st.sampled_from(TRIES), st.sampled_from(PEOPLE)), min_size=5, max_size=30)


async def attempt(service: Service, key: str, what: str, by: Actor, answers: list[pb.Answer]) -> None:
    """Try something; a refusal is an answer too."""
    about: dict[str, Any] = {"request_id": str(uuid.uuid4()), "consultation_id": key}
    answer = answers[-1] if answers else pb.Answer(id="none")
    stub = service.consult(by)
    if what == "say":
        await service.say(key, "问", by)
    elif what == "answer":
        answers.append(await service.answer(key, by))
    elif what == "acknowledge":
        await stub.AcknowledgeAnswer(rpc.AcknowledgeAnswerRequest(answer_id=answer.id, sha256=answer.sha256, **about))
    elif what == "outcome":
        await stub.RecordOutcome(
            rpc.RecordOutcomeRequest(answer_id=answer.id, outcome=pb.OUTCOME_FOLLOWED, reason="是", **about)
        )
    elif what == "close":
        await service.close(key, by)
    elif what == "reopen":
        await stub.ReopenConsultation(rpc.ReopenConsultationRequest(reason="再问", **about))
    elif what in {"invite", "ask_more"}:
        await stub.InviteUnit(rpc.InviteUnitRequest(unit_id="ecology", owes_answer=what == "ask_more", **about))
    elif what in {"leave", "send_away"}:
        await service.leave(key, by, "police" if what == "send_away" else "")
    else:
        await service.later(days=4)


async def check(service: Service, key: str) -> None:
    """Sequences and numbers have no gap; clocks run for present units that owe an answer, and only while it is open."""
    found = (await service.read(key)).consultation
    page = await service.consult().ListMessages(rpc.ListMessagesRequest(consultation_id=key, page_size=500))
    assert [message.sequence for message in page.messages] == list(range(1, found.last_sequence + 1))
    numbers: dict[str, list[int]] = {}
    for answer in found.answers:
        numbers.setdefault(answer.unit_id, []).append(answer.number)
    assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())
    rows = await service.parts.store.read(lambda c: c.execute(reply_clocks.select()).mappings().all())
    running = [row["unit_id"] for row in rows if row["ended_at"] is None]
    present = {
        one.unit_id
        for one in found.participants
        if one.role == pb.PARTICIPANT_ROLE_CONSULTED and not one.HasField("left_at")
    }
    assert len(running) == len(set(running))
    assert set(running) <= (present if found.state == pb.CONSULTATION_STATE_OPEN else set())
    told = [event.unit_id for event in await service.events("ReplyOverdue")]
    assert len(told) == sum(row["escalated_at"] is not None for row in rows)
    assert list(journal_faults(service.parts.store, KIT)) == []
    for stranger in (one for one in PEOPLE if one.agency_id not in {p.unit_id for p in found.participants}):
        with suppress(PlatformError):
            await service.read(key, stranger)
            raise AssertionError(f"{stranger.agency_id} sees it")


async def run(steps: list[tuple[str, Actor]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_service(Path(folder)) as service:
            key = (await service.ask(invited_unit_ids=["procuratorate"])).id
            answers: list[pb.Answer] = []
            for what, by in steps:
                with suppress(PlatformError):
                    await attempt(service, key, what, by, answers)
            await check(service, key)


@settings(max_examples=20, deadline=None)
@given(tried)
def test_whatever_is_tried_the_rules_hold(steps: list[tuple[str, Actor]]) -> None:
    """Five units try eleven things in any order; refusals leave no trace."""
    asyncio.run(run(steps))
