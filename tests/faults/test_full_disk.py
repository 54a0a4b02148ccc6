"""A volume that is really full: commands are refused with DISK_FULL, nothing acknowledged is lost, and it goes on by itself.

Needs root, for a file system of its own in memory; without it the test is skipped, and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from liangfa_cli.platform import Platform
from liangfa_enforcement_record.tables import KIT, cases
from liangfa_kit.errors import Exhausted, PlatformError
from liangfa_kit.verify import journal_faults
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as evidence_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as import_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from tests.faults.import_process import OFFICER, imports, pieces, quiet_platform

pytestmark = [pytest.mark.fault, pytest.mark.slow]
MEGABYTES = 24
CONTENT = bytes(range(256)) * 4_000
HEADER = "行政相对人名称,行政处罚决定书文号,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n"


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "volume"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk. It takes root to mount a small file system: sudo make test")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "liangfa-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: a full disk. No file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        command = ["umount", "--lazy", str(folder)]
        subprocess.run(command, timeout=30, check=True)


def fill(folder: Path) -> Path:
    """Leave no room on the volume; return the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


async def entered(platform: Platform, name: str) -> str:
    """Enter a case and return its id, or the reason of the refusal behind a `!`."""
    case = case_pb2.Case(cause="虚假宣传", narrative=f"{name}。" * 2_000, parties=[case_pb2.Party(name=name)])
    request = rpc.RegisterCaseRequest(request_id=name, case=case)
    try:
        return (await CaseServiceStub(platform.channel_for(OFFICER)).RegisterCase(request)).case.id
    except PlatformError as error:
        return f"!{error.reason}"


async def uploaded(platform: Platform, upload_id: str, start: int) -> evidence_rpc.UploadEvidenceResponse:
    async def parts() -> AsyncIterator[evidence_rpc.UploadEvidenceRequest]:
        for offset in range(start, len(CONTENT), 1 << 18):
            content = CONTENT[offset : offset + (1 << 18)]
            yield evidence_rpc.UploadEvidenceRequest(upload_id=upload_id, offset=offset, content=content)

    stub = EvidenceServiceStub(platform.channel_for(OFFICER))
    reply: evidence_rpc.UploadEvidenceResponse = await stub.UploadEvidence(parts())
    return reply


async def until_full(platform: Platform, known: dict[str, str]) -> None:
    """Enter cases until the volume takes no more; note those that were acknowledged."""
    refused = 0
    for number in range(2_000):
        name = f"武汉第{number}商贸有限公司"
        found = await entered(platform, name)
        if found.startswith("!"):
            assert found == "!DISK_FULL", f"after {len(known)} cases: {found}"
            refused += 1
        else:
            known[name] = found
        if refused == 5:
            return
    pytest.fail("the volume never filled up")


async def lived_through(folder: Path) -> None:
    async with quiet_platform(folder / "data") as platform:
        assert platform.record is not None
        assert platform.supervision is not None
        known: dict[str, str] = {}
        known["first"] = await entered(platform, "first")
        stub = EvidenceServiceStub(platform.channel_for(OFFICER))
        begin = evidence_rpc.BeginUploadRequest(
            request_id=str(uuid.uuid4()), case_id=known["first"], file_name="照片.jpg", media_type="image/jpeg",
            size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(),
        )  # fmt: skip
        upload = await stub.BeginUpload(begin)
        ballast = await asyncio.to_thread(fill, folder)
        await until_full(platform, known)
        with pytest.raises(Exhausted) as refused:
            await uploaded(platform, upload.upload_id, 0)
        assert refused.value.reason == "DISK_FULL"
        with pytest.raises(Exhausted):
            async for _ in imports(platform).ImportTable(pieces(_table(2_000))):
                pass
        ballast.unlink()
        await went_on(platform, upload.upload_id, known)


async def went_on(platform: Platform, upload_id: str, known: dict[str, str]) -> None:
    """There is room again: everything works without a restart, and everything acknowledged is there."""
    stub = EvidenceServiceStub(platform.channel_for(OFFICER))
    for number in range(5):
        name = f"武汉新{number}商贸有限公司"
        known[name] = await entered(platform, name)
        assert not known[name].startswith("!"), known[name]
    state = await stub.GetUpload(evidence_rpc.GetUploadRequest(upload_id=upload_id))
    assert (await uploaded(platform, upload_id, state.received_bytes)).HasField("evidence")
    last = import_rpc.ImportProgress()
    async for reply in imports(platform).ImportTable(pieces(_table(200))):
        last = reply.progress
    assert (last.state, last.cases_registered) == ("finished", 200)
    assert platform.record is not None
    assert platform.supervision is not None
    store = platform.record.store
    stored = set(await store.read(lambda c: c.execute(cases.select()).scalars().all()))
    assert set(known.values()) <= stored, "an acknowledged case is lost"
    assert len(stored) == len(known) + 200, "a refused case was entered"
    assert list(journal_faults(store, KIT)) == []
    assert await platform.supervision.consumer.set_aside() == [], "a full disk was taken for poison"


def _table(rows: int) -> bytes:
    line = "武汉导入{0}商贸有限公司,洪市监处罚〔2025〕{0}号,虚假宣传,当事人在网页上使用国家级用语。,罚款,罚款1万元,1,2025-03-04\n"
    return (HEADER + "".join(line.format(number) for number in range(rows))).encode()


@pytest.mark.timeout(240)
def test_a_full_disk_refuses_loses_nothing_and_goes_on(volume: Path) -> None:
    """Cases, evidence and an import on a volume without room; then there is room again."""
    (volume / "data").mkdir()
    asyncio.run(lived_through(volume))
