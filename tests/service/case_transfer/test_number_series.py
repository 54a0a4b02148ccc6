"""A series of numbers goes on where the paper ended: once, for its own organisation, without a number given twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer.tables import KIT
from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Invalid, PlatformError, Precondition
from liangfa_kit.identity import Actor
from liangfa_kit.verify import journal_faults
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import POLICE, START, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
LETTER, WORD = "transfer_letter", "洪市监移"
OPERATOR = person("market", "operator")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def starting(last: int = 17, code_word: str = WORD) -> rpc.StartNumberSeriesRequest:
    return rpc.StartNumberSeriesRequest(request_id=str(uuid.uuid4()), code_word=code_word, last_serial=last)


def given(serial: int) -> dict[str, str]:
    return {"number": f"{WORD}〔2026〕{serial}号", "grounds": "涉嫌犯罪", "phone": "1", "materials": "无"}


async def started(service: Service, request: rpc.StartNumberSeriesRequest, by: Actor = OPERATOR) -> str:
    return str((await service.desk(by).StartNumberSeries(request)).next_number)


async def test_an_agency_that_gave_seventeen_numbers_on_paper_goes_on_with_eighteen(service: Service) -> None:
    """The request sent again gets the first answer; the beginning is journalled; the next year begins with one."""
    transfer, request = await service.open(), starting()
    assert [await started(service, request) for _ in range(2)] == ["洪市监移〔2026〕18号"] * 2
    (event,) = await service.events("NumberSeriesStarted")
    assert (event.organisation.id, event.code_word, event.year, event.last_serial) == ("market", WORD, 2026, 17)
    assert [(await service.issue(transfer, LETTER)).number for _ in range(2)] == [
        "洪市监移〔2026〕18号",
        "洪市监移〔2026〕19号",
    ]
    service.clock.advance(timedelta(days=400))
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2027〕1号"
    assert list(journal_faults(service.parts.store, KIT)) == []


@pytest.mark.parametrize("is_issued", [True, False])
async def test_a_series_that_was_begun_is_not_begun_again(service: Service, *, is_issued: bool) -> None:
    """Neither by a first document nor by an earlier beginning: a number would be left out, or given twice."""
    transfer = await service.open()
    if is_issued:
        await service.issue(transfer, LETTER)
    else:
        await started(service, starting(1))
    with pytest.raises(Precondition) as refused:
        await started(service, starting())
    assert refused.value.reason == "NUMBER_SERIES_BEGUN"
    assert refused.value.metadata["next_number"] == "洪市监移〔2026〕2号"
    assert refused.value.remedy
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕2号"


async def test_nobody_begins_a_series_of_another_organisation(service: Service) -> None:
    """The code word is its first user's, whatever the year; beginning a series is using it."""
    await started(service, starting())
    service.clock.advance(timedelta(days=400))
    for unit in ("police", "ecology"):
        with pytest.raises(Precondition) as refused:
            await started(service, starting(3), person(unit, "operator"))
        assert refused.value.reason == "CODE_WORD_TAKEN"
    assert await started(service, starting(3)) == "洪市监移〔2027〕4号"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (starting(0), "last_serial"),
        (starting(-1), "last_serial"),
        (starting(1_000_000), "last_serial"),
        (starting(code_word=""), "code_word"),
        (starting(code_word="abc"), "code_word"),
        (starting(code_word="字" * 21), "code_word"),
    ],
)
async def test_what_is_no_series_is_refused(
    service: Service, request_: rpc.StartNumberSeriesRequest, field: str
) -> None:
    """Every finding names its field; nothing is kept."""
    with pytest.raises(Invalid) as refused:
        await started(service, request_)
    assert [one.field for one in refused.value.violations] == [field]
    assert await service.events("NumberSeriesStarted") == []


async def test_of_two_who_begin_a_series_at_once_one_is_refused(tmp_path: Path) -> None:
    """Also on two processes of one database; what is issued meanwhile takes part in the race, and no number comes twice."""
    clock = ManualClock(datetime(2026, 3, 2, 1, tzinfo=UTC))
    async with running_service(tmp_path, clock) as one, running_service(tmp_path, clock) as two:
        transfer = await one.open()
        racing: list[Any] = await asyncio.gather(
            started(one, starting(17)), started(two, starting(30)), *(s.issue(transfer, LETTER) for s in (one, two)),
            return_exceptions=True,
        )  # fmt: skip
        begun = [answer for answer in racing[:2] if not isinstance(answer, PlatformError)]
        assert len(begun) <= 1
        assert {answer.reason for answer in racing[:2] if isinstance(answer, PlatformError)} == {"NUMBER_SERIES_BEGUN"}
        serials = sorted(int(document.number.partition("〕")[2][:-1]) for document in racing[2:])
        assert serials[1] == serials[0] + 1
        first = {1} | {int(answer.partition("〕")[2][:-1]) for answer in begun}
        assert serials[0] in first


async def test_the_year_is_that_of_beijing(service: Service) -> None:
    """Eight hours before it begins in Greenwich."""
    service.clock.advance(datetime(2026, 12, 31, 16, tzinfo=UTC) - START)
    assert await started(service, starting(2)) == "洪市监移〔2027〕3号"


