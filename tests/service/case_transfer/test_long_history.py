"""A case with ten years of history costs what a young one costs: nothing reads what it does not need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from liangfa_case_transfer.queries import transferring
from liangfa_case_transfer.records import transfer_needs
from liangfa_kit.errors import Invalid, NotFound
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.histories import TO_FILED, old_transfer
from tests.reading_cost import cost, gather_statistics
from tests.transferring import OFFICER, POLICE, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
YOUNG, OLD = 60, 5_000


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def rows_of_a_step(service: Service, transfer: pb.Transfer) -> int:
    """Return how many rows a step loads: what it declares is all that it can see."""
    with service.parts.store.transaction() as tx:
        return sum(len(tx.load(need.table, need.column, need.keys)) for need in transfer_needs(transfer.id))


async def test_a_step_loads_what_runs_and_what_waits_however_long_the_history(service: Service) -> None:
    """The same number of rows after five thousand entries as after sixty; and the step is taken."""
    young, old = await old_transfer(service, YOUNG), await old_transfer(service, OLD)
    assert rows_of_a_step(service, old) == rows_of_a_step(service, young) < 10
    reply = await service.take(old, "hand_over_items")
    assert (reply.step.sequence, reply.receipt.number) == (OLD + 1, OLD + 1)
    assert ("hand_over_items", pb.CLOCK_STATE_STOPPED) in {(clock.rule_id, clock.state) for clock in reply.clocks}
    reply = await service.take(old, "withdraw_case", suspect_id="1")
    assert {clock.number for clock in reply.clocks if clock.state == pb.CLOCK_STATE_RUNNING} == {OLD + 1}


async def test_opening_a_case_gives_the_newest_and_what_is_open(service: Service) -> None:
    """The page is full and no fuller; a limit that runs since the beginning is in it."""
    young, old = await old_transfer(service, YOUNG), await old_transfer(service, OLD)
    sizes = []
    for transfer in (young, old):
        found = await service.read(transfer)
        sizes.append((len(found.steps), len(found.clocks), len(found.receipts)))
        running = {clock.rule_id for clock in found.clocks if clock.state == pb.CLOCK_STATE_RUNNING}
        assert {"cc_transfer_to_procuratorate", "hand_over_items"} <= running
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == 50
    assert max(sizes[0]) < 60
    assert found.steps[-1].sequence == found.receipts[-1].number == OLD


async def test_opening_a_case_does_the_same_work_in_the_database(service: Service, tmp_path: Path) -> None:
    """Counted, not timed: the depth of the database's trees may differ, what is read of them may not."""
    young, old = await old_transfer(service, YOUNG), await old_transfer(service, OLD)
    gather_statistics(tmp_path)

    asked = [rpc.GetTransferRequest(transfer_id=one.id) for one in (young, old)]
    readings = [partial(transferring.opened, actor=OFFICER, request=request) for request in asked]
    costs = [await service.parts.store.read(partial(cost, reading=one)) for one in readings]
    assert 0 < costs[1] < costs[0] * 1.1, costs


async def test_the_rest_comes_page_by_page_and_nothing_twice(service: Service) -> None:
    """Steps, limits and receipts, each from the newest back to the first."""
    transfer = await old_transfer(service, 230)
    stub = service.stub(POLICE)
    found = await service.read(transfer)
    steps = [step.sequence for step in found.steps]
    while steps[0] > 1:
        asked = rpc.GetTransferRequest(transfer_id=transfer.id, before_sequence=steps[0])
        steps = [*(one.sequence for one in (await stub.GetTransfer(asked)).steps), *steps]
    assert steps == list(range(1, 231))
    first = await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=transfer.id, after_sequence=3, limit=2))
    assert [step.sequence for step in first.steps] == [4, 5]
    numbers = {clock.number for clock in found.clocks[-50:]}
    token = found.more_clocks
    while token:
        page = await stub.ListClocks(rpc.ListClocksRequest(transfer_id=transfer.id, page_token=token, limit=70))
        assert not numbers & {clock.number for clock in page.clocks}
        numbers |= {clock.number for clock in page.clocks}
        token = page.next_page_token
    assert numbers == set(range(1, 231))
    given, token = list[int](), found.more_receipts
    while token:
        page = await stub.ListReceipts(rpc.ListReceiptsRequest(transfer_id=transfer.id, page_token=token, limit=70))
        given, token = [*(one.number for one in page.receipts), *given], page.next_page_token
    assert [*given, *(one.number for one in found.receipts[-50:])] == list(range(1, 231))


async def test_a_stranger_does_not_list_the_limits_and_receipts_of_a_transfer(service: Service) -> None:
    """And a token of another list is refused."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILED)
    stranger = service.stub(person("ecology", "officer"))
    with pytest.raises(NotFound):
        await stranger.ListClocks(rpc.ListClocksRequest(transfer_id=transfer.id))
    with pytest.raises(NotFound):
        await stranger.ListReceipts(rpc.ListReceiptsRequest(transfer_id=transfer.id))
    with pytest.raises(Invalid):
        await service.stub().ListReceipts(rpc.ListReceiptsRequest(transfer_id=transfer.id, page_token="WyJ4Il0="))


async def test_an_organisations_receipts_come_page_by_page(service: Service) -> None:
    """Oldest first, each once."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILED)
    request, numbers = rpc.ListReceiptsRequest(limit=2), []
    while True:
        page = await service.stub(OFFICER).ListReceipts(request)
        numbers += [one.number for one in page.receipts]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(numbers) == [1, 2, 3]


async def test_options_that_have_closed_do_not_pile_up(service: Service) -> None:
    """Forwarded again and again, each time the hours for what is missing pass: only the last ones can still be late."""
    transfer = await service.open()
    await service.walk(transfer, TO_FILED[:-1])
    loaded = []
    for _ in range(4):
        await service.later(days=2)
        await service.take(transfer, "forward_transfer")
        await service.take(transfer, "accept_transfer")
        await service.sign(transfer, OFFICER)
        loaded.append(rows_of_a_step(service, transfer))
    assert loaded[1:] == loaded[:1] * 3
