"""Topics are declared in one place: Kafka makes only those, and operators see only those."""

from __future__ import annotations

import re
from pathlib import Path

from liangfa_kit.messaging.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
LITERAL = re.compile(r"[\"'](liangfa\.[a-z_]+\.v\d+)[\"']")


def test_no_service_names_a_topic_that_is_not_declared() -> None:
    """A topic that messaging/topics.py does not know would work on the local log and fail on Kafka."""
    declared = {topic.name for topic in TOPICS}
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "services").rglob("*.py")
        for name in LITERAL.findall(path.read_text(encoding="utf-8"))
    }
    assert {(path, name) for path, name in found if name not in declared} == set()


def test_topics_have_one_owner_each_and_names_that_say_so() -> None:
    """`liangfa.<service>.v<n>`: the service is the owner, which alone publishes."""
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    for topic in TOPICS:
        assert re.fullmatch(rf"liangfa\.{topic.owner}\.v\d+", topic.name), topic
        assert (ROOT / "services" / f"liangfa_{topic.owner}").is_dir()
