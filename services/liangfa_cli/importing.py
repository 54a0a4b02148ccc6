"""`liangfa import`: a table over gRPC with a progress bar, a suggested mapping, and the rows kept aside as a file."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from liangfa_cli.reaching import reach
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub

if TYPE_CHECKING:
    from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceAsyncStub

_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class ImportWishes:
    """What the operator asked for."""

    file: Path
    mapping_yaml: str
    suggest: bool
    dry_run: bool
    rejects: Path | None


async def import_file(address: str, token: Callable[[], str], wishes: ImportWishes, out: Console, err: Console) -> bool:
    """Do it; return whether everything went in (no row kept aside, not failed)."""
    async with reach(address, token) as channel:
        stub = ImportServiceStub(channel)
        if wishes.suggest:
            reply = await stub.SuggestMapping(_suggest_parts(wishes.file), timeout=120)
            for column in reply.columns:
                told = f"{column.header:　<20} → {column.field or '—'}  {column.confidence:.0%}  {column.reason}"
                err.print(told, markup=False, highlight=False)
            # The mapping alone goes to standard output, neither wrapped nor coloured: it is to be saved as a file.
            sys.stdout.write(reply.mapping_yaml)
            return True
        progress = await _import(stub, wishes, out)
        if wishes.rejects is not None and progress.rows_rejected and not wishes.dry_run:
            await _write_rejects(stub, progress.import_id, wishes.rejects)
            out.print(f"待更正的行已写入 {wishes.rejects}，更正后可直接再次导入。")
        return progress.state == "finished" and not progress.rows_rejected


async def _import(stub: ImportServiceAsyncStub, wishes: ImportWishes, out: Console) -> pb.ImportProgress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    last = pb.ImportProgress()
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(f"导入 {escape(wishes.file.name)}")
        async for reply in stub.ImportTable(_import_parts(wishes), timeout=86_400):
            last = reply.progress
            bar.update(task, description=_told(last))
    out.print(f"[{'green' if last.state == 'finished' else 'red'}]{last.state}[/] {_told(last)}")
    if last.failure_message:
        out.print(f"[red]{last.failure_reason}[/] {escape(last.failure_message)}")
    return last


def _told(p: pb.ImportProgress) -> str:
    return (
        f"读取 {p.rows_read} 行：新增 {p.cases_registered}，更新 {p.cases_amended}，重复 {p.rows_repeated}，"
        f"待更正 {p.rows_rejected}，非案件 {p.rows_skipped}；疑似犯罪 {p.suspected}，临界 {p.near_misses}，提示 {p.findings}"
    )


async def _suggest_parts(file: Path) -> AsyncIterator[pb.SuggestMappingRequest]:
    async for piece in _pieces(file):
        yield pb.SuggestMappingRequest(file_name=file.name, content=piece)


async def _import_parts(wishes: ImportWishes) -> AsyncIterator[pb.ImportTableRequest]:
    request_id = str(uuid.uuid4())
    async for piece in _pieces(wishes.file):
        yield pb.ImportTableRequest(
            request_id=request_id,
            file_name=wishes.file.name,
            mapping_yaml=wishes.mapping_yaml,
            dry_run=wishes.dry_run,
            content=piece,
        )


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            yield piece


async def _write_rejects(stub: ImportServiceAsyncStub, import_id: str, path: Path) -> None:
    request = pb.ExportRejectedRowsRequest(import_id=import_id, format=path.suffix.removeprefix(".") or "csv")
    with path.open("wb") as file:
        async for part in stub.ExportRejectedRows(request, timeout=600):
            file.write(part.content)
