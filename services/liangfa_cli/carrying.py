"""The demonstration of transfers: one that goes its way to the filing, and one that its agency lets lie."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from liangfa_case_transfer.commands.stepping import ACCEPT
from liangfa_case_transfer.exporting import file_flaws, receipts_file
from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_cli.transferring import opened, receipts_and_keys, signed
from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import Actor
from liangfa_procedure.documents import documents
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub

YESTERDAY = timedelta(hours=25)
"""How far the demonstration begins in the past: the longest limit of hours, and one hour more, go by before its end."""
_AGENCY = "market_regulation"
_TO_APPROVAL = ("assign_task_force", "report_to_head", "approve_transfer")
_TO_FILING = ("deliver_transfer", "copy_to_procuratorate", "accept_transfer", "file_case")


class DemonstrationClock:
    """A clock that begins in the past and comes to the present when it is told: a limit runs out while one watches."""

    def __init__(self, back: timedelta) -> None:
        self._back = back

    def now(self) -> datetime:
        """Return the instant that the demonstration has reached."""
        return SystemClock().now() - self._back

    def come_to_the_present(self) -> None:
        """Let the rest of the time go by at once."""
        self._back = timedelta()


async def show_transfers(platform: Platform, console: Console) -> None:
    """Carry one suspected case from the agency to its filing, and leave another one lying after its approval."""
    console.rule("案件移送：市场监管 → 公安，检察院监督")
    carried, left = await _suspected(platform)
    transfer = await _opened(platform, carried, console)
    await _walk(platform, transfer, (*_TO_APPROVAL, *_TO_FILING), console)
    await _sign_all(platform, transfer, console)
    lying = await _opened(platform, left, console)
    await _walk(platform, lying, _TO_APPROVAL, console)
    console.print("  [yellow]批准后 24 小时内须移送公安机关（国务院令第310号第五条第二款），这一件无人办理 ……[/]")


async def _suspected(platform: Platform) -> Sequence[str]:
    """Return two of the agency's suspected cases."""
    stub = ScreeningServiceStub(platform.channel_for(district.officer(_AGENCY)))
    hits = (await stub.ListHits(screening_rpc.ListHitsRequest(page_size=2))).hits
    if len(hits) < 2:
        raise RuntimeError("the screening found fewer than two suspected cases of the market regulator")
    return [hit.screening.case_id for hit in hits]


async def _opened(platform: Platform, case_id: str, console: Console) -> pb.Transfer:
    police, procuratorate = (
        pb.Organisation(id=body.agency_id, name=body.agency_name) for body in (district.POLICE, district.PROCURATOR)
    )
    wanted = rpc.OpenTransferRequest(
        request_id=str(uuid.uuid4()), case_id=case_id, receiver=police, supervisor=procuratorate
    )
    transfer = (await opened(platform.channel_for(district.officer(_AGENCY)), wanted)).transfer
    what = Text(f"{'、'.join(one.name for one in transfer.suspects)}：{'、'.join(transfer.offences)}", style="bold")
    console.print(what)
    console.print(_line(transfer.sender.name, "发现涉嫌犯罪，启动移送"))
    return transfer


async def _walk(platform: Platform, transfer: pb.Transfer, names: Sequence[str], console: Console) -> None:
    for name in names:
        step = Procedure.load().step(name)
        by = _who(step.roles)
        request = rpc.TakeStepRequest(
            request_id=str(uuid.uuid4()), transfer_id=transfer.id, step=name, expected_version=transfer.version,
            documents=[_document(kind, transfer) for kind in step.documents_required],
            fields={"members": "演示承办人、演示协办人"} if "members" in step.required_fields else {},
        )  # fmt: skip
        reply = await TransferServiceStub(platform.channel_for(by)).TakeStep(request)
        transfer.CopyFrom(reply.transfer)
        given = [reply.receipt, *reply.further_receipts] if reply.HasField("receipt") else []
        received = await _signed_with(platform, transfer) if name == ACCEPT else []
        console.print(_line(by.agency_name, step.name_zh, [*received, *given]))


async def _signed_with(platform: Platform, transfer: pb.Transfer) -> list[pb.Receipt]:
    """Return what accepting has signed for: the receipts of what the police had been given."""
    stub = TransferServiceStub(platform.channel_for(district.POLICE))
    found = (await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=transfer.id))).receipts
    return [one for one in found if one.receiver.id == district.POLICE.agency_id and one.HasField("received_at")]


async def _sign_all(platform: Platform, transfer: pb.Transfer, console: Console) -> None:
    """Let the agency and the procuratorate sign for what they were given; check all receipts as anybody could."""
    for by in (district.officer(_AGENCY), district.PROCURATOR):
        done = await signed(TransferServiceStub(platform.channel_for(by)), transfer.id, 0, by.agency_id)
        console.print(_line(by.agency_name, "收到", done))
    stub = TransferServiceStub(platform.channel_for(district.PROCURATOR))
    receipts, keys = await receipts_and_keys(stub, transfer.id)
    found = file_flaws(receipts_file(receipts, keys), keys)
    if found:
        raise RuntimeError(f"the receipts of the transfer have flaws: {found}")
    console.print(f"  [green]{len(receipts)} 份回执双方均已签名，离线核验完好[/]")


def _who(roles: frozenset[str]) -> Actor:
    people = (
        district.officer(_AGENCY), district.head(_AGENCY), district.POLICE, district.POLICE_HEAD, district.PROCURATOR,
    )  # fmt: skip
    return next(person for person in people if person.roles & roles)


def _document(kind: str, transfer: pb.Transfer) -> pb.Document:
    content = f"演示文书：{documents()[kind].name_zh}，{transfer.title}".encode()
    sha256 = hashlib.sha256(content).hexdigest()
    return pb.Document(kind=kind, title=documents()[kind].name_zh, sha256=sha256, size_bytes=len(content))


def _line(who: str, what: str, receipts: Sequence[pb.Receipt] = ()) -> Text:
    line = Text("  ✓ ", style="green")
    line.append(who, style="cyan")
    line.append(f"｜{what}", style="default")
    for receipt in receipts:
        what = "签收" if receipt.HasField("received_at") else "出具"
        line.append(f"　{what}第 {receipt.number} 号回执 {receipt.sha256[:8]}…", style="dim")
    return line
