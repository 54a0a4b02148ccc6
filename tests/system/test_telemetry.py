"""One trace from the officer's call to the watcher's screen, seen by a collector; and what it must never hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from liangfa_cli.district import PROCURATOR, officer
from liangfa_cli.platform import running
from liangfa_kit.context import new_traceparent
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.wire import TRACE_KEY
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage, Telemetry
from liangfa_kit.telemetry import METRICS
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record_pb
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub

PERSONAL = ("张三丰", "420111199003070016", "13800138000", "珞喻路一百二十三号", "销售病死猪肉")


@dataclass
class Collector:
    """What an OTLP/gRPC receiver got."""

    port: int = 0
    traces: list[bytes] = field(default_factory=list)
    metrics: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Any]:
        found = [trace_service_pb2.ExportTraceServiceRequest.FromString(content) for content in self.traces]
        return [s for request in found for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]

    def metric_names(self) -> set[str]:
        found = [metrics_service_pb2.ExportMetricsServiceRequest.FromString(content) for content in self.metrics]
        scopes = [scope for request in found for r in request.resource_metrics for scope in r.scope_metrics]
        return {metric.name for scope in scopes for metric in scope.metrics}


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC names its methods after the proto
        self.collector.traces.append(request.SerializeToString())
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC names its methods after the proto
        self.collector.metrics.append(request.SerializeToString())
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Traces(found), server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(found), server)  # type: ignore[no-untyped-call]
    found.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found
    server.stop(None).wait()


@pytest.mark.asyncio
async def test_one_trace_leads_from_the_call_to_the_watchers_screen(tmp_path: Path, collector: Collector) -> None:
    """The call's span, the consumer's span and the feed item name one trace; no personal data leaves in any of it."""
    settings = PlatformSettings(
        storage=Storage(folder=tmp_path / "data"),
        listen=Listen(port=0),
        logging=Logging(file=tmp_path / "log.jsonl"),
        telemetry=Telemetry(otlp_endpoint=f"http://127.0.0.1:{collector.port}", metric_interval_seconds=0.2),
    )
    given = new_traceparent()
    async with running(settings) as platform, platform.channel_for(PROCURATOR) as watches:
        stream = SupervisionServiceStub(watches).Watch(watch_pb.WatchRequest())
        seen = asyncio.ensure_future(_first_item(stream))
        await _entered(platform, given)
        item = await asyncio.wait_for(seen, 60)
    trace = given[3:35]
    assert item.trace_id == trace
    ours = [span for span in collector.spans() if span.trace_id.hex() == trace]
    names = {span.name for span in ours}
    assert "liangfa_protos.enforcement_record.v1.CaseService/RegisterCase" in names
    assert "supervision apply" in names
    call = next(span for span in ours if span.name.endswith("RegisterCase"))
    assert {span.parent_span_id for span in ours if span.name == "supervision apply"} == {call.span_id}
    assert collector.metric_names() <= {metric.name for metric in METRICS}
    assert {"liangfa.rpc.server.duration", "liangfa.consumer.delay", "liangfa.journal.position"} <= (
        collector.metric_names()
    )
    sent = b"".join([*collector.traces, *collector.metrics, (tmp_path / "log.jsonl").read_bytes()])
    assert [word for word in PERSONAL if word.encode() in sent] == []


async def _first_item(stream: Any) -> watch_pb.FeedItem:
    async for response in stream:
        if response.HasField("item"):
            item: watch_pb.FeedItem = response.item
            return item
    raise AssertionError("the stream ended")


async def _entered(platform: Any, traceparent: str) -> None:
    name, number, phone, address, words = PERSONAL
    party = case_pb2.Party(name=name, phone=phone, address=address, id_document_type="111", id_document_number=number)
    case = case_pb2.Case(
        cause="经营病死肉类", narrative=f"{name}{words}，地址{address}，电话{phone}。", parties=[party]
    )
    outgoing = Outgoing(token=lambda: platform.issuer.issue(officer("market_regulation")))
    async with grpc.aio.insecure_channel(platform.address) as channel:
        await CaseServiceStub(channel).RegisterCase(
            record_pb.RegisterCaseRequest(request_id="r1", case=case),
            timeout=20,
            metadata=((TRACE_KEY, traceparent), ("authorization", f"Bearer {outgoing.token()}")),
        )
