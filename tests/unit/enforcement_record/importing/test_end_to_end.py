"""Published cases through the running platform: entered, sent again, revised, corrected, tried; each does what it says and no more."""

from __future__ import annotations

import csv
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from liangfa_cli.platform import Platform
from liangfa_enforcement_record.tables import KIT, cases
from liangfa_kit.verify import journal_faults
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from tests.faults.import_process import OFFICER, imports, pieces, quiet_platform

pytestmark = pytest.mark.asyncio
DATA = Path(__file__).parents[3] / "data" / "penalty_disclosures"
CLEAN, EXPORT_2016, EXPORT_2018 = "penalty_disclosures.csv", "export_2016_gb18030.csv", "export_2018_messy.xlsx"
PARTY, DAY, FINE, WORDS = "行政相对人名称", "处罚决定日期", "罚款金额（万元）", "处罚内容"
ROW = {
    PARTY: "武汉甲商贸有限公司", "行政处罚决定书文号": "洪市监处罚〔2025〕1号", "违法行为类型": "虚假宣传",
    "违法事实": "当事人在网页上使用国家级用语宣传其商品。", "处罚类别": "罚款", WORDS: "罚款1万元", FINE: "1", DAY: "2025-03-04",
}  # fmt: skip


def table(*rows: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(ROW))
    writer.writeheader()
    writer.writerows(ROW | row for row in rows)
    return text.getvalue().encode("gb18030")


def numbered(number: int, **changed: str) -> dict[str, str]:
    return {PARTY: f"武汉第{number}商贸有限公司", "行政处罚决定书文号": f"洪市监处罚〔2025〕{number}号", **changed}


async def imported(platform: Platform, content: bytes, **first: Any) -> rpc.ImportProgress:
    last = rpc.ImportProgress()
    async for reply in imports(platform).ImportTable(pieces(content, **first)):
        last = reply.progress
    assert last.state == "finished"
    return last


async def file_imported(platform: Platform, name: str, **first: Any) -> rpc.ImportProgress:
    return await imported(platform, (DATA / name).read_bytes(), file_name=name, **first)


def counts(progress: rpc.ImportProgress) -> tuple[int, int, int, int]:
    return progress.cases_registered, progress.cases_amended, progress.rows_repeated, progress.rows_rejected


async def stored(platform: Platform) -> tuple[list[Any], int]:
    """Return the cases as they are stored, and how many entries the journal has."""
    assert platform.record is not None
    store = platform.record.store
    assert list(journal_faults(store, KIT)) == []
    rows = await store.read(lambda c: [tuple(row) for row in c.execute(cases.select().order_by(cases.c.id))])
    return rows, len(await store.read(lambda c: c.execute(KIT.journal.select()).all()))


async def only_case(platform: Platform) -> Any:
    assert platform.record is not None
    (row,) = await platform.record.store.read(lambda c: c.execute(cases.select()).all())
    return row


async def test_published_cases_sent_twice_are_entered_once(tmp_path: Path) -> None:
    """The second time every row is known: no case changes, and the journal tells only of the import itself."""
    async with quiet_platform(tmp_path) as platform:
        assert counts(await file_imported(platform, CLEAN)) == (140, 0, 0, 0)
        before, entries = await stored(platform)
        assert counts(await file_imported(platform, CLEAN)) == (0, 0, 140, 0)
        assert await stored(platform) == (before, entries + 2)


async def test_the_same_cases_in_three_layouts_are_the_same_cases(tmp_path: Path) -> None:
    """Agency, number, party and facts tell a case, not the layout in which it is sent."""
    async with quiet_platform(tmp_path) as platform:
        await file_imported(platform, CLEAN)
        messy = await file_imported(platform, EXPORT_2018)
        assert (messy.rows_read, messy.rows_skipped, messy.cases_registered, messy.rows_rejected) == (62, 2, 0, 0)
        old = await file_imported(platform, EXPORT_2016)
        assert (old.rows_read, old.rows_skipped, old.cases_registered, old.rows_rejected) == (63, 1, 0, 0)
        assert old.cases_amended + old.rows_repeated == 62
        assert counts(await file_imported(platform, EXPORT_2016)) == (0, 0, 62, 0)
        assert len((await stored(platform))[0]) == 140


