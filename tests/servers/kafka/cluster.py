"""A Kafka cluster of one or three brokers on this machine: KRaft mode, free ports, a temporary folder, ended by pid."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.kafka.jars import class_path

_START_SECONDS = 120.0
_JAVA = ("java", "-Xmx256m", "-Xms96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LAUNCHED: list[subprocess.Popen[bytes]] = []
"""Kept, so that nobody complains of one that outlives the worker that launched it: the run ends it."""


@dataclass
class Node:
    """One broker of a cluster, which is a controller too. `process` is None while it is down.

    One with a `host` is there alone: its controller is reached there too, and `wrapper` runs commands there.
    """

    id: int
    port: int
    controller_port: int
    folder: Path
    host: str = ""
    wrapper: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"


@dataclass
class Cluster:
    """Running brokers. `settings` are broker settings over the defaults of these tests.

    `wrapper` is a command that runs each broker's command.
    """

    folder: Path
    nodes: Sequence[Node]
    settings: Mapping[str, str] = field(default_factory=dict)
    listener: str = "PLAINTEXT"
    formatting: Sequence[str] = ()
    wrapper: Sequence[str] = ()
    host: str = "localhost"

    @property
    def servers(self) -> str:
        """`host:port` of every broker, joined by commas."""
        return ",".join(f"{node.host or self.host}:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Format the folders that are new and start every broker; returns when all answer."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for node in self.nodes:
            node.folder.mkdir(parents=True, exist_ok=True)
            node.properties.write_text(self._properties(node))
            if (node.folder / "log" / "meta.properties").exists():
                continue
            tool = [
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster_id}",
                "-c",
                str(node.properties),
                *self.formatting,
            ]
            done = subprocess.run([*_java(), *tool], capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        for node in self.nodes:
            launch(node, self.wrapper)
        for node in self.nodes:
            await_ready(node, node.host or self.host)

    def kill(self, number: int = 0) -> None:
        """End a broker without a word, as a crash does."""
        end(self.nodes[number], signal.SIGKILL)

    def pause(self, number: int = 0) -> None:
        """Let a broker hang: it holds its connections and answers nothing."""
        process = self.nodes[number].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def resume(self, number: int = 0) -> None:
        """Let a paused broker go on."""
        process = self.nodes[number].process
        assert process is not None
        process.send_signal(signal.SIGCONT)

    def restart(self, number: int = 0) -> None:
        """Start a broker that was ended, on its folder and port; returns when it answers."""
        node = self.nodes[number]
        launch(node, self.wrapper)
        await_ready(node, node.host or self.host)

    def stop(self) -> None:
        """End every broker."""
        for node in self.nodes:
            end(node, signal.SIGKILL)

    def _properties(self, node: Node) -> str:
        count = len(self.nodes)
        voters = ",".join(f"{other.id}@{_controller(other)}" for other in self.nodes)
        address = f"{self.listener}://{node.host or self.host}:{node.port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(node.id),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{address},CONTROLLER://{_controller(node)}",
            "advertised.listeners": address,
            "inter.broker.listener.name": self.listener,
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{self.listener}:{self.listener}",
            "log.dirs": str(node.folder / "log"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": str(count),
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": str(count),
            "transaction.state.log.min.isr": "1",
            "min.insync.replicas": str(min(2, count)),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": "4194304",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
            **self.settings,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def cluster(folder: Path, count: int = 1, **rest: object) -> Cluster:
    """Return a cluster of `count` brokers, not yet started."""
    ports = free_ports(2 * count)
    nodes = [Node(i + 1, ports[2 * i], ports[2 * i + 1], folder / f"broker{i + 1}") for i in range(count)]
    return Cluster(folder, nodes, **rest)  # type: ignore[arg-type] # passed on as they are


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("localhost", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def launch(node: Node, wrapper: Sequence[str] = ()) -> None:
    """Start a broker's process."""
    with (node.folder / "output").open("ab") as output:
        command = [*node.wrapper, *wrapper, *_java(), "kafka.Kafka", str(node.properties)]
        node.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    _LAUNCHED.append(node.process)


def await_ready(node: Node, host: str = "localhost") -> None:
    """Return when the broker answers. Fails with its output when it does not."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and node.process is not None and node.process.poll() is None:
        try:
            socket.create_connection((host, node.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the broker does not answer:\n{(node.folder / 'output').read_text()[-3000:]}")


def end(node: Node, number: signal.Signals) -> None:
    """End a broker's process and wait for its end."""
    if node.process is not None:
        node.process.send_signal(number)
        node.process.wait(30)
        node.process = None


def _controller(node: Node) -> str:
    return f"{node.host or 'localhost'}:{node.controller_port}"


def _java() -> list[str]:
    return [*_JAVA, "-cp", class_path()]


def existing() -> str:
    """Return the servers of a cluster that somebody else runs, empty when none is named."""
    return os.environ.get("LIANGFA_TEST_KAFKA", "")
