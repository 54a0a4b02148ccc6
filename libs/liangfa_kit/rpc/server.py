"""The gRPC server: one builder, the same limits, health, reflection and orderly end for every service."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from liangfa_kit.errors import Unavailable
from liangfa_kit.rpc.health import Health
from liangfa_kit.rpc.pipeline import Endpoint, Pipeline, refuse_unknown
from liangfa_kit.rpc.tls import Certificates
from liangfa_kit.settings import Listen


class RpcServer:
    """A server that is built, started and drained once. `port` is the real one after `start`.

    With `certificates` it is encrypted and callers have to prove themselves; `listen.health_port` answers without.
    """

    def __init__(
        self, pipeline: Pipeline, health: Health, listen: Listen, certificates: Certificates | None = None
    ) -> None:
        self.port = 0
        self._certificates = certificates
        self._pipeline = pipeline
        self._health = health
        self._listen = listen
        self._server = grpc.aio.server(options=_options(listen))
        only_generic = _OnlyGeneric(self._server)
        self._server.add_generic_rpc_handlers([_Methods(pipeline)])
        health_pb2_grpc.add_HealthServicer_to_server(health, only_generic)
        names = [*pipeline.service_names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], only_generic)
        self._server.add_generic_rpc_handlers([_Nobody()])
        self._probed = grpc.aio.server() if listen.health_port else None
        if self._probed is not None:
            health_pb2_grpc.add_HealthServicer_to_server(health, self._probed)

    async def start(self) -> None:
        """Listen. Raises `Unavailable` (CANNOT_LISTEN) when the address is taken or not ours."""
        credentials = self._certificates.server_credentials() if self._certificates else None
        self.port = self._bound(self._server, self._listen.port, credentials)
        if self._probed is not None:
            self._bound(self._probed, self._listen.health_port, None)
            await self._probed.start()
        await self._server.start()

    def _bound(self, server: grpc.aio.Server, port: int, credentials: grpc.ServerCredentials | None) -> int:
        address = f"{self._listen.host}:{port}"
        try:
            return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError as error:
            raise Unavailable(
                f"Cannot listen on {address}: the port is taken, or the address is not this machine's.",
                message_zh=f"无法监听 {address}：端口被占用或地址无效。",
                remedy="Stop the other process, or choose another port: --port or LIANGFA_LISTEN__PORT, for probes "
                "LIANGFA_LISTEN__HEALTH_PORT.",
                reason="CANNOT_LISTEN",
                address=address,
            ) from error

    async def drain(self) -> None:
        """Stop in order: not ready any more, streams told to go elsewhere, calls finished, then closed.

        For `listen.linger_seconds` it goes on to serve while it says that it is not ready, so that whoever chooses
        between replicas by that has turned away before the port closes.
        """
        self._health.drain()
        await asyncio.sleep(self._listen.linger_seconds)
        self._pipeline.end_streams()
        await self._server.stop(self._listen.drain_seconds)
        if self._probed is not None:
            await self._probed.stop(0)

    async def wait(self) -> None:
        """Return when the server has ended."""
        await self._server.wait_for_termination()


class _Methods(grpc.GenericRpcHandler):
    """Finds the pipeline's methods by path.

    Registering each method with the server instead would cost: it keeps a waiting task for each, and walks over all of
    them at every call.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._handlers = {path: _handler(endpoint) for path, endpoint in pipeline.endpoints.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)


class _Nobody(grpc.GenericRpcHandler):
    """Comes last and refuses what nobody serves, with a reason."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method

        async def refuse(_contents: object, wire: Any) -> None:
            await refuse_unknown(method, wire)

        return grpc.stream_stream_rpc_method_handler(refuse)


class _OnlyGeneric:
    """Hands a server the generic form of generated handlers and leaves out the registered one (see `_Methods`)."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, _name: str, _handlers: Any) -> None:
        return


def _handler(endpoint: Endpoint) -> Any:
    if endpoint.takes_stream and endpoint.gives_stream:
        return grpc.stream_stream_rpc_method_handler(endpoint.stream_stream)
    if endpoint.takes_stream:
        return grpc.stream_unary_rpc_method_handler(endpoint.stream_unary)
    if endpoint.gives_stream:
        return grpc.unary_stream_rpc_method_handler(endpoint.unary_stream)
    return grpc.unary_unary_rpc_method_handler(endpoint.unary_unary)


def _options(listen: Listen) -> list[tuple[str, Any]]:
    return [
        # The pipeline refuses what is over the limit with a reason; the transport's own limit only bounds memory.
        ("grpc.max_receive_message_length", 4 * listen.max_message_bytes),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ]
