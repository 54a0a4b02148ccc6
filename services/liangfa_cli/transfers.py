"""`liangfa transfers`: worklists, one transfer, and steps taken from the terminal."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from liangfa_cli.options import Address, Agency, AgencyName, AgencyType, As, Folder, Person, PersonName, Region

app = typer.Typer(no_args_is_help=True, help="案件移送: transfers, their limits, and the steps that are taken in them.")
out = Console()
_Transfer = Annotated[str, typer.Argument(help="Id of a transfer.")]
_ADDRESS = "127.0.0.1:7420"
_DISTRICT = "420111"
_DATA = Path("var")


@app.command("list")
def list_(
    agency: Agency,
    most: Annotated[int, typer.Option(min=1, max=200, help="At most so many of each.")] = 20,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Show what your organisation owes, by when, and what it waits for."""
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import receipts_table, worklist_table
    from liangfa_cli.transferring import worklist
    from liangfa_kit.clock import SystemClock

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    found = with_transfers(place, lambda stub: worklist(stub, agency, most))
    now = SystemClock().now()
    for title, answer in (("我方应办 we owe", found.owed), ("等待对方 we wait for", found.awaited)):
        if answer.clocks:
            out.print(worklist_table(title, answer.clocks, answer.total, found.titles, now))
    for title, receipts in (
        ("待我方签收 for us to sign", found.to_sign),
        ("待对方签收 sent, not signed", found.unsigned),
    ):
        if receipts:
            out.print(receipts_table(title, receipts, found.titles))
    for key, title in found.titles.items():  # not in the tables: a narrow terminal would break what is to be copied
        out.print(Text(f"{key}  {title}"), soft_wrap=True)
    if not (found.owed.clocks or found.awaited.clocks or found.to_sign or found.unsigned):
        out.print("没有正在计算的期限，也没有待签收的回执。 No limit is running, and no receipt waits.")


