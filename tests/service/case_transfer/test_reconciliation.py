"""Each day both sides' books are compared, and every organisation sees its own gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_kit.errors import Invalid
from liangfa_kit.identity import Actor
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import OFFICER, POLICE, PROCURATOR, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
DELIVERED = ("report_to_head", "approve_transfer", "deliver_transfer")
SUPERVISOR = person("procuratorate", "justice_supervisor")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def gaps(service: Service, by: Actor = OFFICER, **rest: Any) -> list[tuple[str, str]]:
    """Return (kind, step) of the gaps that somebody sees."""
    reply = await service.stub(by).ListReceiptGaps(rpc.ListReceiptGapsRequest(**rest))
    return [(rpc.GapKind.Name(gap.kind).removeprefix("GAP_KIND_"), gap.step) for gap in reply.gaps]


def held(*receipts: pb.Receipt, **rest: str) -> list[rpc.HeldReceipt]:
    return [rpc.HeldReceipt(**({"receipt_id": one.id, "sha256": one.sha256} | rest)) for one in receipts]


async def test_both_sides_and_the_supervisor_see_what_was_sent_without_receipt(service: Service) -> None:
    """Until it is signed for; to others there is nothing."""
    transfer = await service.open()
    await service.walk(transfer, DELIVERED)
    for by in (OFFICER, POLICE, PROCURATOR, SUPERVISOR):
        assert await gaps(service, by) == [("NOT_SIGNED", "deliver_transfer")], by
    assert await gaps(service, person("ecology", "officer")) == []
    await service.sign(transfer, POLICE)
    reply = await service.stub(OFFICER).ListReceiptGaps(rpc.ListReceiptGapsRequest())
    assert (list(reply.gaps), reply.day, reply.transfers, reply.receipts) == ([], "2026-03-02", 1, 1)


async def test_a_receipt_stays_a_gap_on_every_later_day_until_it_is_signed_for(service: Service) -> None:
    """And is compared again on the day on which that happens; days are China's."""
    transfer = await service.open()
    await service.walk(transfer, DELIVERED)
    service.clock.advance(timedelta(days=3, hours=14, minutes=30))  # 23:30 in Beijing
    await service.walk(transfer, ("copy_to_procuratorate",))
    open_two = [("NOT_SIGNED", "deliver_transfer"), ("NOT_SIGNED", "copy_to_procuratorate")]
    assert await gaps(service) == await gaps(service, day="2026-03-05") == open_two
    assert await gaps(service, day="2026-03-04") == await gaps(service, POLICE) == open_two[:1]
    assert await gaps(service, day="2026-03-01") == []
    service.clock.advance(timedelta(hours=1))
    await service.sign(transfer, POLICE)
    await service.sign(transfer, PROCURATOR)
    signed = await service.stub(OFFICER).ListReceiptGaps(rpc.ListReceiptGapsRequest())
    assert (signed.day, list(signed.gaps), signed.transfers, signed.receipts) == ("2026-03-06", [], 1, 2)
    empty = await service.stub(OFFICER).ListReceiptGaps(rpc.ListReceiptGapsRequest(day="2026-03-04"))
    assert (empty.transfers, empty.receipts) == (0, 0)


async def test_an_organisations_own_books_are_held_against_the_ledger(service: Service) -> None:
    """What it holds and nobody gave, what it holds otherwise, and what it does not hold."""
    transfer, other = await service.open(), await service.open()
    for one in (transfer, other):
        await service.walk(one, DELIVERED)
        await service.sign(one, POLICE)
    (mine,) = (await service.read(transfer)).receipts
    (second,) = (await service.read(other)).receipts
    assert await gaps(service, POLICE, held=held(mine, second)) == []
    assert await gaps(service, POLICE, held=held(mine)) == [("NOT_HELD", "deliver_transfer")]
    assert (
        await gaps(service, POLICE, held=held(mine, second, sha256="0" * 64)) == [("DIFFERS", "deliver_transfer")] * 2
    )
    unheard = pb.Receipt(id="unheard-of", sha256="0" * 64)
    assert await gaps(service, POLICE, held=held(mine, second, unheard)) == [("UNKNOWN", "")]
    # Another's receipt is as unknown as one that does not exist.
    assert await gaps(service, person("ecology", "officer"), held=held(mine)) == [("UNKNOWN", "")]


async def test_pages_hold_every_gap_once(service: Service) -> None:
    """Transfer by transfer; what the caller holds is compared on the first page alone."""
    for _ in range(3):
        await service.walk(await service.open(), DELIVERED)
    unheard, token, found = pb.Receipt(id="unheard-of"), "", []
    for _ in range(3):
        request = rpc.ListReceiptGapsRequest(page_size=1, page_token=token, held=held(unheard))
        reply = await service.stub(OFFICER).ListReceiptGaps(request)
        assert reply.transfers == 1
        token = reply.next_page_token
        found += [(gap.transfer_id, gap.kind) for gap in reply.gaps]
    assert token == ""
    kinds = [kind for _, kind in found]
    assert (kinds.count(rpc.GAP_KIND_NOT_SIGNED), kinds.count(rpc.GAP_KIND_NOT_HELD)) == (3, 3)
    assert kinds.count(rpc.GAP_KIND_UNKNOWN) == 1
    assert len(set(found)) == len(found) == 7


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "2026-03-03", "9999-12-31", "2026-3-1", "٢٠٢٦-٠٣-٠١"])
async def test_a_day_that_is_none_or_is_to_come_is_refused(service: Service, day: str) -> None:
    """With the field named."""
    with pytest.raises(Invalid) as refusal:
        await gaps(service, day=day)
    assert [violation.field for violation in refusal.value.violations] == ["day"]


async def test_the_first_day_of_all_and_too_long_a_book(service: Service) -> None:
    """No day and no list breaks it."""
    assert await gaps(service, day="0001-01-01") == []
    with pytest.raises(Invalid):
        await gaps(service, held=[rpc.HeldReceipt(receipt_id=str(n)) for n in range(1_001)])
