"""Settings as deployments name them: read as a process would, without this process's own environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liangfa_kit.settings import PREFIX, PlatformSettings


def settings_from(variables: Mapping[str, object]) -> PlatformSettings:
    """Return the settings that a process with these variables has. Raises `ValueError` for one that does not exist."""
    nested: dict[str, Any] = {}
    for name, value in variables.items():
        if name.startswith(PREFIX):
            *fragments, field = name.removeprefix(PREFIX).lower().split("__")
            place = nested
            for fragment in fragments:
                place = place.setdefault(fragment, {})
            place[field] = value
    return PlatformSettings.model_validate(nested)
