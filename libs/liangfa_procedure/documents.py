"""The documents of the procedure (文书): who issues them to whom, and what they must say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from liangfa_procedure.reading import read_data


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document. `issued_by` and `to` are sides (agency, police, procuratorate, court, ...)."""

    id: str
    name_zh: str
    name_en: str
    issued_by: str
    to: str
    required_fields: tuple[str, ...]


@cache
def documents() -> dict[str, DocumentKind]:
    """Return every kind of document by its id, in the order of the procedure."""
    rows = read_data("documents.yaml")["documents"]
    return {
        row["id"]: DocumentKind(row["id"], row["zh"], row["en"], row["from"], row["to"], tuple(row["fields"]))
        for row in rows
    }
