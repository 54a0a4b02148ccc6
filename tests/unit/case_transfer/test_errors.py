"""Reasons are API: what the service refuses with stands in errors.proto, and what stands there is used."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import liangfa_case_transfer
from liangfa_case_transfer import document_errors, errors
from liangfa_kit import paging
from liangfa_kit.errors import PlatformError
from liangfa_protos.case_transfer.v1.errors_pb2 import ErrorReason

PUBLISHED = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - no dict
SOURCE = Path(liangfa_case_transfer.__file__).parent
QUOTED = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')


def own_classes() -> list[type[PlatformError]]:
    modules = (errors, document_errors)
    found = [(module, c) for module in modules for _, c in inspect.getmembers(module, inspect.isclass)]
    return [c for module, c in found if issubclass(c, PlatformError) and c.__module__ == module.__name__]


def test_every_class_of_the_service_has_a_published_reason() -> None:
    """A client can tell every refusal from every other one by its code."""
    reasons = [one.reason for one in own_classes()]
    assert set(reasons) <= PUBLISHED
    assert len(set(reasons)) == len(reasons) >= 10


def test_every_published_reason_is_used() -> None:
    """A reason that nothing gives is a promise that nobody keeps."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    text += Path(paging.__file__).read_text(encoding="utf-8")
    assert set(QUOTED.findall(text)) >= PUBLISHED
