"""CaseService through its stub: the contract that agencies' own systems build on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from liangfa_enforcement_record.tables import KIT
from liangfa_kit.errors import Exists, Invalid, NotFound, Precondition, Stale
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from tests.enforcement import (
    CRIME,
    HARMLESS,
    OFFICER,
    PROCURATOR,
    RESIDENT_ID,
    STRANGER,
    USCC,
    actor,
    case,
    decision,
    party,
)
from tests.enforcement_service import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
COUNTERFEIT = {"cause": "销售侵犯注册商标专用权的商品", "narrative": CRIME}


async def register(service: Service, by: Any = OFFICER, request_id: str = "", **values: Any) -> pb.Case:
    """Enter a case; a request id of its own unless one is given."""
    register.count = getattr(register, "count", 0) + 1  # type: ignore[attr-defined]  # a counter of this module
    request = rpc.RegisterCaseRequest(request_id=request_id or f"r{register.count}", case=case(**values))  # type: ignore[attr-defined]  # as above
    reply: rpc.RegisterCaseResponse = await service.cases(by).RegisterCase(request)
    return reply.case


async def test_a_case_is_entered_and_read_back(tmp_path: Path) -> None:
    """What GetCase answers is what RegisterCase answered, with the moves that are possible now."""
    async with running_service(tmp_path) as service:
        entered = await register(service, **COUNTERFEIT)
        reply = await service.cases().GetCase(rpc.GetCaseRequest(case_id=entered.id))
        assert reply.case == entered
        assert list(reply.possible_stages) == [pb.STAGE_OPENED, pb.STAGE_NOT_OPENED]


async def test_the_same_request_twice_is_one_case(tmp_path: Path) -> None:
    """A repeated request id gets the first answer; the same id for another request is refused."""
    async with running_service(tmp_path) as service:
        first, again = [await register(service, request_id="same") for _ in range(2)]
        assert again == first
        with pytest.raises(Precondition) as refusal:
            await register(service, request_id="same", cause="另一案由")
        assert refusal.value.reason == "REQUEST_ID_REUSED"
        found = await service.cases().SearchCases(rpc.SearchCasesRequest())
        assert found.total == 1


async def test_a_change_without_a_request_id_is_refused(tmp_path: Path) -> None:
    """Nobody can tell a repeat from a second case without one."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refusal:
            await service.cases().RegisterCase(rpc.RegisterCaseRequest(case=case()))
        assert refusal.value.reason == "REQUEST_ID_REQUIRED"


