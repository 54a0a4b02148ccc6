"""What entered texts must satisfy. Every finding names its field; nothing is corrected silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from liangfa_joint_meeting.errors import ReasonRequired, invalid
from liangfa_kit.errors import FieldViolation
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb

MAX_TEXT = 20_000
MAX_MESSAGE = 8_000
MAX_TITLE = 200
MAX_NAME = 200
MAX_REASON = 2_000
MAX_LIST = 50
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REGION = re.compile(r"[0-9]{6}")


def check(*found: Iterable[FieldViolation]) -> None:
    """Raise `Invalid` when any of the checks found something."""
    violations = [violation for part in found for violation in part]
    if violations:
        raise invalid(violations)


def text(where: str, value: str, most: int, *, is_required: bool = False) -> Iterator[FieldViolation]:
    """Yield what is wrong with a text."""
    if is_required and not value.strip():
        yield FieldViolation(where, "FIELD_REQUIRED", "必填 (must not be empty)")
    elif len(value) > most:
        message = f"最多 {most} 个字符，现有 {len(value)} 个 (at most {most} characters, {len(value)} sent)"
        yield FieldViolation(where, "TEXT_TOO_LONG", message)
    elif value and not value.isprintable() and _CONTROL.search(value):
        message = "含有控制字符，请以纯文本重新粘贴 (control characters: paste it again as plain text)"
        yield FieldViolation(where, "CONTROL_CHARACTERS", message)


def size(where: str, values: Sequence[Any], most: int = MAX_LIST) -> Iterator[FieldViolation]:
    """Yield what is wrong with the length of a list."""
    if len(values) > most:
        yield FieldViolation(where, "TOO_MANY", f"最多 {most} 项，现有 {len(values)} 项 (at most {most})")


def known(where: str, value: int, values: Iterable[int], *, is_required: bool = False) -> Iterator[FieldViolation]:
    """Yield what is wrong with a value of an enumeration; 0 stands for nothing stated."""
    if value not in values:
        yield FieldViolation(where, "VALUE_UNKNOWN", f"未知取值 {value} (not a known value)")
    elif is_required and not value:
        yield FieldViolation(where, "FIELD_REQUIRED", "必填 (must not be empty)")


def region(where: str, value: str) -> Iterator[FieldViolation]:
    """Yield what is wrong with a division code."""
    if not _REGION.fullmatch(value):
        yield FieldViolation(where, "VALUE_UNKNOWN", "六位行政区划代码 (a division code of six digits)")


def files(where: str, values: Sequence[pb.FileReference]) -> Iterator[FieldViolation]:
    """Yield what is wrong with file references."""
    yield from size(where, values)
    for number, file in enumerate(values[:MAX_LIST]):
        yield from text(f"{where}[{number}].name", file.name, MAX_NAME, is_required=True)
        yield from text(f"{where}[{number}].media_type", file.media_type, MAX_NAME)
        yield from text(f"{where}[{number}].evidence_id", file.evidence_id, MAX_NAME)
        if file.size_bytes < 0 or not _SHA256.fullmatch(file.sha256):
            message = "须有文件大小和 SHA-256 (needs a size and 64 hexadecimal digits)"
            yield FieldViolation(f"{where}[{number}].sha256", "VALUE_UNKNOWN", message)


def facts(where: str, values: Sequence[pb.AttachedFact]) -> Iterator[FieldViolation]:
    """Yield what is wrong with attached facts."""
    yield from size(where, values)
    for number, fact in enumerate(values[:MAX_LIST]):
        yield from text(f"{where}[{number}].label", fact.label, MAX_NAME, is_required=True)
        yield from text(f"{where}[{number}].value", fact.value, MAX_REASON, is_required=True)
        yield from text(f"{where}[{number}].source", fact.source, MAX_REASON)


def require_reason(what: str, reason: str) -> None:
    """Raise `ReasonRequired` for an empty reason, `Invalid` for an impossible one."""
    if not reason.strip():
        raise ReasonRequired(what)
    check(text("reason", reason, MAX_REASON))
