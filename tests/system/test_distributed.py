"""The whole platform as `make up-distributed` runs it: what officers do in two processes, a watcher in a third one sees."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import Actor, TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as transfer
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as consulting
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watching
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from tests import transferring
from tests.enforcement import CRIME, OFFICER, PROCURATOR, case
from tests.servers import postgres
from tests.servers.kafka.jars import class_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 240


@dataclass
class Deployment:
    """A running topology, as its note tells it."""

    folder: Path
    process: subprocess.Popen[bytes]
    note: dict[str, Any]

    def metadata(self, actor: Actor) -> tuple[tuple[str, str], ...]:
        issuer = TokenIssuer(signing_key(Path(self.note["key_folder"])), SystemClock(), timedelta(minutes=10))
        return (("authorization", f"Bearer {issuer.issue(actor)}"),)

    def channel(self, service: str) -> grpc.Channel:
        return grpc.insecure_channel(self.note["services"][service])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL can reach, who runs as somebody else when we are root."""
    postgres.require_binaries()
    class_path()
    with tempfile.TemporaryDirectory(prefix="liangfa-distributed-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def topology(folder: Path) -> Iterator[Deployment]:
    output, note = folder / "output", folder / "topology.json"
    with output.open("wb") as written:
        command = [sys.executable, "-m", "scripts.up_distributed", "--folder", str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=written, stderr=written)
    try:
        until = time.monotonic() + _PATIENCE_SECONDS
        while "stops it." not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.1)
        yield Deployment(folder, process, json.loads(note.read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)


def register_suspected_case(deployment: Deployment) -> str:
    with deployment.channel("enforcement_record") as channel:
        request = record.RegisterCaseRequest(request_id="r1", case=case(cause="销售侵权商品", narrative=CRIME))
        return str(
            CaseServiceStub(channel).RegisterCase(request, metadata=deployment.metadata(OFFICER), timeout=60).case.id
        )


def open_transfer(deployment: Deployment, case_id: str) -> str:
    request = transferring.opening(case_id=case_id, supervisor={"id": PROCURATOR.agency_id, "name": "洪山区人民检察院"})
    with deployment.channel("case_transfer") as channel:
        who = deployment.metadata(transferring.OFFICER)
        reply: transfer.OpenTransferResponse = TransferServiceStub(channel).OpenTransfer(
            request, metadata=who, timeout=60
        )
        return str(reply.transfer.id)


def drafted_cause(deployment: Deployment, case_id: str) -> str:
    """Have joint_meeting draft a question about a case, for which it asks enforcement_record."""
    with deployment.channel("joint_meeting") as channel:
        request = consulting.DraftConsultationRequest(case_id=case_id)
        reply = ConsultationServiceStub(channel).DraftConsultation(
            request, metadata=deployment.metadata(OFFICER), timeout=60
        )
        return str(reply.draft.cause)


def seen(deployment: Deployment, wanted: set[Any]) -> dict[Any, watching.FeedItem]:
    """Watch until an item of each kind in `wanted` was seen; return the first of each."""
    found: dict[Any, watching.FeedItem] = {}
    with deployment.channel("supervision") as channel:
        request = watching.WatchRequest(after_cursor=0)
        who = deployment.metadata(PROCURATOR)
        for message in SupervisionServiceStub(channel).Watch(request, metadata=who, timeout=_PATIENCE_SECONDS):
            if message.HasField("item"):
                found.setdefault(message.item.kind, message.item)
            if wanted <= set(found):
                break
    return found


def test_officers_act_in_two_processes_and_a_watcher_of_a_third_sees_it_through_kafka(folder: Path) -> None:
    """A suspected case and the opening of its transfer reach the feed; a stop is clean, and the next start has it all."""
    suspected, opened = watching.FEED_KIND_CRIME_SUSPECTED, watching.FEED_KIND_TRANSFER_OPENED
    with topology(folder) as deployment:
        assert set(deployment.note["services"]) == {
            "enforcement_record",
            "case_transfer",
            "joint_meeting",
            "supervision",
        }
        case_id = register_suspected_case(deployment)
        transfer_id = open_transfer(deployment, case_id)
        items = seen(deployment, {suspected, opened})
        assert items[suspected].case_id == items[opened].case_id == case_id
        assert drafted_cause(deployment, case_id) == "销售侵权商品"
    assert deployment.process.returncode == 0
    assert not (folder / "topology.json").exists()
    assert all(not Path(f"/proc/{pid}").exists() for pid in deployment.note["pids"].values())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(deployment.note["database_url"])
    with topology(folder) as again:
        assert seen(again, {suspected, opened})[opened].case_id == case_id
        with again.channel("case_transfer") as channel:
            who = again.metadata(transferring.OFFICER)
            read = transfer.GetTransferRequest(transfer_id=transfer_id)
            assert TransferServiceStub(channel).GetTransfer(read, metadata=who, timeout=60).transfer.id == transfer_id
