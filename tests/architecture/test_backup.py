"""A backup leaves nothing out, however it is made, and copies who consumes before whom it consumes."""

from __future__ import annotations

import re
from pathlib import Path

import liangfa_joint_meeting.reactions as meeting_reactions
import liangfa_joint_meeting.wiring as meeting_wiring
import liangfa_supervision.wiring as supervision_wiring
from liangfa_cli.backing_up import CONSUMERS_FIRST
from liangfa_cli.journals import FILES
from liangfa_cli.platform import SERVICES
from liangfa_kit.messaging.topics import TOPICS

ROOT = Path(__file__).parents[2]
FOLDERS = (*(f"{name}/files" for name in FILES), "case_transfer/keys", "identity")
"""What a platform on PostgreSQL keeps outside of its database, and cannot make again."""


def test_the_documented_commands_name_every_folder_of_files() -> None:
    """What the documentation leaves out is in nobody's backup."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^cp -a --parents (.*) COPY", text, re.MULTILINE)
    assert set(command.split()) == set(FOLDERS)


def test_every_service_is_copied_consumers_first() -> None:
    """A copy that knows of an event which its journal lacks would take the next one at that place for known."""
    order = [name for name, _ in CONSUMERS_FIRST]
    assert sorted(order) == sorted(SERVICES)
    owners = {topic.name: topic.owner for topic in TOPICS}
    for consumer, topics in (
        (supervision_wiring.NAME, supervision_wiring.TOPICS),
        (meeting_wiring.NAME, meeting_reactions.TOPICS),
    ):
        followed = {owners[topic] for topic in topics} - {consumer}
        assert followed
        assert all(order.index(consumer) < order.index(owner) for owner in followed)
