"""The demonstration of transfers ends with an error when it has nothing to show, or what it shows is wrong."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from liangfa_cli.carrying import DemonstrationClock, show_transfers
from liangfa_kit.clock import SystemClock
from tests.terminal import terminal


def test_without_suspected_cases_the_demonstration_fails(tmp_path: Path) -> None:
    """Rather than to end as if all were well."""
    with terminal(tmp_path) as running, pytest.raises(RuntimeError, match="fewer than two suspected cases"):
        running.ask(lambda platform: show_transfers(platform, Console(file=io.StringIO())))


def test_the_demonstrations_clock_comes_to_the_present_when_told() -> None:
    """Never to the future, and never back."""
    clock = DemonstrationClock(timedelta(hours=25))
    assert clock.now() <= SystemClock().now() - timedelta(hours=25)
    before = SystemClock().now()
    clock.come_to_the_present()
    assert before <= clock.now() <= SystemClock().now()
