"""Two services as two processes with nothing in common but Kafka and the keys: what one records, the other shows."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from confluent_kafka import Consumer as StockConsumer

from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import Actor, TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.settings import Kafka
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.events_pb2 import CaseRegistered
from liangfa_protos.supervision.v1 import supervision_service_pb2 as supervision
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from tests.enforcement import OFFICER, PROCURATOR, case
from tests.servers.kafka.brokers import fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
LIANGFA = Path(sys.executable).parent / "liangfa"
TOPIC = "liangfa.enforcement_record.v1"


@dataclass
class Deployment:
    """Folders of the services, shared keys, and the settings of their Kafka."""

    folder: Path
    kafka: Kafka

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `liangfa` with these settings in its environment."""
        given = {
            "COLUMNS": "400",
            "LIANGFA_KAFKA__SERVERS": self.kafka.servers,
            "LIANGFA_KAFKA__PREFIX": self.kafka.prefix,
            "LIANGFA_KAFKA__REPLICATION": "1",
            "LIANGFA_KAFKA__SESSION_SECONDS": "3",
            "LIANGFA_IDENTITY__KEY_FOLDER": str(self.folder / "identity"),
            "LIANGFA_LOGGING__FILE": str(self.folder / "log.jsonl"),
        }
        return ["env", *(f"{name}={value}" for name, value in given.items()), str(LIANGFA), *arguments]

    def metadata(self, actor: Actor) -> tuple[tuple[str, str], ...]:
        key = signing_key(self.folder / "identity")
        token = TokenIssuer(key, SystemClock(), timedelta(minutes=10)).issue(actor)
        return (("authorization", f"Bearer {token}"),)

    def liangfa(self, *arguments: str, service: str = "operator") -> str:
        command = self.command(*arguments, "--folder", str(self.folder / service))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self, name: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """Run one service; yields its address and its process."""
        command = self.command("serve", name, "--folder", str(self.folder / name))
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                first = process.stderr.readline()
                found = re.search(r" on (\S+:\d+),", first)
                assert found, first + process.stderr.read()
                yield found[1], process
            finally:
                process.kill()


@pytest.fixture
def deployment(tmp_path: Path, kafka_servers: str) -> Deployment:
    return Deployment(tmp_path, fresh(kafka_servers))


def register(deployment: Deployment, address: str, numbers: range) -> list[str]:
    """Enter cases and return their ids."""
    with grpc.insecure_channel(address) as channel:
        stub = CaseServiceStub(channel)
        requests = [record.RegisterCaseRequest(request_id=f"r{n}", case=case(cause=f"第{n}号案件")) for n in numbers]
        who = deployment.metadata(OFFICER)
        return [stub.RegisterCase(request, metadata=who, timeout=20).case.id for request in requests]


def feed(deployment: Deployment, address: str, count: int) -> list[supervision.FeedItem]:
    """Return the first `count` registered cases of the feed."""
    items: list[supervision.FeedItem] = []
    kinds = [supervision.FEED_KIND_CASE_REGISTERED]
    with grpc.insecure_channel(address) as channel:
        request = supervision.WatchRequest(after_cursor=0, kinds=kinds)
        for message in SupervisionServiceStub(channel).Watch(
            request, metadata=deployment.metadata(PROCURATOR), timeout=60
        ):
            if message.HasField("item"):
                items.append(message.item)
                if len(items) == count:
                    break
    return items


def test_what_one_service_records_the_other_shows_once_across_a_kill(deployment: Deployment) -> None:
    """Supervision is killed without a word while cases go on being entered; it comes back and has missed nothing."""
    with ExitStack() as stack:
        records, _ = stack.enter_context(deployment.serving("enforcement_record"))
        with deployment.serving("supervision") as (watched, process):
            ids = register(deployment, records, range(10))
            assert {item.case_id for item in feed(deployment, watched, 10)} == set(ids)
            process.send_signal(signal.SIGKILL)
        ids += register(deployment, records, range(10, 20))
        watched, _ = stack.enter_context(deployment.serving("supervision"))
        ids += register(deployment, records, range(20, 25))
        items = feed(deployment, watched, 25)
    assert {item.case_id for item in items} == set(ids)
    assert [item.cursor for item in items] == sorted({item.cursor for item in items})
    told = tail(deployment)
    assert sum(line.count("CaseRegistered") for line in told) == 25
    rebuilt = deployment.liangfa("events", "rebuild", service="supervision")
    assert f"rebuilt from {len(told)} events" in rebuilt


def tail(deployment: Deployment) -> list[str]:
    return deployment.liangfa("events", "tail", "enforcement_record", "--from-start", "--once").splitlines()


def test_a_stock_client_reads_the_events_as_cloudevents(deployment: Deployment) -> None:
    """Any Kafka client finds the attributes in the headers and the protobuf message in the value."""
    with deployment.serving("enforcement_record") as (address, _):
        (case_id,) = register(deployment, address, range(1))
        while not tail(deployment):
            pass
    settings = {"bootstrap.servers": deployment.kafka.servers, "group.id": "stock", "auto.offset.reset": "earliest"}
    stock = StockConsumer(settings)
    stock.subscribe([deployment.kafka.prefix + TOPIC])
    try:
        read = stock.poll(60)
        assert read is not None
        found: Any = (read.key(), dict(read.headers() or []), read.value())
        headers = {name: value.decode() for name, value in found[1].items()}
        assert found[0].decode() == headers["ce_subject"] == f"case/{case_id}"
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == CaseRegistered.DESCRIPTOR.full_name
        assert headers["traceparent"].startswith("00-")
        assert CaseRegistered.FromString(found[2]).case.id == case_id
    finally:
        stock.close()


def test_topics_are_made_as_they_are_declared(deployment: Deployment) -> None:
    """`liangfa events topics` makes what is missing and shows all; doing it again changes nothing."""
    for _ in range(2):
        shown = deployment.liangfa("events", "topics")
        assert f"{deployment.kafka.prefix}{TOPIC}" in shown
