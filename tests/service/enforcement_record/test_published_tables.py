"""The real published cases in three layouts: the same cases, whichever file comes first and however often."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from tests.enforcement_service import running_service
from tests.service.enforcement_record.test_imports import all_cases, counts, imported, read

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
FOLDER = Path(__file__).parents[2] / "data" / "penalty_disclosures"
CLEAN, OLD, NEW = "penalty_disclosures.csv", "export_2016_gb18030.csv", "export_2018_messy.xlsx"


async def test_the_published_cases_go_in_and_crimes_are_found_among_them(tmp_path: Path) -> None:
    """All 140; about half of them were crimes at the source."""
    async with running_service(tmp_path) as service:
        progress = await imported(service, (FOLDER / CLEAN).read_bytes(), file_name=CLEAN)
        assert (progress.state, counts(progress)) == ("finished", (140, 140, 0, 0, 0, 0))
        assert progress.suspected >= 40
        found = await all_cases(service, outcomes=[pb.SCREENING_OUTCOME_SUSPECTED])
        assert len(found) == progress.suspected


async def test_the_two_exports_are_the_same_cases_as_the_clean_table(tmp_path: Path) -> None:
    """Sixty cases each, known again in every order; only what a layout says more or else is taken over."""
    async with running_service(tmp_path) as service:
        first = await imported(service, (FOLDER / CLEAN).read_bytes(), file_name=CLEAN)
        before = {line.case_id: await read(service, line.case_id) for line in await all_cases(service)}
        for name in (OLD, NEW):
            progress = await imported(service, (FOLDER / name).read_bytes(), file_name=name)
            assert (progress.state, progress.cases_registered, progress.rows_rejected) == ("finished", 0, 0)
        assert len(await all_cases(service)) == first.cases_registered
        for case_id, case in before.items():
            after = await read(service, case_id)
            assert (after.cause, after.narrative, after.decision) == (case.cause, case.narrative, case.decision)


async def test_once_all_three_are_in_none_of_them_changes_anything_more(tmp_path: Path) -> None:
    """Layouts that say more or less of the same cases do not take turns in changing them back and forth."""
    async with running_service(tmp_path) as service:
        for name in (OLD, NEW, CLEAN):
            await imported(service, (FOLDER / name).read_bytes(), file_name=name)
        settled = {line.case_id: (await read(service, line.case_id)).version for line in await all_cases(service)}
        assert len(settled) == 140
        progress = await imported(service, (FOLDER / CLEAN).read_bytes(), file_name=CLEAN)
        assert counts(progress) == (140, 0, 0, 140, 0, 0)
        again = {line.case_id: (await read(service, line.case_id)).version for line in await all_cases(service)}
        assert again == settled
