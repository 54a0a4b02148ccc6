"""`liangfa ledger`: receipts leave a platform as a file, and the file is checked without one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from liangfa_case_transfer.exporting import keys_file, receipts_file
from liangfa_case_transfer.wiring import key_folder
from liangfa_cli.platform import Platform
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from tests.ledger import chain, public_keys, ring
from tests.terminal import Terminal, offline, terminal
from tests.transferring import OFFICER, PEOPLE, PROCEDURE, documents, opening


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("platform")) as found:
        yield found


async def walked(platform: Platform, *steps: str) -> str:
    """Open a transfer, take steps, return its id."""
    stub = TransferServiceStub(platform.channel_for(OFFICER))
    transfer = (await stub.OpenTransfer(opening())).transfer
    for name in steps:
        step = PROCEDURE.step(name)
        request = rpc.TakeStepRequest(
            request_id=str(uuid.uuid4()), transfer_id=transfer.id, step=name, expected_version=transfer.version,
            documents=documents(step), fields=dict.fromkeys(step.required_fields, "x"),
        )  # fmt: skip
        by = PEOPLE[min(step.roles)]
        transfer = (await TransferServiceStub(platform.channel_for(by)).TakeStep(request)).transfer
    return transfer.id


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a file of receipts of which one is open, and one of keys."""
    keyring = ring(tmp_path / "keys")
    keys = public_keys(keyring, "market", "police")
    (tmp_path / "receipts.json").write_bytes(receipts_file(chain(keyring, is_open=True), keys))
    (tmp_path / "keys.json").write_bytes(keys_file(keys))
    return tmp_path / "receipts.json", tmp_path / "keys.json"


def test_a_platforms_receipts_are_exported_and_verify_without_it(running: Terminal, tmp_path: Path) -> None:
    """The delivery is signed for by accepting it; the acceptance still waits for the agency."""
    transfer = running.ask(
        lambda p: walked(p, "report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer")
    )
    for name, command in (("r.json", "export"), ("k.json", "keys")):
        done = running.say("ledger", command, transfer)
        assert done.exit_code == 0, done.output
        (tmp_path / name).write_bytes(done.stdout_bytes)
    found = offline("ledger", "verify", str(tmp_path / "r.json"), "--keys", str(tmp_path / "k.json"))
    assert found.exit_code == 0, found.output
    assert "第 1 号 移送公安机关" in found.output
    assert "2 receipts, 1 not signed for yet, 0 flaws" in found.output
    one = running.say("ledger", "export", transfer, "--number", "2")
    (tmp_path / "one.json").write_bytes(one.stdout_bytes)
    assert offline("ledger", "verify", str(tmp_path / "one.json")).exit_code == 1
    assert offline("ledger", "verify", str(tmp_path / "one.json"), "--part").exit_code == 0


def test_who_takes_no_part_gets_neither_receipts_nor_keys(running: Terminal) -> None:
    """The same words as for a transfer that does not exist; and a transfer without receipts gives no empty proof."""
    transfer = running.ask(walked)
    for command in ("export", "keys"):
        refused = running.say("ledger", command, transfer, who=("officer", "ecology"))
        assert refused.exception is not None
        assert getattr(refused.exception, "reason", "") == "TRANSFER_NOT_FOUND"
    empty = running.say("ledger", "export", transfer)
    assert getattr(empty.exception, "reason", "") == "RECEIPT_NOT_FOUND"
    assert empty.stdout_bytes == b""


def test_an_open_receipt_is_told_as_open_with_exit_code_0(files: tuple[Path, Path]) -> None:
    """Not signed for is no tampering. Without keys from elsewhere the keys' ids are shown to be compared."""
    receipts, keys = files
    found = offline("ledger", "verify", str(receipts), "--keys", str(keys))
    assert found.exit_code == 0
    assert "已发出，尚待签收 sent, not signed for yet" in found.output
    assert "用 --keys" not in found.output
    assert "用 --keys" in offline("ledger", "verify", str(receipts)).output


def test_an_altered_receipt_is_named_with_exit_code_1(files: tuple[Path, Path]) -> None:
    """Which receipt, what of it, and whose signature."""
    receipts, _ = files
    receipts.write_bytes(receipts.read_bytes().replace(b'\\"size\\":9', b'\\"size\\":8', 1))
    found = offline("ledger", "verify", str(receipts))
    assert found.exit_code == 1
    (line,) = [line for line in found.output.splitlines() if line.startswith("第 1 号")]
    assert line.endswith("被改动 altered")
    assert "SIGNATURE_INVALID market: the content signed was altered" in found.output


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"format": "liangfa-keys/1", "keys": []}'])
def test_a_file_that_cannot_be_read_ends_with_exit_code_2(tmp_path: Path, content: bytes) -> None:
    """As receipts, as keys, or because it is not there."""
    (tmp_path / "f.json").write_bytes(content)
    for words in ([str(tmp_path / "f.json")], [str(tmp_path / "none")]):
        found = offline("ledger", "verify", *words)
        assert (found.exit_code, "FILE_UNREADABLE" in found.output) == (2, True)
        assert isinstance(found.exception, SystemExit)


def test_the_days_gaps_are_listed_until_everything_is_signed_for(running: Terminal, tmp_path: Path) -> None:
    """Exit code 1 with gaps; a clean day says so in a sentence with what was compared."""
    clean = running.say("ledger", "reconcile", who=("officer", "tax"))
    assert (clean.exit_code, "无缺漏" in clean.output, "0 receipts, no gap" in clean.output) == (0, True, True)
    transfer = running.ask(lambda p: walked(p, "report_to_head", "approve_transfer", "deliver_transfer"))
    found = running.say("ledger", "reconcile", who=("police", "police"))
    assert found.exit_code == 1
    assert "已发未收" in found.output
    assert transfer in found.output
    (tmp_path / "book.json").write_bytes(running.say("ledger", "export", transfer).stdout_bytes)
    held = running.say("ledger", "reconcile", "--held", str(tmp_path / "book.json"), who=("officer", "ecology"))
    assert held.exit_code == 1
    assert "发出方无此记录" in held.output
    wrong = running.say("ledger", "reconcile", "--day", "someday")
    assert getattr(wrong.exception, "reason", "") == "INVALID_TRANSFER"


def test_an_organisation_s_key_is_replaced_from_the_terminal(tmp_path: Path) -> None:
    """The id of the new key is told; an organisation that has signed nothing is refused."""
    keyring = ring(key_folder(tmp_path))
    told = offline("ledger", "rotate", "--agency", "market", "--folder", str(tmp_path))
    assert told.exit_code == 0
    (former, fresh) = sorted(keyring.public_keys("market"), key=lambda one: one in told.output)
    assert fresh in told.output
    assert former not in told.output
    refused = offline("ledger", "rotate", "--agency", "makret", "--folder", str(tmp_path))
    assert refused.exit_code != 0


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    """With its path, and what to do."""
    told = offline("ledger", "verify", str(tmp_path / "none.json"))
    assert (told.exit_code, "Correct the path" in told.output) == (2, True)
