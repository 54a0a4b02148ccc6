"""Comparing both sides' books: what was given, as the transfer counts it, and what was received, as it was signed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_case_transfer.ledger import Flaw, Keys, flaws
from liangfa_kit.clock import beijing_date
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

_OPEN, _UNKNOWN, _MISSING, _NOT_HELD, _LAST = "OPEN", "UNKNOWN", "RECEIPT_MISSING", "NOT_HELD", "LAST_DIFFERS"
_KINDS = {
    _OPEN: rpc.GAP_KIND_NOT_SIGNED,
    _UNKNOWN: rpc.GAP_KIND_UNKNOWN,
    _MISSING: rpc.GAP_KIND_MISSING,
    _NOT_HELD: rpc.GAP_KIND_NOT_HELD,
}
_WORDS_ZH = {
    _OPEN: "已发出，接收方尚未签收",
    _UNKNOWN: "接收方持有，发出方无此记录",
    _MISSING: "发出方已编号发出，台账中已不存在",
    _NOT_HELD: "台账中有，贵单位提交的底账中没有",
    _LAST: "与发出时登记的哈希值不一致",
    "HELD_DIFFERS": "贵单位底账的哈希值与台账不一致",
    "HASH_MISMATCH": "哈希值与签名内容不一致",
    "FIELD_DIFFERS": "登记事项与签名内容不一致",
    "SIGNATURE_INVALID": "签名与内容不符",
    "KEY_UNKNOWN": "签名所用密钥不属于该单位",
    "ALGORITHM_UNKNOWN": "签名算法未知",
    "BROKEN_CHAIN": "之前的回执缺失、被添加或者被改动",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the sender's side has counted of a transfer: how many receipts, and the hash of the newest."""

    count: int
    last: str


def gaps(
    transfer_id: str, given: Given, receipts: Sequence[pb.Receipt], keys: Keys, day: date
) -> Iterator[rpc.ReceiptGap]:
    """Yield what does not match in one transfer whose `receipts` are all given, in order of their numbers.

    What was sent after `day` (in China) and is open yet is no gap of that day.
    """
    by_id = {receipt.id: receipt for receipt in receipts}
    there = {receipt.number for receipt in receipts}
    for number in range(1, given.count + 1):
        if number not in there:
            gap = _gap(_MISSING, "given by the sender, and not in the ledger any more")
            gap.transfer_id, gap.number = transfer_id, number
            yield gap
    for receipt in receipts:
        if receipt.number > given.count or not receipt.statement:
            yield _gap(_UNKNOWN, "received, and the sender's side has not given it", receipt)
        elif receipt.number == given.count and receipt.sha256 != given.last:
            yield _gap(_LAST, "the hash is not the one that was counted when it was sent", receipt)
    for flaw in flaws(receipts, keys):
        receipt = by_id[flaw.receipt_id]
        if flaw.rule != _OPEN or _day(receipt.sent_at) <= day:
            yield _gap(flaw.rule, _words(flaw, receipt), receipt)


def held_gaps(held: Sequence[rpc.HeldReceipt], known: Mapping[str, pb.Receipt]) -> Iterator[rpc.ReceiptGap]:
    """Yield what the caller holds and the ledger has not, or has otherwise. `known` are the caller's, by id."""
    for one in held:
        receipt = known.get(one.receipt_id)
        if receipt is None:
            gap = _gap(_UNKNOWN, "held by you, and unknown to the ledger")
            gap.receipt_id = one.receipt_id
            yield gap
        elif receipt.sha256 != one.sha256:
            yield _gap("HELD_DIFFERS", "the hash in your books is not that of the ledger", receipt)


def is_of(receipt: pb.Receipt, day: date) -> bool:
    """Tell whether a receipt was sent or signed for on a day in China: then it stands in the books of that day."""
    moments = [receipt.sent_at, *([receipt.received_at] if receipt.HasField("received_at") else [])]
    return day in set(map(_day, moments))


def not_held(receipt: pb.Receipt) -> rpc.ReceiptGap:
    """Return the gap of a receipt that is missing in the caller's own books."""
    return _gap(_NOT_HELD, "in the ledger, and not in your books", receipt)


def _day(at: Timestamp) -> date:
    return beijing_date(at.ToDatetime(tzinfo=UTC))


def _words(flaw: Flaw, receipt: pb.Receipt) -> str:
    return f"waits for {receipt.receiver.name} to sign" if flaw.rule == _OPEN else flaw.message


def _gap(rule: str, words: str, receipt: pb.Receipt | None = None) -> rpc.ReceiptGap:
    gap = rpc.ReceiptGap(
        kind=_KINDS.get(rule, rpc.GAP_KIND_DIFFERS), rule=rule, message_zh=_WORDS_ZH.get(rule, rule), message_en=words
    )
    if receipt is not None:
        gap.receipt_id, gap.transfer_id = receipt.id, receipt.transfer_id
        gap.number, gap.step = receipt.number, receipt.step
        gap.sender.CopyFrom(receipt.sender)
        gap.receiver.CopyFrom(receipt.receiver)
        gap.sent_at.CopyFrom(receipt.sent_at)
    return gap
