"""ImportService through its stub: good rows in, bad rows aside and correctable, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from liangfa_enforcement_record.tables import KIT, cases
from liangfa_kit.errors import Invalid, Precondition, Unavailable
from liangfa_kit.verify import journal_faults
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from tests.enforcement import CRIME, HEAD, OFFICER, STRANGER, USCC, actor
from tests.enforcement_service import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
HEADER = "行政相对人名称,统一社会信用代码,行政处罚决定书文号,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期,备注"


def line(number: int, **changed: str) -> str:
    cells = {
        "party": f"武汉第{number}商贸有限公司", "uscc": "", "document": f"洪市监处罚〔2025〕{number}号", "cause": "虚假宣传",
        "facts": "当事人在网页使用国家级用语。", "category": "罚款", "content": "罚款1万元", "fine": "1", "on": "2025-03-04", "note": "",
    }  # fmt: skip
    return ",".join(f'"{cell}"' for cell in (cells | changed).values())


def table(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode("gb18030")


async def parts(content: bytes, **first: Any) -> AsyncIterator[rpc.ImportTableRequest]:
    named: dict[str, Any] = {"file_name": "处罚.csv", "request_id": str(uuid.uuid4())} | first
    size = 64 * 1024
    for start in range(0, max(1, len(content)), size):
        piece = content[start : start + size]
        yield rpc.ImportTableRequest(content=piece, **(named if not start else {}))


async def imported(service: Service, content: bytes, by: Any = OFFICER, **first: Any) -> rpc.ImportProgress:
    last = rpc.ImportProgress()
    async for reply in service.imports(by).ImportTable(parts(content, **first)):
        last = reply.progress
    return last


def counts(progress: rpc.ImportProgress) -> tuple[int, int, int, int, int, int]:
    p = progress
    return (
        p.rows_read, p.cases_registered, p.cases_amended, p.rows_repeated, p.rows_rejected, p.rows_skipped,
    )  # fmt: skip


async def all_cases(service: Service, **wanted: Any) -> list[Any]:
    order = case_rpc.CASE_ORDER_REGISTERED_ASC
    reply = await service.cases().SearchCases(case_rpc.SearchCasesRequest(order=order, page_size=200, **wanted))
    return list(reply.cases)


async def read(service: Service, case_id: str) -> case_pb2.Case:
    reply = await service.cases().GetCase(case_rpc.GetCaseRequest(case_id=case_id))
    case: case_pb2.Case = reply.case
    return case


async def test_good_rows_go_in_and_bad_rows_are_kept_aside_with_reasons(tmp_path: Path) -> None:
    """Three cases, two rows to correct, one total line: each row ends as exactly one thing."""
    async with running_service(tmp_path) as service:
        content = table(
            line(1), line(2, cause="销售侵犯注册商标专用权的商品", facts=CRIME), line(3, on="2025-02-30"), line(4, party=""),
            line(5, fine="", content="罚款人民币伍佰元"), "合计,,,,,,,2,,",
        )  # fmt: skip
        progress = await imported(service, content)
        assert (progress.state, counts(progress)) == ("finished", (6, 3, 0, 0, 2, 1))
        assert (progress.suspected, progress.cases_remarked > 0) == (1, True)
        found = await all_cases(service)
        assert [c.document_number for c in found] == [f"洪市监处罚〔2025〕{n}号" for n in (1, 2, 5)]
        assert [c.fine_yuan for c in found] == ["10000", "10000", "500"]
        case = await read(service, found[0].case_id)
        assert (case.decision.decided_on, list(case.decision.categories), case.stage) == (
            "2025-03-04", ["fine"], case_pb2.STAGE_DECIDED,
        )  # fmt: skip
        kept = await service.imports().ListRejectedRows(rpc.ListRejectedRowsRequest(import_id=progress.import_id))
        assert [(row.row, row.problems[0].column, row.problems[0].value) for row in kept.rows] == [
            (4, "处罚决定日期", "2025-02-30"), (5, "行政相对人名称", ""),
        ]  # fmt: skip
        assert all(p.reason and p.message_zh and p.remedy_zh and p.remedy_en for row in kept.rows for p in row.problems)


async def test_the_same_table_twice_changes_nothing(tmp_path: Path) -> None:
    """Every row is known: no case, no event, no version more."""
    async with running_service(tmp_path) as service:
        content = table(line(1), line(2), line(3, document="", party="无文号商贸有限公司"))
        first = await imported(service, content)
        before = [await read(service, line.case_id) for line in await all_cases(service)]
        second = await imported(service, content)
        assert counts(first) == (3, 3, 0, 0, 0, 0)
        assert counts(second) == (3, 0, 0, 3, 0, 0)
        assert second.import_id != first.import_id
        assert [await read(service, line.case_id) for line in await all_cases(service)] == before


async def test_the_same_request_twice_is_one_import(tmp_path: Path) -> None:
    """A client that lost the connection sends the file again with the same request id and hears how it ended."""
    async with running_service(tmp_path) as service:
        content = table(line(1))
        first = await imported(service, content, request_id="r1")
        assert await imported(service, content, request_id="r1") == first
        with pytest.raises(Precondition) as refusal:
            await imported(service, table(line(2)), request_id="r1")
        assert refusal.value.reason == "REQUEST_ID_REUSED"


async def test_a_revised_row_changes_the_case_and_keeps_the_old_value(tmp_path: Path) -> None:
    """The fine was corrected at the source: the case follows, its history tells both values."""
    async with running_service(tmp_path) as service:
        await imported(service, table(line(1), line(2)))
        progress = await imported(service, table(line(1), line(2, fine="1.5", content="罚款15000元")))
        assert counts(progress) == (2, 0, 1, 1, 0, 0)
        second = (await all_cases(service))[1]
        assert second.fine_yuan == "15000"
        told = await service.cases().GetCaseTimeline(case_rpc.GetCaseTimelineRequest(case_id=second.case_id))
        change = told.entries[1].changes[0]
        assert (told.entries[1].type, change.field) == ("CaseAmended", "decision")
        assert ("fine_yuan: 10000" in change.old_value, "fine_yuan: 15000" in change.new_value) == (True, True)
        assert counts(await imported(service, table(line(2, fine="1.5", content="罚款15000元")))) == (1, 0, 0, 1, 0, 0)


async def test_what_a_revised_row_does_not_speak_of_stays(tmp_path: Path) -> None:
    """A telephone that an officer has added survives the next import of the agency's table."""
    async with running_service(tmp_path) as service:
        await imported(service, table(line(1)))
        case = await read(service, (await all_cases(service))[0].case_id)
        case.parties[0].phone = "13800001234"
        await service.cases().AmendCase(
            case_rpc.AmendCaseRequest(
                request_id="a", case_id=case.id, expected_version=1, case=case, fields=["parties"], reason="补充电话"
            )
        )
        progress = await imported(service, table(line(1, uscc=USCC, facts="当事人在网页使用最高级用语。")))
        assert counts(progress) == (1, 0, 1, 0, 0, 0)
        after = await read(service, case.id)
        assert (after.parties[0].phone, after.parties[0].uscc) == ("138****1234", USCC)
        assert after.version == 3


