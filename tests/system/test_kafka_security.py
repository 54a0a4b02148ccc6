"""Kafka with TLS and SCRAM: who has the CA and the password publishes and reads, nobody else does."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from liangfa_kit.errors import Unavailable
from liangfa_kit.messaging.broker import Message
from liangfa_kit.messaging.kafka import KafkaBroker
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.settings import Kafka
from tests.servers.kafka.brokers import fresh
from tests.servers.kafka.cluster import cluster
from tests.servers.kafka.jars import class_path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("kafka_sockets_swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TOPIC = Topic("liangfa.sealed.v1", owner="sealed", partitions=2)
USER, SECRET = "liangfa", "correct-horse"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Settings that lead to a broker which wants TLS and SCRAM-SHA-512."""
    class_path()
    folder = tmp_path_factory.mktemp("secured")
    ca = certificates(folder)
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    settings = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f'{login} username="{USER}" password="{SECRET}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
    scram = f"SCRAM-SHA-512=[name={USER},password={SECRET}]"
    brokers = cluster(folder / "kafka", settings=settings, listener="SASL_SSL", formatting=("--add-scram", scram))
    try:
        brokers.start()
        yield fresh(brokers.servers, tls_ca=ca, user=USER, password=SECRET, publish_seconds=5)
    finally:
        brokers.stop()


def certificates(folder: Path) -> Path:
    """Write a CA and a broker's certificate with its key; return the CA's file."""
    ca_key, broker_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def signed(name: str, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    private = broker_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(signed("test CA", ca_key, is_ca=True))
    (folder / "broker.pem").write_bytes(private + signed("localhost", broker_key, is_ca=False))
    return folder / "ca.pem"


async def sent_and_read(settings: Kafka) -> list[Message]:
    broker = KafkaBroker(settings, (TOPIC,))
    message = Message("case/1", b"sealed", {"ce_id": "1"})
    try:
        await broker.publish(TOPIC.name, [message])
        subscription = await broker.subscribe("g", [TOPIC.name], lambda _t, _p: 0)
        return [delivery.message for delivery in await subscription.poll(10, 0.0)]
    finally:
        await broker.close()


def test_events_travel_encrypted_under_a_user_s_name(secured: Kafka) -> None:
    """With the CA and the password everything works as without."""
    assert asyncio.run(sent_and_read(secured)) == [Message("case/1", b"sealed", {"ce_id": "1"})]


def test_the_password_may_come_from_a_file(secured: Kafka, tmp_path: Path) -> None:
    """As secrets are mounted."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    settings = secured.model_copy(update={"password_file": tmp_path / "password", "prefix": "file."})
    assert len(asyncio.run(sent_and_read(settings))) == 1


@pytest.mark.parametrize("wrong", [{"user": "liangfa2"}, {"user": ""}, {"tls_ca": None}, {"tls_ca": None, "tls": True}])
def test_a_wrong_user_no_user_no_encryption_and_an_unknown_ca_are_all_refused(
    secured: Kafka, wrong: dict[str, object]
) -> None:
    """Events wait in the journal, and the reason is told; the password is not."""
    settings = secured.model_copy(update={**wrong, "publish_seconds": 2.0})
    with pytest.raises(Unavailable) as refusal:
        asyncio.run(sent_and_read(settings))
    assert refusal.value.reason == "KAFKA_UNAVAILABLE"
    assert SECRET not in str(refusal.value)
