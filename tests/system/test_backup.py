"""A backup taken while the platform works, and the platform that starts from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_cli import district
from liangfa_cli.backing_up import back_up
from liangfa_cli.platform import Platform, running
from liangfa_enforcement_record.tables import cases
from liangfa_kit.errors import NotFound, PlatformError, Precondition
from liangfa_kit.settings import Database, Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_rpc
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from liangfa_supervision.tables import feed

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


def settings_of(folder: Path) -> PlatformSettings:
    logging = Logging(level="error", file=folder.with_suffix(".log"))
    return PlatformSettings(storage=Storage(folder=folder), listen=Listen(port=0), logging=logging)


async def file_one(platform: Platform, number: int) -> str:
    stub = CaseServiceStub(platform.channel_for(district.officer("market_regulation")))
    case = case_pb2.Case(
        cause="经营有毒有害食品",
        narrative=f"第{number}次检查，后厨使用罂粟壳熬制底料。",
        parties=[case_pb2.Party(name="甲店")],
    )
    reply = await stub.RegisterCase(case_rpc.RegisterCaseRequest(request_id=f"r{number}", case=case))
    return str(reply.case.id)


async def stored(platform: Platform) -> set[str]:
    assert platform.record is not None
    return set(await platform.record.store.read(lambda c: c.execute(sa.select(cases.c.id)).scalars().all()))


async def told(platform: Platform) -> list[str]:
    """Return the cases in the feed as registered, in its order."""
    assert platform.supervision is not None
    chosen = sa.select(feed.c.case_id).where(feed.c.kind == watch_rpc.FEED_KIND_CASE_REGISTERED).order_by(feed.c.cursor)
    return list(await platform.supervision.store.read(lambda c: c.execute(chosen).scalars().all()))


async def told_of_all(platform: Platform) -> None:
    async with asyncio.timeout(60):
        while set(await told(platform)) != await stored(platform):
            await asyncio.sleep(0.05)


async def test_a_backup_of_a_working_platform_holds_what_was_acknowledged_and_goes_on(tmp_path: Path) -> None:
    """Copied while cases come in: nothing acknowledged before is missing, all verifies, each case is in the feed once."""
    source, target = tmp_path / "data", tmp_path / "copy"
    async with running(settings_of(source)) as platform:
        before = [await file_one(platform, number) for number in range(30)]
        acknowledged = list(before)

        async def go_on() -> None:
            while True:
                acknowledged.append(await file_one(platform, len(acknowledged)))

        filing = asyncio.ensure_future(go_on())
        parts = await back_up(settings_of(source), target, lambda _line: None)
        filing.cancel()
        await asyncio.gather(filing, return_exceptions=True)
    assert [part for part in parts if part.faults] == []
    async with running(settings_of(target)) as copy:
        held = await stored(copy)
        assert set(before) <= held
        assert len(held - set(acknowledged)) <= 1, "at most the call whose answer was cut off"
        await told_of_all(copy)
        new = await file_one(copy, 100_000)
        await told_of_all(copy)
        order = await told(copy)
        assert len(order) == len(set(order)), "told twice"
        assert order[-1] == new
        stub = SupervisionServiceStub(copy.channel_for(district.PROCURATOR))
        request = watch_rpc.GetStatisticsRequest(dimension=watch_rpc.STATISTICS_DIMENSION_AGENCY)
        assert sum(line.cases for line in (await stub.GetStatistics(request)).lines) == len(order)


@pytest.mark.parametrize(
    ("target", "reason"), [("data/inside", "TARGET_IN_DATA"), ("full", "TARGET_NOT_EMPTY"), ("nothing", "NO_DATA")]
)
async def test_a_backup_is_never_mixed_with_anything(tmp_path: Path, target: str, reason: str) -> None:
    """Not with the data themselves, nor with another backup; and there must be something to copy."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    with pytest.raises((Precondition, NotFound)) as refused:
        await back_up(settings_of(tmp_path / "data"), tmp_path / target, lambda _line: None)
    assert isinstance(refused.value, PlatformError)
    assert refused.value.reason == reason
    assert not (tmp_path / "nothing").exists()


async def test_databases_on_postgresql_are_left_to_its_own_tools(tmp_path: Path) -> None:
    """A copy of half a platform would look like a backup."""
    settings = settings_of(tmp_path).model_copy(update={"database": Database(url="postgresql://localhost/x")})
    with pytest.raises(Precondition) as refused:
        await back_up(settings, tmp_path / "copy", lambda _line: None)
    assert refused.value.reason == "BACKUP_BY_DATABASE"
