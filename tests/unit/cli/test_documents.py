"""`liangfa documents`: from a preview to the case file by commands."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docx import Document

from liangfa_kit.errors import PlatformError
from tests.terminal import Terminal, terminal
from tests.unit.cli.test_transfers import opened

LETTER = ("--code-word", "洪市监移", "--field", "grounds=依法移送", "--field", "phone=027-1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("platform")) as found:
        yield found


def said(running: Terminal, *words: str, who: tuple[str, str] = ("officer", "market")) -> str:
    done = running.say("documents", *words, who=who)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def written(running: Terminal, transfer: str, kind: str, *words: str) -> str:
    """Return the id of a document that is issued by a command."""
    found = re.search(r"issued: (\S+)", said(running, "write", transfer, kind, *words))
    assert found is not None
    return found.group(1)


def test_a_letter_is_previewed_issued_corrected_signed_and_downloaded(running: Terminal, tmp_path: Path) -> None:
    """What is missing is named first; the file is what was issued; the list shows both versions."""
    transfer = opened(running, "文书命令")
    paper = tmp_path / "笔录.pdf"
    paper.write_bytes(b"%PDF-1.7 record")
    preview = tmp_path / "preview.docx"
    told = said(running, "write", transfer, "transfer_letter", "--preview", str(preview))
    assert "missing: grounds 理由" in told
    assert "（待填）" in "".join(one.text for one in Document(str(preview)).paragraphs)
    letter = written(running, transfer, "transfer_letter", *LETTER, "--material", f"现场笔录={paper}")
    target = tmp_path / "letter.docx"
    said(running, "download", transfer, letter, "--output", str(target))
    cells = [cell.text for table in Document(str(target)).tables for row in table.rows for cell in row.cells]
    assert {"现场笔录", hashlib.sha256(paper.read_bytes()).hexdigest()} <= set(cells)
    assert "共 1 份" in said(running, "scan", transfer, letter, str(paper))
    corrected = ("--corrects", letter, "--version", "1", "--reason", "笔误", "--field", "materials=无", *LETTER[2:])
    assert written(running, transfer, "transfer_letter", *corrected) == letter
    listed = said(running, "list", transfer)
    assert re.search(r"洪市监移〔\d{4}〕1号.* 1 → 2 ", listed)
    copy = tmp_path / "scan.pdf"
    words = ("--version", "1", "--scan", hashlib.sha256(paper.read_bytes()).hexdigest(), "--output", str(copy))
    said(running, "download", transfer, letter, *words)
    assert copy.read_bytes() == paper.read_bytes()


def test_an_issued_document_goes_with_a_step_and_into_the_case_file(running: Terminal, tmp_path: Path) -> None:
    """Named by its id; the archive of whoever may see it holds it."""
    transfer = opened(running, "卷宗命令")
    fields = [f"--field={name}=有" for name in ("facts", "evidence", "law", "charge", "proposal", "members")]
    report = written(running, transfer, "transfer_report", *fields)
    done = running.say("transfers", "step", transfer, "report_to_head", "--issued", report)
    assert done.exit_code == 0, done.output
    target = tmp_path / "file.zip"
    assert "saved" in said(running, "case-file", transfer, "--output", str(target))
    with zipfile.ZipFile(target) as archive:
        assert any("移送涉嫌犯罪案件的书面报告" in name for name in archive.namelist())


def test_a_series_goes_on_where_the_paper_ended(running: Terminal) -> None:
    """The operator's command says the next number; the next document takes it."""
    transfer = opened(running, "文号命令")
    told = said(running, "start-numbers", "洪市监调", "--last", "17", who=("operator", "market"))
    assert re.search(r"next number: 洪市监调〔\d{4}〕18号", told)
    written(running, transfer, "transfer_letter", "--code-word", "洪市监调", "--field", "materials=无", *LETTER[2:])
    assert re.search(r"洪市监调〔\d{4}〕18号", said(running, "list", transfer))


def test_a_refusal_leaves_no_file(running: Terminal, tmp_path: Path) -> None:
    """Neither a half one nor an empty one; the refusal says why and what to do."""
    transfer = opened(running, "拒绝命令")
    target = tmp_path / "none.docx"
    for words in (("download", transfer, "nowhere"), ("case-file", "nowhere")):
        done = running.say("documents", *words, "--output", str(target))
        assert isinstance(done.exception, PlatformError), done.output
        assert done.exception.remedy
    missing = running.say("documents", "write", transfer, "transfer_letter", "--material", f"x={tmp_path / 'gone.pdf'}")
    assert isinstance(missing.exception, PlatformError)
    assert missing.exception.reason == "DOCUMENT_UNREADABLE"
    assert list(tmp_path.iterdir()) == []
