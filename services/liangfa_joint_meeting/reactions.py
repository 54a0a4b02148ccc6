"""What this service learns of cases and transfers: events of two other services in, rows for agendas and figures out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting import transfer_reactions
from liangfa_joint_meeting.tables import cases_seen
from liangfa_kit.messaging import topics
from liangfa_kit.messaging.events import Event
from liangfa_kit.work import Need, Work

TOPICS = (topics.ENFORCEMENT_RECORD.name, transfer_reactions.TOPIC)
_PACKAGE = "liangfa_protos.enforcement_record.v1."
_KNOWN = frozenset({"CaseRegistered", "CrimeSuspected", "CrimeCleared", "HitReviewed"})


class Learning:
    """The reactions of joint_meeting to what enforcement_record and case_transfer publish."""

    tables: Sequence[sa.Table] = (cases_seen, *transfer_reactions.TABLES)

    def needs(self, event: Event) -> Sequence[Need]:
        """Return the case's row, or those of the transfer."""
        if event.type.startswith(transfer_reactions.PACKAGE):
            return transfer_reactions.needs(event)
        if _name(event) not in _KNOWN:
            return ()
        return (Need(cases_seen, "case_id", (event.stream.removeprefix("case/"),)),)

    def streams(self, event: Event) -> Sequence[str]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a read model appends to no stream."""
        return ()

    def handle(self, event: Event, work: Work) -> None:
        """Apply one event; others are passed over."""
        if event.type.startswith(transfer_reactions.PACKAGE):
            transfer_reactions.handle(event, work)
            return
        name = _name(event)
        if name not in _KNOWN:
            return
        message: Any = event.message
        case_id = event.stream.removeprefix("case/")
        before = work.row(cases_seen, case_id)
        if name == "CaseRegistered":
            work.save(cases_seen, _row(message.case, case_id, event))
        elif name == "CrimeSuspected":
            offences = message.screening.offences
            seen = before or _row(message.case, case_id, event)
            told = {"offence_name_zh": offences[0].name_zh if offences else "", "suspected_at": event.at_micros}
            told |= {"is_cumulative": message.screening.is_cumulative}
            work.save(cases_seen, {**seen, "is_suspected": True, **told})
        elif before is not None and (name == "CrimeCleared" or not message.verdict.accepted):
            work.save(cases_seen, {**before, "is_suspected": False})


def _name(event: Event) -> str:
    return event.type.removeprefix(_PACKAGE)


def _row(case: Any, case_id: str, event: Event) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "agency_id": case.agency_id,
        "region": case.region,
        "registered_at": event.at_micros,
        "is_suspected": False,
        "is_cumulative": False,
        "suspected_at": None,
        "offence_name_zh": "",
    }
