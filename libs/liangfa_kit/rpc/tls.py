"""Mutual TLS between services: certificates as PEM files that may be renewed while everything runs.

A server asks for its files at every new connection, a client at every call, and both go on with what they had when the
new files cannot be used. Connections that are open keep the certificate they were made with.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from liangfa_kit.clock import Clock, SystemClock
from liangfa_kit.errors import PlatformError, Precondition
from liangfa_kit.settings import Tls

_log = structlog.get_logger("liangfa.tls")
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A process's certificate chain with its key, the CA that it trusts, and the end of the certificate (UTC)."""

    certificate: bytes
    key: bytes
    ca: bytes
    ends_at: datetime


class Certificates:
    """The files that `tls` names. Raises `Precondition` at once when they cannot be used (TLS_FILE_UNUSABLE).

    Safe to ask from any thread: gRPC asks from its own.
    """

    def __init__(self, tls: Tls, clock: Clock | None = None) -> None:
        if tls.certificate is None or tls.key is None or tls.ca is None:
            raise ValueError("there are no certificates in these settings")
        self.server_name = tls.server_name
        self._paths = (tls.certificate, tls.key, tls.ca)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._begins_at = _NEVER
        self._seen = self._fingerprint()
        self._identity = self._read()

    def current(self) -> Identity:
        """Return what the files held when they last could be used."""
        with self._lock:
            seen = self._fingerprint()
            if seen != self._seen or self._clock.now() >= self._begins_at:
                self._seen, self._begins_at = seen, _NEVER
                try:
                    self._identity = self._read()
                except PlatformError as error:
                    _log.error("certificate_not_taken", reason=error.reason, cause=str(error))
                else:
                    _log.info("certificate_taken", ends_at=self._identity.ends_at.isoformat())
            return self._identity

    def remaining_seconds(self) -> float:
        """Return how long the certificate is still good for; negative once it has ended."""
        return (self.current().ends_at - self._clock.now()).total_seconds()

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return what a server proves itself with; callers have to prove themselves too."""
        told = self.current()

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal told
            now = self.current()
            if now is told:
                return None
            told = now
            return _configuration(now)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(told),
            renewed,  # type: ignore[arg-type] # None says that nothing has changed; the stubs do not know it
            require_client_authentication=True,
        )

    def _fingerprint(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file is replaced: also when a link above it leads elsewhere, as secrets are mounted.

        Or when it becomes readable (`chmod`), of which only `st_ctime_ns` tells.
        """
        found = []
        for path in self._paths:
            with contextlib.suppress(OSError):  # a file that is gone is told when it is read
                facts = path.stat()
                found.append((facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size))
        return tuple(found)

    def _read(self) -> Identity:
        certificate_path, key_path, ca_path = self._paths
        try:
            certificate, key, ca = certificate_path.read_bytes(), key_path.read_bytes(), ca_path.read_bytes()
            leaf = x509.load_pem_x509_certificates(certificate)[0]
            private = load_pem_private_key(key, None)
            x509.load_pem_x509_certificates(ca)
        except (OSError, ValueError, TypeError) as error:
            raise _unusable(certificate_path, f"a file cannot be read ({error})") from error
        if private.public_key() != leaf.public_key():
            raise _unusable(certificate_path, "the key belongs to another certificate")
        if leaf.not_valid_after_utc <= self._clock.now():
            raise _unusable(certificate_path, f"it ended at {leaf.not_valid_after_utc.isoformat()}")
        if leaf.not_valid_before_utc > self._clock.now():
            self._begins_at = leaf.not_valid_before_utc
            raise _unusable(certificate_path, f"it begins at {leaf.not_valid_before_utc.isoformat()} only")
        return Identity(certificate, key, ca, leaf.not_valid_after_utc.astimezone(UTC))


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Return what a client proves itself with, and how it knows servers."""
    return grpc.ssl_channel_credentials(identity.ca, identity.key, identity.certificate)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], identity.ca)


def _unusable(path: Path, why: str) -> Precondition:
    return Precondition(
        f"The certificate {path} cannot be used: {why}.",
        message_zh="TLS证书文件无法使用。",
        remedy="Put a certificate, its key and the CA in place as PEM files; docs/operations.md says how to make them.",
        reason="TLS_FILE_UNUSABLE",
        path=path,
        why=why,
    )


def certificates(tls: Tls, clock: Clock | None = None) -> Certificates | None:
    """Return the certificates that the settings name, None when they name none. Raises as `Certificates` does."""
    return Certificates(tls, clock) if tls.is_on else None
