"""Who is calling, and the signed, short-lived token that proves it.

A token is a JWT (RFC 7519) signed with Ed25519 (RFC 8037; its algorithm name is `Ed25519` since RFC 9864). The
algorithm is pinned: the header cannot choose it. Keys live in `liangfa_kit.keys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey

from liangfa_kit.clock import Clock, from_micros, to_micros
from liangfa_kit.errors import Unauthenticated
from liangfa_kit.keys import SigningKey

ALGORITHM = "Ed25519"
ISSUER = "liangfa"
AUDIENCE = "liangfa"
MAX_TOKEN_CHARACTERS = 6_000
_SECOND = 1_000_000
_REGION = re.compile(r"(?:[0-9]{6})?")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person acting for an agency.

    `agency_type` is a key of the rule library's agency types; `region` a GB/T 2260 division code (6 digits) whose
    trailing zeros widen it (420100 holds 420111). Both are empty for a service acting on its own.
    """

    person_id: str
    person_name: str
    agency_id: str
    agency_name: str
    agency_type: str
    region: str
    roles: frozenset[str]


class TokenRefused(Unauthenticated):
    """The caller's token is missing or not acceptable; `reason` says which."""


_REFUSALS = {
    "TOKEN_MISSING": ("The call carries no token.", "请求未携带登录凭证。"),
    "TOKEN_MALFORMED": ("The token is not a signed token of this platform.", "登录凭证格式不正确。"),
    "TOKEN_ALGORITHM": (f"The token is not signed with {ALGORITHM}.", "登录凭证的签名算法不被接受。"),
    "TOKEN_KEY_UNKNOWN": ("The token is signed with a key that is not trusted.", "登录凭证的签名密钥不受信任。"),
    "TOKEN_SIGNATURE": ("The token's signature does not match its content.", "登录凭证签名无效。"),
    "TOKEN_CLAIMS": ("The token lacks a claim or holds one of the wrong form.", "登录凭证内容不完整或格式不正确。"),
    "TOKEN_ISSUER": ("The token was issued by somebody else.", "登录凭证的签发者不被接受。"),
    "TOKEN_AUDIENCE": ("The token was issued for another platform.", "登录凭证不是为本平台签发的。"),
    "TOKEN_NOT_YET_VALID": ("The token is not valid yet: a clock may be wrong.", "登录凭证尚未生效，请检查系统时间。"),
    "TOKEN_EXPIRED": ("The token has expired.", "登录凭证已过期。"),
    "TOKEN_RAN_OUT": (
        "The token ran out while the stream was open; opened with a new one it goes on where it ended.",
        "登录凭证在连接期间到期，用新凭证重新连接即可从中断处继续。",
    ),
}  # fmt: skip
TOKEN_REASONS = frozenset(_REFUSALS)
"""Every reason of `TokenRefused`."""


def _refused(reason: str, **metadata: Any) -> TokenRefused:
    message, message_zh = _REFUSALS[reason]
    remedy = "Sign in again and repeat the call with the new token."
    return TokenRefused(message, message_zh=message_zh, remedy=remedy, reason=reason, **metadata)


def ran_out() -> TokenRefused:
    """Return the refusal that ends a stream whose token is no longer good."""
    return _refused("TOKEN_RAN_OUT")


class TokenIssuer:
    """Signs tokens. `ttl` is how long they are good for: minutes, since nothing revokes one but its key."""

    def __init__(
        self, key: SigningKey, clock: Clock, ttl: timedelta, *, issuer: str = ISSUER, audience: str = AUDIENCE
    ) -> None:
        self._key = key
        self._clock = clock
        self._ttl = ttl
        self._issuer = issuer
        self._audience = audience

    def sign_with(self, key: SigningKey) -> None:
        """Sign with `key` from now on (after a rotation)."""
        self._key = key

    def issue(self, actor: Actor, *, audience: str | None = None) -> str:
        """Return a token for `actor`, valid from now on for the issuer's `ttl`."""
        now = to_micros(self._clock.now()) // _SECOND
        claims = {
            "iss": self._issuer,
            "aud": self._audience if audience is None else audience,
            "sub": actor.person_id,
            "iat": now,
            "nbf": now,
            "exp": now + int(self._ttl.total_seconds()),
            "name": actor.person_name,
            "agency": actor.agency_id,
            "agency_name": actor.agency_name,
            "agency_type": actor.agency_type,
            "region": actor.region,
            "roles": sorted(actor.roles),
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, claims, self._key.private, algorithms=[ALGORITHM])


