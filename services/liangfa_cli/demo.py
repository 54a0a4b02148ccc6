"""The demonstration: a district, a real published table, what the screening finds in it and why, and a live feed."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from liangfa_cli import district
from liangfa_cli.carrying import YESTERDAY, DemonstrationClock, show_transfers
from liangfa_cli.consulting import enrol_units, show_consultation
from liangfa_cli.following import feed
from liangfa_cli.platform import Platform, running
from liangfa_cli.rendering import feed_line, hits_table, statistics_table
from liangfa_kit.settings import Database, Listen, Logging, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_pb2, case_service_pb2_grpc, import_service_pb2_grpc
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as import_rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watch_rpc
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from liangfa_supervision.queries import newest_cursor

TABLE = Path(__file__).parent / "data" / "penalty_disclosures.csv"
_SHOWN = 12
_LIVE_CASES = (
    (
        "market_regulation",
        "经营有毒有害食品",
        "某火锅店",
        "检查发现后厨使用罂粟壳熬制底料，已售出12锅，违法所得860元，罚款5万元。",
    ),
    (
        "market_regulation",
        "销售侵犯注册商标专用权的商品",
        "某烟酒店",
        "店内待售假冒名牌白酒，尚未销售，货值金额12.6万元。",
    ),
    ("environment", "未按规定保存台账", "某汽修店", "未如实记录危险废物台账，经责令已改正，罚款1万元。"),
    (
        "labour",
        "拖欠农民工工资",
        "某劳务公司",
        "拖欠32名农民工工资共计41.5万元，经责令限期支付后逾期仍未支付，负责人更换手机失联。",
    ),
)


async def demo(folder: Path, console: Console, *, ends: bool, shown: int = _SHOWN) -> None:
    """Run the demonstration in `folder`, made anew; with `ends` stop after the live part, else watch until stopped.

    `shown` is how many of the suspected cases are explained.
    """
    shutil.rmtree(folder, ignore_errors=True)  # demonstration data only
    await asyncio.to_thread(folder.mkdir, parents=True)
    settings = PlatformSettings(
        storage=Storage(folder=folder),
        database=Database(),  # whatever the environment names is not the demonstration's to fill
        listen=Listen(port=0),
        logging=Logging(level="info", file=folder / "liangfa.log"),
    )
    console.rule("[bold]两法 Liangfa 演示（演示数据，人员均为虚构）")
    clock = DemonstrationClock(YESTERDAY)
    async with running(settings, clock=clock) as platform:
        console.print(f"平台已启动（单进程，SQLite）：gRPC {platform.address}，数据 {folder}")
        console.print("演示时钟从昨天开始，到“实时监督”时走到现在")
        console.print(
            f"演示辖区：武汉市洪山区 {district.REGION}，{len(district.BODIES)} 个执法机关、公安、检察院、司法局"
        )
        await enrol_units(platform)
        await _import_all(platform, console)
        await _caught_up(platform)
        await _show_found(platform, console, shown)
        await show_transfers(platform, console)
        await show_consultation(platform, console)
        await _show_live(platform, console, clock, ends=ends)


def tables_by_kind() -> dict[str, bytes]:
    """Return the published table cut into one table for each kind of body, as CSV."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        headers = [name for name in reader.fieldnames or () if not name.startswith("x_")]
        parts: dict[str, list[dict[str, str]]] = {}
        for row in reader:
            kind = district.FIELDS.get(row["x_执法领域"], "urban_management")
            parts.setdefault(kind, []).append({name: row[name] for name in headers})
    return {kind: _csv(headers, rows) for kind, rows in parts.items()}


def _csv(headers: list[str], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, headers)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def _import_all(platform: Platform, console: Console) -> None:
    tables = tables_by_kind()
    rows = sum(content.count(b"\n") for content in tables.values()) - len(tables)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("导入已公示的真实处罚案件", total=rows)
        for kind, content in tables.items():
            stub = import_service_pb2_grpc.ImportServiceStub(platform.channel_for(district.officer(kind)))
            read = 0
            async for reply in stub.ImportTable(_parts(f"{kind}.csv", content)):
                progress.update(task, advance=reply.progress.rows_read - read)
                read = reply.progress.rows_read
            if reply.progress.state != "finished" or reply.progress.rows_rejected:
                raise RuntimeError(f"the import of {kind} ended as {reply.progress}")


async def _parts(name: str, content: bytes) -> AsyncIterator[import_rpc.ImportTableRequest]:
    for start in range(0, len(content), 1 << 18):
        yield import_rpc.ImportTableRequest(
            request_id=str(uuid.uuid4()), file_name=name, content=content[start : start + (1 << 18)]
        )


