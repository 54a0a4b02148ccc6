"""Tokens: who they speak for, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt

from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import Precondition, Unauthenticated
from liangfa_kit.identity import TOKEN_REASONS, Actor, TokenIssuer, TokenRefused, TokenVerifier
from liangfa_kit.keys import distrust, new_signing_key, public_key, rotate, signing_key, trusted_keys

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MINUTES = timedelta(minutes=1)
OFFICER = Actor("p1", "某甲", "a1", "某市场监督管理局", "market", "420111", frozenset({"officer", "reviewer"}))
KEY = new_signing_key()
KEYS = {KEY.kid: public_key(KEY)}


def issued(actor: Actor = OFFICER, at: datetime = START, **options: str) -> str:
    return TokenIssuer(KEY, ManualClock(at), 15 * MINUTES, issuer=options.pop("issuer", "liangfa")).issue(
        actor, **options
    )


def signed(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token with a good signature and any claims."""
    claims = json.loads(base64.urlsafe_b64decode(issued().split(".")[1] + "=="))
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid, **(header or {})}, claims, KEY.private, algorithms=["Ed25519"])


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def verifier(at: datetime = START, **options: Any) -> TokenVerifier:
    return TokenVerifier(options.pop("keys", KEYS), ManualClock(at), **options)


def refusal(token: str | None, at: datetime = START, **options: Any) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verifier(at, **options).verify(token)
    assert isinstance(caught.value, TokenRefused)
    assert caught.value.remedy
    assert caught.value.message_zh
    return caught.value.reason


def test_a_token_speaks_for_the_actor_it_was_issued_to() -> None:
    """Person, agency, type, region and roles survive the way there and back."""
    assert verifier().verify(issued()) == OFFICER
    service = Actor("service/x", "x", "", "", "", "", frozenset({"service"}))
    assert verifier().verify(issued(service)) == service


@given(
    st.builds(
        Actor,
        st.text(min_size=1, max_size=20),
        st.text(max_size=20),
        st.text(max_size=20),
        st.text(max_size=20),
        st.text(max_size=20),
        st.from_regex(r"[0-9]{6}", fullmatch=True),
        st.frozensets(st.text(max_size=8), max_size=5),
    )
)
def test_any_actor_survives_the_way_there_and_back(actor: Actor) -> None:
    """Names of every alphabet do."""
    assert verifier().verify(issued(actor)) == actor


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_named_as_missing(token: str | None) -> None:
    """Nothing was sent."""
    assert refusal(token) == "TOKEN_MISSING"


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b",
        "a.b.c",
        "..",
        "a.b.c.d",
        f"{part({'alg': 'Ed25519'})}.%%%.c",
        f"{part([1])}.{part({})}.c",
        f"{part('x')}.{part({})}.c",
        "令.牌.坏",
        "x" * 7_000,
    ],
)
def test_what_is_not_a_token_is_malformed(token: str) -> None:
    """Whatever is sent, the answer is a refusal, never a crash."""
    assert refusal(token) == "TOKEN_MALFORMED"


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    """Random text is refused with a reason of the table."""
    assert refusal(text) in TOKEN_REASONS


def test_the_header_cannot_choose_the_algorithm() -> None:
    """Neither `none` nor an HMAC made with the public key passes."""
    payload = issued().split(".")[1]
    assert refusal(f"{part({'alg': 'none', 'kid': KEY.kid})}.{payload}.") == "TOKEN_ALGORITHM"
    head = f"{part({'alg': 'HS256', 'kid': KEY.kid})}.{payload}"
    secret = public_key(KEY).as_pem()
    mac = base64.urlsafe_b64encode(hmac.new(secret, head.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert refusal(f"{head}.{mac}") == "TOKEN_ALGORITHM"


def test_a_changed_token_fails_its_signature() -> None:
    """Not one character of the content can be exchanged."""
    head, _payload, signature = issued().split(".")
    claims = json.loads(base64.urlsafe_b64decode(issued().split(".")[1] + "=="))
    assert refusal(f"{head}.{part({**claims, 'roles': ['supervisor']})}.{signature}") == "TOKEN_SIGNATURE"


def test_a_key_that_is_not_trusted_is_refused() -> None:
    """A stranger's key, and a header without one."""
    stranger = new_signing_key()
    assert refusal(TokenIssuer(stranger, ManualClock(START), MINUTES).issue(OFFICER)) == "TOKEN_KEY_UNKNOWN"
    assert refusal(signed({"kid": "other"})) == "TOKEN_KEY_UNKNOWN"


def test_a_stranger_cannot_borrow_a_trusted_key_id() -> None:
    """The id chooses the key; the signature must still be that key's."""
    claims = json.loads(base64.urlsafe_b64decode(issued().split(".")[1] + "=="))
    stranger = new_signing_key().private
    forged = jwt.encode({"alg": "Ed25519", "kid": KEY.kid}, claims, stranger, algorithms=["Ed25519"])
    assert refusal(forged) == "TOKEN_SIGNATURE"


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e9},
        {"exp": -1},
        {"exp": 1 << 60},
        {"nbf": None},
        {"roles": None},
        {"roles": "officer"},
        {"roles": [1]},
        {"region": "42011"},
        {"region": "４２０１１１"},
        {"agency": None},
        {"name": 3},
    ],
)
def test_a_missing_or_malformed_claim_is_refused(changes: dict[str, Any]) -> None:
    """A signature does not make nonsense right."""
    assert refusal(signed(**changes)) == "TOKEN_CLAIMS"