async def test_the_same_case_twice_in_one_table_is_one_case(tmp_path: Path) -> None:
    """An exact repeat is counted, a revised repeat changes the case that the first one made."""
    async with running_service(tmp_path) as service:
        progress = await imported(service, table(line(1), line(1), line(1, fine="2", content="罚款2万元"), line(2)))
        assert counts(progress) == (4, 2, 1, 1, 0, 0)
        assert [c.fine_yuan for c in await all_cases(service)] == ["20000", "10000"]


async def test_a_case_entered_by_hand_is_known_when_the_table_brings_it(tmp_path: Path) -> None:
    """The officer was first: the row adds what it says more, and makes no second case."""
    async with running_service(tmp_path) as service:
        entered = case_pb2.Case(
            cause="虚假宣传", narrative="当事人在网页使用国家级用语。", parties=[case_pb2.Party(name="武汉第1商贸有限公司")],
            handlers=["某甲"], decision=case_pb2.Decision(document_number="洪市监处罚[2025]1号", decided_on="2025-03-04"),
        )  # fmt: skip
        reply = await service.cases().RegisterCase(case_rpc.RegisterCaseRequest(request_id="r", case=entered))
        progress = await imported(service, table(line(1), line(2)))
        assert counts(progress) == (2, 1, 1, 0, 0, 0)
        after = await read(service, reply.case.id)
        assert (after.decision.fine_yuan, list(after.handlers), after.title) == ("10000", ["某甲"], reply.case.title)