@pytest.mark.parametrize(("name", "made"), [(CLEAN, 140), (EXPORT_2016, 60), (EXPORT_2018, 60)])
async def test_a_dry_run_of_published_cases_enters_nothing(tmp_path: Path, name: str, made: int) -> None:
    """It counts what the import would make, and leaves neither a case nor an entry of the journal."""
    async with quiet_platform(tmp_path) as platform:
        tried = await file_imported(platform, name, dry_run=True)
        assert tried.dry_run
        assert await stored(platform) == ([], 0)
        done = await file_imported(platform, name)
        assert done.cases_registered == made
        assert (tried.rows_read, tried.rows_rejected, tried.rows_skipped) == (
            done.rows_read,
            done.rows_rejected,
            done.rows_skipped,
        )


async def test_a_revised_row_amends_its_case_and_the_old_values_stay_readable(tmp_path: Path) -> None:
    """The fine was 1 万元 and is 1.5: the timeline tells both, and the import that changed it."""
    async with quiet_platform(tmp_path) as platform:
        await imported(platform, table({}))
        assert counts(await imported(platform, table({FINE: "1.5", WORDS: "罚款1.5万元"}))) == (0, 1, 0, 0)
        row = await only_case(platform)
        stub = CaseServiceStub(platform.channel_for(OFFICER))
        told = await stub.GetCaseTimeline(case_rpc.GetCaseTimelineRequest(case_id=row.id))
        (change,) = next(entry.changes for entry in told.entries if entry.type == "CaseAmended")
        assert "fine_yuan: 10000" in change.old_value
        assert "fine_yuan: 15000" in change.new_value
        assert counts(await imported(platform, table({FINE: "1.5", WORDS: "罚款1.5万元"}))) == (0, 0, 1, 0)


async def test_a_row_kept_aside_is_entered_when_it_is_corrected(tmp_path: Path) -> None:
    """In the place that it had, once, and the file of what is left to correct no longer holds it."""
    async with quiet_platform(tmp_path) as platform:
        bad = (numbered(2, **{DAY: "2025-02-30"}), numbered(3, **{PARTY: ""}))
        first = await imported(platform, table({}, *bad))
        assert counts(first) == (1, 0, 0, 2)
        stub = imports(platform)
        kept = await stub.ListRejectedRows(rpc.ListRejectedRowsRequest(import_id=first.import_id))
        assert [(row.row, row.problems[0].column) for row in kept.rows] == [(3, DAY), (4, PARTY)]
        values = dict(kept.rows[0].values) | {DAY: "2025-02-28"}
        request = rpc.CorrectRowRequest(request_id=str(uuid.uuid4()), import_id=first.import_id, row=3, values=values)
        taken = await stub.CorrectRow(request)
        assert (await stub.CorrectRow(request)).case_id == taken.case_id
        assert len((await stored(platform))[0]) == 2
        export = rpc.ExportRejectedRowsRequest(import_id=first.import_id, format="csv")
        content = b"".join([part.content async for part in stub.ExportRejectedRows(export)])
        assert "2025-02-30" not in content.decode()
        assert len(list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))) == 2
        now = (await stub.GetImport(rpc.GetImportRequest(import_id=first.import_id))).progress
        assert (now.rows_corrected, now.rows_rejected, now.cases_registered) == (1, 2, 2)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_the_file_of_rows_kept_aside_is_imported_after_correction(tmp_path: Path, kind: str) -> None:
    """Both kinds come back as they went out, with the values corrected, and make the cases that were missing."""
    async with quiet_platform(tmp_path) as platform:
        first = await imported(platform, table({}, *(numbered(n, **{DAY: "2025-02-30"}) for n in range(2, 5))))
        request = rpc.ExportRejectedRowsRequest(import_id=first.import_id, format=kind)
        content = b"".join([part.content async for part in imports(platform).ExportRejectedRows(request)])
        corrected = _corrected(content, kind)
        assert counts(await imported(platform, corrected)) == (3, 0, 0, 0)
        assert counts(await imported(platform, corrected)) == (0, 0, 3, 0)


def _corrected(content: bytes, kind: str) -> bytes:
    """Correct the day in the column of the day; what the added columns say of it stays."""
    if kind == "csv":
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        text = io.StringIO(newline="")
        place = rows[0].index(DAY)
        csv.writer(text).writerows([rows[0], *([*row[:place], "2025-02-28", *row[place + 1 :]] for row in rows[1:])])
        return text.getvalue().encode("utf-8-sig")
    book = load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    place = [cell.value for cell in sheet[1]].index(DAY) + 1
    for number in range(2, sheet.max_row + 1):
        sheet.cell(number, place).value = "2025-02-28"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
