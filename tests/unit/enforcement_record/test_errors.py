"""Reasons are API: what the service refuses with stands in errors.proto, and what stands there is used."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import liangfa_enforcement_record
from liangfa_enforcement_record import errors
from liangfa_enforcement_record.importing.refusals import REASONS, TableRefused
from liangfa_kit import objects
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_protos.enforcement_record.v1.errors_pb2 import ErrorReason

PUBLISHED = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - no dict
SOURCE = Path(liangfa_enforcement_record.__file__).parent
KIT_CLASSES = (objects.ContentMismatch, objects.OffsetMismatch)
QUOTED = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')


def own_classes() -> list[type[PlatformError]]:
    found = inspect.getmembers(errors, inspect.isclass)
    return [c for _, c in found if issubclass(c, PlatformError) and c.__module__ == errors.__name__]


def test_every_class_of_the_service_has_a_published_reason() -> None:
    """A client can tell every refusal from every other one by its code."""
    classes: list[type[PlatformError]] = [*own_classes(), *KIT_CLASSES]
    reasons = {one.reason for one in classes}
    assert reasons <= PUBLISHED
    assert len(own_classes()) >= 15


def test_every_reason_of_a_refused_table_is_published() -> None:
    """And becomes an `Invalid` with words in both languages and a remedy."""
    assert REASONS <= PUBLISHED
    error = errors.refused_table(TableRefused("FILE_EMPTY"))
    assert isinstance(error, Invalid)
    assert (error.reason, bool(error.message_zh), bool(error.remedy)) == ("FILE_EMPTY", True, True)


def test_every_published_reason_is_used() -> None:
    """A reason that nothing gives is a promise that nobody keeps."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    used = (
        set(QUOTED.findall(text))
        | {one.reason for one in KIT_CLASSES}
        | {"FILE_CHANGED", "FILE_MISSING", "PAGE_TOKEN_MALFORMED"}
    )
    assert used >= PUBLISHED


def test_every_violation_of_a_field_has_a_published_reason() -> None:
    """The same list serves fields and whole requests."""
    found = set()
    for name in ("validation.py", "queries/searching.py", "commands/evidence_commands.py"):
        found |= set(QUOTED.findall((SOURCE / name).read_text(encoding="utf-8")))
    assert found
    assert found <= PUBLISHED
