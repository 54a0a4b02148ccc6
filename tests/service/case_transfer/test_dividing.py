"""Cases that are split and joined: courses and limits go on, receipts stay valid, and both histories say where to."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.ledger import flaws
from liangfa_case_transfer.tables import KIT
from liangfa_case_transfer.wiring import key_folder
from liangfa_kit.errors import Exists, Forbidden, Invalid, NotFound, PlatformError, Precondition, Stale
from liangfa_kit.identity import Actor
from liangfa_kit.verify import journal_faults
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import CHIEF, OFFICER, POLICE_HEAD, PROCURATOR, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
FILED = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer", "file_case")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def filed(service: Service, **rest: Any) -> pb.Transfer:
    """Return a filed transfer for which everything is signed."""
    transfer = await service.open(**rest)
    await service.walk(transfer, FILED)
    await service.sign(transfer, OFFICER)
    return transfer


async def split(service: Service, transfer: pb.Transfer, *suspects: str, by: Actor = POLICE_HEAD, **rest: Any) -> Any:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()), "transfer_id": transfer.id, "expected_version": transfer.version,
        "suspect_ids": suspects, "reason": "另案处理",
    }  # fmt: skip
    reply = await service.stub(by).SplitTransfer(rpc.SplitTransferRequest(**(given | rest)))
    transfer.CopyFrom(reply.transfer)
    return reply


async def join(service: Service, transfer: pb.Transfer, into: pb.Transfer, by: Actor = POLICE_HEAD, **rest: Any) -> Any:
    given: dict[str, Any] = {
        "request_id": str(uuid.uuid4()), "transfer_id": transfer.id, "expected_version": transfer.version,
        "into_id": into.id, "into_expected_version": into.version, "reason": "同一犯罪嫌疑人",
    }  # fmt: skip
    reply = await service.stub(by).JoinTransfer(rpc.JoinTransferRequest(**(given | rest)))
    transfer.CopyFrom(reply.joined)
    into.CopyFrom(reply.transfer)
    return reply


async def running(service: Service, transfer: pb.Transfer) -> dict[tuple[str, str], pb.Clock]:
    clocks = (await service.read(transfer)).clocks
    return {(one.rule_id, one.suspect_id): one for one in clocks if one.state == pb.CLOCK_STATE_RUNNING}


async def test_a_suspect_goes_on_in_a_transfer_of_his_own(service: Service) -> None:
    """His course and his limits with the ends that they had; the other's stay; each transfer closes by itself."""
    transfer = await filed(service)
    await service.take(transfer, "detain", suspect_id="2")
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    before = (await running(service, transfer))["arrest_request", "2"]
    part = (await split(service, transfer, "2")).part
    assert (part.split_from, part.case_id, part.state, part.version) == (transfer.id, transfer.case_id, "filed", 1)
    assert [(one.id, one.name, one.state, one.in_custody) for one in part.suspects] == [
        ("1", "李某", "investigated", True)
    ]
    assert [(one.name, one.state, one.moved_to) for one in transfer.suspects] == [
        ("张某", "prosecution_review", ""), ("李某", "separate_case", part.id)
    ]  # fmt: skip
    after = (await running(service, part))["arrest_request", "1"]
    assert (after.id, after.due_at, after.transfer_id) == (before.id, before.due_at, part.id)
    assert set(await running(service, part)) == {("arrest_request", "1")}
    assert ("prosecution_review", "1") in await running(service, transfer)
    assert ("arrest_request", "2") not in await running(service, transfer)
    await service.take(part, "withdraw_case", suspect_id="1")
    assert ("arrest_request", "1") not in await running(service, part)
    await service.walk(transfer, ("prosecute", "pronounce_judgment", "record_conviction"), suspect_id="1")
    await service.take(transfer, "close_filed")
    assert (transfer.state, part.state) == ("closed", "filed")
    assert [(step.step, step.fields["part"]) for step in (await service.read(part)).steps][:1] == [
        ("split_case", part.id)
    ]
    assert list(journal_faults(service.parts.store, KIT)) == []


async def test_a_limit_that_moved_is_missed_once_and_where_it_went(service: Service) -> None:
    """The scheduler finds it in the new transfer."""
    transfer = await filed(service)
    await service.take(transfer, "detain", suspect_id="2")
    part = (await split(service, transfer, "2", by=CHIEF)).part
    await service.later(days=10)
    missed = [event.clock for event in await service.events("ClockMissed") if event.clock.rule_id == "arrest_request"]
    assert [clock.transfer_id for clock in missed] == [part.id]


