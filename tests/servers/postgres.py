"""A real PostgreSQL from the machine's own binaries: a temporary folder, a free port, ended by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MISSING = (
    "PostgreSQL 15 or later is not installed, so what needs it was left out. Install it (Debian: apt-get install "
    "postgresql, or run `make setup` as root), or name a server: LIANGFA_TEST_POSTGRES=postgresql://user@host/database"
)
_START_SECONDS = 30.0
_LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8")
_QUICK = ("fsync=off", "full_page_writes=off")
"""For tests that kill no machine: a killed process loses nothing that the operating system already has."""


@dataclass
class PostgresServer:
    """A running server. `url` names its database `postgres`, as a superuser; `pid` is 0 for one that is not ours.

    `wrapper` is the command that runs its command (on another host, say, whose address is `host`).
    """

    url: str
    pid: int = 0
    folder: Path = Path()
    durable: bool = True
    host: str = "127.0.0.1"
    wrapper: Sequence[str] = ()

    def kill(self) -> None:
        """Kill the server and all its processes without a word, as a crash does."""
        children = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == self.pid]
        for pid in (self.pid, *children):
            _signal(pid, signal.SIGKILL)
        for pid in (self.pid, *children):
            _wait_gone(pid)

    def restart(self) -> None:
        """Start again on the same folder and port, recovering what was committed."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        port = int(self.url.rpartition(":")[2].partition("/")[0])
        self.pid = _launch(self.folder, port, self.host, self.wrapper, durable=self.durable)

    def shut_down(self) -> None:
        """End the server in order and keep its folder; one that is not ours is left alone."""
        if self.pid:
            _signal(self.pid, signal.SIGINT)
            _wait_gone(self.pid)

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


def require_binaries() -> None:
    """Skip the test where no server is installed (fail it under CI)."""
    if binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


def start(*, durable: bool = False, host: str = "127.0.0.1", wrapper: Sequence[str] = ()) -> PostgresServer:
    """Start a fresh server, or skip the test (fail it under CI) when there is none to start."""
    if given := os.environ.get("LIANGFA_TEST_POSTGRES"):
        return PostgresServer(given)
    require_binaries()
    folder = Path(tempfile.mkdtemp(prefix="liangfa-postgres-"))
    folder.chmod(0o755)
    return _started(folder, host, wrapper, durable=durable)


def start_kept(folder: Path) -> PostgresServer:
    """Start a durable server on `folder`, made on the first use and kept. Skips like `start` without binaries.

    The caller sees to it that nobody else runs one there: one that is left from a killed run is ended first. As root
    the server runs as somebody else, who has to be able to reach `folder`.
    """
    require_binaries()
    folder.mkdir(parents=True, exist_ok=True)
    left = folder / "data" / "postmaster.pid"
    if left.exists():
        pid = int(left.read_text().split()[0])
        if _is_alive(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
            _signal(pid, signal.SIGINT)
            _wait_gone(pid)
    return _started(folder, "127.0.0.1", durable=True)


def _started(folder: Path, host: str, wrapper: Sequence[str] = (), *, durable: bool) -> PostgresServer:
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        data.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(data, *_user())
        _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", *_LOCALE)
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write("host all all samenet trust\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pid = _launch(folder, port, host, wrapper, durable=durable)
    return PostgresServer(f"postgresql://postgres@{host}:{port}/postgres", pid, folder, durable, host, wrapper)


def end_with(server: PostgresServer, pid: int) -> None:
    """Let the server end with the process `pid`, also when that is killed and cannot see to it."""
    if not server.pid:
        return
    watch = (
        'while kill -0 "$1" 2>/dev/null; do sleep 2; done; '
        '[ -d "$2" ] && kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")" && sleep 2 && rm -rf "$2"'
    )
    command = ["sh", "-c", f"( {watch} ) >/dev/null 2>&1 </dev/null &", "sh", str(pid), str(server.folder)]
    subprocess.run(command, start_new_session=True, check=True)


@contextmanager
def running(*, durable: bool = False, host: str = "127.0.0.1", wrapper: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """Run a server of one's own (to kill it, say) for the length of the block."""
    server = start(durable=durable, host=host, wrapper=wrapper)
    end_with(server, os.getpid())
    try:
        yield server
    finally:
        server.stop()


def _launch(folder: Path, port: int, host: str, wrapper: Sequence[str], *, durable: bool) -> int:
    """Start the server of `folder` and return its process id, once it answers."""
    settings = [
        f"port={port}",
        f"listen_addresses={host}",
        "unix_socket_directories=''",
        "max_connections=200",
        "shared_buffers=128MB",
        *(() if durable else _QUICK),
    ]
    options = " ".join(f"-c {setting}" for setting in settings)
    data = folder / "data"
    starting = ("-D", str(data), "-l", str(data / "log"), "-o", options, "-w", "-t", "30", "start")
    _run("pg_ctl", *starting, wrapper=wrapper)
    return int((data / "postmaster.pid").read_text().split()[0])


def _wait_gone(pid: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and _is_alive(pid):
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return 0


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


def _run(program: str, *arguments: str, wrapper: Sequence[str] = ()) -> None:
    command = [*wrapper, *_as_user(), str(_program(program)), *arguments]
    # Not by pipes: the server would inherit them, and nobody would see their end.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdout=said, stderr=said, cwd="/", check=False)
        said.seek(0)
        assert done.returncode == 0, said.read().decode()
