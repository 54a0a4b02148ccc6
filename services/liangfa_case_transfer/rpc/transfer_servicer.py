"""TransferService: translation."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from liangfa_case_transfer.authority import side_of, sides
from liangfa_case_transfer.commands.clock_commands import ClockCommands, Extend
from liangfa_case_transfer.commands.dividing import JOIN_TRANSFER, SPLIT_TRANSFER, Join, Split
from liangfa_case_transfer.commands.handing_over import Sign, SigningCommands
from liangfa_case_transfer.commands.opening import Open, OpeningCommands
from liangfa_case_transfer.commands.stepping import FILED, PROCEDURE, SIDE_BY_ROLE, SteppingCommands, Take
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.queries import ledger_books, transferring
from liangfa_case_transfer.reconciling import gaps, held_gaps, is_of, not_held
from liangfa_case_transfer.rpc.requests import command_call, seen_transfer
from liangfa_case_transfer.tables import clocks, receipts
from liangfa_case_transfer.validation import check_held, day_in_china
from liangfa_kit.clock import Clock, to_micros
from liangfa_kit.context import current
from liangfa_kit.ids import UuidSequence
from liangfa_kit.paging import from_token, page_size, to_token
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_procedure.steps import Scope, Step
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceServicer


class TransferServicer(TransferServiceServicer):
    """Translates between protos and commands."""

    def __init__(
        self,
        train: Train,
        store: Store,
        clock: Clock,
        ids: UuidSequence,
        keyring: Keyring,
        *,
        opening: OpeningCommands,
        stepping: SteppingCommands,
        signing: SigningCommands,
        timing: ClockCommands,
    ) -> None:
        self._train = train
        self._store = store
        self._clock = clock
        self._ids = ids
        self._keyring = keyring
        self._opening = opening
        self._stepping = stepping
        self._signing = signing
        self._timing = timing

    async def OpenTransfer(self, request: rpc.OpenTransferRequest, _context: Any) -> rpc.OpenTransferResponse:
        """Open a transfer."""
        return await self._train.execute(
            self._opening.open, Open(self._ids(), request), command_call(request.request_id)
        )

    async def TakeStep(self, request: rpc.TakeStepRequest, _context: Any) -> rpc.TakeStepResponse:
        """Take one step."""
        call = command_call(request.request_id)
        await asyncio.to_thread(self._keyring.open, call.actor.agency_id)
        return await self._train.execute(self._stepping.take, Take(request), call)

    async def SignReceipt(self, request: rpc.SignReceiptRequest, _context: Any) -> rpc.SignReceiptResponse:
        """Sign for what was handed over."""
        call = command_call(request.request_id)
        await asyncio.to_thread(self._keyring.open, call.actor.agency_id)
        return await self._train.execute(self._signing.sign, Sign(request), call)

    async def ExtendClock(self, request: rpc.ExtendClockRequest, _context: Any) -> rpc.ExtendClockResponse:
        """Give a limit more time."""
        return await self._train.execute(self._timing.extend, Extend(request), command_call(request.request_id))

    async def SplitTransfer(self, request: rpc.SplitTransferRequest, _context: Any) -> rpc.SplitTransferResponse:
        """Split suspects off."""
        return await self._train.execute(SPLIT_TRANSFER, Split(self._ids(), request), command_call(request.request_id))

    async def JoinTransfer(self, request: rpc.JoinTransferRequest, _context: Any) -> rpc.JoinTransferResponse:
        """Join a transfer into another one."""
        return await self._train.execute(JOIN_TRANSFER, Join(request), command_call(request.request_id))

    async def ListAllowedSteps(
        self, request: rpc.ListAllowedStepsRequest, _context: Any
    ) -> rpc.ListAllowedStepsResponse:
        """Say which steps the caller may take now."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        found = [_allowed(step, "") for step in PROCEDURE.allowed(transfer.state) if _is_for(step, transfer)]
        for suspect in transfer.suspects if transfer.state == FILED else ():
            steps = PROCEDURE.allowed(suspect.state, Scope.SUSPECT)
            mine = [step for step in steps if _is_for(step, transfer) and not _is_used_up(step, suspect)]
            found += [_allowed(step, suspect.id) for step in mine]
        return rpc.ListAllowedStepsResponse(steps=found, version=transfer.version)

    async def GetTransfer(self, request: rpc.GetTransferRequest, _context: Any) -> rpc.GetTransferResponse:
        """Read a transfer."""
        actor = current().caller
        found = await self._store.read(lambda c: transferring.opened(c, actor, request))
        return rpc.GetTransferResponse(
            transfer=found.transfer,
            steps=map(pb.TakenStep.FromString, found.steps),
            clocks=map(pb.Clock.FromString, found.clocks),
            receipts=map(pb.Receipt.FromString, found.receipts),
            more_clocks=found.more_clocks,
            more_receipts=found.more_receipts,
        )

    async def ListTransfers(self, request: rpc.ListTransfersRequest, _context: Any) -> rpc.ListTransfersResponse:
        """List transfers."""
        actor, size = current().caller, page_size(request.page_size, 50, 200)
        bodies, token = await self._store.read(
            lambda c: transferring.transfer_page(
                c, actor, state=request.state, case_id=request.case_id, size=size, token=request.page_token
            )
        )
        return rpc.ListTransfersResponse(transfers=map(pb.Transfer.FromString, bodies), next_page_token=token)

    async def ListClocks(self, request: rpc.ListClocksRequest, _context: Any) -> rpc.ListClocksResponse:
        """List running limits."""
        if request.transfer_id:
            return await self._clocks_of(request)
        actor, now = current().caller, to_micros(self._clock.now())
        bodies, total, overdue = await self._store.read(
            lambda c: transferring.running_clocks(
                c, actor, waiting_for=request.waiting_for, now=now, limit=page_size(request.limit, 100, 1_000)
            )
        )
        return rpc.ListClocksResponse(clocks=map(pb.Clock.FromString, bodies), total=total, overdue=overdue)

    async def ListReceipts(self, request: rpc.ListReceiptsRequest, _context: Any) -> rpc.ListReceiptsResponse:
        """List receipts."""
        actor, size, token = current().caller, page_size(request.limit, 100, 1_000), request.page_token
        if request.transfer_id:
            transfer = await seen_transfer(self._store, request.transfer_id)
            bodies, more = await self._store.read(
                lambda c: transferring.page_of_transfer(c, receipts, transfer.id, token=token, size=size)
            )
        else:
            bodies, more = await self._store.read(
                lambda c: transferring.receipts_of(c, actor, only_open=request.only_open, token=token, size=size)
            )
        return rpc.ListReceiptsResponse(receipts=map(pb.Receipt.FromString, bodies), next_page_token=more)

    async def _clocks_of(self, request: rpc.ListClocksRequest) -> rpc.ListClocksResponse:
        """Return a page of the limits of one transfer."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        size = page_size(request.limit, 100, 1_000)
        bodies, more = await self._store.read(
            lambda c: transferring.page_of_transfer(c, clocks, transfer.id, token=request.page_token, size=size)
        )
        return rpc.ListClocksResponse(clocks=map(pb.Clock.FromString, bodies), next_page_token=more)

    async def ListPublicKeys(self, request: rpc.ListPublicKeysRequest, _context: Any) -> rpc.ListPublicKeysResponse:
        """List the keys with which receipts of a transfer are checked."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        bodies = await self._store.read(lambda c: transferring.of_transfer(c, receipts, "number", transfer.id))
        given = [party for body in bodies for party in _parties(pb.Receipt.FromString(body))]
        parties = {one.id: one for one in (*given, transfer.sender, transfer.receiver, transfer.supervisor)}
        keys = await asyncio.to_thread(
            lambda: [key for _, one in sorted(parties.items()) for key in self._keyring.listed(one)]
        )
        return rpc.ListPublicKeysResponse(keys=keys)

    async def ListReceiptGaps(self, request: rpc.ListReceiptGapsRequest, _context: Any) -> rpc.ListReceiptGapsResponse:
        """Compare both sides' books of a day."""
        actor, day = current().caller, day_in_china(request.day, self._clock.now())
        check_held(request.held)
        after = str(from_token(request.page_token, str)[0]) if request.page_token else ""
        size = page_size(request.page_size, 100, 200)
        books, more = await self._store.read(lambda c: ledger_books.books(c, actor, day, after=after, size=size))
        found = await asyncio.to_thread(lambda: [gap for book in books for gap in self._gaps(book, day)])
        if held := {one.receipt_id for one in request.held}:
            own = (one for book in books for one in book.receipts if one.id in book.own and is_of(one, day))
            found += [not_held(one) for one in own if one.id not in held]
            if not request.page_token:
                known = await self._store.read(lambda c: ledger_books.own_receipts(c, actor, held))
                found += held_gaps(request.held, known)
        return rpc.ListReceiptGapsResponse(
            day=day.isoformat(),
            gaps=found,
            transfers=len(books),
            receipts=sum(len(book.own) for book in books),
            next_page_token=to_token(more) if more else "",
        )

    def _gaps(self, book: ledger_books.Book, day: date) -> list[rpc.ReceiptGap]:
        """Return the gaps of one transfer that concern the caller (blocking file work for the keys)."""
        names = {party.id for receipt in book.receipts for party in _parties(receipt)}
        keys = {name: self._keyring.public_keys(name) for name in names}
        found = gaps(book.transfer_id, book.given, book.receipts, keys, day)
        return [gap for gap in found if not gap.receipt_id or gap.receipt_id in book.own]


def _parties(receipt: pb.Receipt) -> tuple[pb.Organisation, pb.Organisation]:
    return receipt.sender, receipt.receiver


def _is_for(step: Step, transfer: pb.Transfer) -> bool:
    actor = current().caller
    return bool(side_of(step, actor, sides(actor, transfer), SIDE_BY_ROLE))


def _is_used_up(step: Step, suspect: pb.Suspect) -> bool:
    return bool(step.most) and suspect.taken[step.id] >= step.most


def _allowed(step: Step, suspect_id: str) -> rpc.AllowedStep:
    return rpc.AllowedStep(
        step=step.id,
        name_zh=step.name_zh,
        name_en=step.name_en,
        suspect_id=suspect_id,
        documents=step.documents_required,
        fields=step.required_fields,
        to_state=step.to_state or "",
        source=step.source,
        confidence=step.confidence,
    )
