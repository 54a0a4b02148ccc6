"""`liangfa templates` tries a region's templates before they are needed."""

from __future__ import annotations

from pathlib import Path

from docx import Document
from typer.testing import CliRunner

from liangfa_cli.main import app


def template(folder: Path, name: str, text: str) -> None:
    document = Document()
    document.add_paragraph(text)
    document.save(str(folder / name))


def test_good_templates_are_counted(tmp_path: Path) -> None:
    """And end with exit code 0."""
    template(tmp_path, "general.docx", "{{ title }}")
    found = CliRunner().invoke(app, ["templates", str(tmp_path)])
    assert (found.exit_code, found.output) == (0, "1 templates, 0 broken\n")


def test_a_broken_template_is_named_with_its_cause(tmp_path: Path) -> None:
    """Beside a good one, with exit code 1."""
    template(tmp_path, "general.docx", "{{ title }}")
    template(tmp_path, "filing_notice.docx", "{{ field.colour }}")
    found = CliRunner().invoke(app, ["templates", str(tmp_path)])
    assert found.exit_code == 1
    assert "template filing_notice.docx: UndefinedError" in found.output
    assert "'colour'" in found.output
    assert found.output.endswith("2 templates, 1 broken\n")


def test_a_folder_that_does_not_exist_is_a_wrong_argument(tmp_path: Path) -> None:
    """Not a folder without faults."""
    assert CliRunner().invoke(app, ["templates", str(tmp_path / "none")]).exit_code == 2
