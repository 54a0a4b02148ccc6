"""Hiding what identifies a person: identity numbers and telephones in answers, unless revealed with a purpose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from liangfa_kit.logs import masked as masked_identifiers
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb


def masked(text: str, keep_start: int, keep_end: int) -> str:
    """Return `text` with its middle starred; short texts are starred whole."""
    hidden = len(text) - keep_start - keep_end
    return text[:keep_start] + "*" * hidden + text[-keep_end:] if hidden > 0 else "*" * len(text)


def _number(text: str) -> str:
    return masked(text, 4, 4)


def _phone(text: str) -> str:
    return masked(text, 3, 4)


MASKS: tuple[tuple[str, Callable[[str], str]], ...] = (("id_document_number", _number), ("phone", _phone))
"""Which fields of a party are hidden, and how."""


def mask_case(case: pb.Case) -> pb.Case:
    """Mask the identity numbers and telephones of the case's parties, in place; return it."""
    for party in case.parties:
        for name, mask in MASKS:
            if value := getattr(party, name):
                setattr(party, name, mask(value))
    return case


_PARTY_NUMBER = re.compile(
    r"\b(id_document_number|phone): (.*?)(?=, (?:legal_representative|phone|address|other_codes): |; (?:name|kind|uscc): |$)",
    re.DOTALL,
)
"""A number within a party as amendments tell it, `name: value, name: value; …` (see `commands.amending.field_text`)."""


def mask_changes(changes: Iterable[pb.FieldChange]) -> list[pb.FieldChange]:
    """Return changes with numbers masked: those of parties as in a read, others as in a log."""
    return [
        pb.FieldChange(
            field=change.field,
            old_value=_mask_text(change.field, change.old_value),
            new_value=_mask_text(change.field, change.new_value),
        )
        for change in changes
    ]


def _mask_text(field: str, text: str) -> str:
    if field == "parties":
        masks = dict(MASKS)
        text = _PARTY_NUMBER.sub(lambda found: f"{found[1]}: {masks[found[1]](found[2])}", text)
    return masked_identifiers(text)


def unmasked(case: pb.Case, stored: pb.Case) -> pb.Case:
    """Return a copy of `case` with masked values put back to the stored ones.

    A form that was read masked and sent back must not replace a number by its stars. A value is put back when it is
    exactly the mask of the stored value of a party with the same name.
    """
    whole = pb.Case()
    whole.CopyFrom(case)
    known = {party.name: party for party in stored.parties}
    for number, party in enumerate(whole.parties):
        before = known.get(party.name) or (stored.parties[number] if number < len(stored.parties) else None)
        for name, mask in MASKS if before is not None else ():
            value = getattr(before, name)
            if value and getattr(party, name) == mask(value):
                setattr(party, name, value)
    return whole
