"""The broker's classes: resolved once by Maven into the user's cache, found there by every later run."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from tests.servers.maven import jars

MISSING = (
    "KAFKA TESTS SKIPPED: they need {what}. Run `make setup` as root, or: apt-get install openjdk-17-jre-headless "
    "maven. Or name a running broker: LIANGFA_TEST_KAFKA=host:port"
)
_POM = Path(__file__).parent / "pom.xml"


def skip(what: str) -> None:
    """Skip the test with one loud line; in CI nothing may be missing."""
    message = MISSING.format(what=what)
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@cache
def class_path() -> str:
    """Return the class path of a broker. Skips the test where Java, Maven or their registry is missing."""
    return str(jars(_POM, "kafka", skip) / "*")
