"""CaseService: entering, changing and reading cases."""

from __future__ import annotations

from typing import Any

import orjson

from liangfa_enforcement_record.authority import require_purpose, require_visible, scope_of
from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.commands.case_commands import CaseCommands
from liangfa_enforcement_record.errors import CaseNotFound
from liangfa_enforcement_record.masking import mask_case, mask_changes
from liangfa_enforcement_record.queries import reading
from liangfa_enforcement_record.queries.searching import search_cases
from liangfa_enforcement_record.rpc.summaries import summary_of
from liangfa_kit.clock import from_micros
from liangfa_kit.context import current
from liangfa_kit.errors import Invalid
from liangfa_kit.paging import from_token
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceServicer
from liangfa_protos.standards.v1 import values_pb2


def call_of(request_id: str) -> Call:
    """Return the caller's `Call`; a change without a request id is refused."""
    if not request_id or len(request_id) > 100:
        raise Invalid(
            "A change needs a request id of at most 100 characters.",
            message_zh="写操作必须带有不超过 100 个字符的请求编号。",
            remedy="Send a fresh UUID in `request_id`; send the same one when you repeat the request.",
            reason="REQUEST_ID_REQUIRED",
        )
    return current().command(request_id)


async def stored_case(store: Store, case_id: str) -> pb.Case:
    """Return a case that the caller may see, without journalling: for commands, which need its parties' records."""
    case = await store.read(lambda connection: reading.case_body(connection, case_id))
    if case is None:
        raise CaseNotFound(case_id)
    require_visible(current().caller, case_id, case.agency_id, case.region)
    return case


async def viewed(
    train: Train, store: Store, handlers: CaseCommands, view: commands.ViewCase, *, begun_at: int | None = None
) -> tuple[rpc.GetCaseResponse, reading.View]:
    """Return the case that the caller wants to read and the reading, once its purpose is given and it is journalled.

    `begun_at` is the place of the reading as which the first page was journalled: its later pages are not noted again.
    """
    call = current().command("")
    owner = await store.read(lambda connection: reading.case_owner(connection, view.case_id))
    if owner is None:
        raise CaseNotFound(view.case_id)
    require_purpose(call.actor, view.case_id, owner.agency_id, owner.region, view.purpose, reveal=view.revealed)
    if begun_at is not None:
        noted = await store.read(
            lambda connection: reading.own_view(connection, view.case_id, call.actor, view.part, begun_at)
        )
        return rpc.GetCaseResponse(), noted
    reply = await train.execute(handlers.view, view, call)
    return reply, await store.read(lambda connection: reading.newest_view(connection, view.case_id, call.actor))


