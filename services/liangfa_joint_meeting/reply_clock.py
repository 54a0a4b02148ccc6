"""The limit for a written answer to a consultation, and when to speak of it: the procedure's rule and its counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from liangfa_kit.clock import to_micros
from liangfa_procedure.clocks import Calendar, due
from liangfa_procedure.rules import Rule, Rules
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb

RULE_ID = "consultation_written_reply"


@dataclass(frozen=True, slots=True)
class Limit:
    """When an answer is too late and when the unit is reminded, microseconds UTC; and how that was counted."""

    due_at: int
    remind_at: int
    told: pb.LegalLimit


def _reply_rule() -> Rule:
    return Rules.load().rule(RULE_ID)


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """How long a unit has for a written answer; another `rule` or `calendar` is an operator's."""

    rule: Rule = field(default_factory=_reply_rule)
    calendar: Calendar = field(default_factory=Calendar)

    def limit(self, received: datetime) -> Limit:
        """Return the limit of a question received at an aware instant."""
        rule, counted = self.rule, due(self.rule, received, self.calendar)
        if counted.due_at is None:
            raise ValueError(f"{rule.id} gives no limit")
        told = pb.LegalLimit(
            rule_id=rule.id,
            duration=str(rule.duration),
            legal_source=rule.source,
            article=rule.article,
            confidence=rule.confidence,
            explanation_zh=counted.explanation_zh,
            explanation_en=counted.explanation_en,
            warnings=counted.warnings,
        )
        return Limit(to_micros(counted.due_at), to_micros(counted.warn_at or counted.due_at), told)
