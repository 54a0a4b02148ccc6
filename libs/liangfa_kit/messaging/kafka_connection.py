"""How a process reaches a Kafka cluster: addresses, encryption, who we are, and the topics that must be there."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from kafka import KafkaAdminClient
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConfigurationError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from liangfa_kit.errors import Precondition, Unavailable
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.settings import Kafka

C = TypeVar("C")
_log = structlog.get_logger("liangfa.kafka")
logging.getLogger("kafka").setLevel(logging.CRITICAL)  # we say once what the client says many times a second
_CONNECT_SECONDS = 3
_CONNECTING = {
    "socket_connection_setup_timeout_ms": _CONNECT_SECONDS * 1_000,
    "socket_connection_setup_timeout_max_ms": _CONNECT_SECONDS * 1_000,
}
"""Clients ask a broker that is gone again and again before another one, and have no setting for how long."""
_HEARSAY_SECONDS = 5.0
_PROBES = 3
_REFUSED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)


def away(error: Exception | str) -> Unavailable:
    """Return the refusal that says that Kafka does not do what it was asked now."""
    return Unavailable(
        f"Kafka cannot be used now: {error}",
        message_zh="消息集群暂不可用，事件保存在日志中，恢复后自动续传。",
        remedy="See whether the brokers run and are reachable; nothing is lost meanwhile.",
        reason="KAFKA_UNAVAILABLE",
    )


class Connection:
    """Opens clients of one cluster as `settings` say."""

    def __init__(self, settings: Kafka) -> None:
        self.settings = settings
        self._ensured: set[str] = set()

    def name(self, own: str) -> str:
        """Return a topic's or group's name on the cluster."""
        return f"{self.settings.prefix}{own}"

    def open(self, make: Callable[..., C], **config: Any) -> C:
        """Return a client. Raises `Unavailable`; blocks for as long as `settings.publish_seconds` at most."""
        servers = self._listening()
        clients: list[Any] = []

        def client(**given: Any) -> Any:
            kind = make.DEFAULT_CONFIG["kafka_client"]  # type: ignore[attr-defined] # every client has it
            clients.append(kind(**given, **_CONNECTING))
            return clients[-1]

        bootstrap = int(self.settings.publish_seconds * 1_000)
        try:
            return make(
                kafka_client=client,
                bootstrap_servers=servers,
                bootstrap_timeout_ms=bootstrap,
                **self._access(),
                **config,
            )
        except KafkaConfigurationError:
            raise
        except KafkaError as error:
            for opened in clients:  # a client that could not be made leaves its thread behind
                opened.close()
            raise away(error) from error

    def _listening(self) -> list[str]:
        """Return the brokers that listen, of those we know; raise `Unavailable` at once when there is none.

        A client may take all its time to wait for one that is gone before it tries another.
        """
        with ThreadPoolExecutor(len(self.settings.server_list), thread_name_prefix="kafka-listening") as threads:
            troubles = dict(
                zip(self.settings.server_list, threads.map(_trouble_at, self.settings.server_list), strict=True)
            )
        listening = [server for server, trouble in troubles.items() if trouble is None]
        if not listening:
            raise away(f"no broker listens at {self.settings.servers} ({next(iter(troubles.values()))})")
        return listening

    def _access(self) -> dict[str, Any]:
        given = self.settings
        protocol = ("SASL_" if given.user else "") + ("SSL" if given.is_encrypted else "PLAINTEXT")
        access: dict[str, Any] = {
            "security_protocol": protocol,
            "reconnect_backoff_max_ms": 1_000,
            "socket_options": _watching(given.silence_seconds),
        }
        if given.is_encrypted:
            access |= {
                "ssl_cafile": given.tls_ca and str(given.tls_ca),
                "ssl_certfile": given.tls_certificate and str(given.tls_certificate),
                "ssl_keyfile": given.tls_key and str(given.tls_key),
            }
        if given.user:
            access |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": given.user,
                "sasl_plain_password": given.secret,
            }
        return access

    def ensure(self, topics: Sequence[Topic]) -> None:
        """Make the topics that are missing. Raises `Precondition` when one has another number of partitions.

        Who may not make topics is content to find them there (somebody else ran `liangfa events topics`).
        """
        missing = [topic for topic in topics if topic.name not in self._ensured]
        if not missing:
            return
        admin = self.open(KafkaAdminClient, request_timeout_ms=int(self.settings.publish_seconds * 1_000))
        try:
            for topic in missing:
                self._make(admin, topic)
            found = self._found(admin, missing)
        except KafkaError as error:
            raise away(error) from error
        finally:
            admin.close()
        for topic in missing:
            self._check(topic, found.get(self.name(topic.name), 0))
            self._ensured.add(topic.name)

    def _make(self, admin: KafkaAdminClient, topic: Topic) -> None:
        replication = self.settings.replication
        wanted = {
            "num_partitions": topic.partitions,
            "replication_factor": replication,
            "configs": topic.settings(replication),
        }
        try:
            admin.create_topics({self.name(topic.name): wanted}, wait_for_metadata=True)
            _log.info("topic_made", topic=self.name(topic.name), partitions=topic.partitions)
        except TopicAlreadyExistsError:
            return
        except _REFUSED as error:
            _log.info("topic_not_made", topic=self.name(topic.name), cause=type(error).__name__)

    def _found(self, admin: KafkaAdminClient, topics: Sequence[Topic]) -> dict[str, int]:
        """Return the number of partitions by name; waits for a broker to hear of a topic that was just made."""
        names = [self.name(topic.name) for topic in topics]
        until = time.monotonic() + _HEARSAY_SECONDS
        while True:
            found = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(names)}
            if all(found.get(name) for name in names) or time.monotonic() > until:
                return found
            time.sleep(0.1)

    def _check(self, topic: Topic, partitions: int) -> None:
        if partitions == 0:
            raise away(f"there is no topic {self.name(topic.name)}, and this user may not make it")
        if partitions != topic.partitions:
            raise Precondition(
                f"The topic {self.name(topic.name)} has {partitions} partitions, not {topic.partitions}: "
                "events of one entity would lose their order.",
                message_zh="主题分区数与声明不符，事件顺序无法保证。",
                remedy="Never change a topic's partitions; declare a new version of it (messaging/topics.py).",
                reason="TOPIC_DIFFERS",
                topic=topic.name,
            )


def _trouble_at(server: str) -> OSError | None:
    """Return why nobody can be reached at `server` (host:port); None when somebody can."""
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        return error
    return None


def _watching(silence_seconds: int) -> list[tuple[int, int, int]]:
    """Return the options of a socket that breaks after so long without a sign of life from the other end.

    The client waits half a minute for an answer, and more than a minute for a place in its group: too long when the
    broker's host is gone. Probes are answered by its kernel, so a slow broker is not taken for one.
    """
    probe = max(1, silence_seconds // _PROBES)
    return [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probe),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probe),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_seconds * 1_000),
    ]
