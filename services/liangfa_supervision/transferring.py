"""What supervision says of case_transfer's events: a line for the feed, and which alerts it raises or closes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from liangfa_kit.clock import BEIJING
from liangfa_procedure.escalation import recipients
from liangfa_procedure.suspicion import Suspicion, suspicion_after
from liangfa_protos.case_transfer.v1 import events_pb2, transfer_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_supervision.wording import Wording

PACKAGE = f"{events_pb2.DESCRIPTOR.package}."
_NOT_RUNNING = {transfer_pb2.CLOCK_STATE_STOPPED, transfer_pb2.CLOCK_STATE_MOOT}
_SIDES = {
    "agency": ("行政执法机关", "the agency"), "police": ("公安机关", "the police"),
    "procuratorate": ("检察机关", "the procuratorate"), "court": ("法院", "the court"), "party": ("当事人", "the party"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One event as supervisors see it. `missed` is the clock whose alert is raised, or raised further; empty for none."""

    kind: pb.FeedKind.ValueType
    severity: pb.Severity.ValueType
    words: Wording
    missed: str = ""


def line(name: str, message: Any) -> Line | None:
    """Return what the event `name` says; None for what supervisors need not see (a window that has simply passed)."""
    if name == "TransferOpened":
        offences = "、".join(message.transfer.offences)
        words = Wording(f"启动移送程序：{offences}", f"Transfer opened: {offences}")
        return Line(pb.FEED_KIND_TRANSFER_OPENED, pb.SEVERITY_NOTICE, words)
    if name == "StepTaken":
        return Line(pb.FEED_KIND_TRANSFER_STEP, pb.SEVERITY_INFO, _step(message))
    if name == "ReceiptSigned":
        receipt = message.receipt
        words = Wording(
            f"签收：{receipt.receiver.name}签收{receipt.sender.name}第 {receipt.number} 号回执",
            f"Signed for: {receipt.receiver.name}, receipt {receipt.number} of {receipt.sender.name}",
        )
        return Line(pb.FEED_KIND_RECEIPT_SIGNED, pb.SEVERITY_INFO, words)
    return _of_clock(name, message)


def _of_clock(name: str, message: Any) -> Line | None:
    clock = message.clock if name.startswith("Clock") else transfer_pb2.Clock()
    if not clock.id or (clock.use == "window" and name != "ClockMissed"):
        return None
    owes_zh, owes_en = _SIDES.get(clock.owes, (clock.owes, clock.owes))
    doubt = {"confirmed": "", "product": "，条文未定时限，平台默认"}.get(clock.confidence, "，待核实")
    source = f"{clock.source}{clock.article}{doubt}"
    until = (
        clock.last_day or f"{clock.due_at.ToDatetime(tzinfo=UTC).astimezone(BEIJING):%Y-%m-%d %H:%M}"
    )  # China's time
    tails = (f"{owes_zh}，{clock.title_zh}，{until}（{source}）", f"{owes_en}, {clock.title_en}, {until}")
    kinds: dict[str, tuple[pb.FeedKind.ValueType, pb.Severity.ValueType, str, str]] = {
        "ClockWarned": (pb.FEED_KIND_CLOCK_WARNED, pb.SEVERITY_NOTICE, "期限将至", "A limit is near"),
        "ClockLastDay": (pb.FEED_KIND_CLOCK_LAST_DAY, pb.SEVERITY_NOTICE, "今日到期", "The last day of a limit"),
        "ClockMissed": (pb.FEED_KIND_CLOCK_MISSED, pb.SEVERITY_WARNING, "逾期", "A limit was missed"),
        "ClockEscalated": (
            pb.FEED_KIND_CLOCK_ESCALATED,
            pb.SEVERITY_CRITICAL,
            "逾期未办，提请上级关注",
            "Missed still",
        ),
        "ClockLapsed": (pb.FEED_KIND_CLOCK_LAPSED, pb.SEVERITY_INFO, "期限届满未行使", "An option has closed"),
        "ClockExtended": (pb.FEED_KIND_CLOCK_EXTENDED, pb.SEVERITY_NOTICE, "延长期限", "A limit was extended"),
        "ClockRecounted": (pb.FEED_KIND_CLOCK_EXTENDED, pb.SEVERITY_INFO, "期限重新计算", "A limit was counted anew"),
    }
    kind, severity, zh, en = kinds[name]
    missed = clock.id if name in {"ClockMissed", "ClockEscalated"} else ""
    told_zh, told_en = _told(message.recipients if hasattr(message, "recipients") else ())
    return Line(kind, severity, Wording(f"{zh}：{tails[0]}{told_zh}", f"{en}: {tails[1]}{told_en}"), missed)


def _told(names: Sequence[str]) -> tuple[str, str]:
    """Return who was told, in words; a name that this version does not know stands as it is."""
    if not names:
        return "", ""
    known = recipients()
    found = [known.get(name) for name in names]
    zh = "、".join(one.name_zh if one else name for one, name in zip(found, names, strict=True))
    en = ", ".join(one.name_en if one else name for one, name in zip(found, names, strict=True))
    return f"；告知{zh}", f"; told: {en}"


def _step(message: Any) -> Wording:
    step, by = message.step, message.step.by
    late = "（补录）" if step.entered_at.ToMicroseconds() - step.happened_at.ToMicroseconds() > 86_400_000_000 else ""
    who = {
        message.transfer.sender.id: message.transfer.sender.name,
        message.transfer.receiver.id: message.transfer.receiver.name,
    }
    name = who.get(by.agency_id, message.transfer.supervisor.name)
    return Wording(f"移送步骤：{name}，{step.name_zh}{late}", f"Transfer step: {name}, {step.name_en}")


def ended_clocks(name: str, message: Any) -> list[str]:
    """Return the clocks that the event says have ended, or were given more time: alerts of theirs close."""
    if name == "ClockExtended":
        return [message.clock.id]
    clocks = message.clocks if name in {"StepTaken", "ReceiptSigned"} else ()
    return [clock.id for clock in clocks if clock.state in _NOT_RUNNING]


def suspicion(name: str, message: Any) -> Suspicion | None:
    """Return what the event says of the suspicion, None for nothing new."""
    if name == "TransferOpened":
        return Suspicion.STANDS
    if name != "StepTaken":
        return None
    step = message.step
    return suspicion_after(step.step, step.suspect_id, step.from_state, step.to_state)