async def test_one_number_for_several_parties_is_several_cases(tmp_path: Path) -> None:
    """And the same number of another agency is another case."""
    async with running_service(tmp_path) as service:
        content = table(line(1), line(1, party="另一家商贸有限公司"))
        assert (await imported(service, content)).cases_registered == 2
        other = actor("officer", agency="market-wuchang", region="420106")
        assert (await imported(service, content, other)).cases_registered == 2


async def test_a_corrected_row_takes_its_place(tmp_path: Path) -> None:
    """Sent with its values by header; still wrong is told, right is entered, again is the same case."""
    async with running_service(tmp_path) as service:
        progress = await imported(service, table(line(1), line(2, on="2025-02-30")))
        stub = service.imports()
        kept = (await stub.ListRejectedRows(rpc.ListRejectedRowsRequest(import_id=progress.import_id))).rows[0]
        values = dict(kept.values)
        request = rpc.CorrectRowRequest(request_id="c1", import_id=progress.import_id, row=kept.row, values=values)
        with pytest.raises(Invalid) as refusal:
            await stub.CorrectRow(request)
        assert (refusal.value.reason, refusal.value.violations[0].field) == ("ROW_STILL_WRONG", "处罚决定日期")
        values["处罚决定日期"] = "2025-02-28"
        right = rpc.CorrectRowRequest(request_id="c2", import_id=progress.import_id, row=kept.row, values=values)
        taken = await stub.CorrectRow(right)
        right.request_id = "c3"
        assert (await stub.CorrectRow(right)).case_id == taken.case_id
        assert (await read(service, taken.case_id)).decision.decided_on == "2025-02-28"
        after = (await stub.GetImport(rpc.GetImportRequest(import_id=progress.import_id))).progress
        assert (after.rows_corrected, after.cases_registered) == (1, 2)
        assert len(await all_cases(service)) == 2


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_rows_kept_aside_come_back_as_a_file_that_can_be_imported(tmp_path: Path, kind: str) -> None:
    """The file has the original columns, the problems beside, and no cell that a spreadsheet would run."""
    async with running_service(tmp_path) as service:
        wrong = line(2, on="2025-02-30", note="=HYPERLINK(1)")
        progress = await imported(service, table(line(1), wrong))
        request = rpc.ExportRejectedRowsRequest(import_id=progress.import_id, format=kind)
        pieces = [piece async for piece in service.imports().ExportRejectedRows(request)]
        content = b"".join(piece.content for piece in pieces)
        assert pieces[0].file_name.endswith(f".{kind}")
        if kind == "csv":
            text = content.decode("utf-8-sig")
            assert "2025-02-30" in text
            assert "'=HYPERLINK(1)" in text
            corrected = text.replace("2025-02-30", "2025-02-28", 1).encode()
        else:
            rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
            assert any("2025-02-30" in map(str, row) for row in rows)
            return
        again = await imported(service, corrected)
        assert (again.state, again.cases_registered) == ("finished", 1)


async def test_a_dry_run_says_everything_and_enters_nothing(tmp_path: Path) -> None:
    """New, changed and repeated rows are counted, crimes too; problems can be read and exported; no case, no event."""
    async with running_service(tmp_path) as service:
        await imported(service, table(line(1), line(2)))
        before = len(await service.record.store.read(lambda c: c.execute(KIT.journal.select()).all()))
        content = table(
            line(1), line(2, fine="9", content="罚款9万元"), line(3, cause="销售侵犯注册商标专用权的商品", facts=CRIME), line(4, on="x"),
        )  # fmt: skip
        progress = await imported(service, content, dry_run=True)
        assert (progress.state, progress.dry_run, counts(progress)) == ("finished", True, (4, 1, 1, 1, 1, 0))
        assert progress.suspected == 1
        kept = await service.imports().ListRejectedRows(rpc.ListRejectedRowsRequest(import_id=progress.import_id))
        assert [row.row for row in kept.rows] == [5]
        assert len(await all_cases(service)) == 2
        after = len(await service.record.store.read(lambda c: c.execute(KIT.journal.select()).all()))
        assert after == before
        with pytest.raises(Precondition) as refusal:
            values = dict(kept.rows[0].values) | {"处罚决定日期": "2025-01-01"}
            await service.imports().CorrectRow(
                rpc.CorrectRowRequest(request_id="c", import_id=progress.import_id, row=5, values=values)
            )
        assert refusal.value.reason == "IMPORT_IS_DRY_RUN"


