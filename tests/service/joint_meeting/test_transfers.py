"""What a joint meeting makes of transfers: items and figures by unit, and tasks that end when the owner takes the step."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from liangfa_case_transfer.tables import KIT as TRANSFER_KIT
from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_enforcement_record.tables import KIT as RECORD_KIT
from liangfa_joint_meeting.tables import KIT, limits_seen, steps_seen, transfers_seen
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import PlatformError
from liangfa_kit.identity import Actor
from liangfa_kit.store.tables import journal_position
from liangfa_protos.case_transfer.v1 import transfer_pb2
from liangfa_protos.joint_meeting.v1 import events_pb2, unit_service_pb2
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceStub
from tests.unit.supervision.test_reactions import START, platform_at
from tests.unit.supervision.test_transfer_reactions import BY, OFFICER, opened, take

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
POLICE, PROCURATOR = district.POLICE, district.PROCURATOR
AGENCY = OFFICER.agency_id
MEMBERS = [PROCURATOR.agency_id, POLICE.agency_id, AGENCY]
OPERATOR = Actor("desk-1", "某甲", "desk", "desk", "operator", OFFICER.region, frozenset({"operator"}))
_ITEMS = {
    pb.ITEM_SOURCE_SUSPECTED: "suspected", pb.ITEM_SOURCE_REFUSED: "refused", pb.ITEM_SOURCE_DISPUTED: "disputed",
    pb.ITEM_SOURCE_LIMIT_MISSED: "missed", pb.ITEM_SOURCE_OPINION: "opinion", pb.ITEM_SOURCE_TASK: "task",
}  # fmt: skip


class Room:
    """The meetings of the region that the demo district is in; three members, the procuratorate convenes."""

    def __init__(self, platform: Platform, clock: ManualClock) -> None:
        self.platform, self.clock = platform, clock
        assert platform.meeting
        self.service = platform.meeting
        self.meeting = pb.Meeting()

    async def do(self, by: Actor, name: str, **values: Any) -> Any:
        request_class = getattr(rpc, f"{name}Request")
        fields = set(request_class.DESCRIPTOR.fields_by_name)
        usual = {"request_id": str(uuid.uuid4()), "meeting_id": self.meeting.id}
        given = {key: value for key, value in usual.items() if key in fields} | values
        return await getattr(MeetingServiceStub(self.platform.channel_for(by)), name)(request_class(**given))

    async def settled(self) -> None:
        """Wait until what is committed has been applied here, and let the scheduler look once."""
        record, transfer = self.platform.record, self.platform.transfer
        assert record
        assert transfer
        async with asyncio.timeout(120):
            while True:
                journals = ((record, RECORD_KIT), (transfer, TRANSFER_KIT))
                committed = [await part.store.read(partial(journal_position, tables=kit)) for part, kit in journals]
                if self.service.consumer.state.applied >= sum(committed):
                    break
                await asyncio.sleep(0.02)
        await self.service.scheduler.tick()

    async def convene(self) -> dict[str, pb.AgendaItem]:
        """Convene a meeting tomorrow and return its agenda by source."""
        await self.settled()
        starts = self.clock.now() + timedelta(days=1)
        values = {"kind": pb.MEETING_KIND_SPECIAL, "title": "专题会议", "place": "区检察院", "starts_at": starts}
        self.meeting = (await self.do(PROCURATOR, "ConveneMeeting", **values)).meeting
        return {_ITEMS[item.source]: item for item in self.meeting.agenda}

    async def give(self, item: pb.AgendaItem, *drafts: rpc.TaskDraft) -> list[pb.Task]:
        """Open the meeting, if it is not open, and resolve tasks on an item."""
        if self.meeting.state == pb.MEETING_STATE_CONVENED:
            self.meeting = (await self.do(PROCURATOR, "OpenMeeting", present_unit_ids=MEMBERS)).meeting
        reply = await self.do(PROCURATOR, "AdoptResolution", item_id=item.id, text="限期办理", tasks=drafts)
        return list(reply.tasks)

    async def task(self, task_id: str) -> pb.Task:
        found: list[pb.Task] = list((await self.do(PROCURATOR, "ListTasks", include_done=True)).tasks)
        return next(one for one in found if one.id == task_id)

    async def fulfilled(self) -> list[events_pb2.TaskFulfilled]:
        name = events_pb2.TaskFulfilled.DESCRIPTOR.full_name
        query = sa.select(KIT.journal.c.payload).where(KIT.journal.c.type == name)
        found = await self.service.store.read(lambda c: c.execute(query).scalars().all())
        return [events_pb2.TaskFulfilled.FromString(payload) for payload in found]


@asynccontextmanager
async def room(folder: Path) -> AsyncIterator[Room]:
    clock = ManualClock(START)
    async with platform_at(folder, clock) as platform:
        found = Room(platform, clock)
        for unit_id in MEMBERS:
            entry = unit_service_pb2.Unit(id=unit_id, name=unit_id, kind="unit", region=OFFICER.region, active=True)
            request = unit_service_pb2.EnrolUnitRequest(request_id=unit_id, unit=entry)
            await UnitServiceStub(platform.channel_for(OPERATOR)).EnrolUnit(request)
        rule = pb.MeetingRule(
            region=OFFICER.region, convener_unit_id=PROCURATOR.agency_id, member_unit_ids=MEMBERS, months_between=6,
            special_requests=3, quorum_percent=60,
        )  # fmt: skip
        await found.do(OPERATOR, "SetMeetingRule", rule=rule)
        yield found


async def delivered(meetings: Room) -> transfer_pb2.Transfer:
    transfer = await opened(meetings.platform)
    for name in ("report_to_head", "approve_transfer", "deliver_transfer"):
        await take(meetings.platform, transfer, name)
    return transfer


async def test_the_agenda_follows_a_transfer_from_the_suspicion_to_the_dispute(tmp_path: Path) -> None:
    """Not transferred, then with the police, refused, disputed; counts by unit and no case by name."""
    async with room(tmp_path) as meetings:
        transfer = await opened(meetings.platform)
        assert set(await meetings.convene()) == {"suspected"}
        for name in ("report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer"):
            await take(meetings.platform, transfer, name)
        assert set(await meetings.convene()) == set()
        await take(meetings.platform, transfer, "refuse_filing", BY["police_head"])
        refused = (await meetings.convene())["refused"]
        assert (refused.unit_id, refused.title.endswith("1 件")) == (AGENCY, True)
        await take(meetings.platform, transfer, "serve_refusal")
        await take(meetings.platform, transfer, "request_reconsideration")
        found = await meetings.convene()
        assert (set(found), found["disputed"].text) == ({"disputed"}, "复议 1 件")
        for told in (transfer.id, transfer.case_id, transfer.title):
            assert told not in str(meetings.meeting)


async def test_figures_count_what_happened_in_the_period_for_both_sides(tmp_path: Path) -> None:
    """The agency's line and the police organ's; what happened before the period is not in it."""
    async with room(tmp_path) as meetings:
        transfer = await delivered(meetings)
        await take(meetings.platform, transfer, "accept_transfer")
        await take(meetings.platform, transfer, "refuse_filing", BY["police_head"])
        await meetings.settled()
        day = f"{START:%Y-%m-%d}"
        lines = (await meetings.do(PROCURATOR, "DraftBulletin", day_from=day, day_to=day)).figures
        found = {line.unit_id: (line.transferred, line.filed, line.refused) for line in lines}
        assert found == {AGENCY: (1, 0, 1), POLICE.agency_id: (1, 0, 1), PROCURATOR.agency_id: (0, 0, 0)}
        later = {"day_from": "2027-01-01", "day_to": "2027-12-31"}
        lines = (await meetings.do(PROCURATOR, "DraftBulletin", **later)).figures
        assert not any(line.transferred or line.refused for line in lines)


async def test_a_missed_limit_is_on_the_agenda_until_it_is_made_good(tmp_path: Path) -> None:
    """With the unit that owes the step; the figure of the period keeps it."""
    async with room(tmp_path) as meetings:
        transfer = await opened(meetings.platform)
        await take(meetings.platform, transfer, "report_to_head")
        meetings.clock.advance(timedelta(days=10))
        assert meetings.platform.transfer
        await meetings.platform.transfer.scheduler.tick()
        missed = (await meetings.convene())["missed"]
        assert (missed.unit_id, "负责人审批是否移送" in missed.text) == (AGENCY, True)
        (line,) = (one for one in meetings.meeting.figures if one.unit_id == AGENCY)
        assert line.limits_missed > 0
        await take(meetings.platform, transfer, "approve_transfer")
        again = await meetings.convene()
        assert "missed" not in again or "负责人审批是否移送" not in again["missed"].text


async def test_a_task_that_requires_a_step_is_done_when_the_owner_takes_it(tmp_path: Path) -> None:
    """Nobody reports and nobody judges; it is told once, and the next agenda has it no more."""
    async with room(tmp_path) as meetings:
        transfer = await opened(meetings.platform)
        await take(meetings.platform, transfer, "report_to_head")
        await take(meetings.platform, transfer, "approve_transfer")
        item = (await meetings.convene())["suspected"]
        required = {"text": "移送公安机关", "due_on": "2026-12-31", "case_id": transfer.case_id}
        mine = rpc.TaskDraft(owner_unit_id=AGENCY, required_step="deliver_transfer", **required)
        theirs = rpc.TaskDraft(owner_unit_id=POLICE.agency_id, required_step="deliver_transfer", **required)
        task, other = await meetings.give(item, mine, theirs)
        assert (task.required_step_zh, task.state) == ("移送公安机关", pb.TASK_STATE_OPEN)
        await meetings.settled()
        assert (await meetings.task(task.id)).state == pb.TASK_STATE_OPEN
        meetings.clock.advance(timedelta(hours=2))
        await take(meetings.platform, transfer, "deliver_transfer")
        await meetings.settled()
        await meetings.settled()
        done = await meetings.task(task.id)
        assert (done.state, done.done_by.transfer_id, done.done_by.sequence) == (pb.TASK_STATE_DONE, transfer.id, 4)
        assert "移送公安机关" in done.judgement
        assert [event.task.id for event in await meetings.fulfilled()] == [task.id]
        assert (await meetings.task(other.id)).state == pb.TASK_STATE_OPEN  # it was not the police's step
        assert (await meetings.convene())["task"].reference_id == other.id


async def test_a_step_from_before_the_meeting_does_not_do_its_task(tmp_path: Path) -> None:
    """What was taken already is no answer to a resolution that asks for it anew."""
    async with room(tmp_path) as meetings:
        transfer = await delivered(meetings)
        await take(meetings.platform, transfer, "take_transfer_back", BY["agency_head"])
        item = (await meetings.convene())["suspected"]
        meetings.clock.advance(timedelta(minutes=1))
        draft = {"owner_unit_id": AGENCY, "case_id": transfer.case_id, "text": "重新移送", "due_on": "2026-12-31"}
        (task,) = await meetings.give(item, rpc.TaskDraft(required_step="deliver_transfer", **draft))
        await meetings.settled()
        assert (await meetings.task(task.id)).state == pb.TASK_STATE_OPEN
        meetings.clock.advance(timedelta(minutes=1))
        for name in ("report_to_head", "approve_transfer", "deliver_transfer"):
            await take(meetings.platform, transfer, name)
        await meetings.settled()
        assert (await meetings.task(task.id)).state == pb.TASK_STATE_DONE


@pytest.mark.parametrize(
    ("draft", "field", "reason"),
    [
        ({"required_step": "deliver_transfr", "case_id": "c"}, "tasks[0].required_step", "STEP_UNKNOWN"),
        ({"required_step": "deliver_transfer"}, "tasks[0].case_id", "FIELD_REQUIRED"),
    ],
)
async def test_a_required_step_must_be_one_and_name_its_case(
    tmp_path: Path, draft: dict[str, str], field: str, reason: str
) -> None:
    """The refusal names the field, and the nearest step."""
    async with room(tmp_path) as meetings:
        await opened(meetings.platform)
        item = (await meetings.convene())["suspected"]
        with pytest.raises(PlatformError) as refused:
            await meetings.give(item, rpc.TaskDraft(owner_unit_id=AGENCY, text="x", due_on="2026-12-31", **draft))
        (violation,) = refused.value.violations
        assert (violation.field, violation.reason) == (field, reason)
        assert reason != "STEP_UNKNOWN" or "deliver_transfer" in violation.message


async def test_a_rebuild_gives_the_same_rows_and_journals_nothing(tmp_path: Path) -> None:
    """Where transfers stand, their steps and missed limits come from the events alone; done tasks are not told again."""
    async with room(tmp_path) as meetings:
        transfer = await opened(meetings.platform)
        item = (await meetings.convene())["suspected"]
        draft = {"owner_unit_id": AGENCY, "case_id": transfer.case_id, "text": "报告", "due_on": "2026-12-31"}
        await meetings.give(item, rpc.TaskDraft(required_step="report_to_head", **draft))
        meetings.clock.advance(timedelta(days=5))
        assert meetings.platform.transfer
        await meetings.platform.transfer.scheduler.tick()
        await take(meetings.platform, transfer, "report_to_head")
        await meetings.settled()
        before = [await rows(meetings, table) for table in (transfers_seen, steps_seen, limits_seen)]
        assert all(before)
        assert len(await meetings.fulfilled()) == 1
        await meetings.service.consumer.rebuild()
        await meetings.service.scheduler.tick()
        assert [await rows(meetings, table) for table in (transfers_seen, steps_seen, limits_seen)] == before
        assert len(await meetings.fulfilled()) == 1


async def rows(meetings: Room, table: sa.Table) -> list[Any]:
    query = sa.select(table).order_by(table.primary_key.columns[0])
    return list(await meetings.service.store.read(lambda c: c.execute(query).mappings().all()))
