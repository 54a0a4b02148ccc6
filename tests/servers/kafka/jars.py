"""The broker's classes: resolved once by Maven into the user's cache, found there by every later run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

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
    for program, package in (("java", "Java 17 or later"), ("mvn", "Maven")):
        if not shutil.which(program):
            skip(package)
    folder = _cache() / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    complete = folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _resolve(folder / "jars")
            complete.touch()
    return str(folder / "jars" / "*")


def _resolve(target: Path) -> None:
    command = ["mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(_POM)]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    except subprocess.TimeoutExpired:
        skip("the broker's classes, which Maven could not fetch in time")
        return
    if done.returncode:
        skip(f"the broker's classes, which Maven cannot resolve ({done.stdout.strip()[-300:]})")


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "liangfa"
