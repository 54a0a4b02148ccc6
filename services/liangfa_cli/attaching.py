"""What goes with a step, as it is written on a command line: fields, documents, items, organisations, a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from liangfa_kit.clock import BEIJING
from liangfa_kit.errors import Invalid
from liangfa_procedure.documents import documents
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb


def fields(given: Iterable[str]) -> dict[str, str]:
    """Return the fields of words like `reason=无管辖权`. Raises `Invalid`."""
    return dict(_pair(one, "--field", "name=value") for one in given)


def organisation(given: str, option: str) -> pb.Organisation:
    """Return the organisation of a word like `hs-police=武汉市公安局洪山区分局`. Raises `Invalid`."""
    key, name = _pair(given, option, "id=name")
    return pb.Organisation(id=key, name=name)


def items(given: Iterable[str]) -> list[pb.Item]:
    """Return the items of words like `白酒|12瓶|某牌500ml|局物证室`: name, quantity, features, place."""
    return [
        pb.Item(**dict(zip(("name", "quantity", "features", "place"), one.split("|"), strict=False))) for one in given
    ]


def attached(step_id: str, given: Sequence[str]) -> list[pb.Document]:
    """Return the documents of words like `transfer_letter=移送书.pdf`, with the hash of each file.

    A file alone is of the kind that its name says (`transfer_letter.pdf`, `涉嫌犯罪案件移送书.pdf`), or of the one kind that
    the step still lacks. Raises `Invalid` (DOCUMENT_KIND_UNKNOWN, DOCUMENT_UNREADABLE).
    """
    step = Procedure.load().steps.get(step_id)
    needed = step.documents_required if step is not None else ()
    known = {name: kind.id for kind in documents().values() for name in (kind.id, kind.name_zh)}
    pairs: list[tuple[str, Path]] = []
    for one in given:
        kind, _, file = one.rpartition("=")
        pairs.append((kind or known.get(Path(file).stem, ""), Path(file)))
    lacking = [kind for kind in needed if kind not in {kind for kind, _ in pairs}]
    if [kind for kind, _ in pairs].count("") == len(lacking) == 1:
        pairs = [(kind or lacking[0], file) for kind, file in pairs]
    return [_document(kind, file, needed) for kind, file in pairs]


def issued(given: Iterable[str]) -> list[pb.Document]:
    """Return documents that were issued on the platform, by their ids: the service fills in the rest."""
    return [pb.Document(document_id=one) for one in given]


def moment(text: str) -> datetime:
    """Return an instant written as ISO 8601; without a zone it is China's. Raises `Invalid`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong("--at", text, "2026-03-02T09:30") from None
    return at if at.tzinfo else at.replace(tzinfo=BEIJING)


def _document(kind: str, file: Path, needed: Sequence[str]) -> pb.Document:
    known = documents()
    if kind not in known:
        wanted = "; ".join(f"{one} {known[one].name_zh}" for one in needed) or "none"
        raise Invalid(
            f"What kind of document is {file}? The step needs: {wanted}.",
            message_zh=f"未指明文书种类：{file}。",
            remedy=f"Write --document KIND={file}; kinds and their names are in docs/procedure.md.",
            reason="DOCUMENT_KIND_UNKNOWN",
            file=file,
        )
    try:
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
    except OSError as error:
        raise Invalid(
            f"{file} cannot be read: {error.strerror}.",
            message_zh=f"无法读取文件 {file}。",
            remedy="Correct the path. Nothing was sent.",
            reason="DOCUMENT_UNREADABLE",
            file=file,
        ) from None
    return pb.Document(kind=kind, title=file.stem, sha256=sha256, size_bytes=size)


def _pair(given: str, option: str, form: str) -> tuple[str, str]:
    name, separator, value = given.partition("=")
    if not (name and separator and value):
        raise _wrong(option, given, form)
    return name, value


def _wrong(option: str, given: str, form: str) -> Invalid:
    return Invalid(
        f"{option} {given!r} is not of the form {form}.",
        message_zh=f"{option} 的写法应为 {form}。",
        remedy="Correct it. Nothing was sent.",
        reason="ARGUMENT_MALFORMED",
        option=option,
    )
