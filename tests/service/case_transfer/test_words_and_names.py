"""What people are told: in words of theirs, by the names of their organisations, and with what to do next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_kit.errors import Invalid, NotFound, PlatformError, Precondition
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import CHIEF, HEAD, NAMES, OFFICER, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
TO_REVIEW = (
    "assign_task_force",
    "report_to_head",
    "approve_transfer",
    "deliver_transfer",
    "accept_transfer",
    "file_case",
)
TO_REVERSE = ("send_for_prosecution", "decide_non_prosecution", "hand_over_internally")
NAMELESS = replace(OFFICER, agency_name=OFFICER.agency_id)
"""Signed in with a token that knows only the organisation's id."""


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def test_a_document_and_a_receipt_bear_the_name_of_the_organisation(service: Service) -> None:
    """Not its id, which stands in a token that knows no name: the transfer knows it."""
    transfer = await service.open()
    letter = await service.issue(transfer, "transfer_letter", NAMELESS)
    assert letter.issuer == pb.Organisation(id="market", name=NAMES["market"])
    await service.walk(transfer, ("report_to_head", "approve_transfer"))
    given = (await service.take(transfer, "deliver_transfer", NAMELESS)).receipt
    assert given.sender == pb.Organisation(id="market", name=NAMES["market"])


async def opinion(service: Service, reply_by: str) -> tuple[pb.Transfer, str]:
    """Return a transfer under reverse review, and the id of the opinion that was issued on the platform."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    await service.walk(transfer, TO_REVERSE, suspect_id="1")
    said = {"facts": "f", "evidence": "e", "view": "v", "measures": "m", "property": "p", "reply_by": reply_by}
    issued = await service.issue(transfer, "penalty_opinion", CHIEF, code_word="洪检意", suspect_id="1", fields=said)
    return transfer, issued.id


@pytest.mark.parametrize("said", ["2026-05-20", "2026年5月20日", "2026年5月20日前"])
async def test_the_day_that_an_opinion_names_need_not_be_told_twice(service: Service, said: str) -> None:
    """It is read from the document that was issued here; another day beside it is refused."""
    transfer, issued = await opinion(service, said)
    with_it: dict[str, Any] = {"suspect_id": "1", "documents": [pb.Document(document_id=issued)]}
    with pytest.raises(Invalid) as refused:
        await service.take(transfer, "give_penalty_opinion", fields={"reply_by": "2026-06-01"}, **with_it)
    assert [(one.field, one.reason) for one in refused.value.violations] == [("fields.reply_by", "DOCUMENT_DIFFERS")]
    await service.take(transfer, "give_penalty_opinion", **with_it)
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["reply_to_penalty_opinion"].last_day == "2026-05-20"


async def test_an_opinion_that_names_a_span_leaves_the_limit_to_the_rule(service: Service) -> None:
    """Two months are what the rule gives anyway; no day is guessed."""
    transfer, issued = await opinion(service, "收到之日起两个月")
    await service.take(transfer, "give_penalty_opinion", suspect_id="1", documents=[pb.Document(document_id=issued)])
    await service.sign(transfer, OFFICER)
    assert (await service.clocks(transfer))["reply_to_penalty_opinion"].named_limit == ""


async def refusal(service: Service, transfer: pb.Transfer, name: str, **rest: Any) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        await service.take(transfer, name, **rest)
    return refused.value


async def test_fields_that_are_missing_are_named_in_chinese_too(service: Service) -> None:
    """An officer need not know what `members` is."""
    transfer = await service.open()
    error = await refusal(service, transfer, "assign_task_force", fields={})
    assert isinstance(error, Precondition)
    assert "专案组成员（members）" in error.message_zh
    error = await refusal(service, transfer, "drop_suspicion", by=HEAD, fields={})
    assert "理由（reason）" in error.message_zh


async def test_whoever_names_no_suspect_is_told_who_there_is(service: Service) -> None:
    """By number and name; one wrong field is told in the singular."""
    transfer = await service.open()
    await service.walk(transfer, TO_REVIEW)
    error = await refusal(service, transfer, "send_for_prosecution")
    assert isinstance(error, NotFound)
    assert "1 张某, 2 李某" in error.remedy
    error = await refusal(service, transfer, "move_case", fields={"receiving_organ": "market"})
    assert str(error).startswith("1 field is wrong")
