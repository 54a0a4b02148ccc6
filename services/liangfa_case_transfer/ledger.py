"""The hand-over ledger: what is signed, by whom, and how anybody checks it with public keys alone. Pure.

A statement and an acknowledgement are canonical JSON (UTF-8, keys sorted, no spaces): exactly those bytes are signed.
Each statement holds the SHA-256 of the one before it in its transfer, so that none can be taken out unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from liangfa_case_transfer.keyring import ALGORITHM
from liangfa_kit.identity import Actor
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

NO_RECEIPT = "0" * 64
"""What the first receipt of a transfer names as the one before it."""


def statement(
    receipt: pb.Receipt, taken: pb.TakenStep, actor: Actor, previous: str, *, case_id: str, sent_at: datetime
) -> str:
    """Return what the sender signs: what is handed over, from whom, to whom, when, by whom, after which receipt.

    Two moments: when it was sent, as the sender says, and when that was entered, by the platform's clock.
    """
    return _canonical({
        "receipt": receipt.id,
        "number": receipt.number,
        "transfer": receipt.transfer_id,
        "case": case_id,
        "suspect": taken.suspect_id,
        "step": {"id": taken.step, "name": taken.name_zh},
        "from": {"id": receipt.sender.id, "name": receipt.sender.name},
        "to": {"id": receipt.receiver.id, "name": receipt.receiver.name},
        "sent_at": sent_at.isoformat(),
        "entered_at": taken.entered_at.ToDatetime(tzinfo=UTC).isoformat(),
        "sent_by": {"id": actor.person_id, "name": actor.person_name},
        "documents": [
            {"kind": d.kind, "title": d.title, "number": d.number, "sha256": d.sha256, "size": d.size_bytes}
            for d in taken.documents
        ],
        "items": [
            {"name": i.name, "quantity": i.quantity, "features": i.features, "place": i.place} for i in taken.items
        ],
        "previous": previous,
        **({"reply_by": receipt.reply_by} if receipt.reply_by else {}),
    })  # fmt: skip


def acknowledgement(receipt: pb.Receipt, actor: Actor, received_at: datetime, entered_at: datetime) -> str:
    """Return what the receiver signs: that exactly this statement was received, when (and when that was entered), by whom."""
    return _canonical({
        "receipt": receipt.id,
        "statement_sha256": receipt.sha256,
        "received_at": received_at.isoformat(),
        "entered_at": entered_at.isoformat(),
        "received_by": {"id": actor.person_id, "name": actor.person_name, "organisation": receipt.receiver.id},
    })  # fmt: skip


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


Keys = Mapping[str, Mapping[str, Ed25519PublicKey]]
"""Public keys by organisation id and key id: a signature counts only if its key is the signing organisation's own."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a receipt: which, by which rule, in words."""

    receipt_id: str
    rule: str
    message: str


def flaws(receipts: Sequence[pb.Receipt], keys: Keys, *, is_whole: bool = True) -> Iterator[Flaw]:
    """Check receipts of one transfer, in order of their numbers.

    Found are: an altered statement or acknowledgement, a field beside it that says something else, a key that is unknown
    or another organisation's, a receipt that is missing before another (`is_whole` says that the first one given must be
    the transfer's first), and, as OPEN, one that nobody has signed for yet.
    """
    previous = NO_RECEIPT if is_whole else ""
    number = 0 if is_whole else (receipts[0].number - 1 if receipts else 0)
    for receipt in receipts:
        number += 1
        yield from _statement_flaws(receipt, keys)
        if (previous and _said(receipt.statement, "previous") != previous) or receipt.number != number:
            yield Flaw(receipt.id, "BROKEN_CHAIN", "a receipt before it is missing, added or altered")
        previous, number = sha256_of(receipt.statement), receipt.number
        if receipt.acknowledgement or receipt.HasField("receiver_signature") or receipt.HasField("received_at"):
            yield from _acknowledgement_flaws(receipt, keys)
        else:
            yield Flaw(receipt.id, "OPEN", "sent, and not signed for by the receiver")


def _statement_flaws(receipt: pb.Receipt, keys: Keys) -> Iterator[Flaw]:
    beside = {
        ("receipt",): receipt.id,
        ("number",): receipt.number,
        ("transfer",): receipt.transfer_id,
        ("suspect",): receipt.suspect_id,
        ("step", "id"): receipt.step,
        ("from",): {"id": receipt.sender.id, "name": receipt.sender.name},
        ("to",): {"id": receipt.receiver.id, "name": receipt.receiver.name},
        ("sent_at",): receipt.sent_at.ToDatetime(tzinfo=UTC).isoformat(),
        ("reply_by",): receipt.reply_by or None,
    }
    yield from _differing(receipt.id, receipt.statement, beside)
    if receipt.sha256 != sha256_of(receipt.statement):
        yield Flaw(receipt.id, "HASH_MISMATCH", "the hash is not that of the statement")
    yield from _signature_flaws(receipt.id, receipt.sender.id, receipt.statement, receipt.sender_signature, keys)


def _acknowledgement_flaws(receipt: pb.Receipt, keys: Keys) -> Iterator[Flaw]:
    beside = {
        ("receipt",): receipt.id,
        ("statement_sha256",): sha256_of(receipt.statement),
        ("received_by", "organisation"): receipt.receiver.id,
        ("received_at",): receipt.received_at.ToDatetime(tzinfo=UTC).isoformat(),
    }
    yield from _differing(receipt.id, receipt.acknowledgement, beside)
    signature = receipt.receiver_signature
    yield from _signature_flaws(receipt.id, receipt.receiver.id, receipt.acknowledgement, signature, keys)


def _differing(receipt_id: str, text: str, beside: Mapping[tuple[str, ...], Any]) -> Iterator[Flaw]:
    for path, value in beside.items():
        if _said(text, *path) != value:
            yield Flaw(receipt_id, "FIELD_DIFFERS", f"'{'.'.join(path)}' is not what was signed")


def _signature_flaws(
    receipt_id: str, organisation_id: str, content: str, signature: pb.Signature, keys: Keys
) -> Iterator[Flaw]:
    if signature.algorithm != ALGORITHM:
        yield Flaw(receipt_id, "ALGORITHM_UNKNOWN", f"{organisation_id}: a signature of kind {signature.algorithm!r}")
        return
    key = keys.get(organisation_id, {}).get(signature.key_id)
    if key is None:
        yield Flaw(
            receipt_id, "KEY_UNKNOWN", f"{organisation_id}: the key is not among this organisation's public keys"
        )
        return
    try:
        key.verify(signature.value, content.encode())
    except InvalidSignature:
        yield Flaw(receipt_id, "SIGNATURE_INVALID", f"{organisation_id}: the content signed was altered")


def _canonical(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _said(text: str, *path: str) -> Any:
    """Return what a signed text says at `path`; None where it says nothing, or is no such text."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
