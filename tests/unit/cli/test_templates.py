"""`liangfa templates check` tries a region's templates before they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from docx import Document
from typer.testing import CliRunner

from liangfa_cli.main import app

WHOLE = (
    "{%p for line in lines %}", "{{ line.text }}", "{%p endfor %}",
    "{% for one in materials %}{{ one.title }} {{ one.sha256 }}{% endfor %}",
)  # fmt: skip


def template(folder: Path, name: str, *texts: str) -> None:
    document = Document()
    for text in texts:
        document.add_paragraph(text)
    document.save(str(folder / name))


def test_good_templates_are_counted(tmp_path: Path) -> None:
    """And end with exit code 0."""
    template(tmp_path, "general.docx", *WHOLE)
    found = CliRunner().invoke(app, ["templates", "check", str(tmp_path)])
    assert (found.exit_code, found.output) == (0, "1 templates, 0 broken\n")


def test_a_broken_template_is_named_with_its_cause(tmp_path: Path) -> None:
    """Beside a good one, with exit code 1."""
    template(tmp_path, "general.docx", *WHOLE)
    template(tmp_path, "filing_notice.docx", "{{ field.colour }}")
    found = CliRunner().invoke(app, ["templates", "check", str(tmp_path)])
    assert found.exit_code == 1
    assert "template filing_notice.docx: UndefinedError" in found.output
    assert "'colour'" in found.output
    assert found.output.endswith("2 templates, 1 broken\n")


def test_a_folder_that_does_not_exist_is_a_wrong_argument(tmp_path: Path) -> None:
    """Not a folder without faults."""
    assert CliRunner().invoke(app, ["templates", "check", str(tmp_path / "none")]).exit_code == 2


def test_without_a_folder_that_of_the_settings_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the platform will use; without any the argument is missing."""
    assert CliRunner().invoke(app, ["templates", "check"]).exit_code == 2
    (tmp_path / "420111").mkdir()
    template(tmp_path / "420111", "general.docx", "{{ title }}")
    monkeypatch.setenv("LIANGFA_DOCUMENTS__FOLDER", str(tmp_path))
    found = CliRunner().invoke(app, ["templates", "check"])
    assert found.exit_code == 1
    assert "420111/general.docx: it does not show" in found.output
