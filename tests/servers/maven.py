"""Java servers of the tests: their classes resolved once by Maven into the user's cache, found there by every later run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def jars(pom: Path, name: str, skip: Callable[[str], None]) -> Path:
    """Return the folder of what `pom` names. Calls `skip` with what is missing: Java, Maven or their registry."""
    for program, package in (("java", "Java 17 or later"), ("mvn", "Maven")):
        if not shutil.which(program):
            skip(package)
    folder = _cache() / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    complete = folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _resolve(pom, folder / "jars", skip)
            complete.touch()
    return folder / "jars"


def _resolve(pom: Path, target: Path, skip: Callable[[str], None]) -> None:
    command = ["mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(pom)]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    except subprocess.TimeoutExpired:
        skip("the server's classes, which Maven could not fetch in time")
        return
    if done.returncode:
        skip(f"the server's classes, which Maven cannot resolve ({done.stdout.strip()[-300:]})")


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "liangfa"
