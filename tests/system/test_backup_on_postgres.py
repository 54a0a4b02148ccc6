"""A backup of a working platform on PostgreSQL, by the way of docs/operations.md, and the platform that starts from it."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from liangfa_cli.platform import SERVICES, Platform, running
from liangfa_kit.settings import Database, Listen, Logging, PlatformSettings, Storage
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceStub
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from tests import transferring
from tests.architecture.test_backup import FOLDERS
from tests.servers.databases import database_of
from tests.servers.postgres import binaries
from tests.system.test_backup import file_one, stored, told, told_of_all

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.usefixtures("on_postgres")]
LIANGFA = Path(sys.executable).parent / "liangfa"
OWNER, SERVICE = "liangfa_test_owner", "liangfa_test_service"


def deployed(folder: Path) -> PlatformSettings:
    """Return the settings of a platform whose database is owned by one role and used by another, both no superusers."""
    url = database_of(folder).url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        for role in (OWNER, SERVICE):
            with suppress(psycopg.errors.DuplicateObject, psycopg.IntegrityError):  # of another test, or at this moment
                connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" OWNER TO {OWNER}')
    return PlatformSettings(
        storage=Storage(folder=folder),
        database=Database(url=SecretStr(as_role(url, SERVICE)), owner_url=SecretStr(as_role(url, OWNER))),
        listen=Listen(port=0),
        logging=Logging(level="error", file=folder.with_suffix(".log")),
    )


def as_role(url: str, role: str) -> str:
    return f"postgresql://{role}@{url.rpartition('@')[2]}"


def run(*command: str) -> None:
    """Run one of PostgreSQL's programs as an operator does."""
    done = subprocess.run([program(command[0]), *command[1:]], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def liangfa(settings: PlatformSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `liangfa` with the platform's folder and variables."""
    variables = [
        "COLUMNS=200",
        f"LIANGFA_DATABASE__URL={settings.database.url.get_secret_value()}",
        f"LIANGFA_DATABASE__OWNER_URL={settings.database.owner_url.get_secret_value()}",
    ]
    command = ["env", *variables, str(LIANGFA), *arguments, "--folder", str(settings.storage.folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def program(name: str) -> str:
    folder = binaries()
    return str(folder / name) if folder else name


def dump(source: Path, target: Path) -> None:
    """Back up as a superuser: the database first, then the files."""
    url = database_of(source).url.get_secret_value()
    run("pg_dump", "--format=custom", f"--file={target / 'liangfa.dump'}", url)
    for name in FOLDERS:
        if (source / name).exists():
            shutil.copytree(source / name, target / name)


def restore(copy: Path, target: Path) -> PlatformSettings:
    """Restore into an empty database and an empty folder."""
    settings = deployed(target)
    url = database_of(target).url.get_secret_value()
    run("pg_restore", "--exit-on-error", f"--dbname={url}", str(copy / "liangfa.dump"))
    for name in FOLDERS:
        if (copy / name).exists():
            shutil.copytree(copy / name, target / name)
    return settings


async def issue_letter(platform: Platform) -> None:
    """Open a transfer and issue a document of it: a file that the journal of case_transfer names."""
    channel = platform.channel_for(transferring.OFFICER)
    transfer = (await TransferServiceStub(channel).OpenTransfer(transferring.opening())).transfer
    await DocumentServiceStub(channel).IssueDocument(transferring.issuing(transfer, "transfer_letter"))


@pytest.mark.timeout(400)
async def test_a_dump_of_a_working_platform_restores_to_one_that_verifies_and_goes_on(tmp_path: Path) -> None:
    """Dumped while cases come in: nothing acknowledged before is missing, each chain is whole, each case is told once."""
    source, copy, target = (tmp_path / name for name in ("data", "copy", "restored"))
    copy.mkdir()
    settings = deployed(source)
    async with running(settings) as platform:
        before = [await file_one(platform, number) for number in range(30)]
        await issue_letter(platform)
        acknowledged = list(before)

        async def go_on() -> None:
            while True:
                acknowledged.append(await file_one(platform, len(acknowledged)))

        filing = asyncio.ensure_future(go_on())
        await asyncio.to_thread(dump, source, copy)
        filing.cancel()
        await asyncio.gather(filing, return_exceptions=True)
    restored = await asyncio.to_thread(restore, copy, target)
    verified = await asyncio.to_thread(liangfa, restored, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for name in SERVICES:
        assert re.search(rf"^{name}: \d+ entries, intact$", verified.stdout, re.MULTILINE), verified.stdout
    assert "case_transfer files: 1 files, intact" in verified.stdout
    renewed = await asyncio.to_thread(liangfa, restored, "events", "renew")
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    async with running(restored) as again:
        held = await stored(again)
        assert set(before) <= held
        assert len(held - set(acknowledged)) <= 1, "at most the call whose answer was cut off"
        new = await file_one(again, 100_000)
        await told_of_all(again)
        order = await told(again)
        assert len(order) == len(set(order)), "told twice"
        assert order[-1] == new
        await issue_letter(again)


async def test_a_restored_journal_in_which_somebody_changed_an_entry_does_not_verify(tmp_path: Path) -> None:
    """The check of the restored chains can fail: it is no mere formality."""
    source, copy, target = (tmp_path / name for name in ("data", "copy", "restored"))
    copy.mkdir()
    async with running(deployed(source)) as platform:
        await file_one(platform, 1)
    await asyncio.to_thread(dump, source, copy)
    restored = await asyncio.to_thread(restore, copy, target)
    with psycopg.connect(database_of(target).url.get_secret_value()) as connection:
        connection.execute("UPDATE enforcement_record.journal SET at_micros = at_micros + 1")
    verified = await asyncio.to_thread(liangfa, restored, "verify")
    assert verified.returncode == 1, verified.stdout + verified.stderr
    assert "enforcement_record: " in verified.stdout
    assert "faults" in verified.stdout
