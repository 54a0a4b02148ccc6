"""What makes two rows the same case, and the same case with other content. Keys are short texts; nothing is decided here."""

from __future__ import annotations

import hashlib

from liangfa_enforcement_record.importing.drafts import CaseDraft, PartyDraft
from liangfa_standards.texts import name_key


def party_key(party: PartyDraft) -> str:
    """Return what identifies a party within one table: its code, its document, else its name."""
    if party.uscc:
        return party.uscc
    if party.id_document_number:
        return party.id_document_number
    return name_key(party.name)


def is_masked_name(name: str) -> bool:
    """Tell whether a name hides whom it means (`张某`, `某公司`): the same text may be many parties."""
    return "某" in name or "×" in name or "*" in name or "＊" in name


def agency_key(draft: CaseDraft) -> str:
    """Return what identifies the deciding agency: its code where it is valid, else its name."""
    return draft.agency_uscc or name_key(draft.agency_name)


def natural_key(draft: CaseDraft) -> str:
    """Return the key under which a case is known again: agency, document number and party, 40 hexadecimal digits.

    Without a usable document number (blank is normal in the simple procedure, some are masked) the content stands in.
    A case without a decision is known by agency and case number.
    """
    number = draft.document_number_key
    if not number and not draft.is_decided and draft.case_number:
        number = f"#{draft.case_number}"
    parties = ",".join(sorted(map(party_key, draft.parties)))
    return _digest(agency_key(draft), number or f"={fingerprint(draft)}", "" if number.startswith("#") else parties)


def fingerprint(draft: CaseDraft) -> str:
    """Return what the layouts of one case share: agency, parties, facts and date, 40 hexadecimal digits.

    Without facts everything else that tells two cases apart stands in: masked names and common causes repeat.
    """
    # The facts are cleaned already: what layouts and retyping change is width and blanks.
    substance = "".join(draft.facts.split())
    if not substance:
        told = (draft.cause, draft.case_name, draft.case_number, draft.penalty_content, draft.licence, draft.remarks)
        substance = f"{'|'.join(map(name_key, told))}|{draft.fine_or_suggestion}|{draft.confiscated_or_suggestion}"
    return _digest(agency_key(draft), *sorted(name_key(p.name) for p in draft.parties), substance, draft.decided_text)


def content_hash(draft: CaseDraft) -> str:
    """Return what tells a revised row from a repeated one: every value but the row number, 40 hexadecimal digits."""
    parties = [f"{p.name}|{p.category}|{p.uscc}|{p.id_document_number}|{p.legal_representative}" for p in draft.parties]
    return _digest(
        *parties,
        draft.document_number,
        draft.cause,
        draft.case_name,
        draft.facts,
        draft.legal_basis,
        ",".join(draft.penalty_categories),
        ",".join(draft.other_penalties),
        draft.penalty_content,
        f"{draft.fine_or_suggestion}|{draft.confiscated_or_suggestion}|{draft.amount_involved_yuan}",
        draft.licence,
        f"{draft.decided_text}|{draft.valid_until}|{draft.publicity_until}",
        draft.agency_name,
        draft.agency_uscc,
        draft.state,
    )


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
