"""A file that cannot be used is told in one clear sentence, with what to do next, not as a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from liangfa_cli.main import main


def test_a_result_that_cannot_be_written_is_told_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is missing: exit code 1, the path, both languages, a next step."""
    given, result = tmp_path / "cases.jsonl", tmp_path / "missing" / "found.jsonl"
    given.write_text('{"id": "1", "cause": "经营有毒有害食品", "narrative": "罂粟壳"}\n', encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["liangfa", "screen", "--input", str(given), "--output", str(result)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "FILE_UNUSABLE 文件或目录无法读写" in told
    assert told.count(str(result)) == 2
    assert "Check that the folder exists" in told
    assert "Traceback" not in told
