"""PrecedentService: translation."""

from __future__ import annotations

from typing import Any

from liangfa_joint_meeting.commands import precedent_commands as commands
from liangfa_joint_meeting.queries import finding
from liangfa_joint_meeting.rpc.calls import call_of
from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.context import current
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.precedent_service_pb2_grpc import PrecedentServiceServicer


class PrecedentServicer(PrecedentServiceServicer):
    """Translates between protos, commands and queries."""

    def __init__(self, train: Train, store: Store, clock: Clock) -> None:
        self._train = train
        self._store = store
        self._clock = clock

    async def PreviewPrecedent(
        self, request: rpc.PreviewPrecedentRequest, _context: Any
    ) -> rpc.PreviewPrecedentResponse:
        """Show a precedent before it is published."""
        draft = await self._draft(request.consultation_id, tuple(request.also_mask))
        return await self._train.execute(commands.PREVIEW, draft, current().command(""))

    async def PublishPrecedent(
        self, request: rpc.PublishPrecedentRequest, _context: Any
    ) -> rpc.PublishPrecedentResponse:
        """Publish what was approved."""
        call = call_of(request.request_id)
        draft = await self._draft(request.consultation_id, tuple(request.also_mask), request.sha256)
        return await self._train.execute(commands.PUBLISH, draft, call)

    async def _draft(self, consultation_id: str, also_mask: tuple[str, ...], sha256: str = "") -> commands.Draft:
        units = await self._store.read(lambda c: finding.unit_ids(c, consultation_id))
        return commands.Draft(consultation_id, also_mask, units, sha256)

    async def WithdrawPrecedent(
        self, request: rpc.WithdrawPrecedentRequest, _context: Any
    ) -> rpc.WithdrawPrecedentResponse:
        """Take a precedent back."""
        command = commands.Withdraw(request.consultation_id, request.reason)
        return await self._train.execute(commands.WITHDRAW, command, call_of(request.request_id))

    async def SearchPrecedents(
        self, request: rpc.SearchPrecedentsRequest, _context: Any
    ) -> rpc.SearchPrecedentsResponse:
        """Find precedents."""
        return await self._store.read(lambda c: finding.found(c, self._store, request))

    async def SuggestPrecedents(
        self, request: rpc.SuggestPrecedentsRequest, _context: Any
    ) -> rpc.SuggestPrecedentsResponse:
        """Find precedents like a question that is being written."""
        return await self._store.read(lambda c: finding.similar(c, self._store, request))

    async def GetConsultationFigures(
        self, request: rpc.GetConsultationFiguresRequest, _context: Any
    ) -> rpc.GetConsultationFiguresResponse:
        """Count consultations by unit."""
        caller, now = current().caller, to_micros(self._clock.now())
        return await self._store.read(lambda c: finding.figures(c, caller, request, now))