async def test_a_part_may_be_split_and_the_case_is_still_sent_once(service: Service) -> None:
    """Three suspects, three transfers of one case; the agency does not open a fourth."""
    transfer = await filed(service, suspect_names=["甲", "乙", "丙"], case_id="case-7")
    part = (await split(service, transfer, "2", "3", title="乙、丙案")).part
    again = (await split(service, part, "2")).part
    assert [one.name for one in again.suspects] == ["丙"]
    assert (part.title, again.title, again.split_from) == ("乙、丙案", "乙、丙案", part.id)
    with pytest.raises(Exists):
        await service.open(case_id="case-7")
    listed = await service.stub(OFFICER).ListTransfers(rpc.ListTransfersRequest(case_id="case-7"))
    assert {one.id for one in listed.transfers} == {transfer.id, part.id, again.id}


async def test_joined_transfers_go_on_as_one(service: Service, tmp_path: Path) -> None:
    """Courses and limits of both run in the one that is left; the other is closed, and says where it went on."""
    one, other = await filed(service), await filed(service, suspect_names=["王某"], offences=["非法经营罪"])
    await service.take(other, "detain", suspect_id="1")
    before = (await running(service, other))["arrest_request", "1"]
    items = {(await running(service, transfer))["hand_over_items", ""].id for transfer in (one, other)}
    await join(service, other, one)
    assert (other.state, other.joined_into, list(one.joined), other.suspects[0].state) == (
        "closed", one.id, [other.id], "separate_case",
    )  # fmt: skip
    assert [suspect.name for suspect in one.suspects] == ["张某", "李某", "王某"]
    assert "非法经营罪" in one.offences
    after = (await running(service, one))["arrest_request", "3"]
    assert (after.id, after.due_at) == (before.id, before.due_at)
    assert await running(service, other) == {}
    clocks = (await service.read(one)).clocks
    assert items <= {clock.id for clock in clocks if clock.state == pb.CLOCK_STATE_RUNNING}
    await service.take(one, "hand_over_items")
    clocks = {clock.id: clock.state for clock in (await service.read(one)).clocks}
    assert {clocks[clock_id] for clock_id in items} == {pb.CLOCK_STATE_STOPPED}
    await service.take(one, "request_arrest", suspect_id="3")
    assert ("arrest_request", "3") not in await running(service, one)
    with pytest.raises(Precondition):
        await service.take(other, "remind_supervised_case")
    ring = Keyring(key_folder(tmp_path))
    keys = {unit: ring.public_keys(unit) for unit in ("market", "police", "procuratorate")}
    for transfer in (one, other):
        found = flaws((await service.read(transfer)).receipts, keys)
        assert {flaw.rule for flaw in found} <= {"OPEN"}
    assert list(journal_faults(service.parts.store, KIT)) == []


async def test_one_person_has_one_course_after_the_joining(service: Service) -> None:
    """The same name in both: one course, if both stand alike; otherwise it is for people to bring them together first."""
    one, other = await filed(service, suspect_names=["张某"]), await filed(service, suspect_names=["张某"])
    way = ("send_for_prosecution", "return_for_investigation", "resubmit_for_prosecution")
    await service.walk(other, way, suspect_id="1")
    with pytest.raises(Invalid, match="differ"):
        await join(service, other, one)
    await service.take(one, "send_for_prosecution", suspect_id="1")
    await join(service, other, one)
    assert [(suspect.name, suspect.taken["return_for_investigation"]) for suspect in one.suspects] == [("张某", 1)]
    await service.take(one, "prosecute", suspect_id="1")
    assert not [rule for rule, _ in await running(service, one) if rule == "prosecution_review"]


async def test_what_a_signature_would_still_start_is_signed_for_first(service: Service) -> None:
    """The notice of the filing is not signed for: the limit that it starts would begin in a closed transfer."""
    one = await filed(service)
    other = await service.open()
    await service.walk(other, FILED)
    with pytest.raises(Invalid, match="signed for"):
        await join(service, other, one)
    await service.sign(other, OFFICER)
    await join(service, other, one)


