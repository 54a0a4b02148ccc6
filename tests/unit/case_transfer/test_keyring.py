"""The organisations' signing keys as files: made on first use, replaced by an operator, never lost to a verifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangfa_case_transfer.keyring import Keyring
from liangfa_kit.errors import NotFound


def test_a_replaced_key_is_taken_up_and_the_former_one_stays_known(tmp_path: Path) -> None:
    """Also by another process, which has opened the key before."""
    one, other = Keyring(tmp_path), Keyring(tmp_path)
    for ring in (one, other):
        ring.open("market")
    before = one.sign("market", b"x")
    fresh = one.rotate("market")
    for ring in (one, other):
        ring.open("market")
        after = ring.sign("market", b"x")
        assert before.key_id != after.key_id == fresh
        ring.public_keys("market")[before.key_id].verify(before.value, b"x")
        ring.public_keys("market")[after.key_id].verify(after.value, b"x")


def test_a_key_that_was_never_used_is_not_replaced(tmp_path: Path) -> None:
    """A slip in the organisation's id would leave the leaked key in use."""
    with pytest.raises(NotFound) as refused:
        Keyring(tmp_path).rotate("makret")
    assert refused.value.remedy
    assert not list(tmp_path.iterdir())
