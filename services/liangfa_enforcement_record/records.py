"""How a case becomes rows, and what identifies a party. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from liangfa_enforcement_record.screening import Screened
from liangfa_enforcement_record.validation import to_hao
from liangfa_kit.clock import beijing_date_of
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.standards.v1 import values_pb2
from liangfa_standards.document_numbers import read_document_number
from liangfa_standards.texts import name_key


def case_stream(case_id: str) -> str:
    """Return the journal stream of a case."""
    return f"case/{case_id}"


_SHORTEST_NAME = 5
"""Names of persons have up to four characters and are shared by thousands; a name alone identifies longer ones only."""


def identity_key(party: pb.Party, region: str) -> str:
    """Return what makes two parties the same: a code where there is one, else the name of a body within the city.

    A masked name (某), a person's name and the word 个体工商户 identify nobody: the key is empty.
    """
    if party.uscc:
        return f"uscc:{party.uscc}"
    if party.id_document_number and "*" not in party.id_document_number:
        return f"id:{party.id_document_number}"
    name = party.name
    if len(name) < _SHORTEST_NAME or party.kind == values_pb2.PARTY_KIND_PERSON or name == "个体工商户":
        return ""
    return "" if "某" in name or "×" in name or "*" in name else f"name:{region[:4]}:{name}"


def natural_key(agency_id: str, document_number: str, parties: Iterable[pb.Party]) -> str | None:
    """Return what makes two records of an agency the same case: document number and parties; None without a number.

    One number may serve several parties with a row each, and two agencies may use the same number.
    """
    number = read_document_number(document_number).key if document_number else ""
    if not number:
        return None
    names = "|".join(sorted(name_key(party.name) for party in parties))
    return hashlib.blake2b(f"{agency_id}|{number}|{names}".encode(), digest_size=16).hexdigest()


def usual_title(case: pb.Case) -> str:
    """Return the title of a case that was given none: its first party and its cause."""
    return f"{case.parties[0].name}{case.cause}"[:499].removesuffix("案") + "案"


def identity_keys(case: pb.Case, region: str) -> tuple[str, ...]:
    """Return the identity keys of the parties of a case in `region`."""
    keys = [key for party in case.parties if (key := identity_key(party, region))]
    return tuple(dict.fromkeys(keys)) if len(keys) > 1 else tuple(keys)


def search_text(case: pb.Case) -> str:
    """Return the text by which a case is found."""
    names = " ".join(party.name for party in case.parties)
    number = case.decision.document_number
    return f"{case.title}\n{case.cause}\n{case.narrative}\n{names}\n{number}\n{case.case_number}"


def case_row(case: pb.Case, *, registered_at: int, natural_key: str | None, row_hash: str | None) -> dict[str, Any]:
    """Return the row of a case."""
    decision = case.decision
    return {
        "id": case.id,
        "version": case.version,
        "agency_id": case.agency_id,
        "agency_name": case.agency_name,
        "region": case.region,
        "title": case.title,
        "cause": case.cause,
        "party_names": "、".join(party.name for party in case.parties),
        "document_number": decision.document_number,
        "stage": case.stage,
        "decided_on": decision.decided_on,
        "fine_hao": to_hao(decision.fine_yuan),
        "amount_hao": to_hao(case.amount_yuan),
        "case_number": case.case_number,
        "screening_outcome": case.screening_outcome,
        "registered_at": registered_at,
        "natural_key": natural_key,
        "row_hash": row_hash,
        "body": case.SerializeToString(deterministic=True),
    }


def party_rows(case: pb.Case, screened: Screened, registered_at: int) -> list[dict[str, Any]]:
    """Return the party records of a case."""
    dated_on = case.decision.decided_on or case.occurred_on or beijing_date_of(registered_at).isoformat()
    return [
        {
            "id": f"{case.id}/{number}",
            "case_id": case.id,
            "identity_key": identity_key(party, case.region) if screened.facts else "",
            "code": party.uscc or party.id_document_number,
            "name": party.name,
            "agency_id": case.agency_id,
            "cause": case.cause,
            "dated_on": dated_on,
            "is_penalised": case.HasField("decision"),
            "screening_facts": screened.facts,
        }
        for number, party in enumerate(case.parties)
    ]


def screening_row(case: pb.Case, screening: pb.Screening, at_micros: int) -> dict[str, Any]:
    """Return the row of a screening result that is not clear."""
    found = next(iter([*screening.offences, *screening.near_misses]), pb.ScreenedOffence())
    return {
        "id": screening.id,
        "case_id": case.id,
        "agency_id": case.agency_id,
        "region": case.region,
        "outcome": screening.outcome,
        "offence_id": found.offence_id,
        "standard_id": found.standard_id,
        "name_zh": found.name_zh,
        "screened_at": at_micros,
        "is_newest": True,
        "is_accepted": None,
        "corrected_offence_id": "",
        "body": screening.SerializeToString(deterministic=True),
    }


def summary(case: pb.Case) -> events_pb2.CaseSummary:
    """Return what every case event repeats."""
    return events_pb2.CaseSummary(
        case_id=case.id,
        agency_id=case.agency_id,
        agency_name=case.agency_name,
        agency_type=case.agency_type,
        region=case.region,
        title=case.title,
        cause=case.cause,
        party_names=[party.name for party in case.parties],
        document_number=case.decision.document_number,
        decided_on=case.decision.decided_on,
        stage=case.stage,
        fine_yuan=case.decision.fine_yuan,
        amount_yuan=case.amount_yuan,
        screening_outcome=case.screening_outcome,
    )
