"""Receipts: every hand-over proved by both sides, checked by anybody with public keys alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.timestamp_pb2 import Timestamp

from liangfa_case_transfer.exporting import file_flaws, receipts_file
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.ledger import flaws
from liangfa_case_transfer.wiring import key_folder
from liangfa_kit.errors import NotFound, Precondition
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from tests.transferring import NAMES, OFFICER, POLICE, PROCURATOR, START, Service, person, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
PATH = ("report_to_head", "approve_transfer", "deliver_transfer", "copy_to_procuratorate", "accept_transfer")


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


def public_keys(folder: Path) -> dict[str, dict[str, Ed25519PublicKey]]:
    ring = Keyring(key_folder(folder))
    return {organisation: ring.public_keys(organisation) for organisation in NAMES}


async def receipts(service: Service, transfer: pb.Transfer) -> list[pb.Receipt]:
    return list((await service.read(transfer)).receipts)


async def test_every_hand_over_gives_a_numbered_receipt_that_both_sides_sign(service: Service, tmp_path: Path) -> None:
    """Accepting signs for the delivery; what nobody has signed for yet is visible to all three as open."""
    transfer = await service.open()
    item = pb.Item(name="白酒", quantity="12瓶", features="某牌500ml", place="局物证室")
    await service.walk(transfer, PATH[:2])
    await service.take(transfer, "deliver_transfer", items=[item])
    await service.walk(transfer, PATH[3:])
    found = await receipts(service, transfer)
    assert [(r.number, r.step, r.receiver.id) for r in found] == [
        (1, "deliver_transfer", "police"), (2, "copy_to_procuratorate", "procuratorate"), (3, "accept_transfer", "market")
    ]  # fmt: skip
    assert [r.HasField("received_at") for r in found] == [True, False, False]
    said = json.loads(found[0].statement)
    assert said["items"] == [{"features": "某牌500ml", "name": "白酒", "place": "局物证室", "quantity": "12瓶"}]
    assert {d["kind"] for d in said["documents"]} >= {"transfer_letter", "item_list"}
    for by, count in ((OFFICER, 2), (POLICE, 1), (PROCURATOR, 2)):
        listed = await service.stub(by).ListReceipts(rpc.ListReceiptsRequest(only_open=True))
        assert len(listed.receipts) == count, by
    await service.sign(transfer, OFFICER)
    await service.sign(transfer, PROCURATOR)
    assert list(flaws(await receipts(service, transfer), public_keys(tmp_path))) == []


def _twist_statement(receipt: pb.Receipt) -> None:
    receipt.statement = receipt.statement.replace('"size":9', '"size":8', 1)


def _twist_acknowledgement(receipt: pb.Receipt) -> None:
    receipt.acknowledgement = receipt.acknowledgement.replace("police", "pollce", 1)


def _twist_signature(receipt: pb.Receipt) -> None:
    receipt.sender_signature.value = bytes([receipt.sender_signature.value[0] ^ 1]) + receipt.sender_signature.value[1:]


TWISTS: list[tuple[Callable[[pb.Receipt], object], set[str]]] = [
    (_twist_statement, {"HASH_MISMATCH", "SIGNATURE_INVALID", "FIELD_DIFFERS"}),
    (_twist_acknowledgement, {"SIGNATURE_INVALID"}),
    (lambda r: setattr(r, "statement", '{"step": "x"}'), {"HASH_MISMATCH", "SIGNATURE_INVALID", "FIELD_DIFFERS"}),
    (lambda r: setattr(r, "statement", "no JSON"), {"HASH_MISMATCH", "SIGNATURE_INVALID", "FIELD_DIFFERS"}),
    (lambda r: r.sent_at.FromSeconds(1), {"FIELD_DIFFERS"}),
    (lambda r: r.received_at.FromSeconds(1), {"FIELD_DIFFERS"}),
    (lambda r: setattr(r, "suspect_id", "1"), {"FIELD_DIFFERS"}),
    (_twist_signature, {"SIGNATURE_INVALID"}),
    (lambda r: setattr(r, "number", 7), {"FIELD_DIFFERS"}),
    (lambda r: setattr(r, "step", "hand_over_items"), {"FIELD_DIFFERS"}),
    (lambda r: setattr(r, "transfer_id", "other"), {"FIELD_DIFFERS"}),
    (lambda r: setattr(r.sender, "name", "另一局"), {"FIELD_DIFFERS"}),
    (lambda r: r.sender_signature.CopyFrom(r.receiver_signature), {"KEY_UNKNOWN"}),
    (lambda r: setattr(r.receiver, "id", "other"), {"FIELD_DIFFERS", "KEY_UNKNOWN"}),
    (lambda r: setattr(r, "sha256", "0" * 64), {"HASH_MISMATCH"}),
    (lambda r: setattr(r.sender_signature, "algorithm", "none"), {"ALGORITHM_UNKNOWN"}),
    (lambda r: setattr(r.receiver_signature, "key_id", "ab"), {"KEY_UNKNOWN"}),
    (lambda r: r.ClearField("acknowledgement"), {"FIELD_DIFFERS", "SIGNATURE_INVALID"}),
]


async def test_whatever_is_altered_in_a_receipt_is_named(service: Service, tmp_path: Path) -> None:
    """Field by field; and the untouched receipt has no flaw."""
    transfer = await service.open()
    await service.walk(transfer, PATH)
    (receipt,) = [r for r in await receipts(service, transfer) if r.number == 1]
    keys = public_keys(tmp_path)
    assert list(flaws([receipt], keys)) == []
    for twist, rules in TWISTS:
        copy = pb.Receipt()
        copy.CopyFrom(receipt)
        twist(copy)
        assert copy != receipt
        assert {flaw.rule for flaw in flaws([copy], keys)} >= rules, rules


async def test_a_receipt_that_is_taken_out_breaks_the_chain(service: Service, tmp_path: Path) -> None:
    """Each statement names the one before it."""
    transfer = await service.open()
    await service.walk(transfer, PATH)
    for by in (OFFICER, PROCURATOR):
        await service.sign(transfer, by)
    found = await receipts(service, transfer)
    keys = public_keys(tmp_path)
    assert list(flaws(found, keys)) == []
    assert [flaw.rule for flaw in flaws([found[0], found[2]], keys)] == ["BROKEN_CHAIN"]
    assert [flaw.rule for flaw in flaws(found[1:], keys)] == ["BROKEN_CHAIN"]
    assert list(flaws(found[1:], keys, is_whole=False)) == []


async def test_a_signature_of_another_organisation_counts_for_nobody(service: Service, tmp_path: Path) -> None:
    """A key counts only for its own organisation: nobody signs for both sides."""
    transfer = await service.open()
    await service.walk(transfer, PATH)
    (receipt,) = [r for r in await receipts(service, transfer) if r.number == 1]
    keys = public_keys(tmp_path)
    swapped = {"market": keys["police"], "police": keys["market"]}
    assert {flaw.rule for flaw in flaws([receipt], swapped)} == {"KEY_UNKNOWN"}


async def test_only_the_receiver_signs_and_only_for_what_was_sent(service: Service) -> None:
    """A wrong hash, another organisation, a receipt of another transfer: nothing is signed."""
    transfer, other = await service.open(), await service.open()
    await service.walk(transfer, PATH[:3])
    (receipt,) = await receipts(service, transfer)

    def request(**rest: str) -> rpc.SignReceiptRequest:
        given = {"request_id": "s" + str(rest), "transfer_id": transfer.id, "receipt_id": receipt.id}
        return rpc.SignReceiptRequest(**({**given, "sha256": receipt.sha256} | rest))

    with pytest.raises(Precondition) as refusal:
        await service.stub(POLICE).SignReceipt(request(sha256="0" * 64))
    assert refusal.value.reason == "RECEIPT_HASH_MISMATCH"
    for by, rest in ((OFFICER, {}), (PROCURATOR, {}), (POLICE, {"transfer_id": other.id})):
        with pytest.raises(NotFound) as missing:
            await service.stub(by).SignReceipt(request(**rest))
        assert missing.value.reason == "RECEIPT_NOT_FOUND"
    signed = (await service.stub(POLICE).SignReceipt(request())).receipt
    assert (await service.stub(POLICE).SignReceipt(request(request_id="again"))).receipt == signed


async def test_public_keys_are_given_to_those_who_see_the_transfer_and_check_its_receipts(
    service: Service, tmp_path: Path
) -> None:
    """The same keys as on disk, a former organ's among them, and the export of it all is sound."""
    transfer = await service.open()
    await service.walk(transfer, (*PATH[:3], "accept_transfer"))
    await service.take(transfer, "forward_transfer", fields={"receiving_organ": "other-organ", "reason": "无管辖权"})
    request = rpc.ListPublicKeysRequest(transfer_id=transfer.id)
    keys = (await service.stub(PROCURATOR).ListPublicKeys(request)).keys
    on_disk = public_keys(tmp_path)
    assert {(key.organisation.id, key.key_id) for key in keys} == {
        (name, key_id) for name in ("market", "police") for key_id in on_disk[name]
    }
    assert {key.organisation.name for key in keys} == {NAMES["market"], NAMES["police"]}
    content = receipts_file(await receipts(service, transfer), keys)
    assert {flaw.rule for flaw in file_flaws(content)} == {"OPEN"}
    with pytest.raises(NotFound):
        await service.stub(person("ecology", "officer")).ListPublicKeys(request)


