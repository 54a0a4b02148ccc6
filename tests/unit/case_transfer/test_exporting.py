"""Receipts as files: whatever is altered in one is found, with public keys alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_case_transfer.exporting import file_flaws, keys_file, read_keys, read_receipts, receipts_file
from liangfa_case_transfer.ledger import Flaw
from liangfa_kit.errors import Invalid
from tests.ledger import chain, public_keys, ring


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def exported(folder: Path) -> bytes:
    keyring = ring(folder)
    return receipts_file(chain(keyring), public_keys(keyring, "market", "police"))


def rules(content: bytes) -> list[str]:
    return [flaw.rule for flaw in file_flaws(content)]


def flaws_or_refusal(content: bytes) -> list[Flaw]:
    """Return the flaws of a file; a file that cannot be read has one, with what it was told."""
    try:
        return file_flaws(content)
    except Invalid as refusal:
        return [Flaw("", refusal.reason, refusal.metadata["why"])]


def edited(content: bytes, edit: Callable[[Any], object]) -> bytes:
    """Return the file as a forger would write it who knows the form."""
    found = json.loads(content)
    edit(found)
    return (json.dumps(found, ensure_ascii=False, indent=2) + "\n").encode()


def test_an_untouched_file_is_sound_and_reads_back_as_it_was(folder: Path, exported: bytes) -> None:
    """With its own keys and with keys that came another way; the form is stable byte for byte."""
    keyring = ring(folder)
    keys = public_keys(keyring, "police", "market")
    assert file_flaws(exported) == file_flaws(exported, keys) == []
    receipts, used = read_receipts(exported)
    assert receipts == chain(keyring)
    assert receipts_file(reversed(receipts), [*keys, *used[:0]]) == exported
    assert read_keys(keys_file(keys)) == sorted(keys, key=lambda key: key.organisation.id)
    assert edited(exported, lambda _: None) == exported


@settings(max_examples=400, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), how=st.sampled_from(["put", "add", "drop"]))
def test_any_altered_byte_is_found_and_its_receipt_or_line_named(
    exported: bytes, place: float, byte: int, how: str
) -> None:
    """Replaced, added or left out, wherever it stands: in what is signed, in signatures, in keys, between them."""
    at = int(place * len(exported))
    kept = 0 if how == "add" else 1
    altered = exported[:at] + (b"" if how == "drop" else bytes([byte])) + exported[at + kept :]
    if altered == exported:
        return
    named = {(flaw.receipt_id, flaw.message) for flaw in flaws_or_refusal(altered) if flaw.rule != "OPEN"}
    assert named
    assert all(receipt.startswith("receipt-") or words for receipt, words in named)


EDITS: list[tuple[Callable[[Any], object], str, set[str]]] = [
    (lambda f: f["receipts"][1]["receiver"].update(name="另一局"), "receipt-2", {"FIELD_DIFFERS"}),
    (lambda f: f["receipts"][1].update(number=5), "receipt-2", {"FIELD_DIFFERS", "BROKEN_CHAIN"}),
    (lambda f: f["receipts"][2].update(sent_at="2026-03-09T00:00:00+00:00"), "receipt-3", {"FIELD_DIFFERS"}),
    (lambda f: f["receipts"][0].update(sha256="00" * 32), "receipt-1", {"HASH_MISMATCH"}),
    (lambda f: f["receipts"].pop(1), "receipt-3", {"BROKEN_CHAIN"}),
    (lambda f: f["receipts"].reverse(), "receipt-3", {"BROKEN_CHAIN"}),
    (lambda f: f["keys"].pop(0), "receipt-1", {"KEY_UNKNOWN"}),
    (lambda f: f["keys"][0].update(organisation="else"), "receipt-1", {"KEY_UNKNOWN"}),
    (lambda f: f["keys"][0].update(pem=f["keys"][1]["pem"]), "", {"KEY_FALSE"}),
    (lambda f: f["keys"][0].update(pem=f["keys"][0]["pem"] + "\n"), "", {"KEY_FALSE"}),
    (lambda f: f["keys"][0].update(pem="no key"), "", {"KEY_FALSE"}),
    (lambda f: f["receipts"][1].update(receiver_signature=None), "receipt-2", {"ALGORITHM_UNKNOWN"}),
    (lambda f: f["receipts"][1].update(acknowledgement=""), "receipt-2", {"SIGNATURE_INVALID"}),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "receipt", "expected"), EDITS)
def test_what_a_forger_changes_is_named_with_its_receipt(
    exported: bytes, edit: Callable[[Any], object], receipt: str, expected: set[str]
) -> None:
    """However well the file is written."""
    named = {flaw.rule for flaw in file_flaws(edited(exported, edit)) if flaw.receipt_id == receipt}
    assert named >= expected


def test_a_receipt_that_is_not_signed_for_is_open_and_not_altered(folder: Path) -> None:
    """Its own rule, and nothing else."""
    keyring = ring(folder)
    content = receipts_file(chain(keyring, is_open=True), public_keys(keyring, "market", "police"))
    assert [(flaw.receipt_id, flaw.rule) for flaw in file_flaws(content)] == [("receipt-3", "OPEN")]


def test_a_file_written_anew_says_so_with_its_line(exported: bytes) -> None:
    """The contents hold; still it is not the file that was exported."""
    (flaw,) = file_flaws(exported.replace(b"\n", b"\r\n"))
    assert (flaw.rule, flaw.message) == ("WRITTEN_ANEW", "the file was changed at line 1 since it was exported")
    assert rules(exported.rstrip()) == ["WRITTEN_ANEW"]


def test_a_forgers_own_keys_do_not_count_where_trusted_keys_are_given(
    tmp_path: Path, folder: Path, exported: bytes
) -> None:
    """A file signed anew with new keys is sound in itself: that is why keys should come another way."""
    other = ring(tmp_path)
    forged = receipts_file(chain(other), public_keys(other, "market", "police"))
    assert rules(forged) == []
    trusted = public_keys(ring(folder), "market", "police")
    assert {flaw.rule for flaw in file_flaws(forged, trusted)} == {"KEY_NOT_TRUSTED", "KEY_UNKNOWN"}
    assert file_flaws(exported, trusted) == []


def test_a_part_of_a_transfers_receipts_is_checked_as_a_part(folder: Path) -> None:
    """One receipt alone can be shown to a court."""
    keyring = ring(folder)
    content = receipts_file(chain(keyring)[1:2], public_keys(keyring, "market", "police"))
    assert rules(content) == ["BROKEN_CHAIN"]
    assert file_flaws(content, is_whole=False) == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b'{"format":"liangfa-receipts/1","receipts":[],"keys":[]}',
        b'{"format":"liangfa-keys/1","keys":[]}', b"[" * 5000,
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused_and_never_sound(content: bytes) -> None:
    """Nothing in it is nothing proved."""
    with pytest.raises(Invalid) as refusal:
        file_flaws(content)
    assert refusal.value.reason == "FILE_UNREADABLE"
    assert refusal.value.remedy
    assert refusal.value.message_zh


def test_times_numbers_and_signatures_that_are_none_are_unreadable(exported: bytes) -> None:
    """With a refusal, not a traceback."""
    wrong: list[dict[str, Any]] = [
        {"sent_at": "yesterday"}, {"sent_at": "2026-03-02T01:00:00"}, {"sent_at": ""}, {"number": 1 << 40},
        {"number": True}, {"sender_signature": {"algorithm": "ed25519", "key_id": "a", "value": "*"}}, {"more": 1},
    ]  # fmt: skip
    for change in wrong:
        found = json.loads(exported)
        found["receipts"][0].update(change)
        with pytest.raises(Invalid):
            file_flaws(json.dumps(found).encode())
