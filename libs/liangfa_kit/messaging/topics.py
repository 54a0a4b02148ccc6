"""Every topic of the platform, declared once: the Kafka log makes them from this, docs/asyncapi.yaml is held to it.

The number of partitions never changes: another number would send an entity's later events to another partition, past
its earlier ones. A topic that needs more is declared anew as `.v2`, and its relay publishes the journal into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and who alone publishes to it. Without `retention` messages stay for ever: a rebuild reads them all."""

    name: str
    owner: str
    partitions: int = 12
    retention: timedelta | None = None
    max_message_bytes: int = 8 << 20

    def settings(self, replication: int) -> dict[str, str]:
        """Return the topic's settings on a Kafka cluster that keeps `replication` copies."""
        retention = -1 if self.retention is None else int(self.retention / timedelta(milliseconds=1))
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(retention),
            "retention.bytes": "-1",
            "min.insync.replicas": str(max(1, replication - 1)),
            "max.message.bytes": str(self.max_message_bytes),
            "unclean.leader.election.enable": "false",
        }


ENFORCEMENT_RECORD = Topic("liangfa.enforcement_record.v1", owner="enforcement_record")
CASE_TRANSFER = Topic("liangfa.case_transfer.v1", owner="case_transfer", partitions=6)
JOINT_MEETING = Topic("liangfa.joint_meeting.v1", owner="joint_meeting", partitions=3)
SUPERVISION = Topic("liangfa.supervision.v1", owner="supervision", partitions=3)

TOPICS = (ENFORCEMENT_RECORD, CASE_TRANSFER, JOINT_MEETING, SUPERVISION)
"""All of them."""
