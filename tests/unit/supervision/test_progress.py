"""How far suspected crimes come, where they lie on the way, and that none leaves the supervisors' sight untransferred."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_kit.clock import ManualClock
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.case_transfer.v1 import transfer_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from liangfa_supervision.progressing import TURNS
from liangfa_supervision.stalling import stalls_at
from liangfa_supervision.tables import alerts, stays, transfer_progress
from tests.unit.supervision.test_reactions import START, case, platform_at, register
from tests.unit.supervision.test_transfer_reactions import BY, OFFICER, open_alerts, opened, rows, settled, take

DAY = 86_400


def test_every_open_state_is_somebodys_turn() -> None:
    """And no state two sides'; a state that the table gains must be placed here."""
    states = [state.id for state in Procedure.load().states[Scope.TRANSFER].values() if not state.is_terminal]
    placed = [state for side in TURNS.values() for state in side]
    assert sorted(placed) == sorted(states)


async def _delivered(platform: Platform, clock: ManualClock) -> transfer_pb2.Transfer:
    """Open on Monday; report and approve on Tuesday, deliver on Thursday."""
    transfer = await opened(platform)
    clock.advance(timedelta(days=1))
    for name in ("report_to_head", "approve_transfer"):
        await take(platform, transfer, name)
    clock.advance(timedelta(days=2))
    await take(platform, transfer, "deliver_transfer")
    return transfer


def stub(platform: Platform) -> Any:
    return SupervisionServiceStub(platform.channel_for(district.PROCURATOR))


@pytest.mark.asyncio
@pytest.mark.usefixtures("every_database")
async def test_the_funnel_counts_how_far_each_has_come(tmp_path: Path) -> None:
    """By agency, by police organ and by month; a stage once reached stays counted."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        transfer = await _delivered(platform, clock)
        await take(platform, transfer, "accept_transfer")
        await take(platform, transfer, "refuse_filing", BY["police_head"])
        await settled(platform)
        for dimension, key in (
            (pb.FUNNEL_DIMENSION_UNSPECIFIED, ""),
            (pb.FUNNEL_DIMENSION_AGENCY, OFFICER.agency_id),
            (pb.FUNNEL_DIMENSION_POLICE, "hs-police"),
            (pb.FUNNEL_DIMENSION_MONTH, "2026-03"),
        ):
            (line,) = (await stub(platform).GetFunnel(pb.GetFunnelRequest(dimension=dimension))).lines
            assert line.key == key
            reached = (line.opened, line.delivered, line.accepted, line.refused, line.filed, line.judged, line.open)
            assert reached == (1, 1, 1, 1, 0, 0, 1)
            assert line.suspected == (0 if dimension == pb.FUNNEL_DIMENSION_POLICE else 1)
        later = pb.GetFunnelRequest(dimension=pb.FUNNEL_DIMENSION_AGENCY, month_from="2026-04")
        assert not (await stub(platform).GetFunnel(later)).lines


@pytest.mark.asyncio
@pytest.mark.usefixtures("every_database")
async def test_time_is_counted_with_whom_it_passed(tmp_path: Path) -> None:
    """One day before the report, two from the approval to the delivery, then with the police until now."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        await _delivered(platform, clock)
        await settled(platform)
        lines = (await stub(platform).GetTimeInState(pb.GetTimeInStateRequest())).lines
        found = {(line.organisation_id, line.state): line for line in lines}
        agency, police = OFFICER.agency_id, "hs-police"
        assert found[agency, "crime_suspected"].mean_seconds == DAY
        assert found[agency, "approved"].longest_seconds == 2 * DAY
        here = found[police, "delivered"]
        assert (here.left, here.here, here.mean_seconds) == (0, 1, 0)
        assert here.oldest_since.ToDatetime(tzinfo=START.tzinfo) == clock.now()
        asked = pb.GetTimeInStateRequest(organisation_id=agency, state="approved")
        assert len((await stub(platform).GetTimeInState(asked)).lines) == 1


@pytest.mark.asyncio
@pytest.mark.usefixtures("every_database")
async def test_a_rebuild_gives_the_same_rows(tmp_path: Path) -> None:
    """Progress and stays come from the events alone."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        await _delivered(platform, clock)
        await settled(platform)
        before = [await rows(platform, table) for table in (transfer_progress, stays, alerts)]
        assert platform.supervision is not None
        await platform.supervision.consumer.rebuild()
        assert [await rows(platform, table) for table in (transfer_progress, stays, alerts)] == before


@pytest.mark.asyncio
async def test_a_suspicion_stays_in_sight_until_the_police_have_the_case(tmp_path: Path) -> None:
    """Delivered it is answered; taken back it stands again; reported to the police directly it is answered too."""
    clock = ManualClock(START)
    async with platform_at(tmp_path, clock) as platform:
        transfer = await _delivered(platform, clock)
        await settled(platform)
        assert "suspected" not in await open_alerts(platform)
        await take(platform, transfer, "take_transfer_back")
        await settled(platform)
        assert "suspected" in await open_alerts(platform)
        await take(platform, transfer, "accept_direct_report")
        await settled(platform)
        assert "suspected" not in await open_alerts(platform)


@pytest.mark.asyncio
async def test_a_crime_that_only_the_agency_suspects_is_watched_too(tmp_path: Path) -> None:
    """No screening hit is needed: a transfer that was opened and lies still is a suspicion that is not transferred."""
    somebody = replace(OFFICER, agency_id="hs-fire", agency_name="消防救援大队", agency_type="fire")
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await opened(platform, case_id="of-paper", by=somebody)
        await settled(platform)
        raised = [row for row in await rows(platform, alerts) if row["id"] == "suspected/of-paper"]
        assert [(row["agency_id"], row["is_closed"]) for row in raised] == [("hs-fire", False)]
        await take(platform, transfer, "drop_suspicion", replace(somebody, roles=frozenset({"agency_head"})))
        await settled(platform)
        raised = [row for row in await rows(platform, alerts) if row["id"] == "suspected/of-paper"]
        assert [row["is_closed"] for row in raised] == [True]


@pytest.mark.asyncio
async def test_a_suspected_case_without_a_transfer_is_in_the_funnel(tmp_path: Path) -> None:
    """The gap between what is suspected and what is transferred is what the funnel is for."""
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        await register(platform, case("在卤肉中添加罂粟壳，已销售80元。"))
        await settled(platform)
        asked = pb.GetFunnelRequest(dimension=pb.FUNNEL_DIMENSION_AGENCY)
        (line,) = (await stub(platform).GetFunnel(asked)).lines
        assert (line.key, line.suspected, line.opened) == (OFFICER.agency_id, 1, 0)


def test_a_filed_case_may_lie_longer() -> None:
    """The police investigate: ninety days, not thirty."""
    assert stalls_at("filed", 0) == 90 * DAY * 1_000_000
    assert stalls_at("accepted", 0) == 30 * DAY * 1_000_000