async def test_the_series_goes_on_after_numbers_that_were_given_by_hand(service: Service) -> None:
    """3 and 2 were given by hand, in this order; neither is given again, by a person or by the platform."""
    transfer = await service.open()

    async def by_hand(serial: int) -> str:
        return str((await service.issue(transfer, LETTER, code_word="", fields=given(serial))).number)

    assert [await by_hand(serial) for serial in (3, 2)] == ["洪市监移〔2026〕3号", "洪市监移〔2026〕2号"]
    with pytest.raises(Invalid) as again:
        await by_hand(3)
    assert again.value.violations[0].reason == "NUMBER_GIVEN"
    with pytest.raises(Precondition) as begun:
        await started(service, starting(last=1))
    assert (begun.value.reason, begun.value.metadata["next_number"]) == ("NUMBER_SERIES_BEGUN", "洪市监移〔2026〕4号")
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕4号"
    with pytest.raises(Invalid) as late:
        await by_hand(5)
    assert late.value.violations[0].reason == "NUMBER_OF_SERIES"


async def test_a_series_that_begins_with_paper_passes_over_what_was_given_by_hand(service: Service) -> None:
    """Numbers up to 17 were given elsewhere, one of them here; 18 is the next."""
    transfer = await service.open()
    await service.issue(transfer, LETTER, code_word="", fields=given(3))
    assert await started(service, starting(last=17)) == "洪市监移〔2026〕18号"
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕18号"


@pytest.mark.parametrize(
    "careless",
    [
        "洪市监移[2026]3号",
        "洪市监移（2026）3号",
        "洪市监移〔2026〕03号",
        "洪市监移〔2026〕第3号",
        "洪市监移〔2026〕 3 号",
        "洪市监移〔２０２６〕3号",
    ],
)
async def test_a_number_that_only_looks_different_is_given_once(service: Service, careless: str) -> None:
    """The document keeps it as its register writes it; it is number 3 all the same, for a person and for the series."""
    transfer = await service.open()
    letter = await service.issue(transfer, LETTER, code_word="", fields=given(3) | {"number": careless})
    assert letter.number == careless
    with pytest.raises(Invalid) as again:
        await service.issue(transfer, LETTER, code_word="", fields=given(3))
    assert again.value.violations[0].reason == "NUMBER_GIVEN"
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕4号"
    with pytest.raises(Invalid) as late:
        await service.issue(transfer, LETTER, code_word="", fields=given(5) | {"number": careless.replace("3", "5")})
    assert late.value.violations[0].reason == "NUMBER_OF_SERIES"


async def test_a_slip_of_the_pen_does_not_end_a_series(service: Service) -> None:
    """No series here counts so far: such a number is given once, and the series begins with one."""
    transfer = await service.open()
    for serial in (1_000_000, 999_999_999):
        await service.issue(transfer, LETTER, code_word="", fields=given(serial))
        with pytest.raises(Invalid):
            await service.issue(transfer, LETTER, code_word="", fields=given(serial))
    assert (await service.issue(transfer, LETTER)).number == "洪市监移〔2026〕1号"


def on_paper(number: str, kind: str = "transfer_report") -> list[pb.Document]:
    return [pb.Document(kind=kind, title="书面报告", number=number, sha256="a" * 64, size_bytes=9)]


async def test_the_series_goes_on_after_numbers_of_papers_that_went_with_a_step(service: Service) -> None:
    """The report was written on paper with the number 4: no document of the platform gets it again."""
    transfer = await service.open()
    await service.take(transfer, "report_to_head", documents=on_paper(f"{WORD}[2026]4号"))
    assert (await service.issue(transfer, LETTER)).number == f"{WORD}〔2026〕5号"
    for number in (
        f"{WORD}〔2026〕5号",
        f"{WORD}〔2026〕2号",
        f"{WORD}〔2025〕99号",
    ):  # issued here; earlier; of last year
        await service.take(transfer, "send_report_back")
        await service.take(transfer, "report_to_head", documents=on_paper(number))
    assert (await service.issue(transfer, LETTER)).number == f"{WORD}〔2026〕6号"


async def test_a_paper_does_not_take_a_number_that_the_series_will_give(service: Service) -> None:
    """The platform gives the numbers of this code word: a paper that is ahead of it is refused, with what to do."""
    transfer = await service.open()
    await service.issue(transfer, LETTER)
    with pytest.raises(Invalid) as refused:
        await service.take(transfer, "report_to_head", documents=on_paper(f"{WORD}〔2026〕2号"))
    (found,) = refused.value.violations
    assert (found.field, found.reason) == ("documents[0].number", "NUMBER_OF_SERIES")
    await service.take(transfer, "report_to_head", documents=on_paper("另行编号2"))


async def test_papers_of_others_and_their_code_words_stay_theirs(service: Service) -> None:
    """Neither does an agency claim a code word by a step, nor do papers of the police count in its own series."""
    transfer = await service.open()
    await service.take(transfer, "report_to_head", documents=on_paper("洪公经〔2026〕9号"))
    await service.walk(transfer, ("approve_transfer", "deliver_transfer"))
    receipt = await service.issue(transfer, "acceptance_receipt", POLICE, code_word="洪公经")
    assert receipt.number == "洪公经〔2026〕1号"
    again = await service.open()
    await service.take(again, "report_to_head", documents=on_paper("洪公经〔2026〕9号"))
    received = [*on_paper("洪公经〔2026〕9号", "acceptance_receipt")]
    await service.take(again, "send_report_back")
    await service.take(again, "report_to_head", documents=[*received, *on_paper("")])
