"""Builders of receipts, signed as the service signs them, without a service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from liangfa_case_transfer.keyring import ALGORITHM, Keyring, pem
from liangfa_case_transfer.ledger import NO_RECEIPT, acknowledgement, sha256_of, statement
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.transferring import NAMES, OFFICER, POLICE, START

_STEPS = ("deliver_transfer", "supplement_materials", "hand_over_items")


def ring(folder: Path) -> Keyring:
    """Return the keys of the agency and of the police."""
    keyring = Keyring(folder)
    for person in (OFFICER, POLICE):
        keyring.open(person.agency_id)
    return keyring


def public_keys(keyring: Keyring, *organisations: str) -> list[pb.PublicKey]:
    """Return the keys as `ListPublicKeys` gives them."""
    return [
        pb.PublicKey(organisation=pb.Organisation(id=name), algorithm=ALGORITHM, key_id=key_id, pem=pem(key))
        for name in organisations
        for key_id, key in keyring.public_keys(name).items()
    ]


def chain(keyring: Keyring, *, is_open: bool = False) -> list[pb.Receipt]:
    """Return three receipts of one transfer, from the agency to the police; with `is_open` the last is not signed for."""
    found: list[pb.Receipt] = []
    for number, step in enumerate(_STEPS, 1):
        at = START + timedelta(days=number)
        taken = pb.TakenStep(
            step=step,
            name_zh=Procedure.load().step(step).name_zh,
            documents=[pb.Document(kind="material_list", title="涉嫌犯罪案件材料清单", sha256="ab" * 32, size_bytes=9)],
        )
        receipt = pb.Receipt(
            id=f"receipt-{number}", number=number, transfer_id="transfer-1", step=step,
            sender=_organisation(OFFICER.agency_id), receiver=_organisation(POLICE.agency_id),
        )  # fmt: skip
        receipt.sent_at.FromDatetime(at)
        taken.entered_at.FromDatetime(at + timedelta(hours=1))
        previous = found[-1].sha256 if found else NO_RECEIPT
        receipt.statement = statement(receipt, taken, OFFICER, previous, case_id="case-1", sent_at=at)
        receipt.sender_signature.CopyFrom(keyring.sign(OFFICER.agency_id, receipt.statement.encode()))
        receipt.sha256 = sha256_of(receipt.statement)
        if not (is_open and number == len(_STEPS)):
            _acknowledge(receipt, keyring)
        found.append(receipt)
    return found


def _acknowledge(receipt: pb.Receipt, keyring: Keyring) -> None:
    at = START + timedelta(days=receipt.number, hours=2)
    receipt.acknowledgement = acknowledgement(receipt, POLICE, at, at)
    receipt.receiver_signature.CopyFrom(keyring.sign(POLICE.agency_id, receipt.acknowledgement.encode()))
    receipt.received_at.FromDatetime(at)


def _organisation(key: str) -> pb.Organisation:
    return pb.Organisation(id=key, name=NAMES[key])
