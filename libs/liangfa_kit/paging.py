"""Pages and their tokens. A token is opaque to callers; whatever it holds is checked before it reaches a statement."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_kit.errors import Invalid

_LONGEST = 1_000
_INT64 = 1 << 63
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, the token of the next one (empty on the last), and how many match in all."""

    rows: Sequence[Any]
    next_token: str
    total: int = 0


def page_size(asked: int, usual: int, most: int) -> int:
    """Return how many rows a page has: what is asked for, within bounds."""
    return min(asked, most) if asked > 0 else usual


def to_token(*place: str | int) -> str:
    """Return the token of the page that begins after `place`."""
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode()


def from_token(token: str, *kinds: type) -> Place:
    """Return the place in a token, whose parts must be of `kinds`. Raises `Invalid` (PAGE_TOKEN_MALFORMED)."""
    try:
        parts = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if len(token) > _LONGEST or not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise token_refused()
    if not all(map(_is_storable, parts)):
        raise token_refused()
    return tuple(parts)


def _is_storable(part: str | int) -> bool:
    """Tell whether a database takes the part as a parameter: 64 bits, and no half of a surrogate pair."""
    if isinstance(part, int):
        return -_INT64 <= part < _INT64
    return not any("\ud800" <= character <= "\udfff" for character in part)


def token_refused() -> Invalid:
    """Return the refusal of a page token."""
    return Invalid(
        "The page token is malformed or belongs to another query.",
        message_zh="翻页标记无效或不属于本次查询。",
        remedy="Start again from the first page.",
        reason="PAGE_TOKEN_MALFORMED",
    )


def after(columns: Sequence[sa.ColumnElement[Any]], place: Place, *, descends: bool) -> sa.ColumnElement[bool]:
    """Return the condition that a row sorts after `place` by `columns`, all ascending or all descending."""
    first, value = columns[0], place[0]
    beyond: sa.ColumnElement[bool] = first < value if descends else first > value
    if len(columns) == 1:
        return beyond
    return sa.or_(beyond, sa.and_(first == value, after(columns[1:], place[1:], descends=descends)))
