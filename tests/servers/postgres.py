"""A real PostgreSQL from the machine's own binaries: a temporary folder, a free port, ended by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

MISSING = (
    "PostgreSQL 15 or later is not installed, so what needs it was left out. Install it (Debian: apt-get install "
    "postgresql, or run `make setup` as root), or name a server: LIANGFA_TEST_POSTGRES=postgresql://user@host/database"
)
_START_SECONDS = 30.0
_LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8")
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
_QUICK = ("fsync=off", "full_page_writes=off")
"""For tests that kill no machine: a killed process loses nothing that the operating system already has."""


@dataclass
class PostgresServer:
    """A running server. `url` names its database `postgres`, as a superuser; `pid` is 0 for one that is not ours."""

    url: str
    pid: int = 0
    folder: Path = Path()
    durable: bool = True

    def kill(self) -> None:
        """Kill the server and all its processes without a word, as a crash does."""
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (self.pid, *map(int, children)):
            _signal(pid, signal.SIGKILL)
        _wait_gone(self.pid)

    def restart(self) -> None:
        """Start again on the same folder and port, recovering what was committed."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.pid = _launch(self.folder, int(self.url.rpartition(":")[2].partition("/")[0]), durable=self.durable)
        _wait_ready(self)

    def stop(self) -> None:
        """End the server and remove its folder; one that is not ours is left alone."""
        if self.pid:
            _signal(self.pid, signal.SIGQUIT)
            _wait_gone(self.pid)
            shutil.rmtree(self.folder, ignore_errors=True)


def binaries() -> Path | None:
    """Return the folder of the newest installed server, 15 or later."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql")
    folders = versions.iterdir() if versions.is_dir() else ()
    usable = [f for f in folders if f.name.isdecimal() and int(f.name) >= 15 and (f / "bin" / "postgres").exists()]
    return max(usable, key=lambda f: int(f.name)) / "bin" if usable else None


def start(*, durable: bool = False) -> PostgresServer:
    """Start a fresh server, or skip the test (fail it under CI) when there is none to start."""
    if given := os.environ.get("LIANGFA_TEST_POSTGRES"):
        return PostgresServer(given)
    if binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="liangfa-postgres-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, *_user())
    _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", *_LOCALE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(
        f"postgresql://postgres@127.0.0.1:{port}/postgres", _launch(folder, port, durable=durable), folder, durable
    )
    _wait_ready(server)
    return server


@contextmanager
def running(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server of one's own (to kill it, say) for the length of the block."""
    server = start(durable=durable)
    try:
        yield server
    finally:
        server.stop()


def _launch(folder: Path, port: int, *, durable: bool) -> int:
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "shared_buffers=128MB",
        *(() if durable else _QUICK),
    ]
    command = [*_as_user(), str(_program("postgres")), "-D", str(folder / "data")]
    command += [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
    _CHILDREN[process.pid] = process  # `setpriv` becomes the server: the process id stays
    return process.pid


def _wait_ready(server: PostgresServer) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(server.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _wait_gone(pid: int) -> None:
    if child := _CHILDREN.pop(pid, None):
        child.wait(_START_SECONDS)
        return
    until = time.monotonic() + _START_SECONDS  # started by another process of the test run, perhaps not waited for
    while time.monotonic() < until and _is_alive(pid):
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _program(name: str) -> Path:
    folder = binaries()
    assert folder is not None
    return folder / name


def _user() -> tuple[int, int]:
    """Return whom the server runs as when we are root: it refuses to be root itself."""
    import pwd

    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return entry.pw_uid, entry.pw_gid


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    uid, gid = _user()
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([*_as_user(), str(_program(program)), *arguments], capture_output=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr.decode()
