"""What the terminal shows: feed lines, hits with their reasons, statistics."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from liangfa_kit.clock import BEIJING
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_pb
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb

_STYLES = {
    pb.SEVERITY_INFO: "",
    pb.SEVERITY_NOTICE: "yellow",
    pb.SEVERITY_WARNING: "bold yellow",
    pb.SEVERITY_CRITICAL: "bold red",
}
_KINDS = {
    pb.FEED_KIND_CASE_REGISTERED: "录入", pb.FEED_KIND_CASE_AMENDED: "修改", pb.FEED_KIND_STAGE_ADVANCED: "阶段",
    pb.FEED_KIND_STEP_RECORDED: "过程", pb.FEED_KIND_DECISION_RECORDED: "决定", pb.FEED_KIND_EVIDENCE_ATTACHED: "证据",
    pb.FEED_KIND_CRIME_SUSPECTED: "疑罪", pb.FEED_KIND_NEAR_MISS: "临界", pb.FEED_KIND_CRIME_CLEARED: "解除",
    pb.FEED_KIND_HIT_REVIEWED: "复核", pb.FEED_KIND_IMPORT_FINISHED: "导入", pb.FEED_KIND_LATE_ENTRY: "迟录",
    pb.FEED_KIND_AMENDED_AFTER_DECISION: "决定后改", pb.FEED_KIND_REPLY_OVERDUE: "咨询逾期",
    pb.FEED_KIND_MEETING_CONVENED: "会议", pb.FEED_KIND_MINUTES_SEALED: "纪要", pb.FEED_KIND_TASK_OVERDUE: "任务逾期",
    pb.FEED_KIND_MEETING_DUE: "例会到期", pb.FEED_KIND_TRANSFER_OPENED: "移送", pb.FEED_KIND_TRANSFER_STEP: "移送步骤",
    pb.FEED_KIND_RECEIPT_SIGNED: "签收", pb.FEED_KIND_CLOCK_WARNED: "期限将至", pb.FEED_KIND_CLOCK_MISSED: "逾期",
    pb.FEED_KIND_CLOCK_LAPSED: "期满", pb.FEED_KIND_CLOCK_EXTENDED: "延期",
    pb.FEED_KIND_CLOCK_LAST_DAY: "今日到期", pb.FEED_KIND_CLOCK_ESCALATED: "逾期上报",
    pb.FEED_KIND_ORDER_ISSUED: "督办", pb.FEED_KIND_ORDER_REPLIED: "督办回复", pb.FEED_KIND_ORDER_RETURNED: "督办退回",
    pb.FEED_KIND_ORDER_CLOSED: "督办办结", pb.FEED_KIND_ORDER_WITHDRAWN: "督办撤回", pb.FEED_KIND_ORDER_WARNED: "督办到期",
    pb.FEED_KIND_ORDER_MISSED: "督办逾期", pb.FEED_KIND_TRANSFER_STALLED: "滞留",
}  # fmt: skip


def feed_line(item: pb.FeedItem) -> Text:
    """Return one line of the live feed."""
    at = item.at.ToDatetime(tzinfo=BEIJING).astimezone(BEIJING)
    line = Text(f"{at:%m-%d %H:%M:%S} ", style="dim")
    line.append(f"{_KINDS.get(item.kind, '?'):　<3}", style=_STYLES.get(item.severity, ""))
    line.append(f" {item.agency_name}｜" if item.agency_name else " ", style="cyan")
    line.append(item.text_zh, style=_STYLES.get(item.severity, ""))
    return line


def highlighted(narrative: str, facts: Sequence[case_pb2.ScreenedFact]) -> Text:
    """Return the narrative with the words that facts came from in colour; facts read in the cause leave it alone."""
    text = Text(narrative)
    for fact in facts:
        if fact.text_part != case_pb2.TEXT_PART_CAUSE and fact.text and narrative[fact.start : fact.end] == fact.text:
            text.stylize("bold red", fact.start, fact.end)
    return text


_WHENCE = {
    case_pb2.FACT_ORIGIN_CAUSE: "（见案由）",
    case_pb2.FACT_ORIGIN_GIVEN: "（办案人员填报）",
    case_pb2.FACT_ORIGIN_DERIVED: "（推算）",
    case_pb2.FACT_ORIGIN_EARLIER: "（前案）",
    case_pb2.FACT_ORIGIN_ASSUMED: "（推定，须核实）",
}


def hits_table(hits: Sequence[screening_pb.Hit], narratives: dict[str, str], title: str) -> Table:
    """Return suspected crimes with what was found and why."""
    table = Table(title=title, show_lines=True, expand=True)
    table.add_column("当事人 / 案由", ratio=3, overflow="fold")
    table.add_column("疑似罪名与标准", ratio=4, overflow="fold")
    table.add_column("事实（标红处为依据）", ratio=6, overflow="fold")
    for hit in hits:
        offence = hit.screening.offences[0]
        why = Text()
        why.append(f"{offence.name_zh}\n", style="bold red")
        why.append(f"刑法{offence.article}｜{offence.legal_source}｜{offence.confidence}\n", style="dim")
        why.append(offence.distance or "行为即构成，不论数额", style="yellow")
        told = highlighted(narratives.get(hit.screening.case_id, ""), offence.facts)
        for fact in offence.facts:
            if fact.value not in {"false", "0", "0.0"}:
                told.append(f"\n· {fact.label_zh} = {fact.value}{_WHENCE.get(fact.origin, '')}", style="green")
        table.add_row(f"{'、'.join(hit.party_names)}\n{hit.cause}\n{hit.agency_name}", why, told)
    return table


def statistics_table(lines: Sequence[pb.StatisticsLine], title: str) -> Table:
    """Return statistics as a table."""
    table = Table(title=title)
    for column in ("", "案件", "处罚决定", "疑似犯罪", "临界", "迟录", "罚款合计（元）"):
        table.add_column(column, justify="left" if not column else "right")
    for line in lines:
        counts = (line.cases, line.decisions, line.suspected, line.near_misses, line.late_entries)
        table.add_row(line.name or line.key or "合计", *map(str, counts), line.fines_yuan)
    return table