class TokenVerifier:
    """Checks tokens, and remembers those that are good until they expire: checking one takes 90 µs, knowing it 1.

    `keys` maps key ids to public keys; several are trusted at once, so that keys can be rotated without signing
    anybody out. `leeway` forgives clocks that differ. `cache_size` bounds the memory (about 2 KB a token); the token
    that was seen first goes first, which is the one that expires first.
    """

    def __init__(
        self,
        keys: Mapping[str, OKPKey],
        clock: Clock,
        *,
        audience: str = AUDIENCE,
        issuer: str = ISSUER,
        leeway: timedelta = timedelta(seconds=10),
        cache_size: int = 10_000,
    ) -> None:
        self._keys = dict(keys)
        self._clock = clock
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._cache_size = cache_size
        self._verified: dict[str, tuple[datetime, Actor]] = {}
        self.look_again: Callable[[], None] = lambda: None
        """Called when a token names a key that is not trusted: it may be a moment old. It may call `trust`."""

    def trust(self, keys: Mapping[str, OKPKey]) -> None:
        """Replace the trusted keys; tokens of a key that is gone are refused from now on."""
        self._keys = dict(keys)
        self._verified.clear()

    def verify(self, token: str | None) -> Actor:
        """Return who the token speaks for, or raise `TokenRefused`."""
        if not token:
            raise _refused("TOKEN_MISSING")
        now = self._clock.now()
        known = self._verified.get(token)
        if known is None:
            known = self._verified[token] = self._checked(token, now)
            if len(self._verified) > self._cache_size:
                del self._verified[next(iter(self._verified))]
        elif now >= known[0]:
            del self._verified[token]
            raise _refused("TOKEN_EXPIRED", expired_at=known[0].isoformat())
        return known[1]

    def seconds_left(self, token: str | None) -> float:
        """Return for how long a token is still good that was verified a moment ago."""
        known = self._verified.get(token or "")
        return max(0.0, (known[0] - self._clock.now()).total_seconds()) if known else 0.0

    def _checked(self, token: str, now: datetime) -> tuple[datetime, Actor]:
        claims = self._claims(token)
        if claims.get("iss") != self._issuer:
            raise _refused("TOKEN_ISSUER", issuer=str(claims.get("iss"))[:100])
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise _refused("TOKEN_AUDIENCE", audience=str(audience)[:100])
        not_before, expires_at = _instant(claims, "nbf"), _instant(claims, "exp") + self._leeway
        actor = _actor(claims)
        if now < not_before - self._leeway:
            raise _refused("TOKEN_NOT_YET_VALID", not_before=not_before.isoformat())
        if now >= expires_at:
            raise _refused("TOKEN_EXPIRED", expired_at=expires_at.isoformat())
        return expires_at, actor

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims once the signature holds. The header chooses among trusted keys and nothing else."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise _refused("TOKEN_MALFORMED", characters=len(token))
        try:
            signed = jws.extract_compact(token.encode())
            header = signed.headers()
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise _refused("TOKEN_MALFORMED") from error
        if header.get("alg") != ALGORITHM:
            raise _refused("TOKEN_ALGORITHM", algorithm=str(header.get("alg"))[:40])
        key = self._keys.get(str(header.get("kid")))
        if key is None:
            self.look_again()
            key = self._keys.get(str(header.get("kid")))
        if key is None:
            raise _refused("TOKEN_KEY_UNKNOWN", kid=str(header.get("kid"))[:100])
        try:
            if not jws.validate_compact(signed, key, algorithms=[ALGORITHM]):
                raise _refused("TOKEN_SIGNATURE")
            claims = orjson.loads(signed.payload or b"")
        except BadSignatureError as error:
            raise _refused("TOKEN_SIGNATURE") from error
        except (JoseError, ValueError, TypeError) as error:
            raise _refused("TOKEN_MALFORMED") from error
        if not isinstance(claims, dict):
            raise _refused("TOKEN_MALFORMED")
        return claims


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    seconds = claims.get(name)
    if type(seconds) is not int or not 0 <= seconds < 1 << 36:
        raise _refused("TOKEN_CLAIMS", claim=name)
    return from_micros(seconds * _SECOND)


def _text(claims: Mapping[str, Any], name: str) -> str:
    text = claims.get(name)
    if not isinstance(text, str):
        raise _refused("TOKEN_CLAIMS", claim=name)
    return text


def _actor(claims: Mapping[str, Any]) -> Actor:
    roles = claims.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise _refused("TOKEN_CLAIMS", claim="roles")
    person_id, region = _text(claims, "sub"), _text(claims, "region")
    if not person_id:
        raise _refused("TOKEN_CLAIMS", claim="sub")
    if not _REGION.fullmatch(region):
        raise _refused("TOKEN_CLAIMS", claim="region")
    return Actor(
        person_id=person_id,
        person_name=_text(claims, "name"),
        agency_id=_text(claims, "agency"),
        agency_name=_text(claims, "agency_name"),
        agency_type=_text(claims, "agency_type"),
        region=region,
        roles=frozenset(roles),
    )
