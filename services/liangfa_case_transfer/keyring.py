"""The signing keys of the organisations that take part, held by the platform for them: one Ed25519 key each.

Private keys stay in the service's key folder (mode 0600). Public keys stand beside them in `trusted/`, for whoever
verifies a receipt; a key that was replaced stays there, so that older receipts go on to verify.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from liangfa_kit.errors import NotFound
from liangfa_kit.keys import SIGNING, rotate, signing_key
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

ALGORITHM = "ed25519"
_log = structlog.get_logger("liangfa.case_transfer")


def key_id(public: Ed25519PublicKey) -> str:
    """Return the id of a key: the SHA-256 of its raw public part, in hexadecimal."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def pem(public: Ed25519PublicKey) -> str:
    """Return a public key as text (PEM, SubjectPublicKeyInfo)."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Keyring:
    """The organisations' keys in `folder`, a folder for each, made on first use; one that was replaced is taken up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, Ed25519PrivateKey] = {}
        self._files: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def public_keys(self, organisation_id: str) -> dict[str, Ed25519PublicKey]:
        """Return every public key that the organisation has or had, by key id (blocking file work).

        A file that holds no key is logged and left out: what it signed shows as signed with an unknown key.
        """
        found: dict[str, Ed25519PublicKey] = {}
        for path in sorted((self._folder / _name(organisation_id) / "trusted").glob("*.pem")):
            try:
                key = load_pem_public_key(path.read_bytes())
            except (ValueError, UnsupportedAlgorithm) as error:
                _log.error("public_key_unreadable", organisation=organisation_id, path=str(path), cause=str(error))
                continue
            if isinstance(key, Ed25519PublicKey):
                found[key_id(key)] = key
        return found

    def listed(self, organisation: pb.Organisation) -> list[pb.PublicKey]:
        """Return the organisation's public keys, by key id (blocking file work)."""
        return [
            pb.PublicKey(organisation=organisation, algorithm=ALGORITHM, key_id=known, pem=pem(key))
            for known, key in sorted(self.public_keys(organisation.id).items())
        ]

    def open(self, organisation_id: str) -> None:
        """Load or make an organisation's key (blocking file work, before a command is sent that signs)."""
        path = self._folder / _name(organisation_id) / SIGNING
        with self._lock:
            if organisation_id in self._keys and self._files[organisation_id] == _identity(path):
                return
            pem = signing_key(path.parent).private.as_pem(private=True)
            key = load_pem_private_key(pem, None)
            if not isinstance(key, Ed25519PrivateKey):
                raise TypeError(f"the key of {organisation_id} is no Ed25519 key")
            self._keys[organisation_id] = key
            self._files[organisation_id] = _identity(path)

    def rotate(self, organisation_id: str) -> str:
        """Replace an organisation's key and return the new one's id (blocking file work). Raises `NotFound`.

        Running services take it up with the next hand-over. The public half of the former key stays among the trusted ones.
        """
        folder = self._folder / _name(organisation_id)
        if not (folder / SIGNING).exists():
            raise NotFound(
                f"{organisation_id} has signed nothing here yet: there is no key to replace.",
                message_zh=f"{organisation_id} 在本平台尚无签名密钥。",
                remedy="Check the organisation's id and the platform's folder.",
                reason="KEY_NOT_FOUND",
                organisation_id=organisation_id,
            )
        rotate(folder)
        self.open(organisation_id)
        return key_id(self._keys[organisation_id].public_key())

    def sign(self, organisation_id: str, content: bytes) -> pb.Signature:
        """Return the organisation's signature over `content`. Its key must have been opened; Ed25519 is deterministic."""
        key = self._keys[organisation_id]
        return pb.Signature(algorithm=ALGORITHM, key_id=key_id(key.public_key()), value=key.sign(content))


def _identity(path: Path) -> tuple[int, int]:
    """Return what changes when the file is replaced; nothing of a file that is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


def _name(organisation_id: str) -> str:
    """Return the name of an organisation's folder: an id may hold any characters."""
    return hashlib.sha256(organisation_id.encode()).hexdigest()[:32]
