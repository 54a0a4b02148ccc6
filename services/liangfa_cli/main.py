"""`liangfa`: for operators, for automation, and for a first look."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from liangfa_cli import documents, ledger, meetings, transfers
from liangfa_cli.options import Address, Agency, AgencyName, AgencyType, As, Folder, Person, PersonName, Region
from liangfa_kit.errors import PlatformError

if TYPE_CHECKING:
    from liangfa_cli.journals import Checked

app = typer.Typer(
    no_args_is_help=True, help="两法 Liangfa: enforcement and criminal justice, linked.", add_completion=False
)
app.add_typer(transfers.app, name="transfers")
app.add_typer(ledger.app, name="ledger")
app.add_typer(documents.app, name="documents")
app.add_typer(meetings.app, name="meetings")
out = Console()
err = Console(stderr=True)
_PORT = "LIANGFA_LISTEN__PORT"
_FILE_REMEDY = (
    "Check that the folder exists, that you may write there and that it has room; then run the command again."
)


def main() -> None:
    """Run the command line; an expected refusal is one clear line and exit code 1, not a traceback."""
    try:
        app()
    except PlatformError as error:
        told = escape(f"{error.message_zh}\n{error}\n{error.remedy}")
        err.print(f"[red]{error.reason}[/] {told}".strip())
        for violation in error.violations:
            err.print(f"  {escape(f'{violation.field}: {violation.message}')}", highlight=False)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that somebody named
        cause = f"{error.filename}: {error.strerror}"
        told = f"文件或目录无法读写：{cause}\nThe file or folder cannot be used: {cause}.\n{_FILE_REMEDY}"
        err.print(f"[red]FILE_UNUSABLE[/] {escape(told)}", soft_wrap=True, highlight=False)
        sys.exit(1)


@app.command()
def up(
    folder: Folder = Path("var"),
    port: Annotated[int, typer.Option(envvar=_PORT, help="TCP port of the gRPC server.")] = 7420,
) -> None:
    """Run the whole platform in one process."""
    asyncio.run(_serve(folder, port, None))


@app.command()
def serve(
    name: Annotated[str, typer.Argument(help="enforcement_record, case_transfer, joint_meeting or supervision")],
    folder: Folder = Path("var"),
    port: Annotated[int, typer.Option(envvar=_PORT, help="TCP port; 0 takes a free one.")] = 0,
) -> None:
    """Run one service; several processes share the folder and its event log."""
    asyncio.run(_serve(folder, port, name))


async def _serve(folder: Path, port: int, only: str | None) -> None:
    from liangfa_cli.platform import running
    from liangfa_kit.hosting import settle_memory
    from liangfa_kit.settings import PlatformSettings, Storage, load

    settings = load(PlatformSettings, storage=Storage(folder=folder))
    settings = settings.model_copy(update={"listen": settings.listen.model_copy(update={"port": port})})
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    async with running(settings, only) as platform:
        settle_memory()
        err.print(f"两法 Liangfa: {only or 'all services'} on {platform.address}, data in {folder}. Ctrl+C stops it.")
        await stopped.wait()
        err.print("Draining …")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demonstration keeps its data.")] = Path("var/demo"),
    ends: Annotated[bool, typer.Option("--exit", help="End by itself with exit code 0.")] = False,
) -> None:
    """Show the platform at work in a demo district, on a table of real published penalties."""
    from liangfa_cli.demo import demo as run_demo

    with suppress(KeyboardInterrupt):
        asyncio.run(run_demo(folder, out, ends=ends))


@app.command()
def screen(
    source: Annotated[
        Path | None, typer.Option("--input", help="JSON lines: id, agency_type, cause, narrative, facts.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--output", help="Where to write; standard output when left out.")
    ] = None,
    region: Annotated[str, typer.Option(help="Division code whose regional figures apply.")] = "",
    backtest: Annotated[
        Path | None, typer.Option(help="Folder of another rule library: print what flips and why.")
    ] = None,
    stored: Annotated[bool, typer.Option("--stored", help="Backtest over the cases stored in --folder.")] = False,
    folder: Folder = Path("var"),
) -> None:
    """Screen cases for suspected crimes, offline: no running platform is needed."""
    from liangfa_kit.settings import PlatformSettings, Storage, load
    from liangfa_screening import Screener, load_library
    from liangfa_screening.offline import screen_lines

    settings = load(PlatformSettings, storage=Storage(folder=folder))
    if source is not None and not source.is_file():
        raise typer.BadParameter(f"there is no file {source}", param_hint="--input")
    if source is None and not (stored and backtest):
        raise typer.BadParameter("name a file, or --stored with --backtest FOLDER", param_hint="--input")
    screener = Screener(load_library(region or None, figures=settings.screening.figures))
    if backtest is not None:
        from liangfa_cli.backtesting import cases_of_file, show_flips, stored_cases

        other = Screener(load_library(region or None, backtest, settings.screening.figures))
        with cases_of_file(source) if source else stored_cases(settings) as cases:
            show_flips(cases, other, screener, out, err)
        return
    assert source is not None  # noqa: S101 - checked above
    with source.open("rb") as lines:
        if target is None:
            for line in screen_lines(lines, screener):
                sys.stdout.buffer.write(line)
            return
        with target.open("wb") as results:
            count = suspected = 0
            for line in screen_lines(lines, screener):
                results.write(line)
                count += 1
                suspected += b'"suspected":true' in line
    err.print(f"{count} cases screened, {suspected} suspected; rules {screener.library.version}; written to {target}")


@app.command()
def verify(folder: Folder = Path("var")) -> None:
    """Check every journal against its hash chain, and every file that it names; exit code 1 names what was changed."""
    from liangfa_cli.journals import checked
    from liangfa_kit.settings import PlatformSettings, Storage, load

    _show_checked(asyncio.run(checked(load(PlatformSettings, storage=Storage(folder=folder)))))


def _show_checked(parts: Sequence[Checked]) -> None:
    """Print what verifying found; end with exit code 1 when there is a fault."""
    bad = 0
    for part in parts:
        bad += len(part.faults)
        out.print(
            f"{part.name}: {part.what}, "
            + ("[green]intact[/]" if not part.faults else f"[red]{len(part.faults)} faults[/]")
        )
        for fault in part.faults:
            told = f"position {fault.position}, {fault.stream} v{fault.version}: {fault.message}"
            out.print(f"  [red]{fault.rule}[/] {escape(told)}", soft_wrap=True)
    if bad:
        raise typer.Exit(1)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="New folder for the copy.")],
    folder: Folder = Path("var"),
) -> None:
    """Copy a platform's data while it runs, and verify the copy; exit code 1 names what is wrong with it."""
    from liangfa_cli.backing_up import back_up
    from liangfa_kit.settings import PlatformSettings, Storage, load

    settings = load(PlatformSettings, storage=Storage(folder=folder))
    parts = asyncio.run(back_up(settings, target, lambda line: err.print(f"[dim]{escape(line)}[/]")))
    _show_checked(parts)
    out.print(f"Backed up to {target}. Start it with: liangfa up --folder {target}", soft_wrap=True)


