"""`liangfa ledger`: receipts as files, checked with public keys alone, and compared by both sides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from liangfa_cli.options import Address, Agency, AgencyName, As, Folder, Region
from liangfa_kit.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="回执台账: receipts of hand-overs that both sides sign.")
out = Console()
err = Console(stderr=True)
_Transfer = Annotated[str, typer.Argument(help="Id of a transfer.")]
_UNREADABLE = 2


@app.command()
def export(
    transfer: _Transfer,
    number: Annotated[int, typer.Option(min=0, help="Only the receipt of this number (verify it with --part).")] = 0,
    address: Address = "127.0.0.1:7420",
    role: As = "procurator",
    region: Region = "420111",
    agency: Agency = "operator-desk",
    agency_name: AgencyName = "",
    folder: Folder = Path("var"),
) -> None:
    """Write the receipts of a transfer, with the keys that they name, to standard output as one stable JSON file."""
    from liangfa_case_transfer.exporting import receipts_file
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transferring import receipts_and_keys

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    receipts, keys = with_transfers(place, lambda stub: receipts_and_keys(stub, transfer))
    chosen = [receipt for receipt in receipts if number in {0, receipt.number}]
    if not chosen:
        raise Invalid(
            f"Transfer {transfer} has no {f'receipt {number}' if number else 'receipts yet'}.",
            message_zh="该移送尚无此回执。",
            remedy="A receipt is made by each hand-over; `liangfa transfers show` lists them.",
            reason="RECEIPT_NOT_FOUND",
        )
    sys.stdout.buffer.write(receipts_file(chosen, keys))
    err.print(f"{len(chosen)} receipts", highlight=False)


@app.command()
def keys(
    transfer: _Transfer,
    address: Address = "127.0.0.1:7420",
    role: As = "procurator",
    region: Region = "420111",
    agency: Agency = "operator-desk",
    agency_name: AgencyName = "",
    folder: Folder = Path("var"),
) -> None:
    """Write the public keys of a transfer's organisations to standard output: for `verify --keys`, kept by the verifier."""
    from liangfa_case_transfer.exporting import keys_file
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.transferring import receipts_and_keys

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    _, found = with_transfers(place, lambda stub: receipts_and_keys(stub, transfer))
    sys.stdout.buffer.write(keys_file(found))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="File of `liangfa ledger export`.")],
    keys: Annotated[Path | None, typer.Option(help="File of `liangfa ledger keys`, kept since before.")] = None,
    part: Annotated[bool, typer.Option("--part", help="It holds some receipts, not all from the first.")] = False,
) -> None:
    """Check receipts offline, with public keys alone. Exit code 0: sound; 1: altered, and what; 2: cannot be read."""
    from liangfa_case_transfer.exporting import read_keys
    from liangfa_cli.receipts import verdict

    try:
        trusted = read_keys(keys.read_bytes()) if keys is not None else None
        lines, is_sound = verdict(file.read_bytes(), trusted, is_whole=not part)
    except (Invalid, OSError) as error:
        told = f"{error.message_zh}\n{error}\n{error.remedy}" if isinstance(error, Invalid) else _missing(error)
        err.print(f"[red]FILE_UNREADABLE[/] {escape(told)}", soft_wrap=True)
        raise typer.Exit(_UNREADABLE) from None
    for line in lines:
        out.print(line, soft_wrap=True)
    raise typer.Exit(0 if is_sound else 1)


@app.command()
def rotate(
    agency: Agency,
    folder: Folder = Path("var"),
) -> None:
    """Let an organisation sign with a new key, on the platform's own machine; receipts signed before stay good."""
    from liangfa_case_transfer.keyring import Keyring
    from liangfa_case_transfer.wiring import key_folder

    fresh = Keyring(key_folder(folder)).rotate(agency)
    out.print(f"已更换签名密钥 new key of {escape(agency)}: {fresh}", soft_wrap=True, highlight=False)
    out.print(
        "此前导出的公钥文件须重新导出 files of `liangfa ledger keys` are written anew from now on", soft_wrap=True
    )


@app.command()
def reconcile(
    agency: Agency,
    day: Annotated[str, typer.Option(help="Day in China, YYYY-MM-DD; today when left out.")] = "",
    held: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="File of `ledger export` in your own books, to hold against it."
        ),
    ] = None,
    address: Address = "127.0.0.1:7420",
    role: As = "officer",
    region: Region = "420111",
    agency_name: AgencyName = "",
    folder: Folder = Path("var"),
) -> None:
    """Compare both sides' books of a day; exit code 1 when something does not match."""
    from liangfa_case_transfer.exporting import read_receipts
    from liangfa_cli.calling import Place, with_transfers
    from liangfa_cli.identity import Caller
    from liangfa_cli.receipts import gaps_table
    from liangfa_cli.transferring import receipt_gaps

    place = Place(address, folder, Caller(role, region, agency, agency_name))
    books = [receipt for file in held or () for receipt in read_receipts(file.read_bytes())[0]]
    found = with_transfers(place, lambda stub: receipt_gaps(stub, day, books))
    if not found.gaps:
        out.print(
            f"[green]{found.day}：双方台账一致，共核对 {found.receipts} 份回执，无缺漏。[/] "
            f"Both sides agree: {found.receipts} receipts, no gap.",
            soft_wrap=True,
        )
        return
    out.print(gaps_table(found))
    for key in dict.fromkeys(gap.transfer_id for gap in found.gaps if gap.transfer_id):
        out.print(key, soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1)


def _missing(error: OSError) -> str:
    return f"无法读取 {error.filename}\n{error.filename} cannot be read: {error.strerror}.\nCorrect the path."