async def test_a_refusal_says_what_is_wrong_in_both_languages_and_what_to_do(tmp_path: Path) -> None:
    """Reason code, English, Chinese, remedy, the field, and a trace id."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refusal:
            await register(service, amount_yuan="两万", cause="")
        error = refusal.value
        assert error.reason == "FIELD_REQUIRED"
        assert [v.field for v in error.violations] == ["case.cause", "case.amount_yuan"]
        assert error.message_zh
        assert error.remedy
        assert error.trace_id  # type: ignore[attr-defined]  # a RemoteError has one


async def test_a_simple_case_needs_one_short_form(tmp_path: Path) -> None:
    """The simple procedure enters case and decision in one step."""
    async with running_service(tmp_path) as service:
        request = rpc.RegisterSimpleCaseRequest(
            request_id="s1",
            party=party("某早餐店", kind=2),
            cause="占道经营",
            narrative="当事人在人行道摆放桌椅，当场改正。",
            decision=decision("", fine_yuan="50", content="罚款50元"),
            handlers=["某甲"],
        )
        reply = await service.cases().RegisterSimpleCase(request)
        assert (reply.case.procedure, reply.case.stage) == (pb.PROCEDURE_SIMPLE, pb.STAGE_DECIDED)
        repeated = await service.cases().RegisterSimpleCase(request)
        assert repeated.case.id == reply.case.id


async def test_numbers_of_persons_are_masked_unless_revealed_with_a_purpose(tmp_path: Path) -> None:
    """Stars by default; in full with a purpose, and the journal knows who saw them."""
    async with running_service(tmp_path) as service:
        person = party("王小明", id_document_type="resident_id", id_document_number=RESIDENT_ID, phone="13800001234")
        entered = await register(service, parties=[person])
        assert entered.parties[0].id_document_number == "1101**********002X"
        assert entered.parties[0].phone == "138****1234"
        with pytest.raises(Invalid) as refusal:
            await service.cases().GetCase(rpc.GetCaseRequest(case_id=entered.id, reveal=True))
        assert refusal.value.reason == "PURPOSE_REQUIRED"
        request = rpc.GetCaseRequest(case_id=entered.id, reveal=True, purpose="制作移送书")
        reply = await service.cases().GetCase(request)
        assert reply.case.parties[0].id_document_number == RESIDENT_ID
        timeline = await service.cases().GetCaseTimeline(rpc.GetCaseTimelineRequest(case_id=entered.id))
        viewed = [entry for entry in timeline.entries if entry.type == "CaseViewed"]
        assert "制作移送书" in viewed[0].summary_zh
        assert "完整证件号码" in viewed[0].summary_zh


async def test_a_supervisor_reads_with_a_purpose_and_the_agency_can_see_who_looked(tmp_path: Path) -> None:
    """Every reading from outside stands in the case's history, with name and purpose."""
    async with running_service(tmp_path) as service:
        entered = await register(service)
        with pytest.raises(Invalid):
            await service.cases(PROCURATOR).GetCase(rpc.GetCaseRequest(case_id=entered.id))
        request = rpc.GetCaseRequest(case_id=entered.id, purpose="专项监督")
        await service.cases(PROCURATOR).GetCase(request)
        timeline = await service.cases().GetCaseTimeline(rpc.GetCaseTimelineRequest(case_id=entered.id))
        told = [(entry.type, entry.actor.person_id) for entry in timeline.entries]
        assert told == [("CaseRegistered", "p1"), ("CaseViewed", "p5"), ("CaseViewed", "p1")]


async def test_what_a_caller_may_not_see_does_not_exist_for_them(tmp_path: Path) -> None:
    """Another agency's officer and another region's supervisor get the answer that an unknown id gets."""
    async with running_service(tmp_path) as service:
        entered = await register(service)
        elsewhere = actor("procurator", agency="x", region="420106")
        for stranger in (STRANGER, elsewhere):
            for case_id in (entered.id, "0190"):
                with pytest.raises(NotFound) as refusal:
                    await service.cases(stranger).GetCase(rpc.GetCaseRequest(case_id=case_id, purpose="x"))
                assert refusal.value.reason == "CASE_NOT_FOUND"
            found = await service.cases(stranger).SearchCases(rpc.SearchCasesRequest())
            assert (found.total, len(found.cases)) == (0, 0)


async def test_a_city_supervisor_sees_its_districts(tmp_path: Path) -> None:
    """420100 holds 420111; 420200 does not."""
    async with running_service(tmp_path) as service:
        await register(service)
        totals = []
        for region in ("420000", "420100", "420111", "420200", "430000", "000000", ""):
            supervisor = actor("justice_supervisor", agency="j", region=region)
            totals.append((await service.cases(supervisor).SearchCases(rpc.SearchCasesRequest())).total)
        assert totals == [1, 1, 1, 0, 0, 1, 0]


