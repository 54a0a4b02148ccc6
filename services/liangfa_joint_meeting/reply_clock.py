"""The limit for a written answer to a consultation, and when to speak of it. Pure: time comes in as an argument.

Rule `consultation_written_reply`: seven natural days, the day of receipt not counted, a last day that is no working day
moved to the next one (关于在行政执法中及时移送涉嫌犯罪案件的意见（高检会〔2006〕2号）第五条; confidence: single source).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from liangfa_kit.clock import BEIJING, beijing_date, to_micros
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_standards.working_days import YearNotPublished, next_working_day

RULE_ID = "consultation_written_reply"


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """How long a unit has for a written answer. `remind_before` is a product default: no text gives one."""

    days: int = 7
    remind_before: timedelta = timedelta(days=2)

    def due_at(self, received: datetime) -> int:
        """Return the first instant that is too late, in microseconds UTC: midnight in Beijing after the last day.

        Where the holidays of its year are not published yet, the last day is not moved: nobody is told a day too late.
        """
        last = beijing_date(received) + timedelta(days=self.days)
        with suppress(YearNotPublished):
            last = next_working_day(last)
        return to_micros(datetime.combine(last + timedelta(days=1), time(), BEIJING))

    def remind_at(self, due_at: int) -> int:
        """Return when the unit is reminded, in microseconds UTC."""
        return due_at - self.remind_before // timedelta(microseconds=1)

    def limit(self) -> pb.LegalLimit:
        """Return the limit with its source, as every reader may check it."""
        return pb.LegalLimit(
            rule_id=RULE_ID,
            duration=f"P{self.days}D",
            legal_source="关于在行政执法中及时移送涉嫌犯罪案件的意见（高检会〔2006〕2号）",
            article="第五条；高检发释字〔2021〕4号第十三条；环环监〔2017〕17号第二十四条",
            confidence="single_source",
        )
