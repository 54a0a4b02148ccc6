"""An S3-compatible server over HTTP, started on a free port of the loopback, ended by its pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from liangfa_kit.settings import Objects
from tests.servers.maven import jars

MISSING = (
    "OBJECT STORE TESTS SKIPPED: they need {what}. Run `make setup` as root, or: apt-get install openjdk-17-jre-headless "
    "maven. Or name a running S3-compatible store without keys: LIANGFA_TEST_OBJECTS=host:port"
)
_POM = Path(__file__).parent / "pom.xml"
_PORTS = re.compile(r"Tomcat started on ports? .*?(\d+) \(http\)")
_START_SECONDS = 180.0
BUCKET = "liangfa-tests"
_LAUNCHED: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class BucketServer:
    """A server that runs: where it listens, and its process (0 for one that was there already)."""

    address: str
    pid: int

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            for process in [one for one in _LAUNCHED if one.pid == self.pid]:
                process.wait()


def skip(what: str) -> None:
    """Skip the test with one loud line; in CI nothing may be missing."""
    message = MISSING.format(what=what)
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def objects(address: str, prefix: str = "") -> Objects:
    """Return the settings that lead to the bucket of the server."""
    return Objects(endpoint=address, bucket=BUCKET, prefix=prefix, tls=False)


def start(folder: Path) -> BucketServer:
    """Start a server with the bucket, its objects in `folder`. Skips the test where there is none to start."""
    if given := os.environ.get("LIANGFA_TEST_OBJECTS"):
        return BucketServer(given, 0)
    found = sorted(jars(_POM, "bucket", skip).glob("s3mock-*-exec.jar"))
    if not found:
        skip("the server's file")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "com.adobe.testing.s3mock.http-port": "0", "server.port": "0", "com.adobe.testing.s3mock.store.root": str(folder / "objects"),
        "com.adobe.testing.s3mock.store.initialBuckets": BUCKET,
        "com.adobe.testing.s3mock.store.retainFilesOnExit": "true",
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in settings.items()]
    output = folder / "server.log"
    with output.open("wb") as written:
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(found[-1]), *options]
        process = subprocess.Popen(command, stdout=written, stderr=written, start_new_session=True)
    _LAUNCHED.append(process)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        text = output.read_text()
        if (match := _PORTS.search(text)) and "Started S3MockApplication" in text:
            return BucketServer(f"127.0.0.1:{match[1]}", process.pid)
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"the object store did not start:\n{output.read_text()[-2000:]}")