@app.command()
def archive(
    target: Annotated[Path, typer.Argument(help="Folder of the archive, on a disk that others keep.")],
    folder: Folder = Path("var"),
    check: Annotated[bool, typer.Option("--check", help="Add nothing: compare every journal with it.")] = False,
) -> None:
    """Write what the journals have gained to files that are never changed again, or compare the journals with them."""
    from liangfa_cli.archiving import archive as written
    from liangfa_cli.archiving import compared
    from liangfa_kit.settings import PlatformSettings, Storage, load

    settings = load(PlatformSettings, storage=Storage(folder=folder))
    if check:
        _show_checked(compared(settings, target))
        return
    for one in written(settings, target):
        out.print(f"{one.name}: {one.added} entries added, archived to position {one.last} {one.hash}", soft_wrap=True)


@app.command()
def health(
    address: Annotated[str, typer.Option(help="host:port of the platform.")] = "127.0.0.1:7420",
    service: Annotated[
        str, typer.Option(help="One service; or `calls`: whether calls are answered, even if events wait.")
    ] = "",
) -> None:
    """Ask a running platform whether it is ready; exit code 1 when it is not (for containers and monitors)."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from liangfa_cli.reaching import reach_health

    with reach_health(address) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=2)
        except grpc.RpcError as error:
            err.print(f"not reachable: {error.code().name}")
            raise typer.Exit(1) from error
    is_serving = reply.status == health_pb2.HealthCheckResponse.SERVING
    out.print(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
    raise typer.Exit(0 if is_serving else 1)


@app.command()
def token(
    role: As = "procurator",
    region: Region = "420111",
    agency: Agency = "operator-desk",
    folder: Folder = Path("var"),
    minutes: Annotated[int, typer.Option(min=1, max=1_440, help="How long it is good for.")] = 15,
    agency_name: AgencyName = "",
    agency_type: AgencyType = "",
    person: Person = "",
    person_name: PersonName = "",
) -> None:
    """Print a short-lived token; needs the platform's signing key, so it works on its own machine only."""
    from liangfa_cli.identity import Caller, token_source

    caller = Caller(role, region, agency, agency_name, agency_type, person, person_name)
    sys.stdout.write(token_source(folder, caller, minutes)() + "\n")


