"""What the data bring to a meeting: figures of the period, and items by unit that name no case.

Members see how many matters of a unit are open, not which: a case is opened to others by a consultation only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from liangfa_joint_meeting.queries.meeting import rule_of
from liangfa_joint_meeting.tables import (
    cases_seen,
    consultations,
    limits_seen,
    reply_clocks,
    steps_seen,
    transfers_seen,
    units,
)
from liangfa_kit.identity import Actor
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb

_DAY_MICROS = 86_400_000_000
REFUSED = "not_filed"
DISPUTED = (
    "reconsideration", "refusal_upheld", "filing_supervision", "explanation_due", "explained", "reasons_hold",
    "notice_to_file", "delay_supervision", "delay_explanation_due", "delay_explained",
)  # fmt: skip
"""States of a transfer in which the sides differ: a reading of this product, for agendas alone."""
_REACHED = {"delivered": "transferred", "filed": "filed", REFUSED: "refused"}
_TITLES_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the data bring to a meeting."""

    items: list[pb.AgendaItem]
    figures: list[pb.UnitFigures]


def prepared(connection: sa.Connection, region: str, caller: Actor, now: int) -> Prepared:
    """Return figures since the last meeting and what is open now. Raises `NotAMember`."""
    row, rule = rule_of(connection, region, caller)
    lines = figures(connection, rule, row["last_meeting_at"], now)
    names = {line.unit_id: line.unit_name for line in lines}
    found = (_suspected, _transfers, _limits, _unanswered)
    return Prepared([item for part in found for item in part(connection, names, now)], lines)


def figures(connection: sa.Connection, rule: pb.MeetingRule, since: int, until: int) -> list[pb.UnitFigures]:
    """Return the figures of every member between two instants."""
    members = list(rule.member_unit_ids)
    names = dict(connection.execute(sa.select(units.c.id, units.c.name).where(units.c.id.in_(members))).tuples().all())
    lines = {key: pb.UnitFigures(unit_id=key, unit_name=names.get(key, key)) for key in members}
    seen = cases_seen.c
    suspected = sa.func.sum(sa.case((seen.is_suspected, 1), else_=0))
    for key, count, hits in connection.execute(
        sa.select(seen.agency_id, sa.func.count(), suspected)
        .where(seen.agency_id.in_(members), seen.registered_at >= since, seen.registered_at < until)
        .group_by(seen.agency_id)
    ):
        lines[key].cases, lines[key].suspected = count, int(hits or 0)
    asked = consultations.c
    for key, count in connection.execute(
        sa.select(asked.asker_unit_id, sa.func.count())
        .where(asked.asker_unit_id.in_(members), asked.asked_at >= since, asked.asked_at < until)
        .group_by(asked.asker_unit_id)
    ):
        lines[key].consultations_asked = count
    owed = reply_clocks.c
    in_time = sa.func.sum(sa.case((owed.answered_at < owed.due_at, 1), else_=0))
    for key, count, kept in connection.execute(
        sa.select(owed.unit_id, sa.func.count(), in_time)
        .where(owed.unit_id.in_(members), owed.started_at >= since, owed.started_at < until)
        .group_by(owed.unit_id)
    ):
        lines[key].answers_owed, lines[key].answers_in_time = count, int(kept or 0)
    _add_transfers(connection, lines, since, until)
    return [lines[key] for key in members]


def _add_transfers(connection: sa.Connection, lines: Mapping[str, pb.UnitFigures], since: int, until: int) -> None:
    """Add what happened to transfers, to the agency's line and to the police organ's; and the limits missed."""
    step, missed = steps_seen.c, limits_seen.c
    for unit in (step.agency_id, step.police_id):
        query = (
            sa.select(unit, step.reached, sa.func.count(step.transfer_id.distinct()))
            .where(unit.in_(list(lines)), step.happened_at >= since, step.happened_at < until)
            .where(step.reached.in_(list(_REACHED)))
            .group_by(unit, step.reached)
        )
        for key, reached, count in connection.execute(query):
            setattr(lines[key], _REACHED[reached], count)
    for key, count in connection.execute(
        sa.select(missed.owes_id, sa.func.count())
        .where(missed.owes_id.in_(list(lines)), missed.missed_at >= since, missed.missed_at < until)
        .group_by(missed.owes_id)
    ):
        lines[key].limits_missed = count