async def test_only_who_has_the_case_splits_and_joins_it(service: Service) -> None:
    """By role, by organisation, and only what is filed and what belongs together."""
    transfer, other = await filed(service), await filed(service)
    for by in (OFFICER, PROCURATOR):
        with pytest.raises(Forbidden):
            await split(service, transfer, "2", by=by)
    with pytest.raises(NotFound):
        await split(service, transfer, "2", by=person("far-police", "police_head", "420106"))
    with pytest.raises(PlatformError) as refusal:
        await split(service, transfer, "2", by=person("city-procuratorate", "chief_procurator", "420100"))
    assert refusal.value.reason == "STEP_NOT_YOURS"
    early = await service.open()
    with pytest.raises(Precondition):
        await split(service, early, "2")
    with pytest.raises(Precondition):
        await join(service, early, transfer)
    elsewhere = await filed(service)
    fields = {"receiving_organ": "city-police"}
    await service.take(elsewhere, "move_case", fields=fields)
    with pytest.raises(Invalid, match="same"):
        await join(service, other, elsewhere, by=CHIEF)
    for field, value in (("into_id", transfer.id), ("into_id", ""), ("reason", " ")):
        wrong: dict[str, Any] = {field: value}
        with pytest.raises(Invalid):
            await join(service, transfer, other, **wrong)
    with pytest.raises(NotFound):
        await join(service, transfer, other, into_id="nowhere")
    for suspects in ((), ("1", "2")):
        with pytest.raises(Invalid):
            await split(service, transfer, *suspects)
    with pytest.raises(NotFound):
        await split(service, transfer, "9")


async def test_of_two_who_divide_at_once_one_is_stale(service: Service) -> None:
    """Neither transfer may have changed since it was read; a repeated request is answered as before."""
    transfer, other = await filed(service), await filed(service)
    with pytest.raises(Stale):
        await join(service, transfer, other, into_expected_version=other.version - 1)
    with pytest.raises(Stale):
        await split(service, transfer, "2", expected_version=transfer.version + 1)
    version = transfer.version
    first = await split(service, transfer, "2", request_id="once")
    assert await split(service, transfer, "2", request_id="once", expected_version=version) == first


async def test_two_people_of_one_name_stay_two_when_their_case_is_joined(service: Service) -> None:
    """Nobody is lost; who of them is the one in the other case, nobody can tell."""
    for names, people in ((["王某"], 2), (["张某"], 3)):
        one, other = await filed(service, suspect_names=names), await filed(service, suspect_names=["张某", "张某"])
        await service.take(other, "detain", suspect_id="2")
        await join(service, other, one)
        assert len([suspect for suspect in one.suspects if suspect.name == "张某"]) == people
        limits = [clock.suspect_id for clock in (await running(service, one)).values() if clock.suspect_id]
        held = [suspect.id for suspect in one.suspects if suspect.in_custody]
        assert limits == held


async def test_a_duty_that_was_kept_stays_in_its_transfer(service: Service) -> None:
    """The opinion was answered there: joining carries over what runs, not what is done."""
    one, other = await filed(service), await service.open(suspect_names=["王某"])
    await service.take(other, "require_transfer")
    await service.sign(other, OFFICER)
    await service.walk(other, FILED)
    await service.sign(other, OFFICER)
    await join(service, other, one)
    kept = [clock for clock in (await service.read(other)).clocks if clock.rule_id.startswith("agency_act_on")]
    assert [clock.state for clock in kept] == [pb.CLOCK_STATE_STOPPED]


SUPERVISED = (
    *FILED[:-1], "refuse_filing", "serve_refusal", "propose_supervision", "demand_reasons", "explain", "notify_to_file",
    "file_on_notice",
)  # fmt: skip
"""Filed on the procuratorate's notice: three months for the investigation of the case begin (RULE art. 564)."""


async def supervised(service: Service) -> pb.Transfer:
    """Return a transfer of two suspects, filed on notice, for which everything is signed."""
    transfer = await service.open()
    for step in SUPERVISED:
        await service.walk(transfer, (step,))
        for side in (OFFICER, POLICE_HEAD, PROCURATOR):
            await service.sign(transfer, side)
    return transfer


async def test_the_limit_of_the_case_goes_on_while_one_suspect_is_investigated(service: Service) -> None:
    """One of two withdrawn is not the end of the investigation; the last one sent for prosecution is."""
    transfer = await supervised(service)
    await service.take(transfer, "withdraw_case", suspect_id="2")
    assert ("supervised_case_progress", "") in await running(service, transfer)
    await service.take(transfer, "send_for_prosecution", suspect_id="1")
    assert ("supervised_case_progress", "") not in await running(service, transfer)


async def test_the_limit_of_the_case_goes_where_the_last_investigation_goes(service: Service) -> None:
    """With whoever is still investigated, and it stays while one of them stays."""
    transfer = await supervised(service)
    before = (await running(service, transfer))["supervised_case_progress", ""]
    await service.take(transfer, "withdraw_case", suspect_id="2")
    for side in (OFFICER, PROCURATOR):
        await service.sign(transfer, side)
    part = (await split(service, transfer, "1")).part
    after = (await running(service, part))["supervised_case_progress", ""]
    assert (after.id, after.due_at) == (before.id, before.due_at)
    assert ("supervised_case_progress", "") not in await running(service, transfer)