async def test_an_unknown_table_asks_for_a_mapping_and_takes_a_confirmed_one(tmp_path: Path) -> None:
    """Nothing is guessed into the record: the suggestion is shown, a person sends it back."""
    async with running_service(tmp_path) as service:
        content = (
            "对象,号,干了什么,经过,金额\n红星商贸有限公司,洪市监处罚〔2025〕8号,虚假宣传,在网页使用国家级用语的经过说明比较长,5000\n"
        ).encode()
        with pytest.raises(Invalid) as refusal:
            await imported(service, content)
        assert refusal.value.reason in {"MAPPING_REQUIRED", "TABLE_WITHOUT_HEADER"}
        mapping = (
            "version: 1\nlayout: other\ncolumns:\n  对象: party_name\n  号: document_number\n  干了什么: cause\n"
            "  经过: facts\n  金额: {field: fine, unit: 元}\n"
        )
        progress = await imported(service, content, mapping_yaml=mapping)
        assert counts(progress) == (1, 1, 0, 0, 0, 0)
        assert (await all_cases(service))[0].fine_yuan == "5000"


async def test_a_suggested_mapping_can_be_sent_back_as_it_is(tmp_path: Path) -> None:
    """Known headers are certain; every column says what it seems to be and why."""
    async with running_service(tmp_path) as service:
        content = table(line(1))

        async def pieces() -> AsyncIterator[rpc.SuggestMappingRequest]:
            yield rpc.SuggestMappingRequest(file_name="t.csv", content=content[:100])
            yield rpc.SuggestMappingRequest(content=content[100:])

        reply = await service.imports().SuggestMapping(pieces())
        assert reply.certain
        fine = next(column for column in reply.columns if column.field == "fine")
        assert (fine.unit, bool(fine.reason_zh), list(fine.samples)) == ("万元", True, ["1"])
        assert counts(await imported(service, content, mapping_yaml=reply.mapping_yaml)) == (1, 1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "FILE_EMPTY"),
        (b"%PDF-1.7 ...", "FILE_FORMAT_UNKNOWN"),
        (b"PK\x03\x04garbage", "FILE_TRUNCATED"),
        (",".join(f"列{n}" for n in range(5000)).encode() + b"\n", "TABLE_TOO_WIDE"),
    ],
)
async def test_a_file_that_is_no_table_is_refused_before_anything_is_entered(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """With a reason code, a sentence and a remedy; no import is begun."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refusal:
            await imported(service, content)
        assert refusal.value.reason == reason
        assert refusal.value.message_zh
        assert refusal.value.remedy
        assert not (await service.imports().ListImports(rpc.ListImportsRequest())).imports


async def test_a_mapping_that_is_none_is_refused(tmp_path: Path) -> None:
    """Broken YAML, unknown fields, columns that are not there."""
    async with running_service(tmp_path) as service:
        for mapping, reason in (
            ("columns: [", "MAPPING_INVALID"),
            ("version: 1\ncolumns: {行政相对人名称: no_such_field}", "MAPPING_INVALID"),
            ("version: 1\ncolumns: {没有这一列: party_name}", "HEADER_NOT_MAPPED"),
        ):
            with pytest.raises(Invalid) as refusal:
                await imported(service, table(line(1)), mapping_yaml=mapping)
            assert refusal.value.reason == reason


async def test_imports_are_listed_newest_first_and_belong_to_their_agency(tmp_path: Path) -> None:
    """A colleague sees them, another agency does not."""
    async with running_service(tmp_path) as service:
        ids = [(await imported(service, table(line(n)))).import_id for n in range(3)]
        stub = service.imports(HEAD)
        first = await stub.ListImports(rpc.ListImportsRequest(page_size=2))
        rest = await stub.ListImports(rpc.ListImportsRequest(page_size=2, page_token=first.next_page_token))
        assert {p.import_id for p in (*first.imports, *rest.imports)} == set(ids)
        assert len(first.imports) == 2
        assert not (await service.imports(STRANGER).ListImports(rpc.ListImportsRequest())).imports


async def test_an_import_that_was_stopped_goes_on_without_loss_or_repeat(tmp_path: Path) -> None:
    """The service stops in the middle; after the restart the same file goes on where it ended."""
    content = table(*(line(n) for n in range(5000)))
    async with running_service(tmp_path) as service:
        async for reply in service.imports().ImportTable(parts(content, request_id="r")):
            if reply.progress.rows_read >= 400:
                break
    async with running_service(tmp_path) as service:
        stub = service.imports()
        told = (await stub.ListImports(rpc.ListImportsRequest())).imports[0]
        assert told.state == "interrupted"
        assert 400 <= told.rows_read < 5000
        async for reply in stub.ResumeImport(rpc.ResumeImportRequest(request_id="x", import_id=told.import_id)):
            last = reply.progress
        assert (last.state, counts(last)) == ("finished", (5000, 5000, 0, 0, 0, 0))
        rows = await service.record.store.read(lambda c: c.execute(cases.select()).mappings().all())
        assert len({row["document_number"] for row in rows}) == len(rows) == 5000
        assert list(journal_faults(service.record.store, KIT)) == []
        with pytest.raises(Precondition) as refusal:
            request = rpc.ResumeImportRequest(request_id="y", import_id=told.import_id)
            async for _ in stub.ResumeImport(request):
                pass
        assert refusal.value.reason == "IMPORT_NOT_RESUMABLE"


async def test_a_client_that_goes_away_does_not_stop_its_import(tmp_path: Path) -> None:
    """Another one follows it to its end."""
    async with running_service(tmp_path) as service:
        content = table(*(line(n) for n in range(1200)))
        async for reply in service.imports().ImportTable(parts(content)):
            if reply.progress.rows_read:
                break
        request = rpc.WatchImportRequest(import_id=reply.progress.import_id)
        async for told in service.imports(HEAD).WatchImport(request):
            last = told.progress
        assert (last.state, last.cases_registered) == ("finished", 1200)


async def test_two_tables_at_once_with_the_same_cases_enter_each_case_once(tmp_path: Path) -> None:
    """Two officers of one agency import overlapping exports at the same moment."""
    async with running_service(tmp_path) as service:
        one = table(*(line(n) for n in range(600)))
        other = table(*(line(n) for n in range(599, 100, -1)), line(9999))
        first, second = await asyncio.gather(imported(service, one), imported(service, other, HEAD))
        assert {first.state, second.state} == {"finished"}
        assert first.cases_registered + second.cases_registered == 601
        rows = await service.record.store.read(lambda c: c.execute(cases.select()).mappings().all())
        assert len(rows) == 601


async def test_a_table_that_breaks_off_keeps_what_was_read(tmp_path: Path) -> None:
    """A cell beyond the limit ends the import as failed; the rows before it stay entered."""
    async with running_service(tmp_path) as service:
        lines = [line(n) for n in range(450)]
        content = table(*lines, line(451, facts="字" * 140_000), line(452))
        progress = await imported(service, content)
        assert (progress.state, progress.failure_reason) == ("failed", "CELL_TOO_LARGE")
        assert progress.failure_message
        assert counts(progress) == (450, 450, 0, 0, 0, 0)


async def test_a_database_that_is_away_interrupts_and_the_import_can_go_on(tmp_path: Path) -> None:
    """The follower is told why; nothing of the chunk is half entered."""
    async with running_service(tmp_path) as service:
        content = table(*(line(n) for n in range(500)))
        train = service.record.train
        execute = train.execute
        calls = 0

        async def unreliable(handler: Any, command: Any, call: Any) -> Any:
            nonlocal calls
            calls += handler.name == "EnterChunk"
            if handler.name == "EnterChunk" and calls == 2:
                raise Unavailable("away", message_zh="数据库暂时无法写入。", reason="DATABASE_UNAVAILABLE")
            return await execute(handler, command, call)

        train.execute = unreliable  # type: ignore[method-assign]  # the disk between us and the database
        progress = await imported(service, content)
        assert (progress.state, progress.failure_reason) == ("interrupted", "DATABASE_UNAVAILABLE")
        again = await imported(service, content)
        assert (again.import_id, again.state, again.cases_registered) == (progress.import_id, "finished", 500)
