"""What supervision makes of transfers: lines for watchers, alerts for missed limits, an end to "not transferred"."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
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
from liangfa_joint_meeting.tables import KIT as MEETING_KIT
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import Actor
from liangfa_kit.store.tables import journal_position
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceStub
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.tables import KIT, alerts, feed
from tests.transferring import issuing
from tests.unit.supervision.test_reactions import START, case, platform_at, register

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
OFFICER = district.officer("market_regulation")
BY = {
    "officer": OFFICER,
    "agency_head": replace(OFFICER, roles=frozenset({"agency_head"})),
    "police": district.POLICE,
    "police_head": replace(district.POLICE, roles=frozenset({"police_head"})),
}


async def take(platform: Platform, transfer: transfer_pb2.Transfer, name: str, by: Actor | None = None) -> None:
    step = Procedure.load().step(name)
    request = rpc.TakeStepRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer.id, step=name, expected_version=transfer.version,
        documents=[transfer_pb2.Document(kind=k, title=k, sha256="0" * 64) for k in step.documents_required],
        fields=dict.fromkeys(step.required_fields, "x") | dict.fromkeys(step.people, "甲、乙"),
    )  # fmt: skip
    stub: Any = TransferServiceStub(platform.channel_for(by or BY[min(step.roles)]))
    transfer.CopyFrom((await stub.TakeStep(request)).transfer)


async def opened(platform: Platform, by: Actor = OFFICER, case_id: str = "") -> transfer_pb2.Transfer:
    known = await register(platform, case("在卤肉中添加罂粟壳，已销售80元。"))
    stub: Any = TransferServiceStub(platform.channel_for(by))
    request = rpc.OpenTransferRequest(
        request_id="open", case_id=case_id or known.id, title=known.title, suspect_names=["张三丰"],
        offences=["生产、销售有毒、有害食品罪"],
        receiver=transfer_pb2.Organisation(id="hs-police", name="武汉市公安局洪山区分局"),
        supervisor=transfer_pb2.Organisation(id="hs-procuratorate", name="武汉市洪山区人民检察院"),
    )  # fmt: skip
    found: transfer_pb2.Transfer = (await stub.OpenTransfer(request)).transfer
    return found


async def settled(platform: Platform) -> None:
    """Wait until everything that is committed was published and applied (on a folder that began with this platform)."""
    supervision, record, transfer, meeting = (
        platform.supervision, platform.record, platform.transfer, platform.meeting,
    )  # fmt: skip
    assert supervision
    assert record
    assert transfer
    assert meeting
    journals = ((supervision, KIT), (record, RECORD_KIT), (transfer, TRANSFER_KIT), (meeting, MEETING_KIT))
    async with asyncio.timeout(120):
        while True:
            committed = [await part.store.read(partial(journal_position, tables=kit)) for part, kit in journals]
            if supervision.consumer.state.applied >= sum(committed):
                return
            await asyncio.sleep(0.02)


async def rows(platform: Platform, table: sa.Table) -> list[Any]:
    assert platform.supervision is not None
    query = sa.select(table).order_by(table.primary_key.columns[0])
    return list(await platform.supervision.store.read(lambda c: c.execute(query).mappings().all()))


async def open_alerts(platform: Platform) -> set[str]:
    return {row["id"].partition("/")[0] for row in await rows(platform, alerts) if not row["is_closed"]}


async def test_a_transfer_is_seen_step_by_step_and_its_suspicion_is_answered(tmp_path: Path) -> None:
    """Nobody's name but the organisations'; the alert "not transferred" closes when the police have it."""
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await opened(platform)
        for name in ("assign_task_force", "report_to_head", "approve_transfer"):
            await take(platform, transfer, name)
        await settled(platform)
        assert "suspected" in await open_alerts(platform)
        for name in ("deliver_transfer", "accept_transfer"):
            await take(platform, transfer, name)
        await settled(platform)
        assert "suspected" not in await open_alerts(platform)
        items = [pb.FeedItem.FromString(row["item"]) for row in await rows(platform, feed) if row["kind"] >= 40]
        kinds = [item.kind for item in items]
        assert kinds.count(pb.FEED_KIND_TRANSFER_STEP) == 5
        assert kinds.count(pb.FEED_KIND_TRANSFER_OPENED) == kinds.count(pb.FEED_KIND_RECEIPT_SIGNED) == 1
        assert "移送步骤：武汉市公安局洪山区分局，接受移送并出具回执" in {item.text_zh for item in items}
        assert not [item for item in items if "张三丰" in f"{item}"]


async def test_what_another_agency_sends_under_the_number_answers_no_suspicion(tmp_path: Path) -> None:
    """A case belongs to its agency: a stranger's transfer of the same case number leaves the alert open."""
    stranger = replace(OFFICER, agency_id="elsewhere", agency_name="另一局")
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await opened(platform, stranger)
        await take(platform, transfer, "report_to_head", stranger)
        head = replace(stranger, roles=frozenset({"agency_head"}))
        for name in ("approve_transfer", "deliver_transfer"):
            await take(platform, transfer, name, head)
        await settled(platform)
        assert "suspected" in await open_alerts(platform)


