"""Pages and their tokens. A token is opaque to callers; whatever it holds is checked before it reaches a statement."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from liangfa_kit.errors import Invalid

_LONGEST = 1_000
_INT64 = 1 << 63


def page_size(asked: int, usual: int, most: int) -> int:
    """Return how many rows a page has: what is asked for, within bounds."""
    return min(asked, most) if asked > 0 else usual


def to_token(*place: str | int) -> str:
    """Return the token of the page that begins after `place`."""
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode()


def from_token(token: str, *kinds: type) -> tuple[Any, ...]:
    """Return the place in a token, whose parts must be of `kinds`. Raises `Invalid` (PAGE_TOKEN_MALFORMED)."""
    try:
        parts = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    is_sound = len(token) <= _LONGEST and isinstance(parts, list) and [type(part) for part in parts] == list(kinds)
    if not is_sound or any(isinstance(part, int) and not -_INT64 <= part < _INT64 for part in parts or ()):
        raise Invalid(
            "The page token is malformed or belongs to another query.",
            message_zh="翻页标记无效或不属于本次查询。",
            remedy="Start again from the first page.",
            reason="PAGE_TOKEN_MALFORMED",
        )
    return tuple(parts or ())