@app.command()
def show(
    transfer: _Transfer,
    address: Address = _ADDRESS,
    role: As = "procurator",
    region: Region = _DISTRICT,
    agency: Agency = "operator-desk",
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Show a transfer: its courses, limits, receipts and history."""
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import clocks_table, courses_table, heading, history_table, receipts_table
    from liangfa_cli.transferring import whole_transfer
    from liangfa_kit.clock import SystemClock

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    found = with_transfers(place, lambda stub: whole_transfer(stub, transfer))
    out.print(heading(found.transfer))
    out.print(courses_table(found.transfer.suspects))
    out.print(clocks_table(found.clocks, SystemClock().now()))
    if found.receipts:
        out.print(receipts_table("回执 receipts", found.receipts))
    out.print(history_table(found.steps, {one.id: one for one in found.receipts}))


@app.command("open")
def open_(
    case: Annotated[str, typer.Argument(help="Id of a case of the record.")],
    agency: Agency,
    receiver: Annotated[str, typer.Option(help="Police organ: id=name.")],
    supervisor: Annotated[str, typer.Option(help="Procuratorate: id=name.")],
    suspect: Annotated[list[str] | None, typer.Option(help="Name of a suspect; the case's parties if none.")] = None,
    offence: Annotated[list[str] | None, typer.Option(help="Offence; those of the screening if none.")] = None,
    title: Annotated[str, typer.Option(help="Title; the case's if none.")] = "",
    sector: Annotated[str, typer.Option(help="Sector with limits of its own: environment, work_safety …")] = "",
    facts: Annotated[str, typer.Option(help="What it is about; the case's narrative if none.")] = "",
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    agency_type: AgencyType = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Open a transfer from a case of the record: a crime is suspected, and the limits begin."""
    from liangfa_cli.attaching import organisation
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import clocks_table, heading
    from liangfa_cli.transferring import opened
    from liangfa_kit.clock import SystemClock
    from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

    wanted = rpc.OpenTransferRequest(
        request_id=str(uuid.uuid4()), case_id=case, title=title, sector=sector, facts=facts, suspect_names=suspect,
        offences=offence, receiver=organisation(receiver, "--receiver"),
        supervisor=organisation(supervisor, "--supervisor"),
    )  # fmt: skip
    caller = Caller(role, region, agency, agency_name, agency_type, person, person_name)
    reply = with_channel(Place(address, folder, caller), lambda channel: opened(channel, wanted))
    out.print(heading(reply.transfer))
    out.print(clocks_table(reply.clocks, SystemClock().now()))
    out.print(f"已启动移送 opened: {reply.transfer.id}", highlight=False)


@app.command()
def allowed(
    transfer: _Transfer,
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Show which steps you may take now, and what each needs."""
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import allowed_table
    from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    request = rpc.ListAllowedStepsRequest(transfer_id=transfer)
    found = with_transfers(place, lambda stub: stub.ListAllowedSteps(request))
    if found.steps:
        out.print(allowed_table(found.steps))
    else:
        out.print("您的角色现在没有可办的步骤。 There is no step for your role now.")


@app.command()
def step(
    transfer: _Transfer,
    name: Annotated[str, typer.Argument(metavar="STEP", help="Step; `allowed` lists them.")],
    agency: Agency,
    field: Annotated[list[str] | None, typer.Option(help="name=value; again for each.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="FILE or KIND=FILE; its hash is recorded.")] = None,
    issued: Annotated[list[str] | None, typer.Option(help="Id of a document that was issued on the platform.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="name|quantity|features|place")] = None,
    suspect: Annotated[str, typer.Option(help="Id of the suspect, for steps of his course.")] = "",
    at: Annotated[str, typer.Option(help="When it happened (China's time if no zone); now when left out.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Refuse if the transfer went on since this version.")] = 0,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Take a step. A refusal says why, and what you may do instead."""
    from liangfa_cli import attaching
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import clocks_table, courses_table, heading, receipts_table
    from liangfa_cli.transferring import taken
    from liangfa_kit.clock import SystemClock
    from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

    request = rpc.TakeStepRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer, step=name, suspect_id=suspect,
        fields=attaching.fields(field or ()), items=attaching.items(item or ()),
        documents=[*attaching.attached(name, document or ()), *attaching.issued(issued or ())],
    )  # fmt: skip
    if at:
        request.happened_at.FromDatetime(attaching.moment(at))
    caller = Caller(role, region, agency, agency_name, "", person, person_name)
    reply = with_transfers(Place(address, folder, caller), lambda stub: taken(stub, request, version))
    out.print(heading(reply.transfer))
    if reply.step.suspect_id:
        out.print(courses_table([one for one in reply.transfer.suspects if one.id == reply.step.suspect_id]))
    if reply.clocks:
        out.print(clocks_table(reply.clocks, SystemClock().now()))
    if reply.HasField("receipt"):
        out.print(receipts_table("回执 receipts", [reply.receipt, *reply.further_receipts]))
    out.print(Text(f"已办 done: {reply.step.name_zh} {reply.step.name_en}", style="green"))


@app.command()
def extend(
    transfer: _Transfer,
    rule: Annotated[str, typer.Argument(help="Rule of the limit, e.g. police_filing_decision; `show` names it.")],
    track: Annotated[str, typer.Argument(help="Longer track of the rule; a refusal lists them.")],
    agency: Agency,
    ground: Annotated[str, typer.Option(help="Ground, as recorded.")],
    approver: Annotated[str, typer.Option(help="Who approved.")],
    days: Annotated[int, typer.Option(min=0, help="Days from the start, where the track gives no number.")] = 0,
    suspect: Annotated[str, typer.Option(help="Id of the suspect, for a limit of his course.")] = "",
    address: Address = _ADDRESS,
    role: As = "police_head",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Give a limit that your organisation owes more time, with ground and approver."""
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import clocks_table
    from liangfa_cli.transferring import extended
    from liangfa_kit.clock import SystemClock
    from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

    wanted = rpc.ExtendClockRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer, track=track, days=days, ground=ground, approver=approver
    )
    caller = Caller(role, region, agency, agency_name, "", person, person_name)
    reply = with_transfers(Place(address, folder, caller), lambda stub: extended(stub, wanted, rule, suspect))
    out.print(clocks_table([reply.clock], SystemClock().now()))


@app.command()
def sign(
    transfer: _Transfer,
    agency: Agency,
    number: Annotated[int, typer.Argument(min=0, help="Number of the receipt; all that wait for you if none.")] = 0,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Sign for what was handed over to your organisation."""
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transfer_tables import receipts_table
    from liangfa_cli.transferring import signed

    caller = Caller(role, region, agency, agency_name, "", person, person_name)
    done = with_transfers(Place(address, folder, caller), lambda stub: signed(stub, transfer, number, agency))
    out.print(receipts_table("已签收 signed for", done))
