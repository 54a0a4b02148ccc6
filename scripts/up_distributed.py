"""Run the whole distributed platform on this machine without containers: `make up-distributed`.

PostgreSQL and Kafka as the tests start them, and each service as a process of its own (`liangfa serve NAME`), on free
ports of loopback, with all data in one folder that the next run goes on with. `FOLDER/topology.json` tells the
addresses, `FOLDER/environment.sh` leads `liangfa` on the command line to the same servers.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.servers import postgres
from tests.servers.kafka.cluster import cluster, end

from liangfa_cli.platform import SERVICES

ASKED = SERVICES[0]
NOTE, ENVIRONMENT = "topology.json", "environment.sh"
_START_SECONDS = 240.0
_STOP_SECONDS = 40.0
_LOOK_SECONDS = 0.1
_END_WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""Also when we are killed and cannot see to it, nothing is left running."""


@dataclass
class Topology:
    """What runs, for people and programs that want to reach it. `pid` is the runner's: SIGTERM stops everything."""

    pid: int
    database_url: str = ""
    kafka_servers: str = ""
    key_folder: str = ""
    services: dict[str, str] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)


class NotStarted(Exception):
    """Something did not start; the message says what and why."""


class _AskedToStop(Exception):
    """SIGTERM or SIGINT arrived."""


@contextmanager
def running(folder: Path) -> Iterator[tuple[Topology, Callable[[], str]]]:
    """Run everything until the block ends; yields where it is, and what tells which process has ended by itself.

    Raises `NotStarted`. Services are stopped first, each draining; then Kafka, then PostgreSQL.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    topology = Topology(os.getpid(), key_folder=str(folder / "identity"))
    with ExitStack() as stack:
        stack.enter_context(_alone(folder))
        database = stack.enter_context(_postgres(folder / "postgres"))
        topology.database_url = database
        topology.kafka_servers, broker = stack.enter_context(_kafka(folder / "kafka"))
        environment = _environment(folder, topology, database.replace("liangfa@", "liangfa_owner@"))
        (folder / ENVIRONMENT).write_text("".join(f"export {name}='{value}'\n" for name, value in environment.items()))
        processes: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(_stop, processes)
        for name in SERVICES:  # the one that others ask comes first
            processes[name] = _launch(folder, name, environment)
            if name == ASKED:
                topology.services[name] = _address(folder / f"{name}.out", name, processes[name])
                environment = {**environment, "LIANGFA_PEERS__ENFORCEMENT_RECORD": topology.services[name]}
        for name in SERVICES[1:]:
            topology.services[name] = _address(folder / f"{name}.out", name, processes[name])
        for name, address in topology.services.items():
            _await_ready(name, address, processes[name])
        topology.pids = {name: process.pid for name, process in processes.items()}
        note = folder / NOTE
        note.write_text(json.dumps(asdict(topology), indent=2) + "\n")
        stack.callback(note.unlink, missing_ok=True)
        watched = {**processes, "kafka": broker}
        yield topology, lambda: next((name for name, one in watched.items() if one.poll() is not None), "")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second runner: two would run two servers on the same files."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(f"A platform runs in {folder} already; `make down-distributed` stops it.") from None
        yield


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    server = postgres.start_kept(folder)
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for role in ("liangfa_owner", "liangfa"):
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                    connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'liangfa'").fetchone():
                connection.execute(
                    "CREATE DATABASE liangfa OWNER liangfa_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
                )
        yield server.url.replace("postgres@", "liangfa@").replace("/postgres", "/liangfa")
    finally:
        server.shut_down()


@contextmanager
def _kafka(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    brokers = cluster(folder, wrapper=_END_WITH_US)
    brokers.start()
    node = brokers.nodes[0]
    try:
        assert node.process is not None  # noqa: S101 - it was just started
        yield brokers.servers, node.process
    finally:
        end(node, signal.SIGTERM)


def _environment(folder: Path, topology: Topology, owner_url: str) -> Mapping[str, str]:
    return {
        "LIANGFA_DATABASE__URL": topology.database_url,
        "LIANGFA_DATABASE__OWNER_URL": owner_url,
        "LIANGFA_KAFKA__SERVERS": topology.kafka_servers,
        "LIANGFA_KAFKA__REPLICATION": "1",
        "LIANGFA_IDENTITY__KEY_FOLDER": str(folder / "identity"),
    }


@contextmanager
def launched(topology: Topology, folder: Path, service: str, name: str) -> Iterator[str]:
    """Run one more process of a service, called `name` in its files, until the block ends; yield where it listens."""
    environment = _environment(folder, topology, topology.database_url.replace("liangfa@", "liangfa_owner@"))
    process = _launch(folder, service, environment, name)
    try:
        address = _address(folder / f"{name}.out", service, process)
        _await_ready(service, address, process)
        yield address
    finally:
        _stop({name: process})


def _launch(folder: Path, service: str, environment: Mapping[str, str], name: str = "") -> subprocess.Popen[bytes]:
    name = name or service
    liangfa = str(Path(sys.executable).parent / "liangfa")
    given = (*(f"{key}={value}" for key, value in environment.items()), "COLUMNS=400")
    command = [*_END_WITH_US, "env", *given, f"LIANGFA_LOGGING__FILE={folder / f'{name}.log'}"]
    with (folder / f"{name}.out").open("wb") as output:
        return subprocess.Popen(
            [*command, liangfa, "serve", service, "--folder", str(folder)],
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl+C reaches us alone, and we stop them in order
        )


def _stop(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for process in processes.values():
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(output: Path, name: str, process: subprocess.Popen[bytes]) -> str:
    """Return where a service listens, as it says itself; it does once its schema is made and its port is open."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        for line in output.read_text().splitlines():
            if f"{name} on " in line:
                return line.partition(f"{name} on ")[2].partition(",")[0]
        time.sleep(_LOOK_SECONDS)
    raise NotStarted(f"{name} did not start:\n{output.read_text()[-2000:]}")


