"""Which log of events a process uses: Kafka when the settings name brokers, else the file in the storage folder."""

from __future__ import annotations

from pathlib import Path

from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.settings import PlatformSettings


def open_broker(settings: PlatformSettings) -> Broker:
    """Return the broker that `settings` name. Kafka is connected to by the first publication or subscription."""
    if settings.kafka.servers:
        from liangfa_kit.messaging.kafka import KafkaBroker  # an embedded platform does not pay for its client

        return KafkaBroker(settings.kafka)
    return LocalBroker(log_path(settings.storage.folder))


def log_path(folder: Path) -> Path:
    """Return the file of the embedded log within the platform's folder."""
    return folder / "events" / "events.sqlite3"
