"""Write docs/asyncapi.yaml from the code: the declared topics, the events' protos, the headers that carry them.

`python scripts/generate_asyncapi.py` writes it, `--check` only says whether it is as the code says.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor import FileDescriptor

from liangfa_kit.messaging.topics import TOPICS, Topic

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "asyncapi.yaml"
REPLICATION = 3
HEADERS = {
    "ce_specversion": "CloudEvents version, always 1.0.",
    "ce_id": "Identity of the event, a UUIDv7.",
    "ce_source": "Service that recorded it.",
    "ce_type": "Full name of the protobuf message in the value.",
    "ce_subject": "Stream of the entity, as in the key.",
    "ce_time": "When the command was committed: RFC 3339, UTC.",
    "ce_datacontenttype": "Always application/protobuf.",
    "ce_position": "Position in the journal of its service: from 1, without gaps. A repeated one has no second effect.",
    "ce_streamversion": "Version of the stream: from 1, without gaps.",
    "ce_schemaversion": "Version of the journal entry's form.",
    "ce_actor": "Who acted and for whom: JSON in ASCII.",
    "traceparent": "W3C trace context of the command. Absent when it had none.",
}
ABOUT = """\
What the services of Liangfa tell each other. Every topic has one owner, which alone publishes its journal there.
Messages are CloudEvents 1.0 in Kafka's binary mode: attributes in headers, a protobuf message in the value, the
entity's stream in the key. One entity's events keep their order; an event may come twice and is known by its position.
"""


def document() -> dict[str, Any]:
    """Return the document as the code says it is."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in TOPICS:
        events = _events(topic)
        messages |= {_key(topic, name): _message(topic, name, text) for name, text in events.items()}
        channels[topic.owner] = _channel(topic, list(events))
        operations[f"publish_{topic.owner}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{topic.owner}"},
            "summary": f"The relay of {topic.owner} publishes its journal.",
        }
    headers = {name: {"type": "string", "description": text} for name, text in HEADERS.items()}
    required = [name for name in HEADERS if name != "traceparent"]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Liangfa events",
            "version": "1",
            "description": " ".join(ABOUT.split()),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/protobuf",
        "servers": {
            "kafka": {
                "host": "{servers}",
                "protocol": "kafka-secure",
                "description": "The brokers that LIANGFA_KAFKA__SERVERS names. A topic's name follows the prefix, if there is one.",
                "variables": {"servers": {"default": "localhost:9092"}},
                "security": [{"type": "scramSha512"}],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {"headers": {"type": "object", "properties": headers, "required": required}},
        },
    }


def _channel(topic: Topic, events: list[str]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"The journal of {topic.owner}, for ever." if topic.retention is None else topic.name,
        "messages": {name: {"$ref": f"#/components/messages/{_key(topic, name)}"} for name in events},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": REPLICATION,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(topic.settings(REPLICATION)["retention.ms"]),
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(topic: Topic, name: str, text: str) -> dict[str, Any]:
    package = f"liangfa_protos.{topic.owner}.v1"
    return {
        "name": f"{package}.{name}",
        "summary": text,
        "contentType": "application/protobuf",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {
            "schemaFormat": "application/vnd.google.protobuf;version=3",
            "schema": {"$ref": f"../protos/{package.replace('.', '/')}/events.proto"},
        },
        "bindings": {
            "kafka": {"key": {"type": "string", "description": "Stream, <entity>/<id>."}, "bindingVersion": "0.5.0"}
        },
    }


def _events(topic: Topic) -> dict[str, str]:
    """Return the events of a topic's owner with their comments: the messages of events.proto that are no part of others."""
    module = importlib.import_module(f"liangfa_protos.{topic.owner}.v1.events_pb2")
    file: FileDescriptor = module.DESCRIPTOR
    declared = file.message_types_by_name
    parts = {
        field.message_type.full_name for message in declared.values() for field in message.fields if field.message_type
    }
    names = [name for name, message in declared.items() if message.full_name not in parts]
    source = (ROOT / "protos" / file.name).read_text(encoding="utf-8")
    return {name: _comment(source, name) for name in names}


def _comment(source: str, name: str) -> str:
    found = re.search(rf"((?:^//[^\n]*\n)+)message {name} \{{", source, re.MULTILINE)
    return " ".join(line.removeprefix("//").strip() for line in found[1].splitlines()) if found else ""


def _key(topic: Topic, name: str) -> str:
    return f"{topic.owner}.{name}"


def text() -> str:
    """Return the document's text."""
    head = "# Generated from the code by scripts/generate_asyncapi.py: change that, or the topics, or the protos.\n"
    return head + yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=140)


def main() -> int:
    """Write or check the document; return 1 when it is not as the code says."""
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text(), encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text():
        return 0
    print("docs/asyncapi.yaml is not as the code says: run `make protos`, then commit it.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
