"""Following the feed as the terminal does: what is cut goes on where it was."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from liangfa_cli import district
from liangfa_cli.following import feed
from liangfa_cli.platform import running
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from tests.enforcement import START

pytestmark = pytest.mark.asyncio


async def test_the_feed_goes_on_with_a_new_token_without_gap_or_repeat(tmp_path: Path) -> None:
    """Tokens of one second, cut again and again: every case entered meanwhile is shown once, in order."""
    clock = ManualClock(START)
    settings = PlatformSettings(
        storage=Storage(folder=tmp_path), listen=Listen(port=0), logging=Logging(level="error", file=tmp_path / "log")
    )
    async with running(settings, clock=clock) as platform:
        issuer = TokenIssuer(signing_key(tmp_path / "identity"), clock, timedelta(seconds=-9))
        channel = local_channel(platform.host.pipeline, Outgoing(token=lambda: issuer.issue(district.PROCURATOR)))
        officer = CaseServiceStub(platform.channel_for(district.officer("market_regulation")))
        cut: list[str] = []
        seen: list[str] = []

        async def enter(number: int) -> None:
            case = case_pb2.Case(cause="虚假宣传", narrative=f"第{number}件", parties=[case_pb2.Party(name="甲店")])
            await officer.RegisterCase(case_rpc.RegisterCaseRequest(request_id=f"r{number}", case=case))

        async def follow() -> None:
            async for message in feed(channel, 0, pb.SEVERITY_UNSPECIFIED, cut.append):
                if message.item.kind == pb.FEED_KIND_CASE_REGISTERED:
                    seen.append(message.item.case_id)  # noqa: PERF401 - it never ends: each is looked at as it comes

        following = asyncio.ensure_future(follow())
        async with asyncio.timeout(60):
            for number in range(3):
                await enter(number)
                while len(cut) < number + 1 or len(seen) < number + 1:
                    await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert len(seen) == len(set(seen)) == 3
        assert all("TOKEN_RAN_OUT" in line for line in cut)
