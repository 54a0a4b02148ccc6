"""SupervisionService: the live feed, alerts, statistics. Translation only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from liangfa_kit.clock import Clock, beijing_date, from_micros
from liangfa_kit.context import current
from liangfa_kit.errors import Invalid, Precondition
from liangfa_kit.paging import from_token, to_token
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_procedure.steps import Procedure, Scope
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceServicer
from liangfa_supervision import progress_queries, queries
from liangfa_supervision.authority import narrowed
from liangfa_supervision.hub import Hub
from liangfa_supervision.viewing import VIEW_CASE_FEED, ViewCaseFeed, require_purpose

_MOST_KINDS = 50
_DIMENSIONS = {
    pb.STATISTICS_DIMENSION_UNSPECIFIED: "total",
    pb.STATISTICS_DIMENSION_AGENCY: "agency",
    pb.STATISTICS_DIMENSION_REGION: "region",
    pb.STATISTICS_DIMENSION_MONTH: "month",
    pb.STATISTICS_DIMENSION_FIELD: "field",
    pb.STATISTICS_DIMENSION_OFFENCE: "offence",
}


_FUNNEL_DIMENSIONS = {
    pb.FUNNEL_DIMENSION_UNSPECIFIED: "total",
    pb.FUNNEL_DIMENSION_AGENCY: "agency",
    pb.FUNNEL_DIMENSION_POLICE: "police",
    pb.FUNNEL_DIMENSION_MONTH: "month",
}
_SECOND = 1_000_000


class CursorUnknown(Precondition):
    """The feed has no such cursor yet: waiting for it would silently pass over everything until then."""

    reason = "CURSOR_UNKNOWN"

    def __init__(self, cursor: int, newest: int) -> None:
        super().__init__(
            f"The feed ends at {newest}; there is no cursor {cursor}. It was restored or rebuilt since you read it.",
            message_zh=f"动态流当前止于 {newest}，没有游标 {cursor}：数据可能已恢复或重建。",
            remedy="Watch from the beginning (0), or only what is new (-1).",
            cursor=cursor,
            newest=newest,
        )


class SupervisionServicer(SupervisionServiceServicer):
    """Answers from the read models; `Watch` answers with bytes that were encoded once."""

    def __init__(self, store: Store, train: Train, hub: Hub, clock: Clock) -> None:
        self._store = store
        self._train = train
        self._hub = hub
        self._clock = clock

    async def Watch(self, request: pb.WatchRequest, _context: Any) -> AsyncIterator[bytes]:  # type: ignore[override]  # serialised WatchResponses, see serving.py
        """Stream feed items after the cursor, stored ones first, then live."""
        wanted = narrowed(
            current().caller,
            region=request.region,
            agency_id=request.agency_id,
            kinds=_kinds(request.kinds),
            least_severity=request.least_severity,
            case_id=request.case_id,
        )
        if request.after_cursor > self._hub.newest:
            newest = await self._store.read(queries.newest_cursor)
            if request.after_cursor > newest:
                raise CursorUnknown(request.after_cursor, newest)
        async for message in self._hub.watch(wanted, request.after_cursor):
            yield message

    async def ListAlerts(self, request: pb.ListAlertsRequest, _context: Any) -> pb.ListAlertsResponse:
        """Read alerts, most severe and oldest first."""
        wanted = narrowed(
            current().caller, region=request.region, agency_id=request.agency_id, kinds=_kinds(request.kinds)
        )
        size = min(request.page_size, 200) if request.page_size > 0 else 50
        after = _alert_place(request.page_token)
        rows, total = await self._store.read(
            lambda c: queries.alert_page(c, wanted, include_closed=request.include_closed, after=after, limit=size + 1)
        )
        last = rows[size - 1] if len(rows) > size else None
        return pb.ListAlertsResponse(
            alerts=[self._alert(row) for row in rows[:size]],
            next_page_token=to_token(last.severity, last.raised_at, last.id) if last else "",
            total=total,
        )

    def _alert(self, row: Any) -> pb.Alert:
        raised = from_micros(row.raised_at)
        alert = pb.Alert(
            id=row.id,
            kind=row.kind,
            severity=row.severity,
            open_days=(beijing_date(self._clock.now()) - beijing_date(raised)).days,
            case_id=row.case_id,
            title=row.title,
            region=row.region,
            agency_id=row.agency_id,
            agency_name=row.agency_name,
            text_zh=row.text_zh,
            text_en=row.text_en,
            offence_id=row.offence_id,
            offence_name_zh=row.offence_name_zh,
            closed=row.is_closed,
        )
        alert.raised_at.FromDatetime(raised)
        return alert

    async def GetAlertCounts(self, request: pb.GetAlertCountsRequest, _context: Any) -> pb.GetAlertCountsResponse:
        """Count open alerts by kind and severity."""
        wanted = narrowed(current().caller, region=request.region, agency_id=request.agency_id)
        rows = await self._store.read(lambda c: queries.alert_counts(c, wanted))
        counts = [pb.AlertCount(kind=row.kind, severity=row.severity, open=row.open) for row in rows]
        for count, row in zip(counts, rows, strict=True):
            count.oldest_raised_at.FromDatetime(from_micros(row.oldest))
        return pb.GetAlertCountsResponse(counts=counts)

    async def GetStatistics(self, request: pb.GetStatisticsRequest, _context: Any) -> pb.GetStatisticsResponse:
        """Count cases by a dimension."""
        wanted = narrowed(current().caller, region=request.region)
        dimension = _DIMENSIONS.get(request.dimension, "total")
        months = (request.month_from, request.month_to)
        rows = await self._store.read(lambda c: queries.statistics(c, wanted, dimension, months))
        return pb.GetStatisticsResponse(lines=[_statistics_line(row) for row in rows])

    async def GetCaseFeed(self, request: pb.GetCaseFeedRequest, _context: Any) -> pb.GetCaseFeedResponse:
        """Read the feed items of one case, oldest first; every page is journalled before it is answered."""
        wanted = narrowed(current().caller, case_id=request.case_id)
        size = min(request.page_size, 500) if request.page_size > 0 else 100
        after = from_token(request.page_token, int)[0] if request.page_token else 0
        rows = await self._store.read(lambda c: queries.feed_page(c, wanted, after, size + 1))
        if rows:
            call, agency_ids = current().command(""), {row.agency_id for row in rows}
            require_purpose(call.actor, agency_ids, request.purpose)
            view = ViewCaseFeed(request.case_id, min(agency_ids), request.purpose)
            await self._train.execute(VIEW_CASE_FEED, view, call)
        return pb.GetCaseFeedResponse(
            items=[pb.FeedItem.FromString(row.item) for row in rows[:size]],
            next_page_token=to_token(rows[size - 1].cursor) if len(rows) > size else "",
        )

    async def GetFunnel(self, request: pb.GetFunnelRequest, _context: Any) -> pb.GetFunnelResponse:
        """Count how far transfers have come."""
        wanted = narrowed(current().caller, region=request.region, agency_id=request.agency_id)
        dimension = _FUNNEL_DIMENSIONS.get(request.dimension, "total")
        months = (request.month_from, request.month_to)
        rows = await self._store.read(lambda c: progress_queries.funnel(c, wanted, dimension, months))
        hits = await self._store.read(lambda c: progress_queries.suspected(c, wanted, dimension, months))
        return pb.GetFunnelResponse(lines=_funnel_lines(rows, hits))

    async def GetTimeInState(self, request: pb.GetTimeInStateRequest, _context: Any) -> pb.GetTimeInStateResponse:
        """Tell how long transfers lay in each state with each organisation."""
        wanted = narrowed(current().caller, region=request.region, agency_id=request.agency_id)
        rows = await self._store.read(
            lambda c: progress_queries.time_in_state(c, wanted, request.organisation_id, request.state)
        )
        order = list(Procedure.load().states[Scope.TRANSFER])
        place = {state: n for n, state in enumerate(order)}
        rows = sorted(rows, key=lambda row: (row.organisation_id, place.get(row.state, len(order))))
        return pb.GetTimeInStateResponse(lines=map(_time_line, rows))


def _kinds(kinds: Iterable[int]) -> frozenset[int]:
    """Return the kinds asked for; far more than there are would only burden the database."""
    found = frozenset(kinds)
    if len(found) > _MOST_KINDS:
        raise Invalid(
            f"{len(found)} kinds were asked for; there are not that many.",
            message_zh=f"类型条件过多（{len(found)} 项）。",
            remedy=f"Ask for at most {_MOST_KINDS} kinds, or for none to get all.",
            reason="TOO_MANY",
        )
    return found


def _alert_place(token: str) -> tuple[int, int, str] | None:
    if not token:
        return None
    severity, raised_at, key = from_token(token, int, int, str)
    return severity, raised_at, key


def _funnel_lines(rows: Sequence[Any], hits: dict[str, tuple[str, int]]) -> list[pb.FunnelLine]:
    """Join transfers and suspected cases; who has suspected cases and no transfer has a line too, after the others."""
    lines = [pb.FunnelLine(**{**row._mapping, "name": row.name or row.key}) for row in rows]  # noqa: SLF001 - SQLAlchemy's
    for line in lines:
        line.suspected = hits.get(line.key, ("", 0))[1]
    known = {line.key for line in lines}
    alone = (pb.FunnelLine(key=key, name=hits[key][0] or key, suspected=hits[key][1]) for key in sorted(hits))
    return [*lines, *(line for line in alone if line.key not in known)]


def _time_line(row: Any) -> pb.TimeInStateLine:
    left = int(row.left)
    line = pb.TimeInStateLine(
        organisation_id=row.organisation_id,
        organisation_name=row.organisation_name,
        state=row.state,
        left=left,
        mean_seconds=int(row.spent) // left // _SECOND if left else 0,
        longest_seconds=int(row.longest) // _SECOND,
        here=int(row.here),
    )
    if row.oldest is not None:
        line.oldest_since.FromDatetime(from_micros(int(row.oldest)))
    return line


def _statistics_line(row: Any) -> pb.StatisticsLine:
    whole, rest = divmod(int(row.fine_hao), 10_000)
    return pb.StatisticsLine(
        key=row.key,
        name=row.name or row.key,
        cases=row.cases,
        decisions=row.decisions,
        suspected=row.suspected,
        near_misses=row.near_misses,
        late_entries=row.late_entries,
        fines_yuan=f"{whole}.{rest:04d}".rstrip("0").rstrip("."),
    )