async def test_a_step_entered_late_signs_when_it_happened_and_when_it_was_entered(
    service: Service, tmp_path: Path
) -> None:
    """Delivered on the second, entered on the fifth; accepted on the third, entered on the fifth too: both are signed."""
    transfer = await service.open()
    await service.walk(transfer, PATH[:2])
    await service.later(days=3)
    days = []
    for step, day in (("deliver_transfer", 0), ("accept_transfer", 1)):
        at = Timestamp()
        at.FromDatetime(START + timedelta(days=day))
        await service.take(transfer, step, happened_at=at)
    delivered, accepted = await receipts(service, transfer)
    for text, what in (
        (delivered.statement, "sent_at"),
        (delivered.acknowledgement, "received_at"),
        (accepted.statement, "sent_at"),
    ):
        said = json.loads(text)
        days.append((said[what][:10], said["entered_at"][:10]))
    assert days == [("2026-03-02", "2026-03-05"), ("2026-03-03", "2026-03-05"), ("2026-03-03", "2026-03-05")]
    keys = public_keys(tmp_path)
    await service.sign(transfer, OFFICER)
    assert list(flaws(await receipts(service, transfer), keys)) == []
    delivered.statement = delivered.statement.replace('"entered_at":"2026-03-05', '"entered_at":"2026-03-02')
    assert {flaw.rule for flaw in flaws([delivered], keys)} == {"HASH_MISMATCH", "SIGNATURE_INVALID", "FIELD_DIFFERS"}


