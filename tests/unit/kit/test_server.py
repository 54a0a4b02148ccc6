"""The server around the pipeline: health, reflection, deadlines of callers who state none, repeated calls, telemetry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from liangfa_kit.context import current
from liangfa_kit.errors import Unavailable
from liangfa_kit.rpc.client import Outgoing, connect, forwarded_token
from liangfa_kit.rpc.health import Health
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.rpc.served import Served, served
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.rpc.status import from_wire
from liangfa_kit.settings import Listen
from liangfa_kit.telemetry import RPC_DURATION, Telemetry
from tests.echo import ISSUER, NAME, EchoService, pipeline_of
from tests.tally import CLERK

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(
    pipeline: Pipeline, health: Health | None = None, listen: Listen | None = None
) -> AsyncIterator[tuple[RpcServer, grpc.aio.Channel]]:
    """Serve a pipeline and connect a plain gRPC channel, as a client in another language would."""
    server = RpcServer(pipeline, health or Health({}), listen or Listen(port=0, drain_seconds=0.5))
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.drain()


def bearer() -> tuple[tuple[str, str], ...]:
    """Return the header of a token issued now: one of the time of import would run out before the suite has ended."""
    return (("authorization", f"Bearer {ISSUER.issue(CLERK)}"),)


def echo_pipeline(service: EchoService | None = None, telemetry: Telemetry | None = None, **limits: Any) -> Pipeline:
    return pipeline_of(service or EchoService(), [], Listen(**limits), telemetry)


async def test_health_is_what_the_services_say() -> None:
    """Not that the process runs, but that it can do its work; no token is needed to ask."""
    troubles: list[str] = []
    health = Health({"a": lambda: troubles, "b": lambda: ()})
    async with serving(echo_pipeline(), health) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def status(service: str) -> int:
            return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)

        serving_, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert [await status(name) for name in ("", "a", "b")] == [serving_] * 3
        troubles.append("The relay waits for the broker.")
        assert [await status(name) for name in ("", "a", "b")] == [not_serving, not_serving, serving_]
        assert health.troubles() == ["The relay waits for the broker."]
        listed = await stub.List(health_pb2.HealthListRequest())
        assert {name: answer.status for name, answer in listed.statuses.items()} == {
            "": not_serving,
            "alive": serving_,
            "calls": serving_,
            "a": not_serving,
            "b": serving_,
        }
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status("nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        health.drain()
        assert await status("b") == not_serving
        assert [await status(name) for name in ("calls", "alive")] == [not_serving, serving_]


async def test_health_can_be_watched() -> None:
    """A load balancer hears of a change without asking again."""
    troubles: list[str] = []
    async with serving(echo_pipeline(), Health({"a": lambda: troubles})) as (_, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="a"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        troubles.append("x")
        assert (await asyncio.wait_for(watch.read(), 60)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()


async def test_engineers_can_ask_what_is_served() -> None:
    """Reflection lists the services by name."""
    async with serving(echo_pipeline()) as (_, channel):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (reply,) = [reply async for reply in stub.ServerReflectionInfo(iter([request]))]
        names = {service.name for service in reply.list_services_response.service}
        assert {NAME, "grpc.health.v1.Health"} <= names


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    """Nothing runs for ever because a client forgot to say how long it waits."""
    service = EchoService()
    async with serving(echo_pipeline(service, default_call_seconds=0.05)) as (_, channel):
        wait = channel.unary_unary(f"/{NAME}/Wait", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wait(StringValue(), metadata=bearer())
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        error = from_wire(caught.value.code(), caught.value.details(), caught.value.trailing_metadata())
        assert error.reason == "DEADLINE_EXCEEDED"
        await asyncio.wait_for(service.ended.wait(), 60)


async def test_a_taken_port_is_told_in_plain_words() -> None:
    """Two platforms on one port would each get half of the calls."""
    async with serving(echo_pipeline()) as (server, _):
        second = RpcServer(echo_pipeline(), Health({}), Listen(port=server.port))
        with pytest.raises(Unavailable) as caught:
            await second.start()
        assert caught.value.reason == "CANNOT_LISTEN"
        assert str(server.port) in str(caught.value)


def toy_service() -> Any:
    """A service descriptor with a read, a command with a request id and one without."""
    file = descriptor_pb2.FileDescriptorProto(name="liangfa_test_toy.proto", package="liangfa.test", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    with_id = file.message_type.add(name="WithId")
    with_id.field.add(
        name="request_id",
        number=1,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )
    service = file.service.add(name="Toy")
    text = "google.protobuf.StringValue"
    for name, message in (("GetIt", text), ("DoIt", "liangfa.test.WithId"), ("Move", text)):
        service.method.add(name=name, input_type=f".{message}", output_type=f".{text}")
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return pool.FindServiceByName("liangfa.test.Toy")


async def test_calls_that_nobody_answered_are_repeated_where_that_does_no_harm() -> None:
    """Reads and commands with a request id; a command without one is the caller's decision."""
    asked: list[str] = []

    async def unwell(request: StringValue, context: None) -> StringValue:
        asked.append(method := current().method.rpartition("/")[2])
        if asked.count(method) < 3:
            raise Unavailable("Not now.", reason="BROKER_AWAY")
        return request

    handlers = {
        name: grpc.unary_unary_rpc_method_handler(unwell, StringValue.FromString, StringValue.SerializeToString)
        for name in ("GetIt", "DoIt", "Move")
    }
    pipeline = Pipeline(
        [Served("liangfa.test.Toy", handlers, lambda *_: None)],
        verifier=echo_pipeline().verifier,
        log=echo_pipeline().log,
        telemetry=Telemetry(),
        limits=Listen(),
    )
    async with (
        serving(pipeline) as (server, _),
        connect(f"127.0.0.1:{server.port}", Outgoing(lambda: ISSUER.issue(CLERK)), [toy_service()]) as channel,
    ):
        for name in ("GetIt", "DoIt"):
            call = channel.unary_unary(
                f"/liangfa.test.Toy/{name}", StringValue.SerializeToString, StringValue.FromString
            )
            assert (await call(StringValue(value="x"))).value == "x"
        move = channel.unary_unary("/liangfa.test.Toy/Move", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(Unavailable) as caught:
            await move(StringValue(value="x"))
        assert caught.value.reason == "BROKER_AWAY"
    assert asked == ["GetIt"] * 3 + ["DoIt"] * 3 + ["Move"]


async def test_nobody_there_is_an_error_with_a_reason() -> None:
    """The caller learns it at once, not at the end of the deadline."""
    async with connect("127.0.0.1:1", Outgoing()) as channel:
        say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(say(StringValue()), 60)
        assert caught.value.reason == "UNAVAILABLE"


async def test_calls_are_traced_and_measured_when_asked_for() -> None:
    """One span below the caller's and one measurement per call, with the outcome."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(tracers, MeterProvider([reader]))
    service = EchoService()
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with serving(echo_pipeline(service, telemetry)) as (_, channel):
        say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
        refuse = channel.unary_unary(f"/{NAME}/Refuse", StringValue.SerializeToString, StringValue.FromString)
        await say(StringValue(value="x"), metadata=(*bearer(), ("traceparent", given)))
        with pytest.raises(grpc.aio.AioRpcError):
            await refuse(StringValue(value="x"), metadata=bearer())
    said, refused = exporter.get_finished_spans()
    assert (said.name, f"{said.context.trace_id:032x}") == (f"{NAME}/Say", given[3:35])
    assert service.seen[0][2] == given[3:35]
    assert dict(refused.attributes or {}) == {"liangfa.outcome": "PRECONDITION", "liangfa.reason": "NOT_NOW"}
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == RPC_DURATION.name
    assert {(point.attributes or {})["outcome"] for point in metric.data.data_points} == {"OK", "PRECONDITION"}
    telemetry.shutdown()


async def test_a_service_may_ask_another_on_behalf_of_its_caller() -> None:
    """The token goes on, and so does the identity that it proves."""
    inner = EchoService()
    async with serving(echo_pipeline(inner)) as (server, _):
        channel = connect(f"127.0.0.1:{server.port}", Outgoing(forwarded_token))
        ask = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)

        class Outer:
            async def say(self, request: StringValue, context: None) -> StringValue:
                return await ask(request)  # type: ignore[no-any-return]

        def add_to_server(servicer: Any, server: Any) -> None:
            """What generated code does."""
            handler = grpc.unary_unary_rpc_method_handler(
                servicer.say, StringValue.FromString, StringValue.SerializeToString
            )
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, {"Say": handler}),))
            server.add_registered_method_handlers(NAME, {"Say": handler})

        outer = Pipeline(
            [served(add_to_server, Outer(), authority=lambda *_: None)],
            verifier=echo_pipeline().verifier,
            log=echo_pipeline().log,
            telemetry=Telemetry(),
            limits=Listen(),
        )
        async with serving(outer) as (_, plain), channel:
            say = plain.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
            assert (await say(StringValue(value="x"), metadata=bearer())).value == "x"
    assert inner.seen[0][0] == CLERK