async def test_documents_of_a_transfer_are_passed_over(tmp_path: Path) -> None:
    """Supervisors are told of steps and limits, not of papers; no event of theirs is set aside, or stops the others."""
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await opened(platform)
        desk: Any = DocumentServiceStub(platform.channel_for(OFFICER))
        await desk.IssueDocument(issuing(transfer, "investigation_report"))
        await take(platform, transfer, "assign_task_force")
        await settled(platform)
        assert await rows(platform, KIT.set_aside) == []
        steps = [row for row in await rows(platform, feed) if row["kind"] == pb.FEED_KIND_TRANSFER_STEP]
        assert len(steps) == 1


async def test_a_missed_limit_is_an_alert_until_its_step_is_taken(tmp_path: Path) -> None:
    """It names who owes what by which text, and closes with the step; a rebuild gives the same rows."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        assert platform.transfer is not None
        assert platform.supervision is not None
        transfer = await opened(platform)
        for name in ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer"):
            await take(platform, transfer, name)
        await take(platform, transfer, "copy_to_procuratorate")
        clock.advance(timedelta(days=8))
        await platform.transfer.scheduler.tick()
        await settled(platform)
        assert "missed" in await open_alerts(platform)
        missed = [row for row in await rows(platform, alerts) if row["kind"] == pb.ALERT_KIND_CLOCK_MISSED]
        assert [row["severity"] for row in missed] == [pb.SEVERITY_WARNING]
        assert "公安机关" in missed[0]["text_zh"]
        assert "2026-03-05" in missed[0]["text_zh"]
        clock.advance(timedelta(days=5))
        await platform.transfer.scheduler.tick()
        await settled(platform)
        still = [row for row in await rows(platform, alerts) if row["kind"] == pb.ALERT_KIND_CLOCK_MISSED]
        assert [(row["severity"], row["raised_at"]) for row in still] == [
            (pb.SEVERITY_CRITICAL, missed[0]["raised_at"])
        ]
        assert "告知上一级人民检察院" in still[0]["text_zh"]
        await take(platform, transfer, "file_case", BY["police_head"])
        await settled(platform)
        assert "missed" not in await open_alerts(platform)


async def test_more_time_closes_the_alert_of_a_missed_limit_until_it_is_missed_again(tmp_path: Path) -> None:
    """Thirty days granted after the miss: nobody is late now."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        assert platform.transfer is not None
        transfer = await opened(platform)
        for name in ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer"):
            await take(platform, transfer, name)
        await take(platform, transfer, "copy_to_procuratorate")
        clock.advance(timedelta(days=8))
        await platform.transfer.scheduler.tick()
        await settled(platform)
        assert "missed" in await open_alerts(platform)
        stub: Any = TransferServiceStub(platform.channel_for(BY["police_head"]))
        running = (await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=transfer.id))).clocks
        clock_id = next(one.id for one in running if one.rule_id == "police_filing_decision")
        await stub.ExtendClock(
            rpc.ExtendClockRequest(
                request_id="more", transfer_id=transfer.id, clock_id=clock_id, track="major_complex", ground="重大",
                approver="局长",
            )
        )  # fmt: skip
        await settled(platform)
        assert "missed" not in await open_alerts(platform)
        clock.advance(timedelta(days=60))
        await platform.transfer.scheduler.tick()
        await settled(platform)
        assert "missed" in await open_alerts(platform)
