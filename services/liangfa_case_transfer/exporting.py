"""Receipts and public keys as files: one stable JSON form, for whoever keeps, sends or checks them without a platform.

Pure. A file of receipts holds the public keys that its signatures name, and no field that no signature or hash covers;
it is written in one way only, so that any byte that was altered is found.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ConfigDict, ValidationError

from liangfa_case_transfer.keyring import ALGORITHM, key_id, pem
from liangfa_case_transfer.ledger import Flaw, flaws
from liangfa_kit.errors import Invalid
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_F = TypeVar("_F", bound=_Form)


class _Party(_Form):
    id: str
    name: str


class _Signature(_Form):
    algorithm: str
    key_id: str
    value: str  # base64


class _Receipt(_Form):
    id: str
    number: int
    transfer: str
    suspect: str
    step: str
    sender: _Party
    receiver: _Party
    sent_at: str  # ISO 8601, UTC
    received_at: str  # the same; empty while open
    reply_by: str  # ISO date that the document names for an answer; empty for none
    sha256: str
    statement: str
    sender_signature: _Signature
    acknowledgement: str
    receiver_signature: _Signature | None


class _Key(_Form):
    organisation: str
    algorithm: str
    key_id: str
    pem: str


class _Receipts(_Form):
    format: Literal["liangfa-receipts/1"] = "liangfa-receipts/1"
    receipts: list[_Receipt]
    keys: list[_Key]


class _Keys(_Form):
    format: Literal["liangfa-keys/1"] = "liangfa-keys/1"
    keys: list[_Key]


def receipts_file(receipts: Iterable[pb.Receipt], keys: Iterable[pb.PublicKey]) -> bytes:
    """Return receipts of one transfer, in order of their numbers, with those of `keys` that they name, as a file."""
    listed = sorted(receipts, key=lambda receipt: receipt.number)
    named = {(one.sender.id, one.sender_signature.key_id) for one in listed}
    named |= {(one.receiver.id, one.receiver_signature.key_id) for one in listed}
    used = [key for key in keys if (key.organisation.id, key.key_id) in named]
    return _written(_Receipts(receipts=list(map(_of_receipt, listed)), keys=_of_keys(used)))


def keys_file(keys: Iterable[pb.PublicKey]) -> bytes:
    """Return public keys as a file."""
    return _written(_Keys(keys=_of_keys(keys)))


def read_receipts(content: bytes) -> tuple[list[pb.Receipt], list[pb.PublicKey]]:
    """Return the receipts of a file and the keys in it, unchecked. Raises `Invalid` (FILE_UNREADABLE)."""
    found = _read(_Receipts, content)
    if not found.receipts:
        raise _unreadable("it holds no receipt")
    try:
        return [_to_receipt(one) for one in found.receipts], list(map(_to_key, found.keys))
    except (ValueError, OverflowError) as error:  # a time, a number or a signature that is none
        raise _unreadable(str(error)) from None


def read_keys(content: bytes) -> list[pb.PublicKey]:
    """Return the keys of a file, unchecked. Raises `Invalid` (FILE_UNREADABLE)."""
    return list(map(_to_key, _read(_Keys, content).keys))


def file_flaws(content: bytes, trusted: Sequence[pb.PublicKey] | None = None, *, is_whole: bool = True) -> list[Flaw]:
    """Check a file of receipts; empty when nothing was altered and everything is signed for.

    Without `trusted` keys those of the file are taken: that shows whether it was altered, not whose keys they are.
    A flaw of the file, and not of one receipt, names no receipt. `is_whole` is that of `ledger.flaws`. Raises `Invalid`.
    """
    receipts, keys = read_receipts(content)
    known = keys if trusted is None else trusted
    found = list(_key_flaws([*keys, *(trusted or ())]))
    ring: dict[str, dict[str, Ed25519PublicKey]] = {}
    for key in known:
        if (sound := _public_key(key)) is not None:
            ring.setdefault(key.organisation.id, {})[key.key_id] = sound
    found += (
        Flaw("", "KEY_NOT_TRUSTED", f"{key.organisation.id}: the key in the file is not among the trusted ones")
        for key in keys
        if _public_key(key) is not None and key.key_id not in ring.get(key.organisation.id, {})
    )
    found += flaws(receipts, ring, is_whole=is_whole)
    if (line := _differs_at(content, receipts_file(receipts, keys))) and all(flaw.rule == "OPEN" for flaw in found):
        found.append(Flaw("", "WRITTEN_ANEW", f"the file was changed at line {line} since it was exported"))
    return found


def _key_flaws(keys: Iterable[pb.PublicKey]) -> Iterator[Flaw]:
    for key in keys:
        if _public_key(key) is None:
            yield Flaw("", "KEY_FALSE", f"{key.organisation.id}: key {key.key_id[:16]} is not the key of this id")


def _public_key(key: pb.PublicKey) -> Ed25519PublicKey | None:
    """Return the key if its text is exactly that of the key with this id."""
    try:
        found = load_pem_public_key(key.pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(found, Ed25519PublicKey) or key.algorithm != ALGORITHM:
        return None
    return found if (key_id(found), pem(found)) == (key.key_id, key.pem) else None


def _differs_at(content: bytes, wanted: bytes) -> int:
    """Return the first line, from 1, in which two files differ; 0 when they are the same."""
    if content == wanted:
        return 0
    place = next((n for n, (a, b) in enumerate(zip(content, wanted, strict=False)) if a != b), len(wanted))
    return content.count(b"\n", 0, place) + 1


def _written(form: BaseModel) -> bytes:
    return orjson.dumps(form.model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _read(kind: type[_F], content: bytes) -> _F:
    try:
        return kind.model_validate(orjson.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        raise _unreadable(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"line {error.lineno}: {error.msg}") from None


def _unreadable(why: str) -> Invalid:
    return Invalid(
        f"This is no file that the ledger has written: {why}.",
        message_zh=f"文件不是台账导出的格式，或者已损坏：{why}。",
        remedy="Export it again (`liangfa ledger export`, `liangfa ledger keys`).",
        reason="FILE_UNREADABLE",
        why=why,
    )


def _of_receipt(receipt: pb.Receipt) -> _Receipt:
    has_answer = receipt.HasField("receiver_signature")
    return _Receipt(
        id=receipt.id,
        number=receipt.number,
        transfer=receipt.transfer_id,
        suspect=receipt.suspect_id,
        step=receipt.step,
        sender=_Party(id=receipt.sender.id, name=receipt.sender.name),
        receiver=_Party(id=receipt.receiver.id, name=receipt.receiver.name),
        sent_at=_iso(receipt.sent_at),
        received_at=_iso(receipt.received_at) if receipt.HasField("received_at") else "",
        reply_by=receipt.reply_by,
        sha256=receipt.sha256,
        statement=receipt.statement,
        sender_signature=_of_signature(receipt.sender_signature),
        acknowledgement=receipt.acknowledgement,
        receiver_signature=_of_signature(receipt.receiver_signature) if has_answer else None,
    )


def _to_receipt(form: _Receipt) -> pb.Receipt:
    receipt = pb.Receipt(
        id=form.id,
        number=form.number,
        transfer_id=form.transfer,
        suspect_id=form.suspect,
        step=form.step,
        sender=pb.Organisation(id=form.sender.id, name=form.sender.name),
        receiver=pb.Organisation(id=form.receiver.id, name=form.receiver.name),
        sent_at=_timestamp(form.sent_at),
        reply_by=form.reply_by,
        sha256=form.sha256,
        statement=form.statement,
        sender_signature=_to_signature(form.sender_signature),
        acknowledgement=form.acknowledgement,
        receiver_signature=_to_signature(form.receiver_signature) if form.receiver_signature else None,
    )
    if form.received_at:
        receipt.received_at.CopyFrom(_timestamp(form.received_at))
    return receipt


def _of_signature(signature: pb.Signature) -> _Signature:
    value = base64.b64encode(signature.value).decode()
    return _Signature(algorithm=signature.algorithm, key_id=signature.key_id, value=value)


def _to_signature(form: _Signature) -> pb.Signature:
    value = base64.b64decode(form.value, validate=True)
    return pb.Signature(algorithm=form.algorithm, key_id=form.key_id, value=value)


def _of_keys(keys: Iterable[pb.PublicKey]) -> list[_Key]:
    listed = sorted(keys, key=lambda key: (key.organisation.id, key.key_id))
    return [_Key(organisation=k.organisation.id, algorithm=k.algorithm, key_id=k.key_id, pem=k.pem) for k in listed]


def _to_key(form: _Key) -> pb.PublicKey:
    organisation = pb.Organisation(id=form.organisation)
    return pb.PublicKey(organisation=organisation, algorithm=form.algorithm, key_id=form.key_id, pem=form.pem)


def _iso(at: Timestamp) -> str:
    return at.ToDatetime(tzinfo=UTC).isoformat()


def _timestamp(text: str) -> Timestamp:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"the time {text!r} names no zone")
    found = Timestamp()
    found.FromDatetime(at)
    return found