def _suspected(connection: sa.Connection, names: Mapping[str, str], now: int) -> Iterator[pb.AgendaItem]:
    """Yield, by agency, the suspected crimes that the police do not have."""
    seen, sent = cases_seen.c, transfers_seen.c
    is_transferred = sa.exists().where(
        sent.case_id == seen.case_id, sent.agency_id == seen.agency_id, sent.is_with_police.is_(True)
    )
    together = sa.func.sum(sa.case((seen.is_cumulative, 1), else_=0))
    query = (
        sa.select(seen.agency_id, sa.func.count(), sa.func.min(seen.suspected_at), together)
        .where(seen.agency_id.in_(list(names)), seen.is_suspected.is_(True))
        .where(sa.not_(is_transferred))
        .group_by(seen.agency_id)
        .order_by(seen.agency_id)
    )
    for key, count, since, hits in connection.execute(query):
        about = {"unit_id": key, "unit_name": names[key]}
        yield pb.AgendaItem(
            source=pb.ITEM_SOURCE_SUSPECTED,
            title=f"{names[key]}：疑似涉嫌犯罪尚未移送 {count} 件",
            text=f"最早一件已提示 {(now - since) // _DAY_MICROS} 天",
            **about,
        )
        if hits:
            title = f"{names[key]}：同一当事人累计数额达到立案追诉标准，尚未移送 {int(hits)} 件"
            yield pb.AgendaItem(source=pb.ITEM_SOURCE_CUMULATIVE, title=title, **about)


def _transfers(connection: sa.Connection, names: Mapping[str, str], _now: int) -> Iterator[pb.AgendaItem]:
    """Yield, by agency, the transfers that were refused and those about which the sides differ."""
    sent = transfers_seen.c
    query = (
        sa.select(sent.agency_id, sent.state, sa.func.count())
        .where(sent.agency_id.in_(list(names)), sent.state.in_([REFUSED, *DISPUTED]))
        .group_by(sent.agency_id, sent.state)
        .order_by(sent.agency_id, sent.state)
    )
    states = Procedure.load().states[Scope.TRANSFER]
    disputed: dict[str, Counter[str]] = {}
    for key, state, count in connection.execute(query):
        if state != REFUSED:
            disputed.setdefault(key, Counter())[states[state].name_zh] += count
            continue
        title = f"{names[key]}：移送后公安机关不予立案、尚未作后续处理 {count} 件"
        yield pb.AgendaItem(source=pb.ITEM_SOURCE_REFUSED, title=title, unit_id=key, unit_name=names[key])
    for key, counts in disputed.items():
        title = f"{names[key]}：移送存在分歧 {counts.total()} 件"
        yield pb.AgendaItem(
            source=pb.ITEM_SOURCE_DISPUTED, title=title, text=_listed(counts), unit_id=key, unit_name=names[key]
        )


def _limits(connection: sa.Connection, names: Mapping[str, str], _now: int) -> Iterator[pb.AgendaItem]:
    """Yield, by the unit that owes the step, the limits that are missed still; opinions apart."""
    missed = limits_seen.c
    query = (
        sa.select(missed.owes_id, missed.is_opinion, missed.title_zh, sa.func.count())
        .where(missed.owes_id.in_(list(names)), missed.is_missed_still.is_(True))
        .group_by(missed.owes_id, missed.is_opinion, missed.title_zh)
        .order_by(missed.owes_id, missed.is_opinion, missed.title_zh)
    )
    found: dict[tuple[str, bool], Counter[str]] = {}
    for key, is_opinion, title, count in connection.execute(query):
        found.setdefault((key, bool(is_opinion)), Counter())[title] = count
    for (key, is_opinion), counts in found.items():
        words = "检察意见逾期未办理或者未回复" if is_opinion else "法定期限逾期未办"
        yield pb.AgendaItem(
            source=pb.ITEM_SOURCE_OPINION if is_opinion else pb.ITEM_SOURCE_LIMIT_MISSED,
            title=f"{names[key]}：{words} {counts.total()} 件",
            text=_listed(counts),
            unit_id=key,
            unit_name=names[key],
        )


def _listed(counts: Counter[str]) -> str:
    """Return what is most frequent, with its count."""
    most = "；".join(f"{name} {count} 件" for name, count in counts.most_common(_TITLES_AT_MOST))
    rest = counts.total() - sum(count for _, count in counts.most_common(_TITLES_AT_MOST))
    return f"{most}；其他 {rest} 件" if rest else most


def _unanswered(connection: sa.Connection, names: Mapping[str, str], now: int) -> Iterable[pb.AgendaItem]:
    """Yield, by the unit that was asked, the written answers that are overdue."""
    owed = reply_clocks.c
    query = (
        sa.select(owed.unit_id, sa.func.count())
        .where(owed.unit_id.in_(list(names)), owed.ended_at.is_(None), owed.due_at <= now)
        .group_by(owed.unit_id)
        .order_by(owed.unit_id)
    )
    for key, count in connection.execute(query):
        title = f"{names[key]}：书面咨询逾期未答复 {count} 件"
        yield pb.AgendaItem(source=pb.ITEM_SOURCE_UNANSWERED, title=title, unit_id=key, unit_name=names[key])