@app.command()
def keys(
    action: Annotated[str, typer.Argument(help="list; rotate: sign with a new key; distrust: refuse a key")] = "list",
    kid: Annotated[str, typer.Argument(help="Key to distrust.")] = "",
    folder: Folder = Path("var"),
) -> None:
    """Look after the keys that sign tokens. A running platform takes a change up within seconds."""
    from liangfa_cli.identity import tend_keys

    out.print(tend_keys(folder, action, kid))


templates_app = typer.Typer(
    no_args_is_help=True, help="Templates of documents that a region has in place of the built-in one."
)
app.add_typer(templates_app, name="templates")


@templates_app.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of templates: <kind>.docx, general.docx, folders of divisions; else that of the settings."
        ),
    ] = None,
) -> None:
    """Try every template before anybody needs it; exit code 1 names what is broken or incomplete, and why."""
    from liangfa_kit.settings import PlatformSettings, load
    from liangfa_procedure.regional import RegionalTemplates

    chosen = folder or load(PlatformSettings).documents.folder
    if chosen is None:
        raise typer.BadParameter("name a folder, or set LIANGFA_DOCUMENTS__FOLDER", param_hint="FOLDER")
    if not chosen.is_dir():
        raise typer.BadParameter(f"there is no folder {chosen}", param_hint="FOLDER")
    templates = RegionalTemplates(chosen)
    problems = templates.problems()
    for problem in problems:
        out.print(f"[red]broken[/] {escape(str(problem))}", soft_wrap=True)
    out.print(f"{templates.count()} templates, {len(problems)} broken")
    raise typer.Exit(1 if problems else 0)


@app.command()
def simulate(
    stories: Annotated[
        list[Path], typer.Argument(help="Scenario files (docs/simulation.md).", metavar="SCENARIO.yaml …")
    ],
) -> None:
    """Play stories through the service on a virtual clock: who is told of which limit, on which day, as JSON lines.

    Exit code 2 when a story cannot be read, or the procedure does not allow a step of it; the others are played.
    """
    from liangfa_cli.simulating import simulated
    from liangfa_procedure.reading import ProcedureError

    failed = False
    for path in stories:
        try:
            lines = asyncio.run(simulated(path, is_named=len(stories) > 1))
        except (ProcedureError, OSError) as error:
            failed = True
            err.print(f"[red]{escape(str(path))}[/]: {escape(str(error))}", soft_wrap=True, highlight=False)
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
    raise typer.Exit(2 if failed else 0)


@app.command()
def watch(
    address: Address = "127.0.0.1:7420",
    role: As = "procurator",
    region: Region = "420111",
    agency: Agency = "operator-desk",
    folder: Folder = Path("var"),
    after: Annotated[int, typer.Option(help="Resume after this cursor; -1 only what is new.")] = -1,
    least: Annotated[int, typer.Option(help="Least severity: 1 info … 4 critical.")] = 1,
) -> None:
    """Show the live feed in the terminal."""
    from liangfa_cli.identity import Caller, token_source

    issue = token_source(folder, Caller(role, region, agency))
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(address, issue, after, least))


