"""Changing fields of a case so that the old value stays readable: what may be amended, and how a change is told."""

from __future__ import annotations

from liangfa_enforcement_record import errors
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb

AMENDABLE = (
    "title", "cause", "narrative", "amount_yuan", "source", "legal_basis", "handlers", "parties", "occurred_on",
    "occurred_place", "facts", "decision", "case_number", "remarks", "transferred", "transferred_on", "transferred_to",
)  # fmt: skip
"""Fields that an amendment may change; the rest is the server's, or moves by its own command."""


def take_field(name: str, new: pb.Case, case: pb.Case) -> pb.FieldChange | None:
    """Put the value that `new` has for a field into `case`; return the change, None when there is none.

    Raises `FieldNotAmendable`.
    """
    if name not in AMENDABLE:
        raise errors.FieldNotAmendable(name, ", ".join(AMENDABLE))
    before, after = field_text(case, name), field_text(new, name)
    if before == after:
        return None
    case.ClearField(name)  # type: ignore[arg-type]  # a field name checked against AMENDABLE
    case.MergeFrom(_only(name, new))
    return pb.FieldChange(field=name, old_value=before, new_value=after)


def _only(name: str, case: pb.Case) -> pb.Case:
    """Return a case that has nothing but one field of `case`."""
    only = pb.Case()
    only.CopyFrom(case)
    for field, _ in case.ListFields():
        if field.name != name:
            only.ClearField(field.name)  # type: ignore[arg-type]  # a field's own name
    return only


def field_text(case: pb.Case, name: str) -> str:
    """Return a field of a case as text, for comparing and for keeping old values."""
    value = getattr(case, name)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "是" if value else ""
    if name == "source":
        return pb.Source.Name(value) if value in pb.Source.values() else str(value)
    if name == "facts":
        return "; ".join(f"{key}={value[key]}" for key in sorted(value))
    if name == "decision":
        return _message_text(value) if case.HasField("decision") else ""
    return "; ".join(item if isinstance(item, str) else _message_text(item) for item in value)


def _message_text(message: pb.Party | pb.Decision) -> str:
    """Return a message's fields as `name: value`, in the order of the proto; maps by key."""
    parts = []
    for field, value in message.ListFields():
        if field.name == "other_codes":
            text = ", ".join(f"{key}={value[key]}" for key in sorted(value))
        elif field.is_repeated:
            text = ", ".join(map(str, value))
        else:
            text = str(value)
        parts.append(f"{field.name}: {text}")
    return ", ".join(parts)


def laid_over(before: pb.Case, row: pb.Case, guessed_kinds: frozenset[int] = frozenset()) -> pb.Case:
    """Return `before` with what an imported row says laid over it; what the row does not speak of stays.

    Parties of the same name keep what the row leaves out (a telephone that an officer has added), and their kind where
    the row only suggests one; lists are the row's.
    """
    whole = pb.Case()
    whole.CopyFrom(before)
    said = _only_amendable(row)
    for name in ("parties", "handlers"):
        if getattr(said, name):
            whole.ClearField(name)
    if said.decision.categories:
        whole.decision.ClearField("categories")
    known = {party.name: party for party in before.parties}
    parties = [
        _party_over(known.get(party.name), party, keeps_kind=number in guessed_kinds)
        for number, party in enumerate(said.parties)
    ]
    said.ClearField("parties")
    whole.MergeFrom(said)
    whole.parties.extend(parties)
    return whole


def _party_over(before: pb.Party | None, row: pb.Party, *, keeps_kind: bool) -> pb.Party:
    party = pb.Party()
    if before is not None:
        party.CopyFrom(before)
    party.MergeFrom(row)
    if before is not None and before.kind and keeps_kind:
        party.kind = before.kind
    return party


def _only_amendable(case: pb.Case) -> pb.Case:
    only = pb.Case()
    only.CopyFrom(case)
    for field, _ in case.ListFields():
        if field.name not in AMENDABLE:
            only.ClearField(field.name)  # type: ignore[arg-type]  # a field's own name
    return only
