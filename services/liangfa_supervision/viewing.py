"""Noting who read the feed of a case, and why: in supervision's own journal, whose chain `liangfa verify` checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from liangfa_kit.errors import Invalid
from liangfa_kit.identity import Actor
from liangfa_kit.work import Handler, Work
from liangfa_protos.supervision.v1 import events_pb2
from liangfa_protos.supervision.v1 import supervision_service_pb2 as pb

MAX_PURPOSE = 500


@dataclass(frozen=True, slots=True)
class ViewCaseFeed:
    """Note that the actor read the feed of a case of `agency_id`."""

    case_id: str
    agency_id: str
    purpose: str


def _view(command: ViewCaseFeed, work: Work) -> pb.GetCaseFeedResponse:
    event = events_pb2.CaseFeedViewed(case_id=command.case_id, agency_id=command.agency_id, purpose=command.purpose)
    work.record(_stream(command), event)
    return pb.GetCaseFeedResponse()


def _stream(command: ViewCaseFeed) -> str:
    return f"view/{command.case_id}"


VIEW_CASE_FEED = Handler("ViewCaseFeed", _view, pb.GetCaseFeedResponse, streams=lambda c: (_stream(c),))


def require_purpose(actor: Actor, agency_ids: Iterable[str], purpose: str) -> None:
    """Raise `Invalid` when a stranger to the case gives no purpose (PURPOSE_REQUIRED), or one too long to be kept."""
    if len(purpose) > MAX_PURPOSE:
        raise Invalid(
            f"A purpose has at most {MAX_PURPOSE} characters.",
            message_zh=f"查看目的最多 {MAX_PURPOSE} 个字符。",
            remedy="Say it shorter.",
            reason="TEXT_TOO_LONG",
        )
    if not purpose.strip() and any(agency_id != actor.agency_id for agency_id in agency_ids):
        raise Invalid(
            "Reading another agency's case needs a purpose.",
            message_zh="查看其他机关的案件须说明目的。",
            remedy="Say in `purpose` why you read it; it is journalled.",
            reason="PURPOSE_REQUIRED",
        )
