"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A person acting for an agency."""

    person_id: str
    person_name: str
    agency_id: str
    agency_name: str
    agency_type: str
    region: str
    roles: frozenset[str]
