"""The hand-over ledger: what is signed, by whom, and how anybody checks it with public keys alone. Pure.

A statement and an acknowledgement are canonical JSON (UTF-8, keys sorted, no spaces): exactly those bytes are signed.
Each statement holds the SHA-256 of the one before it in its transfer, so that none can be taken out unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """Return what the sender signs: what is handed over, from whom, to whom, when, by whom, after which receipt."""
    return _canonical({
        "receipt": receipt.id,
        "number": receipt.number,
        "transfer": receipt.transfer_id,
        "case": case_id,
        "step": {"id": taken.step, "name": taken.name_zh},
        "from": {"id": receipt.sender.id, "name": receipt.sender.name},
        "to": {"id": receipt.receiver.id, "name": receipt.receiver.name},
        "sent_at": sent_at.isoformat(),
        "sent_by": {"id": actor.person_id, "name": actor.person_name},
        "documents": [
            {"kind": d.kind, "title": d.title, "number": d.number, "sha256": d.sha256, "size": d.size_bytes}
            for d in taken.documents
        ],
        "items": [
            {"name": i.name, "quantity": i.quantity, "features": i.features, "place": i.place} for i in taken.items
        ],
        "previous": previous,
    })  # fmt: skip


def acknowledgement(receipt: pb.Receipt, actor: Actor, received_at: datetime) -> str:
    """Return what the receiver signs: that exactly this statement was received, when and by whom."""
    return _canonical({
        "receipt": receipt.id,
        "statement_sha256": receipt.sha256,
        "received_at": received_at.isoformat(),
        "received_by": {"id": actor.person_id, "name": actor.person_name, "organisation": receipt.receiver.id},
    })  # fmt: skip


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a receipt: which, by which rule, in words."""

    receipt_id: str
    rule: str
    message: str


def flaws(receipts: Sequence[pb.Receipt], keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Flaw]:
    """Check receipts of one transfer, in order of their numbers, with public keys by key id.

    Found are: an altered statement or acknowledgement, a field beside it that says something else, a wrong or unknown
    key, a receipt that is missing before another, and (as OPEN) one that nobody has signed for yet.
    """
    previous = NO_RECEIPT
    for place, receipt in enumerate(receipts):
        yield from _statement_flaws(receipt, keys)
        said = _read(receipt.statement)
        if place and said.get("previous") != previous:
            yield Flaw(receipt.id, "BROKEN_CHAIN", "a receipt before it is missing, added or altered")
        previous = sha256_of(receipt.statement)
        if receipt.acknowledgement or receipt.HasField("receiver_signature"):
            yield from _acknowledgement_flaws(receipt, keys)
        else:
            yield Flaw(receipt.id, "OPEN", "sent, and not signed for by the receiver")


def _statement_flaws(receipt: pb.Receipt, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Flaw]:
    said = _read(receipt.statement)
    beside = {
        "receipt": receipt.id,
        "number": receipt.number,
        "transfer": receipt.transfer_id,
        "from": {"id": receipt.sender.id, "name": receipt.sender.name},
        "to": {"id": receipt.receiver.id, "name": receipt.receiver.name},
    }
    for name, value in beside.items():
        if said.get(name) != value:
            yield Flaw(receipt.id, "FIELD_DIFFERS", f"'{name}' is not what was signed")
    if (said.get("step") or {}).get("id") != receipt.step:
        yield Flaw(receipt.id, "FIELD_DIFFERS", "'step' is not what was signed")
    if receipt.sha256 != sha256_of(receipt.statement):
        yield Flaw(receipt.id, "HASH_MISMATCH", "the hash is not that of the statement")
    yield from _signature_flaws(receipt.id, "sender", receipt.statement, receipt.sender_signature, keys)


def _acknowledgement_flaws(receipt: pb.Receipt, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Flaw]:
    said = _read(receipt.acknowledgement)
    if said.get("statement_sha256") != sha256_of(receipt.statement) or said.get("receipt") != receipt.id:
        yield Flaw(receipt.id, "ACKNOWLEDGEMENT_DIFFERS", "the receiver has signed for another statement")
    if (said.get("received_by") or {}).get("organisation") != receipt.receiver.id:
        yield Flaw(receipt.id, "ACKNOWLEDGEMENT_DIFFERS", "another organisation than the receiver has signed")
    yield from _signature_flaws(receipt.id, "receiver", receipt.acknowledgement, receipt.receiver_signature, keys)


def _signature_flaws(
    receipt_id: str, who: str, content: str, signature: pb.Signature, keys: Mapping[str, Ed25519PublicKey]
) -> Iterator[Flaw]:
    if signature.algorithm != ALGORITHM:
        yield Flaw(receipt_id, "ALGORITHM_UNKNOWN", f"the {who}'s signature is of kind {signature.algorithm!r}")
        return
    key = keys.get(signature.key_id)
    if key is None:
        yield Flaw(receipt_id, "KEY_UNKNOWN", f"the {who}'s key is not among the public keys given")
        return
    try:
        key.verify(signature.value, content.encode())
    except InvalidSignature:
        yield Flaw(receipt_id, "SIGNATURE_INVALID", f"the {who}'s signature does not fit: the content was altered")


def _canonical(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _read(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
