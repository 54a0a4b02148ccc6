"""Hiding what identifies a person: identity numbers and telephones in answers, unless revealed with a purpose."""

from __future__ import annotations

from liangfa_protos.enforcement_record.v1 import case_pb2 as pb


def masked(text: str, keep_start: int, keep_end: int) -> str:
    """Return `text` with its middle starred; short texts are starred whole."""
    hidden = len(text) - keep_start - keep_end
    return text[:keep_start] + "*" * hidden + text[-keep_end:] if hidden > 0 else "*" * len(text)


def mask_case(case: pb.Case) -> pb.Case:
    """Mask the identity numbers and telephones of the case's parties, in place; return it."""
    for party in case.parties:
        if party.id_document_number:
            party.id_document_number = masked(party.id_document_number, 4, 4)
        if party.phone:
            party.phone = masked(party.phone, 3, 4)
    return case
