"""Settings: read once, checked at once, frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from liangfa_kit.errors import Invalid
from liangfa_kit.settings import PlatformSettings, load


def test_an_empty_environment_runs_embedded() -> None:
    """Every field has a default that works on a laptop."""
    settings = load(PlatformSettings)
    assert settings.listen.host == "127.0.0.1"
    assert settings.telemetry.otlp_endpoint == ""
    assert settings.key_folder == Path("var/identity")


def test_variables_set_the_fields_of_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two underscores go one level down."""
    monkeypatch.setenv("LIANGFA_LISTEN__PORT", "7555")
    monkeypatch.setenv("LIANGFA_STORAGE__FOLDER", "/srv/liangfa")
    settings = load(PlatformSettings)
    assert (settings.listen.port, settings.key_folder) == (7555, Path("/srv/liangfa/identity"))


def test_every_wrong_variable_is_named_at_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value out of range, one of the wrong type and a misspelt name come in one refusal."""
    monkeypatch.setenv("LIANGFA_LISTEN__PORT", "70000")
    monkeypatch.setenv("LIANGFA_LISTEN__PROT", "7000")
    monkeypatch.setenv("LIANGFA_IDENTITY__TOKEN_TTL_SECONDS", "soon")
    with pytest.raises(Invalid) as caught:
        load(PlatformSettings)
    assert caught.value.reason == "SETTINGS_INVALID"
    assert {v.field for v in caught.value.violations} == {
        "LIANGFA_LISTEN__PORT",
        "LIANGFA_LISTEN__PROT",
        "LIANGFA_IDENTITY__TOKEN_TTL_SECONDS",
    }


def test_settings_cannot_be_changed_after_the_start() -> None:
    """They are a value."""
    settings = load(PlatformSettings)
    with pytest.raises(ValidationError):
        settings.listen.port = 1  # type: ignore[misc]  # the point of the test
