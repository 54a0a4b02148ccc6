"""Folder and port come from the command line, else from the variables that name them for every process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liangfa_cli.main import app
from liangfa_kit.errors import NotFound, Unavailable

FOLDER, PORT = "LIANGFA_STORAGE__FOLDER", "LIANGFA_LISTEN__PORT"


def test_the_folder_may_be_named_by_its_variable(tmp_path: Path) -> None:
    """A container that sets it must not look, or write, somewhere else without a word."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    found = CliRunner().invoke(app, ["verify"], env={FOLDER: str(ours)})
    assert isinstance(found.exception, NotFound)
    assert str(ours) in str(found.exception)
    found = CliRunner().invoke(app, ["verify", "--folder", str(other)], env={FOLDER: str(ours)})
    assert str(other) in str(found.exception)


def test_the_demonstration_never_writes_into_the_folder_of_a_platform(tmp_path: Path) -> None:
    """Whatever the variable says: its cases are made up."""
    told = CliRunner().invoke(app, ["demo", "--help"], env={FOLDER: str(tmp_path)})
    assert FOLDER not in told.output
    assert FOLDER in CliRunner().invoke(app, ["verify", "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize("command", [["up"], ["serve", "supervision"]])
def test_the_port_may_be_named_by_its_variable(tmp_path: Path, command: list[str]) -> None:
    """As the refusal of a taken one advises."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = CliRunner().invoke(app, [*command, "--folder", str(tmp_path)], env={PORT: port})
    assert isinstance(found.exception, Unavailable)
    assert found.exception.reason == "CANNOT_LISTEN"
    assert port in str(found.exception)
    assert "--port" in found.exception.remedy
