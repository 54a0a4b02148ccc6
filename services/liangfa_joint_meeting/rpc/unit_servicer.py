"""UnitService: translation."""

from __future__ import annotations

from typing import Any

from liangfa_joint_meeting.commands.unit_commands import ENROL, EnrolUnit
from liangfa_joint_meeting.queries import consulting
from liangfa_joint_meeting.rpc.calls import call_of
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.joint_meeting.v1 import unit_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.unit_service_pb2_grpc import UnitServiceServicer
from liangfa_standards.divisions import region_prefix


class UnitServicer(UnitServiceServicer):
    """Translates between protos and commands."""

    def __init__(self, train: Train, store: Store) -> None:
        self._train = train
        self._store = store

    async def EnrolUnit(self, request: rpc.EnrolUnitRequest, _context: Any) -> rpc.EnrolUnitResponse:
        """Enter a unit or change its entry."""
        return await self._train.execute(ENROL, EnrolUnit(request.unit), call_of(request.request_id))

    async def ListUnits(self, request: rpc.ListUnitsRequest, _context: Any) -> rpc.ListUnitsResponse:
        """List units."""
        prefix = region_prefix(request.region) if request.region else ""
        found = await self._store.read(lambda c: consulting.unit_page(c, prefix))
        return rpc.ListUnitsResponse(units=[rpc.Unit.FromString(body) for body in found])