async def test_a_case_goes_through_its_stages(tmp_path: Path) -> None:
    """Opened, investigated, decided, amended; the history tells each with its words."""
    async with running_service(tmp_path) as service:
        stub = service.cases()
        at = await register(service)
        for number, stage in enumerate((pb.STAGE_OPENED, pb.STAGE_INVESTIGATION)):
            request = rpc.AdvanceStageRequest(
                request_id=f"a{number}", case_id=at.id, expected_version=at.version, to_stage=stage
            )
            at = (await stub.AdvanceStage(request)).case
        step = pb.Step(kind="询问", place="办公室", description="询问当事人", officers=["某甲"])
        step.done_at.FromDatetime(datetime(2026, 3, 1, tzinfo=UTC))
        await stub.RecordStep(rpc.RecordStepRequest(request_id="s", case_id=at.id, step=step))
        deciding = rpc.RecordDecisionRequest(
            request_id="d", case_id=at.id, expected_version=at.version, decision=decision()
        )
        decided = await stub.RecordDecision(deciding)
        at = decided.case
        amended = await stub.AmendCase(
            rpc.AmendCaseRequest(
                request_id="m", case_id=at.id, expected_version=at.version, case=pb.Case(remarks="补注"),
                fields=["remarks"], reason="补充",
            )
        )  # fmt: skip
        assert amended.changes[0].new_value == "补注"
        with pytest.raises(Stale) as refusal:
            await stub.AmendCase(
                rpc.AmendCaseRequest(
                    request_id="m2", case_id=at.id, expected_version=at.version, case=pb.Case(title="x"),
                    fields=["title"], reason="补充",
                )
            )  # fmt: skip
        assert refusal.value.reason == "STALE_VERSION"
        history = await stub.GetCaseTimeline(rpc.GetCaseTimelineRequest(case_id=at.id, page_size=3))
        rest = await stub.GetCaseTimeline(
            rpc.GetCaseTimelineRequest(case_id=at.id, page_size=30, page_token=history.next_page_token)
        )
        types = [entry.type for entry in (*history.entries, *rest.entries)]
        assert types == [
            "CaseRegistered", "StageAdvanced", "StageAdvanced", "StepRecorded", "DecisionRecorded", "CaseAmended", "CaseViewed",
        ]  # fmt: skip
        assert all(entry.summary_zh and entry.summary_en and len(entry.hash) == 64 for entry in rest.entries)


async def test_a_taken_document_number_names_the_case_that_has_it(tmp_path: Path) -> None:
    """The officer can open that case instead of entering it twice."""
    async with running_service(tmp_path) as service:
        first = await register(service, decision=decision())
        with pytest.raises(Exists) as refusal:
            await register(service, decision=decision())
        assert refusal.value.metadata["case_id"] == first.id


