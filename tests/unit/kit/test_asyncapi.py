"""docs/asyncapi.yaml says what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from liangfa_kit.journal import Entry
from liangfa_kit.messaging.events import to_message
from liangfa_kit.messaging.topics import TOPICS

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))


def test_the_document_is_as_the_topics_and_protos_say() -> None:
    """Generated anew it is the same: every topic with its partitions, every event with its comment."""
    command = [sys.executable, "scripts/generate_asyncapi.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_topic_is_a_channel_with_messages() -> None:
    """No topic without its address, its partitions and at least one message, all of them described."""
    channels = DOCUMENT["channels"].values()
    found = {channel["address"]: channel["bindings"]["kafka"]["partitions"] for channel in channels}
    assert found == {topic.name: topic.partitions for topic in TOPICS}
    assert all(channel["messages"] for channel in channels)
    assert all(message["summary"] for message in DOCUMENT["components"]["messages"].values())


def test_the_headers_are_those_that_the_relay_sends() -> None:
    """Neither one more nor one less; without a trace, all but the trace."""
    schema = DOCUMENT["components"]["schemas"]["headers"]
    entry = Entry(
        position=1, id="e", stream="case/1", version=1, type="t", schema_version=1, at_micros=0, actor="{}",
        request_id=None, traceparent="00-aa-bb-01", payload=b"", digest="sha256", previous_hash=b"", hash=b"",
    )  # fmt: skip
    assert set(to_message(entry, "s").headers) == set(schema["properties"])
    assert set(to_message(entry, "s").headers) - {"traceparent"} == set(schema["required"])
