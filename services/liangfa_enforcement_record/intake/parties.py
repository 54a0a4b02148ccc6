"""Reading the party of a row: name, codes, kind. A code that fails its check is kept as written, never used as identity."""

from __future__ import annotations

import re
from typing import Protocol

from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.standards.v1 import values_pb2
from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import likely_party_category, read_party_category
from liangfa_standards.identifiers import is_valid_resident_id, is_valid_uscc
from liangfa_standards.texts import clean_name

_PLACEHOLDERS = frozenset({"00000000000000000X", "000000000000000000"})
_SCIENTIFIC = re.compile(r"^\d(?:\.\d+)?[eE]\+\d+$")
_KINDS = {
    "org": values_pb2.PARTY_KIND_ORG,
    "trader": values_pb2.PARTY_KIND_TRADER,
    "person": values_pb2.PARTY_KIND_PERSON,
    "": values_pb2.PARTY_KIND_UNSPECIFIED,
}


class RowText(Protocol):
    """What this module needs of a row."""

    def raw(self, field: str) -> str:
        """Return a field's cell as it stands."""
        ...

    def text(self, field: str) -> str:
        """Return a field's cleaned text."""
        ...

    def note(self, field: str, reason: str) -> None:
        """Note a problem of a field."""
        ...


def party_of(row: RowText) -> pb.Party:
    """Return the party of a row."""
    name = clean_name(row.text("party_name"))
    if not name:
        row.note("party_name", "PARTY_MISSING")
    party = pb.Party(
        name=name[:200],
        legal_representative=clean_name(row.text("legal_representative")),
        address=row.text("address"),
        phone=row.text("phone"),
    )
    _take_code(row, party)
    _take_id_number(row, party)
    for field in ("org_code", "registration_number", "tax_number", "institution_number", "society_number"):
        if value := row.text(field):
            party.other_codes[field] = value
    party.kind = _kind(row.text("party_kind"), party)
    return party


def _take_code(row: RowText, party: pb.Party) -> None:
    raw = row.text("uscc")
    code = raw.replace(" ", "").upper()
    if not code or code in _PLACEHOLDERS or is_blank(code):
        return
    if is_valid_uscc(code):
        party.uscc = code
    elif is_valid_resident_id(code):
        party.id_document_type, party.id_document_number = "resident_id", code
    else:
        party.other_codes["uscc_as_written"] = raw
        if "*" not in code:
            row.note("uscc", "CODE_CHECK_FAILED")


def _take_id_number(row: RowText, party: pb.Party) -> None:
    number = row.text("id_document_number").replace(" ", "").upper()
    if not number or party.id_document_number:
        return
    if _SCIENTIFIC.match(number) or (len(number) == 18 and number.endswith("000") and not is_valid_resident_id(number)):
        row.note("id_document_number", "ID_NUMBER_RUINED")
        return
    kind = row.text("id_document_type")
    if kind and "身份证" not in kind:
        party.id_document_type, party.id_document_number = "other", number
    elif is_valid_resident_id(number):
        party.id_document_type, party.id_document_number = "resident_id", number
    else:
        party.other_codes["id_as_written"] = number
        if "*" not in number:
            row.note("id_document_number", "ID_CHECK_FAILED")


def _kind(stated: str, party: pb.Party) -> values_pb2.PartyKind.ValueType:
    """Return the stated kind, else what code, number or name suggest."""
    key = read_party_category(stated) or likely_party_category(
        party.name, party.uscc, bool(party.id_document_number), bool(party.legal_representative)
    )
    return _KINDS.get(key, values_pb2.PARTY_KIND_UNSPECIFIED)
