"""A case that is passed on to another police organ: the new one has it, owes what is owed, and signs for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.ledger import flaws
from liangfa_case_transfer.wiring import key_folder
from liangfa_kit.errors import Invalid, NotFound, PlatformError
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import OFFICER, POLICE, POLICE_HEAD, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = ("assign_task_force", "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
CITY = person("city-police", "police", "420100")
CITY_HEAD = person("city-police", "police_head", "420100")
FIELDS = {"receiving_organ": "city-police", "receiving_organ_name": "武汉市公安局", "reason": "地域管辖"}


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def owed(service: Service, by: object) -> set[str]:
    return {clock.rule_id for clock in (await service.stub(by).ListClocks(rpc.ListClocksRequest())).clocks}  # type: ignore[arg-type]


async def listed(service: Service, by: object) -> list[str]:
    return [one.id for one in (await service.stub(by).ListTransfers(rpc.ListTransfersRequest())).transfers]  # type: ignore[arg-type]


async def test_forwarding_gives_the_file_to_the_new_organ_and_a_notice_to_the_agency(
    service: Service, tmp_path: Path
) -> None:
    """Two receipts of one step; accepting signs for the file, and the chain holds."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    reply = await service.take(transfer, "forward_transfer", fields=FIELDS)
    given = [reply.receipt, *reply.further_receipts]
    assert [(one.step, one.sender.id, one.receiver.id) for one in given] == [
        ("forward_transfer", "police", "city-police"), ("forward_transfer", "police", "market")
    ]  # fmt: skip
    assert (await service.events("StepTaken"))[-1].further_receipts[0] == given[1]
    assert await listed(service, CITY) == [transfer.id]
    await service.take(transfer, "accept_transfer")
    receipts = (await service.read(transfer)).receipts
    signed = {one.id: one.HasField("received_at") for one in receipts}
    assert [signed[one.id] for one in given] == [True, False]
    await service.sign(transfer, OFFICER)
    ring = Keyring(key_folder(tmp_path))
    keys = {unit: ring.public_keys(unit) for unit in ("market", "police", "city-police")}
    assert list(flaws((await service.read(transfer)).receipts, keys)) == []
    assert "police_filing_decision" in await owed(service, CITY)
    assert "police_filing_decision" not in await owed(service, POLICE)


async def test_a_filed_case_that_is_moved_belongs_to_the_new_organ(service: Service) -> None:
    """It has the next step, the worklist and the running limits; the old one still tells the agency, and still sees it."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.take(transfer, "detain", suspect_id="1")
    assert "arrest_request" in await owed(service, POLICE)
    await service.take(transfer, "move_case", POLICE, fields=FIELDS)
    assert (transfer.receiver.id, transfer.receiver.name) == ("city-police", "武汉市公安局")
    assert await owed(service, POLICE) == {"police_notify_transfer_after_filing"}
    assert "arrest_request" in await owed(service, CITY)
    assert await listed(service, CITY) == await listed(service, POLICE) == [transfer.id]
    with pytest.raises(PlatformError) as refusal:
        await service.take(transfer, "request_arrest", POLICE_HEAD, suspect_id="1")
    assert refusal.value.reason == "STEP_NOT_YOURS"
    offered = await service.stub(POLICE).ListAllowedSteps(rpc.ListAllowedStepsRequest(transfer_id=transfer.id))
    assert [one.step for one in offered.steps] == ["notify_move"]
    await service.sign(transfer, CITY)
    open_to_police = [one for one in (await service.read(transfer, CITY)).receipts if one.receiver.id == "city-police"]
    assert [(one.step, one.HasField("received_at")) for one in open_to_police] == [("move_case", True)]
    await service.take(transfer, "notify_move", POLICE)
    assert await owed(service, POLICE) == set()
    await service.take(transfer, "request_arrest", CITY_HEAD, suspect_id="1")
    clock = (await service.clocks(transfer))["arrest_request"]
    assert (clock.state, clock.owes_id) == (pb.CLOCK_STATE_STOPPED, "city-police")


async def test_a_missed_limit_of_a_moved_case_names_the_organ_that_has_it(service: Service) -> None:
    """Whoever was given the case is told, and is who has failed."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.take(transfer, "detain", suspect_id="1")
    await service.take(transfer, "move_case", fields=FIELDS)
    await service.take(transfer, "notify_move", POLICE)
    await service.later(days=10)
    missed = {e.clock.rule_id: e.clock.owes_id for e in await service.events("ClockMissed")}
    assert missed["arrest_request"] == "city-police"


async def test_a_case_comes_back_to_the_organ_that_passed_it_on(service: Service) -> None:
    """There and back: the former receivers are the others."""
    transfer = await service.open()
    await service.walk(transfer, (*TO_REVIEW, "file_case"))
    await service.take(transfer, "move_case", POLICE, fields=FIELDS)
    back = {"receiving_organ": "police", "receiving_organ_name": "洪山区分局"}
    await service.take(transfer, "move_case", CITY, fields=back)
    assert transfer.receiver.id == "police"
    assert [organ.id for organ in transfer.former_receivers] == ["city-police"]


@pytest.mark.parametrize("step", ["forward_transfer", "move_case"])
async def test_an_organ_does_not_pass_a_case_on_to_itself(service: Service, step: str) -> None:
    """It would begin every limit anew."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW if step == "forward_transfer" else (*TO_REVIEW, "file_case"))
    for organ in ("police", "market", "procuratorate"):
        with pytest.raises(Invalid):
            await service.take(transfer, step, POLICE, fields=FIELDS | {"receiving_organ": organ})


async def test_a_stranger_does_not_see_a_transfer_that_was_passed_on(service: Service) -> None:
    """Only those who had it."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    await service.take(transfer, "forward_transfer", fields=FIELDS)
    stranger = person("railway-police", "police", "420106")
    assert await listed(service, stranger) == []
    with pytest.raises(NotFound):
        await service.read(transfer, stranger)
    assert (await service.read(transfer, POLICE)).transfer == transfer
