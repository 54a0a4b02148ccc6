"""What the terminal shows of transfers: worklists, courses, limits with what is left of them, receipts, the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table
from rich.text import Text

from liangfa_cli.receipts import receipt_words
from liangfa_kit.clock import BEIJING
from liangfa_procedure.documents import documents
from liangfa_procedure.escalation import recipients
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

_SIDES = {
    "agency": "行政执法机关 agency", "police": "公安机关 police", "procuratorate": "检察机关 procuratorate",
    "court": "法院 court", "party": "当事人 party",
}  # fmt: skip
_WARNINGS = {"HOLIDAYS_NOT_PUBLISHED": "该年节假日尚未公布，仅按周末推算 holidays unknown: weekends alone"}
_USES = {"duty": "应办 duty", "right": "可行使 right", "window": "时限 window"}
_ENDED = {
    pb.CLOCK_STATE_STOPPED: "已办 done",
    pb.CLOCK_STATE_MOOT: "不再适用 moot",
    pb.CLOCK_STATE_LAPSED: "期满 lapsed",
    pb.CLOCK_STATE_SUSPENDED: "中止 suspended",
}
_SOON = timedelta(days=1)


def remaining(clock: pb.Clock, now: datetime) -> Text:
    """Return what is left of a limit at `now`, or for how long it is overdue."""
    if clock.state in _ENDED:
        return Text(_ENDED[clock.state], style="dim")
    left = clock.due_at.ToDatetime(tzinfo=UTC) - now
    if left > timedelta(0):
        words = f"剩 {_length(left, '天', '小时', '分')} · {_length(left, 'd', 'h', 'min')} left"
        return Text(words, style="yellow" if left <= _SOON else "green")
    late, expired = (
        ("逾期", "overdue") if clock.use == "duty" else ("已过", "over")
    )  # nobody fails who leaves a right unused
    return Text(
        f"{late} {_length(-left, '天', '小时', '分')} · {_length(-left, 'd', 'h', 'min')} {expired}",
        style="bold red" if clock.use == "duty" else "dim",
    )


def _length(length: timedelta, days: str, hours: str, minutes: str) -> str:
    """Return the two largest units of a length: 2 天 3 小时."""
    whole, rest = length.days, length.seconds // 60
    parts = [(whole, days), (rest // 60, hours), (rest % 60, minutes)]
    first = next((n for n, (count, _) in enumerate(parts) if count), 2)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def worklist_table(
    title: str, clocks: Sequence[pb.Clock], total: int, titles: Mapping[str, str], now: datetime
) -> Table:
    """Return running limits, the most urgent first, with the transfers that they belong to."""
    words = f"{title}（{total}）" + (f"，显示最急的 {len(clocks)} 项" if total > len(clocks) else "")
    table = _table(words, "移送 transfer", "期限 limit", "由谁 who", "截止 by", "剩余 left", "依据 source")
    for clock in clocks:
        _row(table, titles.get(clock.transfer_id, ""), *_clock_cells(clock, now))
    return table


def clocks_table(clocks: Iterable[pb.Clock], now: datetime) -> Table:
    """Return the limits of one transfer, those that run first."""
    table = _table("期限 limits", "期限 limit", "由谁 who", "截止 by", "剩余 left", "依据 source")
    for clock in sorted(clocks, key=lambda one: one.state != pb.CLOCK_STATE_RUNNING):
        what, who, *rest = _clock_cells(clock, now)
        what.append(f"\n起算 from {_at(clock.started_at)}", style="dim")
        known = recipients()
        alerted = "、".join(known[one].name_zh if one in known else one for one in clock.tells)
        who.append(f"\n逾期提醒 alerts {alerted}" if alerted else "", style="dim")
        _row(table, what, who, *rest)
    return table


def _clock_cells(clock: pb.Clock, now: datetime) -> tuple[Text, ...]:
    what = Text(f"{clock.title_zh}\n{clock.title_en}")
    if clock.suspect_id:
        what.append(f"\n嫌疑人 suspect {clock.suspect_id}", style="dim")
    for change in clock.changes:
        what.append(f"\n{change.what}：{change.ground}", style="dim")
    who = Text(f"{_SIDES.get(clock.owes, clock.owes)}\n{_USES.get(clock.use, clock.use)}")
    # A limit of days ends with its last day; the instant after it, 00:00 of the next day, reads like one day more.
    until = f"{clock.last_day} 止" if clock.last_day else _at(clock.due_at)
    by = Text(f"{until}\n{clock.calendar}" if clock.HasField("due_at") else "—")
    for warning in clock.warnings:
        by.append(f"\n{_WARNINGS.get(warning, warning)}", style="yellow")
    source = Text(f"{clock.source}{clock.article}\n{clock.rule_id}｜")
    source.append(clock.confidence, style="" if clock.confidence == "confirmed" else "yellow")
    return what, who, by, remaining(clock, now), source


def receipts_table(title: str, receipts: Iterable[pb.Receipt], titles: Mapping[str, str] | None = None) -> Table:
    """Return receipts with their standing, of several transfers with their titles."""
    table = _table(title, "回执 receipt", "送出 sent", "签收 signed for", "SHA-256")
    for receipt in receipts:
        signed = _at(receipt.received_at) if receipt.HasField("received_at") else "尚待签收 not yet"
        style = "" if receipt.HasField("received_at") else "yellow"
        which = Text(receipt_words(receipt))
        if titles:
            which.append(f"\n{titles.get(receipt.transfer_id, '')}", style="dim")
        _row(table, which, _at(receipt.sent_at), Text(signed, style=style), f"{receipt.sha256[:16]}…")
    return table


def heading(transfer: pb.Transfer) -> Text:
    """Return what a transfer is, who takes part, and where it stands."""
    state = Procedure.load().states[Scope.TRANSFER][transfer.state]
    text = Text(f"{transfer.title}\n", style="bold")
    text.append(f"{state.name_zh} {state.name_en}\n", style="bold cyan")
    sides = (("移送 from", transfer.sender), ("接受 to", transfer.receiver), ("监督 watched by", transfer.supervisor))
    text.append("  ".join(f"{word} {one.name}（{one.id}）" for word, one in sides) + "\n")
    text.append(f"涉嫌 {'、'.join(transfer.offences)}  案件 case {transfer.case_id}  版本 version {transfer.version}")
    return text


def courses_table(suspects: Iterable[pb.Suspect]) -> Table:
    """Return each suspect with where his course stands."""
    table = _table("嫌疑人 suspects", "编号 id", "姓名 name", "程序 course", "羁押 custody")
    states = Procedure.load().states[Scope.SUSPECT]
    for suspect in suspects:
        state = states.get(suspect.state)
        words = f"{state.name_zh} {state.name_en}" if state is not None else "立案后分别进行 begins with filing"
        _row(table, suspect.id, Text(suspect.name), words, "是 yes" if suspect.in_custody else "—")
    return table


def history_table(steps: Iterable[pb.TakenStep], receipts: Mapping[str, pb.Receipt]) -> Table:
    """Return the steps that were taken, oldest first."""
    table = _table("经过 history", "序号", "时间 when", "步骤 step", "经办 by", "文书 documents", "回执 receipt")
    for step in steps:
        when = Text(_at(step.happened_at))
        if step.entered_at.ToMicroseconds() - step.happened_at.ToMicroseconds() > _SOON // timedelta(microseconds=1):
            when.append(f"\n补录 entered {_at(step.entered_at)}", style="yellow")
        what = Text(f"{step.name_zh} {step.name_en}" + (f"（嫌疑人 {step.suspect_id}）" if step.suspect_id else ""))
        for name, value in sorted(step.fields.items()):
            what.append(f"\n{name}：{value}", style="dim")
        papers = "\n".join(f"{_kind(one.kind)} {one.sha256[:8]}" for one in step.documents)
        given = receipts.get(step.receipt_id)
        _row(
            table, str(step.sequence), when, what, Text(step.by.person_name), papers,
            f"第 {given.number} 号" if given is not None else "",
        )  # fmt: skip
    return table


def allowed_table(steps: Iterable[rpc.AllowedStep]) -> Table:
    """Return the steps that the caller may take now, with what each needs."""
    table = _table("现在可办 possible now", "步骤 step", "须附 documents", "须填 fields", "依据 source")
    for step in steps:
        what = Text(f"{step.step}\n{step.name_zh} {step.name_en}")
        if step.suspect_id:
            what.append(f"\n--suspect {step.suspect_id}", style="cyan")
        source = Text(f"{step.source}｜")
        source.append(step.confidence, style="" if step.confidence == "confirmed" else "yellow")
        _row(table, what, "\n".join(f"{one} {_kind(one)}" for one in step.documents), "\n".join(step.fields), source)
    return table


def _kind(kind: str) -> str:
    found = documents().get(kind)
    return found.name_zh if found is not None else kind


def _at(at: Timestamp) -> str:
    return f"{at.ToDatetime(tzinfo=UTC).astimezone(BEIJING):%Y-%m-%d %H:%M}"


def _row(table: Table, *cells: str | Text) -> None:
    """Add a row in which what people wrote is shown as it is, whatever marks it holds."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
