"""What a document says of itself because the case says it: fields filled in where nobody has given another text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from liangfa_procedure.documents import DocumentKind
from liangfa_procedure.reading import read_data

_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a case: names of organisations, suspects, offences, facts, title, and who writes when."""

    sender: str
    receiver: str
    suspects: str
    offences: str
    facts: str
    title: str
    actor: str
    today: str


def chinese_date(at: datetime) -> str:
    """Return the day of an aware time in Beijing as documents state it (GB/T 9704-2012): 2026年3月2日."""
    day = at.astimezone(_BEIJING)
    return f"{day.year}年{day.month}月{day.day}日"


def filled(kind: DocumentKind, given: Mapping[str, str], known: Known) -> dict[str, str]:
    """Return `given` with the fields of `kind` that the case can say; what is given always wins."""
    data = read_data("document_fields.yaml")
    sources, left = data["filled"], data["not_filled"].get(kind.id, ())
    own = [name for name in kind.required_fields if name in sources and name not in left]
    found = {name: text for name in own if (text := getattr(known, sources[name]))}
    found.update({name: text for name, text in given.items() if text.strip() or name not in found})
    return found
