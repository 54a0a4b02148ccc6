"""Brokers for tests: what is opened in a folder that holds a note is on Kafka, else in the local log.

So builders that are given a folder open either, in the processes that a test starts too.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import orjson

from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.kafka import KafkaBroker
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.messaging.topics import TOPICS, Topic
from liangfa_kit.settings import Kafka

_NOTE = "kafka.json"


def fresh(servers: str, **settings: object) -> Kafka:
    """Return settings that share nothing with another test on the same cluster."""
    given: dict[str, object] = {
        "servers": servers,
        "prefix": f"test-{uuid.uuid4().hex[:12]}.",
        "replication": 1,
        "publish_seconds": 10,
        "session_seconds": 6,
    }
    return Kafka.model_validate(given | settings)


def put_on_kafka(folder: Path, settings: Kafka) -> None:
    """Let everything under `folder` send its events over Kafka."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _NOTE).write_text(settings.model_dump_json(exclude={"password"}))


def kafka_of(folder: Path) -> Kafka:
    """Return the settings of the log of a platform in `folder`."""
    notes = (place / _NOTE for place in (folder, *folder.parents))
    found = next((note for note in notes if note.exists()), None)
    return Kafka.model_validate(orjson.loads(found.read_bytes())) if found else Kafka()


def open_broker(folder: Path, topics: Sequence[Topic] = TOPICS) -> Broker:
    """Return the broker of a platform in `folder`."""
    settings = kafka_of(folder)
    return KafkaBroker(settings, topics) if settings.servers else LocalBroker(folder / "events.sqlite3")
