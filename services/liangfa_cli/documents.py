"""`liangfa documents`: documents of a transfer previewed, issued, listed, downloaded, and its case file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from liangfa_cli.options import Address, Agency, AgencyName, As, Folder, Person, PersonName, Region

app = typer.Typer(
    no_args_is_help=True, help="文书: documents of a transfer, their files, and the case file (电子卷宗)."
)
out = Console()
_Transfer = Annotated[str, typer.Argument(help="Id of a transfer.")]
_Output = Annotated[Path, typer.Option("--output", help="File to write.")]
_ADDRESS = "127.0.0.1:7420"
_DISTRICT = "420111"
_DATA = Path("var")


@contextmanager
def _whole(output: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its name when it is whole: what breaks off leaves nothing that looks like one."""
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


@app.command()
def write(
    transfer: _Transfer,
    kind: Annotated[str, typer.Argument(help="Kind of document, e.g. transfer_letter (docs/procedure.md).")],
    agency: Agency,
    field: Annotated[list[str] | None, typer.Option(help="name=value; again for each.")] = None,
    material: Annotated[list[str] | None, typer.Option(help="TITLE=FILE to list with its hash.")] = None,
    issued: Annotated[list[str] | None, typer.Option(help="Id of an issued document to list.")] = None,
    code_word: Annotated[str, typer.Option(help="Code word of its number, e.g. 洪市监移.")] = "",
    suspect: Annotated[str, typer.Option(help="Id of the suspect, if it concerns one.")] = "",
    addressee: Annotated[str, typer.Option(help="Whom it addresses, where nobody of the transfer.")] = "",
    corrects: Annotated[str, typer.Option(help="Id of the document of which this is a correction.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Version that is corrected.")] = 0,
    reason: Annotated[str, typer.Option(help="Why it is corrected.")] = "",
    preview: Annotated[Path | None, typer.Option(help="Write a preview to this file, and issue nothing.")] = None,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Issue a document, or with --preview look at it first: what is still missing is named."""
    from liangfa_cli import attaching, document_calls
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.identity import Caller
    from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc

    draft = rpc.DocumentDraft(
        kind=kind, suspect_id=suspect, addressee=addressee, code_word=code_word, fields=attaching.fields(field or ()),
        materials=document_calls.materials(material or (), issued or ()),
    )  # fmt: skip
    place = Place(address, folder, Caller(role, region, agency, agency_name, "", person, person_name))
    if preview is not None:
        asked = rpc.PreviewDocumentRequest(transfer_id=transfer, draft=draft, corrects=corrects)
        reply = with_channel(place, lambda channel: document_calls.previewed(channel, asked))
        preview.write_bytes(reply.content)
        for one in reply.missing:
            out.print(Text(f"待填 missing: {one.field} {one.label_zh}", style="yellow"))
        out.print(Text(f"预览 preview: {preview}"), soft_wrap=True)
        return
    wanted = rpc.IssueDocumentRequest(
        request_id=str(uuid.uuid4()), transfer_id=transfer, draft=draft, corrects=corrects,
        expected_version=version, correction_reason=reason,
    )  # fmt: skip
    document = with_channel(place, lambda channel: document_calls.issued_document(channel, wanted))
    told = f"已制作 issued: {document.id} {document.title} {document.number} 第{document.version}版"
    out.print(Text(told, style="green"), soft_wrap=True)


@app.command("start-numbers")
def start_numbers(
    code_word: Annotated[str, typer.Argument(help="Code word (机关代字), e.g. 洪市监移.")],
    last: Annotated[int, typer.Option(min=1, help="Last serial given on paper this year: 17 when 18 comes next.")],
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "operator",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    person: Person = "",
    person_name: PersonName = "",
    folder: Folder = _DATA,
) -> None:
    """Let a series of numbers go on where the paper ended; once a year, before the platform gives its first number."""
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.document_calls import started_series
    from liangfa_cli.identity import Caller
    from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc

    wanted = rpc.StartNumberSeriesRequest(request_id=str(uuid.uuid4()), code_word=code_word, last_serial=last)
    place = Place(address, folder, Caller(role, region, agency, agency_name, "", person, person_name))
    number = with_channel(place, lambda channel: started_series(channel, wanted))
    out.print(Text(f"下一文号 next number: {number}", style="green"), soft_wrap=True)


@app.command("list")
def list_(
    transfer: _Transfer,
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """List the documents that you may see, every version."""
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.document_calls import all_documents
    from liangfa_cli.identity import Caller

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    found = with_channel(place, lambda channel: all_documents(channel, transfer))
    table = Table("文书 document", "文号 number", "版 version", "扫描件 scans", "SHA-256")
    for one in found:
        state = f"{one.version}" + (f" → {one.superseded_by}" if one.superseded_by else "")
        table.add_row(Text(one.title), Text(one.number), state, str(len(one.scans)), one.sha256[:8])
    out.print(table)
    for key, title in {
        one.id: one.title for one in found
    }.items():  # a narrow terminal would break what is to be copied
        out.print(Text(f"{key}  {title}"), soft_wrap=True)


@app.command()
def download(
    transfer: _Transfer,
    document: Annotated[str, typer.Argument(help="Id of the document.")],
    output: _Output,
    agency: Agency,
    version: Annotated[int, typer.Option(min=0, help="Version; the newest when left out.")] = 0,
    scan: Annotated[str, typer.Option(help="SHA-256 of a signed copy, in place of the document.")] = "",
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Save the DOCX file of a document, or a signed copy of it."""
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.document_calls import save_document
    from liangfa_cli.identity import Caller
    from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc

    asked = rpc.DownloadDocumentRequest(transfer_id=transfer, document_id=document, version=version, scan_sha256=scan)
    place = Place(address, folder, Caller(role, region, agency, agency_name))
    with _whole(output) as target:
        size = with_channel(place, lambda channel: save_document(channel, asked, target))
    out.print(Text(f"已保存 saved: {output} ({size} bytes)"), soft_wrap=True)


@app.command()
def scan(
    transfer: _Transfer,
    document: Annotated[str, typer.Argument(help="Id of the document; its newest version gets the copy.")],
    file: Annotated[Path, typer.Argument(help="Signed copy: PDF, JPEG, PNG or TIFF.")],
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Attach a signed or sealed copy to a document."""
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.document_calls import attach_scan
    from liangfa_cli.identity import Caller

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    found = with_channel(place, lambda channel: attach_scan(channel, transfer, document, file))
    out.print(Text(f"已附签章扫描件 attached: {found.title}，共 {len(found.scans)} 份", style="green"), soft_wrap=True)


@app.command("case-file")
def case_file(
    transfer: _Transfer,
    output: _Output,
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> None:
    """Save the case file (电子卷宗) of a transfer as one ZIP; the export is journalled."""
    from liangfa_cli.calling import Place, with_channel
    from liangfa_cli.document_calls import save_case_file
    from liangfa_cli.identity import Caller

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    with _whole(output) as target:
        size = with_channel(place, lambda channel: save_case_file(channel, transfer, target))
    out.print(Text(f"已保存 saved: {output} ({size} bytes)"), soft_wrap=True)
