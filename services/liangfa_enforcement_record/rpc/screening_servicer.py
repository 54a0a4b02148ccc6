"""ScreeningService: results, hits, verdicts, quality per rule."""

from __future__ import annotations

from typing import Any

from liangfa_enforcement_record import queries
from liangfa_enforcement_record.authority import require_visible, scope_of
from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.commands.case_commands import CaseCommands
from liangfa_enforcement_record.errors import CaseNotFound, ScreeningNotFound
from liangfa_enforcement_record.rpc.case_servicer import call_of, stored_case
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_kit.context import current
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceServicer


class ScreeningServicer(ScreeningServiceServicer):
    """Translates between protos, commands and queries."""

    def __init__(self, train: Train, store: Store, handlers: CaseCommands, screening: CaseScreening) -> None:
        self._train = train
        self._store = store
        self._do = handlers
        self._screening = screening

    async def ScreenCase(self, request: rpc.ScreenCaseRequest, _context: Any) -> rpc.ScreenCaseResponse:
        """Screen a case again under the present rules."""
        call = call_of(request.request_id)
        case = await stored_case(self._store, request.case_id)
        return await self._train.execute(self._do.screen, commands.ScreenCase(request.case_id, case), call)

    async def ListScreenings(self, request: rpc.ListScreeningsRequest, _context: Any) -> rpc.ListScreeningsResponse:
        """Read the results of a case."""
        owner = await self._store.read(lambda c: queries.case_owner(c, request.case_id))
        if owner is None:
            raise CaseNotFound(request.case_id)
        require_visible(current().caller, request.case_id, *owner)
        found = await self._store.read(lambda c: queries.case_screenings(c, request.case_id))
        return rpc.ListScreeningsResponse(screenings=found)

    async def ListHits(self, request: rpc.ListHitsRequest, _context: Any) -> rpc.ListHitsResponse:
        """Read hits with their cases."""
        scope = scope_of(current().caller)
        page = await self._store.read(lambda c: queries.hits(c, scope, request))
        return rpc.ListHitsResponse(
            hits=[_hit(row) for row in page.rows], next_page_token=page.next_token, total=page.total
        )

    async def ReviewHit(self, request: rpc.ReviewHitRequest, _context: Any) -> rpc.ReviewHitResponse:
        """Keep a verdict."""
        call = call_of(request.request_id)
        case_id = await self._store.read(lambda c: queries.screening_case(c, request.screening_id))
        if case_id is None:
            raise ScreeningNotFound(request.screening_id)
        command = commands.ReviewHit(
            request.screening_id, case_id, request.accepted, request.reason, request.corrected_offence_id
        )
        return await self._train.execute(self._do.review, command, call)

    async def GetRuleQuality(self, request: rpc.GetRuleQualityRequest, _context: Any) -> rpc.GetRuleQualityResponse:
        """Read precision and recall per rule from the verdicts."""
        scope = scope_of(current().caller)
        rows = await self._store.read(lambda c: queries.rule_quality(c, scope, request.region))
        named = await self._store.read(lambda c: queries.corrections(c, scope))
        return rpc.GetRuleQualityResponse(rules=[_quality(row, named.get(row.offence_id, 0)) for row in rows])

    async def GetLibrary(self, _request: rpc.GetLibraryRequest, _context: Any) -> rpc.GetLibraryResponse:
        """Read which rules are in force."""
        library = self._screening.screener.library
        return rpc.GetLibraryResponse(
            library_version=library.version,
            offences=len(library.offences),
            standards=library.standard_count,
            as_of=library.as_of,
        )


def _hit(row: Any) -> rpc.Hit:
    case = pb.Case.FromString(row.case_body)
    return rpc.Hit(
        screening=pb.Screening.FromString(row.body),
        title=case.title,
        cause=case.cause,
        party_names=[party.name for party in case.parties],
        agency_id=case.agency_id,
        agency_name=case.agency_name,
        region=case.region,
    )


def _quality(row: Any, missed: int) -> rpc.RuleQuality:
    judged, truth = row.accepted + row.rejected, row.accepted + missed
    return rpc.RuleQuality(
        standard_id=row.standard_id,
        name_zh=row.name_zh,
        accepted=row.accepted,
        rejected=row.rejected,
        missed=missed,
        precision=row.accepted / judged if judged else -1.0,
        recall=row.accepted / truth if truth else -1.0,
    )
