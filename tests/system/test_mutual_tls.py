"""Two services as two processes that prove themselves to each other: one asks the other on behalf of its caller."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import Unavailable
from liangfa_kit.identity import TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_kit.rpc.tls import Certificates
from liangfa_kit.settings import Tls
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as meeting
from liangfa_protos.joint_meeting.v1.consultation_service_pb2_grpc import ConsultationServiceStub
from tests.certificates import Authority
from tests.enforcement import CRIME, OFFICER, case
from tests.replicas import LIANGFA, Replica, lasting_ports, running
from tests.servers.databases import environment_of

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(400)]
CA = Authority.made()


def variables(tls: Tls) -> dict[str, str]:
    files = {"CERTIFICATE": tls.certificate, "KEY": tls.key, "CA": tls.ca}
    return {f"LIANGFA_TLS__{name}": str(file) for name, file in files.items()}


async def test_one_service_asks_another_with_its_own_certificate(tmp_path: Path) -> None:
    """A draft of a consultation is made from a case of the other process; without a certificate nobody gets in."""
    ports = lasting_ports(4)
    of_record = variables(CA.issue(tmp_path / "certificates" / "record"))
    peer = {"LIANGFA_PEERS__ENFORCEMENT_RECORD": f"127.0.0.1:{ports[0]}"}
    of_meeting = variables(CA.issue(tmp_path / "certificates" / "meeting"))
    records = Replica("enforcement_record", tmp_path, ports[0], of_record, health_port=ports[1])
    meetings = Replica("joint_meeting", tmp_path, ports[2], of_meeting | peer, health_port=ports[3])
    async with running([records, meetings]):
        issuer = TokenIssuer(signing_key(tmp_path / "identity"), SystemClock(), timedelta(minutes=10))
        officer = Outgoing(lambda: issuer.issue(OFFICER), call_seconds=60)
        mine = Certificates(CA.issue(tmp_path / "certificates" / "portal"))
        async with connect(records.address, officer, certificates=mine) as channel:
            cases: Any = CaseServiceStub(channel)
            request = record.RegisterCaseRequest(request_id="r1", case=case(cause="销售侵权商品", narrative=CRIME))
            entered = (await cases.RegisterCase(request)).case
        async with connect(meetings.address, officer, certificates=mine) as channel:
            consultations: Any = ConsultationServiceStub(channel)
            draft = (await consultations.DraftConsultation(meeting.DraftConsultationRequest(case_id=entered.id))).draft
            assert draft.cause == "销售侵权商品"
        async with connect(records.address, officer) as channel:
            bare: Any = CaseServiceStub(channel)
            with pytest.raises(Unavailable):
                await bare.GetCase(record.GetCaseRequest(case_id=entered.id, purpose="复核"))
        assert health(tmp_path, records, of_record) == 0
        assert health(tmp_path, records, {}) == 1
        for replica in (meetings, records):
            assert await replica.stop() == 0


def health(folder: Path, replica: Replica, settings: dict[str, str]) -> int:
    """Return the exit code of `liangfa health` with these certificates."""
    command = [str(LIANGFA), "health", "--address", replica.address, "--service", "calls"]
    return subprocess.run(
        command, env=environment_of(folder) | settings, timeout=60, capture_output=True, check=False
    ).returncode