async def _caught_up(platform: Platform) -> None:
    """Wait until supervision has applied what the record has published (a second at most, usually)."""
    record, supervision = platform.record, platform.supervision
    if record is None or supervision is None:
        return
    async with asyncio.timeout(30):
        while supervision.consumer.state.applied < _last_position(platform):  # noqa: ASYNC110 - a look now and then is enough here
            await asyncio.sleep(0.02)


def _last_position(platform: Platform) -> int:
    """Return how many events the services have published for supervision."""
    total = 0
    for part in (platform.record, platform.meeting, platform.transfer):
        if part is not None:
            with part.store.reading() as connection:
                row = connection.exec_driver_sql("SELECT value FROM counters WHERE name = 'journal'").scalar()
                total += int(row or 0)
    return total


async def _show_found(platform: Platform, console: Console, shown: int) -> None:
    channel = platform.channel_for(district.PROCURATOR)
    hits = await ScreeningServiceStub(channel).ListHits(screening_rpc.ListHitsRequest(page_size=shown))
    near = await ScreeningServiceStub(channel).ListHits(
        screening_rpc.ListHitsRequest(outcome=case_pb2.SCREENING_OUTCOME_NEAR_MISS, page_size=1)
    )
    cases = case_service_pb2_grpc.CaseServiceStub(channel)
    narratives = {}
    for hit in hits.hits:
        request = case_rpc.GetCaseRequest(case_id=hit.screening.case_id, purpose="演示：核对筛查依据")
        narratives[hit.screening.case_id] = (await cases.GetCase(request)).case.narrative
    title = f"检察官所见：疑似涉嫌犯罪 {hits.total} 件（显示最近 {len(hits.hits)} 件），临界 {near.total} 件"
    console.print(hits_table(hits.hits, narratives, title))
    if not hits.total:
        raise RuntimeError("the screening found nothing in a table that holds crimes")
    stub = SupervisionServiceStub(channel)
    by_agency = watch_rpc.GetStatisticsRequest(dimension=watch_rpc.STATISTICS_DIMENSION_AGENCY)
    console.print(statistics_table((await stub.GetStatistics(by_agency)).lines, "各机关统计"))
    alerts = await stub.ListAlerts(watch_rpc.ListAlertsRequest(page_size=5))
    console.print(f"未结预警 {alerts.total} 条；其中最紧急的：")
    for alert in alerts.alerts:
        console.print(f"  [red]●[/] {alert.agency_name}｜{alert.title}｜{alert.text_zh}")


async def _show_live(platform: Platform, console: Console, clock: DemonstrationClock, *, ends: bool) -> None:
    console.rule("[bold]实时监督（检察官视角）" + ("" if ends else "，按 Ctrl+C 停止"))
    await _caught_up(platform)
    before = await platform.supervision.store.read(newest_cursor) if platform.supervision is not None else -1
    entering = asyncio.create_task(_enter_live(platform, clock))
    channel = platform.channel_for(district.PROCURATOR)
    seen = missed = 0
    async with asyncio.timeout(120 if ends else None):
        async for message in feed(channel, before, watch_rpc.SEVERITY_UNSPECIFIED, console.print):
            if message.HasField("item"):
                console.print(feed_line(message.item))
                seen += message.item.kind == watch_rpc.FEED_KIND_CASE_REGISTERED
                missed += message.item.kind == watch_rpc.FEED_KIND_CLOCK_MISSED
            if ends and entering.done() and await _is_newest(platform, message):
                break
    await entering
    if not missed:
        raise RuntimeError("the feed did not tell of the limit that was missed")
    console.print(f"[green]完成：实时收到 {seen} 件新录入案件，{missed} 项逾期。")


async def _is_newest(platform: Platform, message: watch_rpc.WatchResponse) -> bool:
    """Tell whether a message of the feed is the last one, now that nothing more is being entered."""
    await _caught_up(platform)
    if platform.supervision is None:
        return True
    newest = await platform.supervision.store.read(newest_cursor)
    return max(message.item.cursor, message.heartbeat.cursor) >= newest


async def _enter_live(platform: Platform, clock: DemonstrationClock) -> None:
    """Enter a few cases by hand, as officers of four bodies would; before that a day goes by, and with it a limit."""
    await asyncio.sleep(1.0)
    clock.come_to_the_present()
    if platform.transfer is not None:
        await platform.transfer.scheduler.tick()
    for kind, cause, party, narrative in _LIVE_CASES:
        await asyncio.sleep(1.0)
        stub = case_service_pb2_grpc.CaseServiceStub(platform.channel_for(district.officer(kind)))
        case = case_pb2.Case(cause=cause, narrative=narrative, parties=[case_pb2.Party(name=party)])
        await stub.RegisterCase(case_rpc.RegisterCaseRequest(request_id=str(uuid.uuid4()), case=case))
