"""Signing keys of identity tokens as files: `signing.pem` (PKCS 8, for its owner only) and `trusted/*.pem`.

A key's id is its RFC 7638 thumbprint, so that nobody has to keep ids and files in step.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from liangfa_kit.errors import Precondition

SIGNING, _TRUSTED = "signing.pem", "trusted"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its id."""

    kid: str
    private: OKPKey


def new_signing_key() -> SigningKey:
    """Return a fresh key that is stored nowhere."""
    private = OKPKey.generate_key("Ed25519", private=True)
    return SigningKey(private.thumbprint(), private)


def public_key(key: SigningKey) -> OKPKey:
    """Return the half that verifiers hold."""
    return OKPKey.import_key(key.private.as_pem(private=False))


def signing_key(folder: Path) -> SigningKey:
    """Return the folder's signing key, made on the first use. Two processes that start at once get the same one.

    Raises `Precondition` when the file is not a key (KEY_FILE_UNREADABLE) or others may read it (KEY_FILE_EXPOSED).
    """
    path = folder / SIGNING
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _store(path, new_signing_key().private.as_pem(private=True))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Precondition(
            f"Others than its owner may read {path}.",
            message_zh="签名密钥文件权限过宽。",
            remedy=f"If nobody else had access: chmod 600 {path}. Otherwise remove it and restart: a new key is made.",
            reason="KEY_FILE_EXPOSED",
            path=path,
        )
    private = _loaded(path)
    key = SigningKey(private.thumbprint(), private)
    trusted = folder / _TRUSTED / f"{key.kid}.pem"
    if not trusted.exists():
        trusted.parent.mkdir(parents=True, exist_ok=True)
        _store(trusted, private.as_pem(private=False))
    return key


def trusted_keys(folder: Path) -> dict[str, OKPKey]:
    """Return the public keys that are trusted, by key id."""
    keys = (_loaded(path) for path in sorted((folder / _TRUSTED).glob("*.pem")))
    return {key.thumbprint(): key for key in keys}


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a key is added, replaced or removed: names, times and sizes of the files, none read."""
    files = [folder / SIGNING, *sorted((folder / _TRUSTED).glob("*.pem"))]
    found = []
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # removed since it was listed
            facts = path.stat()
            found.append((path.name, facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def rotate(folder: Path) -> SigningKey:
    """Make a new signing key. Tokens of the former one stay good until they expire: its public half stays trusted."""
    signing_key(folder)
    _store(folder / SIGNING, new_signing_key().private.as_pem(private=True), replace=True)
    return signing_key(folder)


def distrust(folder: Path, kid: str) -> None:
    """Stop trusting a key: every token that it signed is refused once verifiers have read the folder again."""
    (folder / _TRUSTED / f"{kid}.pem").unlink(missing_ok=True)


def _store(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file that is whole or absent, for its owner only; without `replace` one that is there already stays."""
    # By chance, not by process number: in containers that share the folder every process is number 1.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if replace:
        fresh.replace(path)
    else:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    _sync(path.parent)  # what is signed from now on must not outlive its key


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _loaded(path: Path) -> OKPKey:
    try:
        return OKPKey.import_key(path.read_bytes())
    except (JoseError, ValueError, TypeError) as error:
        raise Precondition(
            f"{path} is not an Ed25519 key in PEM form.",
            message_zh="密钥文件无法读取。",
            remedy="Restore it from your backup, or remove it; a new key is made at the next start.",
            reason="KEY_FILE_UNREADABLE",
            path=path,
        ) from error
