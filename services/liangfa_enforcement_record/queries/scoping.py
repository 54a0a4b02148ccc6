"""Conditions that limit reads to what a caller may see, and to a region."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from liangfa_enforcement_record.authority import Scope
from liangfa_standards.divisions import region_prefix

_LAST = "\U0010ffff"


def starts_with(column: sa.ColumnElement[Any], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that `column` begins with `prefix`, as a range: LIKE with an escape uses no index."""
    return sa.and_(column >= prefix, column < prefix + _LAST)


def in_region(column: sa.ColumnElement[Any], region: str) -> sa.ColumnElement[bool]:
    """Return the condition that a division code lies in `region`.

    Not a range on purpose: a supervisor's region holds most of the rows, and an index on it makes the database fetch and
    sort them all (120 ms at 100,000 cases) where it could read the newest ones off the order's own index (1 ms).
    """
    prefix = region_prefix(region)
    return sa.func.substr(column, 1, len(prefix)) == prefix if prefix else sa.true()


def in_scope(table: sa.Table, scope: Scope) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `table` lies within `scope`; an empty scope matches nothing."""
    if scope.region:
        return in_region(table.c.region, scope.region)
    return table.c.agency_id == scope.agency_id if scope.agency_id else sa.false()
