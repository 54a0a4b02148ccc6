"""Both sides' books, compared: each way in which they can differ is its own kind of gap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.ledger import Keys
from liangfa_case_transfer.reconciling import Given, gaps
from liangfa_kit.clock import beijing_date
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.ledger import chain, ring
from tests.transferring import START

DAY = beijing_date(START) + timedelta(days=30)
Twist = Callable[[list[pb.Receipt]], object]


def keys(keyring: Keyring) -> Keys:
    return {name: keyring.public_keys(name) for name in ("market", "police")}


def found(tmp_path: Path, twist: Twist, *, is_open: bool = False) -> set[tuple[int, str, str]]:
    """Return (number, kind, rule) of the gaps after `twist`."""
    keyring = ring(tmp_path)
    receipts = chain(keyring, is_open=is_open)
    given = Given(len(receipts), receipts[-1].sha256)
    twist(receipts)
    listed = list(gaps("transfer-1", given, receipts, keys(keyring), DAY))
    assert all(gap.message_zh and gap.message_en and gap.transfer_id == "transfer-1" for gap in listed)
    return {(gap.number, rpc.GapKind.Name(gap.kind).removeprefix("GAP_KIND_"), gap.rule) for gap in listed}


def _signs_another_hash(receipts: list[pb.Receipt]) -> None:
    receipts[1].acknowledgement = receipts[1].acknowledgement.replace(receipts[1].sha256, "0" * 64)


TWISTS: list[tuple[Twist, set[tuple[int, str, str]]]] = [
    (lambda _: None, set()),
    (lambda r: r.pop(), {(3, "MISSING", "RECEIPT_MISSING")}),
    (lambda r: r.clear(), {(n, "MISSING", "RECEIPT_MISSING") for n in (1, 2, 3)}),
    (lambda r: r.pop(0), {(1, "MISSING", "RECEIPT_MISSING"), (2, "DIFFERS", "BROKEN_CHAIN")}),
    (lambda r: setattr(r[2], "sha256", "0" * 64), {(3, "DIFFERS", "LAST_DIFFERS"), (3, "DIFFERS", "HASH_MISMATCH")}),
    (_signs_another_hash, {(2, "DIFFERS", "FIELD_DIFFERS"), (2, "DIFFERS", "SIGNATURE_INVALID")}),
]


@pytest.mark.parametrize(("twist", "expected"), TWISTS)
def test_each_difference_is_named_with_its_receipt(
    tmp_path: Path, twist: Twist, expected: set[tuple[int, str, str]]
) -> None:
    """Whole books have no gap."""
    assert found(tmp_path, twist) == expected


def test_what_was_sent_and_not_signed_for_is_its_own_kind(tmp_path: Path) -> None:
    """No difference: it waits."""
    assert found(tmp_path, lambda _: None, is_open=True) == {(3, "NOT_SIGNED", "OPEN")}


def test_what_was_received_and_never_given_is_unknown(tmp_path: Path) -> None:
    """The receiver has signed for a receipt that the sender's side has not counted, or has no statement of."""
    keyring = ring(tmp_path)
    receipts = chain(keyring)
    counted_two = list(gaps("transfer-1", Given(2, receipts[1].sha256), receipts, keys(keyring), DAY))
    assert [(gap.number, gap.kind) for gap in counted_two] == [(3, rpc.GAP_KIND_UNKNOWN)]
    assert (2, "UNKNOWN", "UNKNOWN") in found(tmp_path, lambda r: r[1].ClearField("statement"))