async def _watch(address: str, issue: Callable[[], str], after: int, least: int) -> None:
    from liangfa_cli.following import feed
    from liangfa_cli.reaching import reach
    from liangfa_cli.rendering import feed_line
    from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb

    async with reach(address, issue) as channel:
        async for message in feed(channel, after, pb.Severity.ValueType(least), err.print):
            if message.HasField("item"):
                out.print(feed_line(message.item))
            elif message.HasField("lagging"):
                err.print("[dim]catching up …[/]")


@app.command()
def consult(
    consultation: Annotated[str, typer.Argument(help="Id of a consultation that the agency takes part in.")],
    agency: Agency,
    say: Annotated[str, typer.Option(help="Say this first.")] = "",
    address: Address = "127.0.0.1:7420",
    role: As = "officer",
    region: Region = "420111",
    folder: Folder = Path("var"),
) -> None:
    """Follow a consultation in the terminal; it goes on where it was when the connection is cut."""
    from liangfa_cli.following import follow
    from liangfa_cli.identity import Caller, token_source

    issue = token_source(folder, Caller(role, region, agency))
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(address, issue, consultation, say, out))


@app.command("import")
def import_table(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX or XLS.")],
    agency: Agency,
    address: Address = "127.0.0.1:7420",
    region: Region = "420111",
    folder: Folder = Path("var"),
    mapping: Annotated[Path | None, typer.Option(help="Confirmed mapping file (YAML).")] = None,
    suggest: Annotated[bool, typer.Option(help="Only print a suggested mapping, to be checked by a person.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check everything, enter nothing.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rows kept aside to this file (.csv or .xlsx).")
    ] = None,
    agency_name: AgencyName = "",
    agency_type: AgencyType = "",
    person: Person = "",
    person_name: PersonName = "",
) -> None:
    """Import an agency's own table, with progress; the same file twice changes nothing."""
    from liangfa_cli.identity import Caller, token_source
    from liangfa_cli.importing import ImportWishes, import_file

    caller = Caller("officer", region, agency, agency_name, agency_type, person, person_name)
    wishes = ImportWishes(
        file=file,
        mapping_yaml=mapping.read_text(encoding="utf-8") if mapping else "",
        suggest=suggest,
        dry_run=dry_run,
        rejects=rejects,
    )
    ok = asyncio.run(import_file(address, token_source(folder, caller), wishes, out, err))
    raise typer.Exit(0 if ok else 1)


@app.command()
def events(
    action: Annotated[
        str, typer.Argument(help="aside: list what was set aside; replay; rebuild; renew; tail; topics")
    ] = "aside",
    name: Annotated[str, typer.Argument(help="Event to replay; service or topic to tail, all when left out.")] = "",
    folder: Folder = Path("var"),
    from_start: Annotated[bool, typer.Option("--from-start", help="tail: begin with the oldest.")] = False,
    once: Annotated[bool, typer.Option("--once", help="tail: end where the log ends now.")] = False,
    payload: Annotated[bool, typer.Option("--payload", help="tail: show the content too (personal data).")] = False,
    consumer: Annotated[str, typer.Option(help="Whose: supervision or joint_meeting.")] = "supervision",
) -> None:
    """Look after the events: what was set aside, replay, rebuild, renew (platform stopped), tail and topics (any time).

    renew: after a restore, publish every journal into a new log; what was applied is not applied again.
    """
    from liangfa_cli.backing_up import begin_anew
    from liangfa_cli.journals import tend_consumer
    from liangfa_cli.topics import make_topics, tail
    from liangfa_kit import logs
    from liangfa_kit.clock import SystemClock
    from liangfa_kit.settings import PlatformSettings, Storage, load

    settings = load(PlatformSettings, storage=Storage(folder=folder))
    log = logs.configure(settings.logging, SystemClock())  # to standard error: the output is what was asked for
    try:
        with suppress(KeyboardInterrupt):
            if action == "tail":
                asyncio.run(tail(settings, name, out, from_start=from_start, once=once, payload=payload))
            elif action == "topics":
                asyncio.run(make_topics(settings, out))
            elif action == "renew":
                names = ", ".join(begin_anew(settings))
                out.print(
                    f"{names}: the next start publishes every journal into the log and reads it from the beginning."
                )
            else:
                asyncio.run(tend_consumer(settings, action, name, out, consumer))
    finally:
        log.close()
