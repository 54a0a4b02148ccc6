"""Entering cases: what is stored, what is told, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_enforcement_record.tables import CASE_TEXT, cases, party_records, screenings
from liangfa_kit.errors import Exists, Invalid
from liangfa_kit.store.port import Store
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from tests.enforcement import CRIME, RESIDENT_ID, USCC, actor, case, decision, party, running_record

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]


def found(store: Store, text: str) -> set[str]:
    """Return the ids that a search for `text` finds."""
    query = store.search(CASE_TEXT, text)
    assert query is not None
    with store.reading() as connection:
        return {row[0] for row in connection.execute(query)}


async def test_a_case_is_stored_told_and_searchable_in_one_commit(tmp_path: Path) -> None:
    """State, event and full text arrive together; the server sets what is its business."""
    async with running_record(tmp_path) as record:
        reply = await record.register(case(agency_id="somebody-else", import_id="x", version=9))
        stored = await record.stored(reply.case.id)
        assert stored == reply.case
        assert (stored.agency_id, stored.region, stored.agency_type) == ("market-hongshan", "420111", "market")
        assert (stored.version, stored.stage, stored.import_id) == (1, pb.STAGE_RECEIVED, "")
        assert stored.title == "武汉市洪山区红星商贸有限公司未按规定悬挂营业执照案"
        assert await record.event_names(f"case/{stored.id}") == ["CaseRegistered"]
        assert (await record.events(f"case/{stored.id}"))[0].case == stored
        assert found(record.store, "营业") == {stored.id}


async def test_a_suspected_crime_is_explained_and_told(tmp_path: Path) -> None:
    """The result is stored whole, with the words of the narrative that each fact came from."""
    async with running_record(tmp_path) as record:
        reply = await record.register(case(cause="销售侵犯注册商标专用权的商品", narrative=CRIME))
        screening = reply.screening
        assert screening.outcome == pb.SCREENING_OUTCOME_SUSPECTED
        assert "销售假冒注册商标的商品罪" in [found.name_zh for found in screening.offences]
        spans = [f for f in screening.offences[0].facts if f.text]
        text = f"{reply.case.cause}\n{reply.case.narrative}"
        assert spans
        assert all(f.text in text for f in spans)
        assert screening.library_version == reply.case.library_version
        names = await record.event_names(f"case/{reply.case.id}")
        assert names == ["CaseRegistered", "CrimeSuspected"]
        row = (await record.rows(screenings))[0]
        assert (row["outcome"], row["is_newest"], row["is_accepted"]) == (pb.SCREENING_OUTCOME_SUSPECTED, True, None)


async def test_an_ordinary_case_is_clear_and_leaves_no_result(tmp_path: Path) -> None:
    """Clear outcomes stand on the case alone: most cases are clear."""
    async with running_record(tmp_path) as record:
        reply = await record.register()
        assert reply.case.screening_outcome == pb.SCREENING_OUTCOME_CLEAR
        assert await record.rows(screenings) == []


async def test_a_case_with_its_decision_starts_decided(tmp_path: Path) -> None:
    """A penalty that was made on the spot is entered with it."""
    async with running_record(tmp_path) as record:
        reply = await record.register(decision=decision())
        assert reply.case.stage == pb.STAGE_DECIDED
        row = (await record.rows(cases))[0]
        assert (row["document_number"], row["decided_on"], row["fine_hao"]) == (
            "洪市监处罚〔2026〕12号", "2026-03-01", 200_000_000,
        )  # fmt: skip


async def test_a_document_number_serves_one_case_of_an_agency_for_the_same_party(tmp_path: Path) -> None:
    """The same number for another party, or in another agency, is no clash."""
    async with running_record(tmp_path) as record:
        first = await record.register(decision=decision())
        with pytest.raises(Exists, match="belongs to case") as refusal:
            await record.register(decision=decision())
        assert (refusal.value.reason, refusal.value.metadata["case_id"]) == ("DOCUMENT_NUMBER_TAKEN", first.case.id)
        await record.register(decision=decision(), parties=[party("武汉另一家商贸有限公司")])
        await record.register(case(decision=decision()), by=actor("officer", agency="market-wuchang"))
        assert len(await record.rows(cases)) == 3


@pytest.mark.parametrize(
    ("wrong", "reason", "field"),
    [
        ({"cause": " "}, "FIELD_REQUIRED", "case.cause"),
        ({"parties": []}, "PARTY_REQUIRED", "case.parties"),
        ({"parties": [party(uscc="91420111MA4KL00A9X")]}, "CODE_CHECK_FAILED", "case.parties[0].uscc"),
        (
            {"parties": [party("王某", id_document_type="resident_id", id_document_number="110105194912310021")]},
            "CODE_CHECK_FAILED",
            "case.parties[0].id_document_number",
        ),
        ({"amount_yuan": "1e9"}, "AMOUNT_MALFORMED", "case.amount_yuan"),
        ({"amount_yuan": "-1"}, "AMOUNT_MALFORMED", "case.amount_yuan"),
        ({"amount_yuan": "0.00001"}, "AMOUNT_MALFORMED", "case.amount_yuan"),
        ({"occurred_on": "2026-02-30"}, "DATE_MALFORMED", "case.occurred_on"),
        ({"occurred_on": "0001-01-01"}, "DATE_MALFORMED", "case.occurred_on"),
        ({"narrative": "字" * 100_001}, "TEXT_TOO_LONG", "case.narrative"),
        ({"narrative": "a\0b"}, "CONTROL_CHARACTERS", "case.narrative"),
        ({"handlers": ["某甲"] * 51}, "TOO_MANY", "case.handlers"),
        ({"parties": [party(f"第{n}有限公司") for n in range(201)]}, "TOO_MANY", "case.parties"),
        ({"facts": {"x" * 101: "1"}}, "TEXT_TOO_LONG", "case.facts"),
        ({"stage": 99}, "VALUE_UNKNOWN", "case.stage"),
        ({"decision": decision(decided_on="")}, "FIELD_REQUIRED", "case.decision.decided_on"),
        ({"decision": decision(fine_yuan="两万")}, "AMOUNT_MALFORMED", "case.decision.fine_yuan"),
        ({"decision": decision(categories=["whipping"])}, "VALUE_UNKNOWN", "case.decision.categories"),
    ],
)
async def test_bad_input_is_refused_with_its_field_and_nothing_is_stored(
    tmp_path: Path, wrong: dict[str, object], reason: str, field: str
) -> None:
    """Every violation names the field, a reason code and what is expected."""
    async with running_record(tmp_path) as record:
        with pytest.raises(Invalid) as refusal:
            await record.register(case(**wrong))
        assert (refusal.value.violations[0].reason, refusal.value.violations[0].field) == (reason, field)
        assert refusal.value.remedy
        assert refusal.value.message_zh
        assert await record.rows(cases) == []


async def test_identity_numbers_and_codes_find_the_party_again(tmp_path: Path) -> None:
    """Codes are what identifies; names identify bodies only, and only within their city."""
    async with running_record(tmp_path) as record:
        person = party("王小明", kind=3, id_document_type="resident_id", id_document_number=RESIDENT_ID)
        parties = [party(uscc=USCC), person, party(), party("李某")]
        await record.register(case(cause="销售侵犯注册商标专用权的商品", narrative=CRIME, parties=parties))
        keys = [row["identity_key"] for row in await record.rows(party_records)]
        assert keys == [f"uscc:{USCC}", f"id:{RESIDENT_ID}", "name:4201:武汉市洪山区红星商贸有限公司", ""]


async def test_a_case_of_no_candidate_offence_is_never_looked_at_again(tmp_path: Path) -> None:
    """Ten thousand parking fines of one company must not slow down its next case."""
    async with running_record(tmp_path) as record:
        await record.register(case(parties=[party(uscc=USCC)]))
        row = (await record.rows(party_records))[0]
        assert (row["identity_key"], row["code"]) == ("", USCC)


async def test_the_same_request_id_enters_one_case(tmp_path: Path) -> None:
    """A client that did not hear the answer sends it again and gets the first one."""
    async with running_record(tmp_path) as record:
        from liangfa_enforcement_record.commands.case_commands import RegisterCase

        command = RegisterCase(case(), "420111", "market-hongshan")
        replies = [await record.do(record.handlers.register, command, request_id="r1") for _ in range(2)]
        assert replies[0] == replies[1]
        count = await record.store.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(cases)).scalar())
        assert count == 1