class CaseServicer(CaseServiceServicer):
    """Translates between protos and commands."""

    def __init__(self, train: Train, store: Store, handlers: CaseCommands) -> None:
        self._train = train
        self._store = store
        self._do = handlers

    async def RegisterCase(self, request: rpc.RegisterCaseRequest, _context: Any) -> rpc.RegisterCaseResponse:
        """Enter a case of the caller's agency."""
        call = call_of(request.request_id)
        command = commands.RegisterCase(request.case, call.actor.region, call.actor.agency_id)
        reply = await self._train.execute(self._do.register, command, call)
        mask_case(reply.case)
        return reply

    async def RegisterSimpleCase(
        self, request: rpc.RegisterSimpleCaseRequest, _context: Any
    ) -> rpc.RegisterSimpleCaseResponse:
        """Enter a case of the simple procedure by the short form."""
        call = call_of(request.request_id)
        case = pb.Case(
            cause=request.cause,
            narrative=request.narrative,
            parties=[request.party],
            decision=request.decision,
            handlers=request.handlers,
            procedure=pb.PROCEDURE_SIMPLE,
            source=pb.SOURCE_OWN_DISCOVERY,
            legal_basis=request.decision.legal_basis,
        )
        command = commands.RegisterCase(case, call.actor.region, call.actor.agency_id)
        reply = await self._train.execute(self._do.register, command, call)
        return rpc.RegisterSimpleCaseResponse(case=mask_case(reply.case), screening=reply.screening)

    async def AmendCase(self, request: rpc.AmendCaseRequest, _context: Any) -> rpc.AmendCaseResponse:
        """Change values of a case."""
        call = call_of(request.request_id)
        stored = await stored_case(self._store, request.case_id)
        command = commands.AmendCase(
            request.case_id, request.expected_version, request.case, tuple(request.fields), request.reason, stored
        )
        reply = await self._train.execute(self._do.amend, command, call)
        return rpc.AmendCaseResponse(case=mask_case(reply.case), changes=mask_changes(reply.changes))

    async def AdvanceStage(self, request: rpc.AdvanceStageRequest, _context: Any) -> rpc.AdvanceStageResponse:
        """Move a case to another stage."""
        call = call_of(request.request_id)
        command = commands.AdvanceStage(request.case_id, request.expected_version, request.to_stage, request.reason)
        reply = await self._train.execute(self._do.advance, command, call)
        mask_case(reply.case)
        return reply

    async def RecordStep(self, request: rpc.RecordStepRequest, _context: Any) -> rpc.RecordStepResponse:
        """Record an act of enforcement."""
        call = call_of(request.request_id)
        return await self._train.execute(self._do.step, commands.RecordStep(request.case_id, request.step), call)

    async def RecordDecision(self, request: rpc.RecordDecisionRequest, _context: Any) -> rpc.RecordDecisionResponse:
        """Record the penalty decision."""
        call = call_of(request.request_id)
        stored = await stored_case(self._store, request.case_id)
        command = commands.RecordDecision(request.case_id, request.expected_version, request.decision, stored)
        reply = await self._train.execute(self._do.decide, command, call)
        mask_case(reply.case)
        return reply

    async def GetCase(self, request: rpc.GetCaseRequest, _context: Any) -> rpc.GetCaseResponse:
        """Read one case; the reading is journalled before it is answered."""
        view = commands.ViewCase(request.case_id, request.purpose, request.reveal)
        reply, _ = await viewed(self._train, self._store, self._do, view)
        case = await self._store.read(lambda connection: reading.case_body(connection, request.case_id))
        reply.case.evidence.extend(case.evidence if case else ())
        if not request.reveal:
            mask_case(reply.case)
        return reply

    async def SearchCases(self, request: rpc.SearchCasesRequest, _context: Any) -> rpc.SearchCasesResponse:
        """Find cases that the caller may see."""
        scope = scope_of(current().caller)
        found = await self._store.read(lambda connection: search_cases(connection, self._store, scope, request))
        return rpc.SearchCasesResponse(
            cases=[_line(row) for row in found.page.rows],
            next_page_token=found.page.next_token,
            total=found.page.total,
            stage_counts=[rpc.StageCount(stage=stage, cases=count) for stage, count in found.by_stage.items()],
            outcome_counts=[
                rpc.OutcomeCount(outcome=outcome, cases=count) for outcome, count in found.by_outcome.items()
            ],
        )

    async def GetCaseTimeline(self, request: rpc.GetCaseTimelineRequest, _context: Any) -> rpc.GetCaseTimelineResponse:
        """Read the history of a case; reading its first page is journalled like reading the case."""
        view = commands.ViewCase(request.case_id, request.purpose, part="timeline")
        *place, begun_at = from_token(request.page_token, int, int, int) if request.page_token else (0, 0, None)
        _, noted = await viewed(self._train, self._store, self._do, view, begun_at=begun_at)
        page = await self._store.read(
            lambda connection: reading.timeline(connection, request.case_id, request.page_size, tuple(place), noted)
        )
        entries = [_timeline_entry(entry) for entry in page.rows]
        return rpc.GetCaseTimelineResponse(entries=entries, next_page_token=page.next_token)


def _line(row: Any) -> rpc.CaseLine:
    line = rpc.CaseLine(
        case_id=row["id"],
        title=row["title"],
        cause=row["cause"],
        party_names=row["party_names"].split("、"),
        document_number=row["document_number"],
        agency_id=row["agency_id"],
        agency_name=row["agency_name"],
        region=row["region"],
        stage=row["stage"],
        decided_on=row["decided_on"],
        fine_yuan=yuan_text(row["fine_hao"]),
        amount_yuan=yuan_text(row["amount_hao"]),
        screening_outcome=row["screening_outcome"],
    )
    line.registered_at.FromDatetime(from_micros(row["registered_at"]))
    return line


def _timeline_entry(entry: Any) -> rpc.TimelineEntry:
    actor = orjson.loads(entry.actor)
    zh, en, changes = summary_of(entry.type, entry.payload)
    told = rpc.TimelineEntry(
        id=entry.id,
        version=entry.version,
        type=entry.type.rpartition(".")[2],
        actor=values_pb2.Actor(
            person_id=actor["person"], person_name=actor["name"], agency_id=actor["agency"], region=actor["region"]
        ),
        summary_zh=zh,
        summary_en=en,
        changes=changes,
        hash=entry.hash.hex(),
    )
    told.at.FromDatetime(from_micros(entry.at_micros))
    return told


def yuan_text(hao: int) -> str:
    """Return whole 毫 as yuan without useless zeros: 12500 -> "1.25"; empty for nothing."""
    whole, rest = divmod(hao, 10_000)
    return "" if not hao else f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