async def enter_some(service: Service) -> dict[str, str]:
    """Enter five cases of two agencies and return their ids by what is special about them."""
    other = actor("officer", agency="ecology", region="420106", person="p9")
    ids = {
        "plain": await register(
            service, cause="未按规定悬挂营业执照", narrative=HARMLESS, case_number="洪市监案2026-1"
        ),
        "crime": await register(service, parties=[party("红星烟酒店", uscc=USCC, kind=2)], **COUNTERFEIT),
        "decided": await register(service, decision=decision(fine_yuan="500", decided_on="2026-01-05")),
        "dear": await register(
            service,
            amount_yuan="80000.5",
            parties=[party("武汉大河商贸有限公司")],
            decision=decision("洪市监处罚〔2026〕13号", fine_yuan="90000", decided_on="2026-02-05"),
        ),
        "waste": await register(service, other, cause="擅自倾倒固体废物", narrative="在河滩倾倒建筑垃圾两车。"),
    }
    return {name: entered.id for name, entered in ids.items()}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {"plain", "crime", "decided", "dear"}),
        ({"text": "白酒"}, {"crime"}),
        ({"text": "营业执照"}, {"plain", "decided", "dear"}),
        ({"text": "执照 大河"}, {"dear"}),
        ({"text": "没有这个词"}, set()),
        ({"text": "。"}, set()),
        ({"party_name": "红星烟"}, {"crime"}),
        ({"party_code": USCC.lower()}, {"crime"}),
        ({"document_number": "洪市监处罚〔2026〕13号"}, {"dear"}),
        ({"case_number": "洪市监案2026-1"}, {"plain"}),
        ({"cause": "销售侵犯"}, {"crime"}),
        ({"stages": [pb.STAGE_DECIDED]}, {"decided", "dear"}),
        ({"decided_from": "2026-01-06"}, {"dear"}),
        ({"decided_to": "2026-01-05"}, {"decided"}),
        ({"fine_from_yuan": "500", "fine_to_yuan": "500"}, {"decided"}),
        ({"amount_from_yuan": "80000.5"}, {"dear"}),
        ({"amount_to_yuan": "0"}, {"plain", "crime", "decided"}),
        ({"outcomes": [pb.SCREENING_OUTCOME_SUSPECTED]}, {"crime"}),
        ({"agency_id": "ecology"}, set()),
        ({"region": "420106"}, set()),
        ({"region": "420100"}, {"plain", "crime", "decided", "dear"}),
        ({"registered_from": "2026-03-02", "registered_to": "2026-03-02"}, {"plain", "crime", "decided", "dear"}),
        ({"registered_to": "2026-03-01"}, set()),
        ({"text": "100%"}, set()),
        ({"cause": "销售%"}, set()),
        ({"party_name": '" OR 1=1 --'}, set()),
    ],
)
async def test_search_finds_exactly_what_the_conditions_say(
    tmp_path: Path, wanted: dict[str, Any], names: set[str]
) -> None:
    """One condition at a time, within what the officer may see; nothing in a value is syntax."""
    async with running_service(tmp_path) as service:
        ids = await enter_some(service)
        reply = await service.cases().SearchCases(rpc.SearchCasesRequest(**wanted))
        found = {name for name, case_id in ids.items() if case_id in {line.case_id for line in reply.cases}}
        assert (found, reply.total) == (names, len(names))
        assert sum(count.cases for count in reply.stage_counts) == len(names)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"decided_from": "2026-13-01"}, "decided_from"),
        ({"fine_to_yuan": "-1"}, "fine_to_yuan"),
        ({"text": "字" * 201}, "text"),
        ({"order": 77}, "order"),
        ({"region": "42"}, "region"),
    ],
)
async def test_a_malformed_condition_is_refused_with_its_name(
    tmp_path: Path, wanted: dict[str, Any], field: str
) -> None:
    """A typing slip must not look like 'nothing found'."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refusal:
            await service.cases().SearchCases(rpc.SearchCasesRequest(**wanted))
        assert refusal.value.violations[0].field == field


@pytest.mark.parametrize("order", rpc.CaseOrder.values())
async def test_pages_give_every_case_once_in_order(tmp_path: Path, order: int) -> None:
    """A token continues where the page ended, also among equals; the total is the same on every page."""
    async with running_service(tmp_path) as service:
        await enter_some(service)
        watcher = actor("justice_supervisor", agency="j", region="420100")
        seen: list[str] = []
        token = ""
        for _ in range(10):
            request = rpc.SearchCasesRequest(order=order, page_size=2, page_token=token)  # type: ignore[arg-type]  # a value
            reply = await service.cases(watcher).SearchCases(request)
            assert reply.total == 5
            assert bool(reply.stage_counts) == (not token)
            seen += [line.case_id for line in reply.cases]
            token = reply.next_page_token
            if not token:
                break
        whole = await service.cases(watcher).SearchCases(rpc.SearchCasesRequest(order=order, page_size=200))  # type: ignore[arg-type]  # a value
        assert seen == [line.case_id for line in whole.cases]
        assert len(set(seen)) == 5


@pytest.mark.parametrize("token", ["x", "eyJ9", "W10=", "WzEsMl0=", "WzAsIHRydWUsICIiXQ==", "=" * 2000, "\u4e2d"])
async def test_a_token_that_is_none_is_refused(tmp_path: Path, token: str) -> None:
    """Whatever is sent as a token, it never reaches the database."""
    async with running_service(tmp_path) as service:
        await enter_some(service)
        with pytest.raises(Invalid) as refusal:
            await service.cases().SearchCases(rpc.SearchCasesRequest(page_token=token))
        assert refusal.value.reason == "PAGE_TOKEN_MALFORMED"


async def test_the_journal_of_a_busy_day_holds_its_own_proof(tmp_path: Path) -> None:
    """After entering, amending and reading, every hash in the journal checks out."""
    from liangfa_kit.verify import journal_faults

    async with running_service(tmp_path) as service:
        ids = await enter_some(service)
        await service.cases().GetCase(rpc.GetCaseRequest(case_id=ids["crime"]))
        assert list(journal_faults(service.record.store, KIT)) == []