def test_tokens_of_another_issuer_or_for_another_audience_are_refused() -> None:
    """Both are checked, also when several audiences are named."""
    assert refusal(issued(issuer="elsewhere")) == "TOKEN_ISSUER"
    assert refusal(issued(audience="elsewhere")) == "TOKEN_AUDIENCE"
    assert verifier().verify(signed(aud=["x", "liangfa"])) == OFFICER
    assert refusal(signed(aud=["x", "y"])) == "TOKEN_AUDIENCE"
    assert refusal(signed(aud=None)) == "TOKEN_AUDIENCE"


def test_a_token_is_good_from_its_issue_to_its_expiry_with_a_little_leeway() -> None:
    """Ten seconds forgive clocks that differ."""
    token = issued()
    assert verifier(START - timedelta(seconds=9)).verify(token) == OFFICER
    assert refusal(token, START - timedelta(seconds=11)) == "TOKEN_NOT_YET_VALID"
    assert verifier(START + 15 * MINUTES + timedelta(seconds=9)).verify(token) == OFFICER
    assert refusal(token, START + 15 * MINUTES + timedelta(seconds=10)) == "TOKEN_EXPIRED"


def test_a_remembered_token_still_expires() -> None:
    """Verification is cached, expiry is not; the leeway ends it."""
    clock = ManualClock(START)
    remembering = TokenVerifier(KEYS, clock)
    token = issued()
    assert remembering.verify(token) is remembering.verify(token)
    clock.advance(16 * MINUTES)
    for _ in range(2):
        with pytest.raises(TokenRefused, match="expired") as caught:
            remembering.verify(token)
        assert caught.value.reason == "TOKEN_EXPIRED"


def test_the_memory_of_tokens_is_bounded_and_refusals_are_not_kept() -> None:
    """The oldest goes first; a flood of bad tokens fills nothing."""
    small = verifier(cache_size=3)
    for number in range(10):
        actor = Actor(f"p{number}", "", "", "", "", "", frozenset())
        assert small.verify(issued(actor)) == actor
        with pytest.raises(TokenRefused):
            small.verify(f"bad {number}")
    assert len(small._verified) == 3


def test_several_keys_are_trusted_at_once_and_one_can_be_dropped() -> None:
    """Rotation signs nobody out; distrust takes effect on remembered tokens too."""
    newer = new_signing_key()
    both = verifier(keys={**KEYS, newer.kid: public_key(newer)})
    assert both.verify(issued()) == OFFICER
    assert both.verify(TokenIssuer(newer, ManualClock(START), MINUTES).issue(OFFICER)) == OFFICER
    both.trust({newer.kid: public_key(newer)})
    with pytest.raises(TokenRefused) as caught:
        both.verify(issued())
    assert caught.value.reason == "TOKEN_KEY_UNKNOWN"


def test_key_files_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    """The second start finds the first one's key, readable by nobody else."""
    folder = tmp_path / "identity"
    key = signing_key(folder)
    assert signing_key(folder).kid == key.kid
    assert stat.S_IMODE((folder / "signing.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(trusted_keys(folder)) == [key.kid]
    assert not trusted_keys(folder)[key.kid].is_private
    token = TokenIssuer(key, ManualClock(START), MINUTES).issue(OFFICER)
    assert verifier(keys=trusted_keys(folder)).verify(token) == OFFICER


def test_replicas_that_make_a_key_at_the_same_moment_hold_the_same_one(tmp_path: Path) -> None:
    """In containers each has process number 1 and all have one volume: no process number keeps their files apart."""
    with ThreadPoolExecutor(8) as replicas:
        for round_ in range(40):
            folder, at_once = tmp_path / str(round_), Barrier(8)

            def made(folder: Path = folder, at_once: Barrier = at_once) -> str:
                at_once.wait(60)
                return signing_key(folder).kid

            kids = {future.result() for future in [replicas.submit(made) for _ in range(8)]}
            assert kids == {signing_key(folder).kid}
            assert {path.name for path in folder.rglob("*") if path.is_file()} == {f"{kids.pop()}.pem", "signing.pem"}


def test_a_rotated_key_keeps_its_tokens_until_it_is_distrusted(tmp_path: Path) -> None:
    """New tokens come from the new key at once."""
    old = signing_key(tmp_path)
    new = rotate(tmp_path)
    assert new.kid != old.kid
    assert signing_key(tmp_path).kid == new.kid
    assert set(trusted_keys(tmp_path)) == {old.kid, new.kid}
    distrust(tmp_path, old.kid)
    assert set(trusted_keys(tmp_path)) == {new.kid}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["signing.pem", "trusted"]


def test_an_exposed_or_broken_key_file_is_refused(tmp_path: Path) -> None:
    """A private key that others may read is no secret."""
    signing_key(tmp_path)
    path = tmp_path / "signing.pem"
    path.chmod(0o644)
    with pytest.raises(Precondition) as caught:
        signing_key(tmp_path)
    assert caught.value.reason == "KEY_FILE_EXPOSED"
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(Precondition) as caught:
        signing_key(tmp_path)
    assert caught.value.reason == "KEY_FILE_UNREADABLE"
