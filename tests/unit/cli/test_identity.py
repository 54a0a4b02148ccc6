"""Tokens and keys as the command line handles them, against a platform that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from liangfa_cli.identity import Caller, tend_keys, token_source
from liangfa_cli.platform import running
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_kit.keys import signing_key, trusted_keys
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.settings import Identity, Listen, Logging, PlatformSettings, Storage
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub

PROCURATOR = Caller("procurator", "420111", "procuratorate-hongshan")


def settings(folder: Path, **identity: str) -> PlatformSettings:
    logging = Logging(level="error", file=folder / "log.json")
    storage = Storage(folder=folder)
    return PlatformSettings(storage=storage, listen=Listen(port=0), logging=logging, identity=Identity(**identity))


async def refusal(pipeline: Pipeline, token: str) -> str:
    """Return why a call with `token` is refused; empty when it is served."""
    stub = SupervisionServiceStub(local_channel(pipeline, Outgoing(token=lambda: token)))
    try:
        await stub.GetAlertCounts(pb.GetAlertCountsRequest())
    except PlatformError as error:
        return error.reason
    return ""


async def until(pipeline: Pipeline, token: str, wanted: str) -> None:
    """Wait until a call with `token` is answered with `wanted`."""
    async with asyncio.timeout(60):
        while await refusal(pipeline, token) != wanted:
            await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_a_running_platform_takes_up_rotated_and_distrusted_keys(tmp_path: Path) -> None:
    """A new key is trusted, the former stays good until it is distrusted, and nothing is restarted."""
    issue = token_source(tmp_path, PROCURATOR)
    async with running(settings(tmp_path)) as platform:
        pipeline = platform.host.pipeline
        former, token = signing_key(tmp_path / "identity").kid, issue()
        assert await refusal(pipeline, token) == ""
        tend_keys(tmp_path, "rotate", "")
        assert await refusal(pipeline, issue()) == ""
        assert await refusal(pipeline, token) == ""
        tend_keys(tmp_path, "distrust", former)
        await until(pipeline, token, "TOKEN_KEY_UNKNOWN")
        assert await refusal(pipeline, issue()) == ""


@pytest.mark.asyncio
async def test_a_damaged_key_file_leaves_the_known_keys_trusted_and_is_told(tmp_path: Path) -> None:
    """Readiness says it; callers who are signed in are not thrown out; mending the file mends it."""
    issue = token_source(tmp_path, PROCURATOR)
    async with running(settings(tmp_path)) as platform:
        token, damaged = issue(), tmp_path / "identity" / "trusted" / "damaged.pem"
        assert await refusal(platform.host.pipeline, token) == ""
        damaged.write_bytes(b"no key")
        async with asyncio.timeout(60):
            while not platform.host.health.troubles("identity"):
                await asyncio.sleep(0.02)
        assert await refusal(platform.host.pipeline, token) == ""
        damaged.unlink()
        async with asyncio.timeout(60):
            while platform.host.health.troubles("identity"):
                await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_tokens_of_the_command_line_follow_the_platforms_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issuer, audience and key folder are those that the environment gives to both."""
    monkeypatch.setenv("LIANGFA_IDENTITY__AUDIENCE", "wuhan")
    monkeypatch.setenv("LIANGFA_IDENTITY__ISSUER", "wuhan-sign-in")
    monkeypatch.setenv("LIANGFA_IDENTITY__KEY_FOLDER", str(tmp_path / "keys"))
    wanted = settings(tmp_path, audience="wuhan", issuer="wuhan-sign-in", key_folder=str(tmp_path / "keys"))
    async with running(wanted) as platform:
        assert await refusal(platform.host.pipeline, token_source(tmp_path, PROCURATOR)()) == ""
        stub = SupervisionServiceStub(platform.channel_for(PROCURATOR.actor()))
        await stub.GetAlertCounts(pb.GetAlertCountsRequest())


def test_the_caller_is_the_account_of_the_machine_unless_a_person_is_named() -> None:
    """A journal that names nobody proves nothing: never the agency in place of the person."""
    own = Caller("officer", "420111", "hs-market").actor()
    assert own.person_id.startswith("cli-")
    assert own.person_name
    assert "hs-market" not in {own.person_id, own.person_name}
    named = Caller(
        "officer", "420111", "hs-market", "武汉市洪山区市场监督管理局", "market_regulation", "p7", "某甲"
    ).actor()
    assert (named.person_id, named.person_name) == ("p7", "某甲")
    assert (named.agency_name, named.agency_type) == ("武汉市洪山区市场监督管理局", "market_regulation")


@pytest.mark.parametrize(
    ("action", "kid_of", "reason"),
    [
        ("distrust", lambda folder: signing_key(folder).kid, "KEY_IN_USE"),
        ("distrust", lambda _folder: "nobody", "KEY_UNKNOWN"),
        ("distrust", lambda _folder: "../signing", "KEY_UNKNOWN"),
        ("burn", lambda _folder: "", "ACTION_UNKNOWN"),
    ],
)
def test_keys_in_use_and_unknown_ones_are_not_distrusted(
    tmp_path: Path, action: str, kid_of: Callable[[Path], str], reason: str
) -> None:
    """Nobody locks everybody out by a slip, and no name leads out of the folder."""
    keys = tmp_path / "identity"
    with pytest.raises(Invalid) as refused:
        tend_keys(tmp_path, action, kid_of(keys))
    assert refused.value.reason == reason
    assert set(trusted_keys(keys)) <= {signing_key(keys).kid}
