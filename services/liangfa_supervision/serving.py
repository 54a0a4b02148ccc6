"""Registering the servicer so that `Watch` sends bytes as they are: one encode for a thousand watchers."""

from __future__ import annotations

from typing import Any

import grpc

from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.servicer import SupervisionServicer

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["SupervisionService"].full_name


def add_to_server(servicer: SupervisionServicer, server: Any) -> None:
    """Add the service to `server` (or to a local channel)."""
    handlers = {
        method.name: _handler(servicer, method.name, method.input_type.name)
        for method in pb.DESCRIPTOR.services_by_name["SupervisionService"].methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
    if hasattr(server, "add_registered_method_handlers"):
        server.add_registered_method_handlers(SERVICE_NAME, handlers)


def _handler(servicer: SupervisionServicer, name: str, request_name: str) -> Any:
    request_type = getattr(pb, request_name)
    if name == "Watch":
        return grpc.unary_stream_rpc_method_handler(
            servicer.Watch, request_deserializer=request_type.FromString, response_serializer=None
        )
    return grpc.unary_unary_rpc_method_handler(
        getattr(servicer, name),
        request_deserializer=request_type.FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )
