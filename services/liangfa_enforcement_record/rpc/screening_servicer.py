"""ScreeningService: results, hits, verdicts, quality per rule."""

from __future__ import annotations

from typing import Any

from liangfa_enforcement_record.authority import scope_of
from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.commands.case_commands import CaseCommands
from liangfa_enforcement_record.errors import ScreeningNotFound
from liangfa_enforcement_record.queries import screening as queries
from liangfa_enforcement_record.rpc.case_servicer import call_of, stored_case, viewed
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_kit.context import current
from liangfa_kit.paging import from_token
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
        """Read the results of a case; reading the first page is journalled like reading the case."""
        view = commands.ViewCase(request.case_id, request.purpose, part="screenings")
        *place, begun_at = from_token(request.page_token, int, str, int) if request.page_token else (None,)
        _, noted = await viewed(self._train, self._store, self._do, view, begun_at=begun_at)
        page = await self._store.read(
            lambda connection: queries.case_screenings(connection, request, tuple(place) or None, noted)
        )
        found = [pb.Screening.FromString(body) for body in page.rows]
        return rpc.ListScreeningsResponse(screenings=found, next_page_token=page.next_token)

    async def ListHits(self, request: rpc.ListHitsRequest, _context: Any) -> rpc.ListHitsResponse:
        """Read hits with what names their cases."""
        scope = scope_of(current().caller)
        page = await self._store.read(lambda connection: queries.hits(connection, scope, request))
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
        found = await self._store.read(lambda connection: queries.rule_quality(connection, scope, request.region))
        return rpc.GetRuleQualityResponse(rules=[self._quality(verdicts) for verdicts in found])

    def _quality(self, verdicts: queries.Verdicts) -> rpc.RuleQuality:
        offence = self._screening.screener.library.offences.get(verdicts.offence_id)
        judged, truth = verdicts.accepted + verdicts.rejected, verdicts.accepted + verdicts.missed
        return rpc.RuleQuality(
            standard_id=verdicts.standard_id,
            name_zh=verdicts.name_zh or (offence.name_zh if offence else verdicts.offence_id),
            accepted=verdicts.accepted,
            rejected=verdicts.rejected,
            missed=verdicts.missed,
            precision=verdicts.accepted / judged if judged else -1.0,
            recall=verdicts.accepted / truth if truth else -1.0,
        )

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
    return rpc.Hit(
        screening=pb.Screening.FromString(row.body),
        title=row.title,
        cause=row.cause,
        party_names=row.party_names.split("、"),
        agency_id=row.agency_id,
        agency_name=row.agency_name,
        region=row.region,
    )