async def test_a_receipt_that_names_a_day_for_the_answer_is_sound_as_a_file(service: Service) -> None:
    """What stands in the statement stands in the file beside it."""
    transfer = await service.open(suspect_names=["张某"])
    await service.walk(transfer, (*PATH, "file_case"))
    way = ("send_for_prosecution", "decide_non_prosecution", "hand_over_internally")
    await service.walk(transfer, way, suspect_id="1")
    await service.take(transfer, "give_penalty_opinion", suspect_id="1", fields={"reply_by": "2026-04-20"})
    stub = service.stub(OFFICER)
    keys = (await stub.ListPublicKeys(rpc.ListPublicKeysRequest(transfer_id=transfer.id))).keys
    content = receipts_file(await receipts(service, transfer), keys)
    assert {flaw.rule for flaw in file_flaws(content, keys)} <= {"OPEN"}


async def test_a_key_is_replaced_while_the_service_runs(service: Service, tmp_path: Path) -> None:
    """What was signed before stays good, what is signed from then on is signed with the new key, without a restart."""
    transfer = await service.open()
    await service.walk(transfer, PATH[:3])
    fresh = Keyring(key_folder(tmp_path)).rotate("market")
    await service.walk(transfer, PATH[3:])
    before, after, _ = await receipts(service, transfer)
    assert before.sender_signature.key_id != fresh == after.sender_signature.key_id
    keys = (await service.stub(OFFICER).ListPublicKeys(rpc.ListPublicKeysRequest(transfer_id=transfer.id))).keys
    assert [key.organisation.id for key in keys].count("market") == 2
    assert {flaw.rule for flaw in flaws(await receipts(service, transfer), public_keys(tmp_path))} == {"OPEN"}


async def test_a_damaged_key_file_silences_no_other(service: Service, tmp_path: Path) -> None:
    """Receipts go on to be listed, compared and checked with the keys that can be read."""
    transfer = await service.open()
    await service.walk(transfer, PATH[:3])
    (trusted,) = {path.parent for path in key_folder(tmp_path).glob("*/trusted/*.pem")}
    (trusted / "copied-by-hand.pem").write_text("-----BEGIN PUBLIC KEY-----\nno key\n")
    keys = (await service.stub(OFFICER).ListPublicKeys(rpc.ListPublicKeysRequest(transfer_id=transfer.id))).keys
    assert [key.organisation.id for key in keys] == ["market"]
    gaps = (await service.stub(OFFICER).ListReceiptGaps(rpc.ListReceiptGapsRequest())).gaps
    assert {gap.rule for gap in gaps} == {"OPEN"}