def _await_ready(name: str, address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the service says over gRPC that it is ready: its database, its broker and its work behind it."""
    until = time.monotonic() + _START_SECONDS
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < until and process.poll() is None:
            try:
                reply = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            except grpc.RpcError:
                reply = None
            if reply is not None and reply.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(_LOOK_SECONDS)
    raise NotStarted(f"{name} at {address} does not become ready; see its log")


def up(folder: Path) -> int:
    """Run until SIGTERM, SIGINT or the end of a process; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask_to_stop)
    ended = ""
    try:
        with running(folder) as (topology, gone):
            _tell(folder, topology)
            while not (ended := gone()):
                time.sleep(_LOOK_SECONDS)
            print(f"{ended} has ended by itself: stopping the rest. See {folder}.", file=sys.stderr, flush=True)
    except _AskedToStop:
        print("Stopped.", flush=True)
        return 0
    except (NotStarted, AssertionError, pytest.skip.Exception, pytest.fail.Exception) as error:
        print(error, file=sys.stderr, flush=True)
    return 1


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # stopping is under way and takes its time
    raise _AskedToStop


def _tell(folder: Path, topology: Topology) -> None:
    print(f"两法 Liangfa runs distributed, with its data in {folder}.")
    for name, address in {
        **topology.services,
        "postgresql": topology.database_url,
        "kafka": topology.kafka_servers,
    }.items():
        print(f"  {name:20} {address}")
    print(f"For the command line: . {folder}/{ENVIRONMENT}\nCtrl+C or `make down-distributed` stops it.", flush=True)


def down(folder: Path) -> int:
    """Ask the runner whose data are in `folder` to stop, and wait until it has; return the exit code."""
    note = folder / NOTE
    if not note.exists():
        print(f"Nothing runs in {folder}.")
        return 0
    with suppress(ProcessLookupError):
        os.kill(json.loads(note.read_text())["pid"], signal.SIGTERM)
    until = time.monotonic() + 3 * _STOP_SECONDS
    while time.monotonic() < until:
        try:
            with _alone(folder):
                return 0
        except NotStarted:
            time.sleep(_LOOK_SECONDS)
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"], nargs="?", default="up")
    parser.add_argument("--folder", type=Path, default=Path("var/distributed"), help="data, logs, keys")
    asked = parser.parse_args()
    sys.exit(up(asked.folder) if asked.action == "up" else down(asked.folder))
