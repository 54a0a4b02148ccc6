"""Documents of the procedure (文书) written as DOCX from templates that a region may replace.

A template is a DOCX file with Jinja tags as docxtpl reads them. It is given `title`, `number`, `issuer`, `addressee`,
`lines` (label and text of every field, in the order of the procedure), `field` (the same by id) and `materials` (title
and SHA-256 of each). A region's folder holds `<kind>.docx`, or `general.docx` for every kind without one of its own.
The same draft on the same template gives the same bytes, so that a preview is what will be issued.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from docxtpl import DocxTemplate  # type: ignore[import-untyped]  # the library has no types
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from liangfa_procedure.documents import DocumentKind, documents
from liangfa_procedure.reading import ProcedureError, read_data

GENERAL = "general"
"""Name of the template for every kind that has none of its own."""
MATERIALS, NUMBER = "materials", "number"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_WORDS = re.compile(r"<w:t(?: [^>]*)?>([^<]*)</w:t>")
_SAMPLE = "样"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class TemplateBroken(ProcedureError):
    """A template cannot be used: `template` is its file name, the message says why."""

    def __init__(self, template: str, cause: str) -> None:
        super().__init__(f"template {template}: {cause}")
        self.template, self.cause = template, cause


class DraftRefused(ProcedureError):
    """A draft cannot be written: `missing` fields are empty, `unknown` ones belong to no document of its kind."""

    def __init__(self, kind: str, missing: Sequence[str] = (), unknown: Sequence[str] = ()) -> None:
        super().__init__(
            f"{kind}: missing {', '.join(missing) or 'nothing'}; unknown {', '.join(unknown) or 'nothing'}"
        )
        self.kind, self.missing, self.unknown = kind, tuple(missing), tuple(unknown)


@dataclass(frozen=True, slots=True)
class Material:
    """A file that goes with the document: its title and the SHA-256 of its content, hexadecimal."""

    title: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written. `fields` are those of the kind, by id; `number` is the official one, if it has one."""

    kind: str
    issuer: str
    addressee: str
    fields: Mapping[str, str] = field(default_factory=dict)
    number: str = ""
    materials: Sequence[Material] = ()
    date: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A document as DOCX, with the file name of its template and that file's SHA-256."""

    content: bytes
    template: str
    template_sha256: str


def has_number(kind: DocumentKind) -> bool:
    """Tell whether a document of `kind` must state its own number (文号)."""
    return NUMBER in kind.required_fields and not _numbers_another(kind)


def _numbers_another(kind: DocumentKind) -> bool:
    return kind.id in read_data("document_fields.yaml")["number_of_another"]


def missing_fields(draft: Draft) -> tuple[str, ...]:
    """Return the required fields that are empty, in the order of the kind. Raises `DraftRefused` for unknown ones."""
    kind = _known_kind(draft)
    values = _values(kind, draft)
    return tuple(name for name in kind.required_fields if name not in values)


def label(kind: DocumentKind, name: str) -> str:
    """Return what a field is called in documents of `kind`."""
    known = read_data("document_fields.yaml")
    text: str = known["of"].get(kind.id, {}).get(name) or known["labels"][name]
    return text


def step_label(name: str) -> str:
    """Return what a field of a step is called."""
    text: str = read_data("document_fields.yaml")["labels"][name]
    return text


class Templates:
    """The built-in template and those of folders, the first folder first. Files are read when needed, never kept.

    A template that is broken or leaves a required field out is refused: none is put in its place.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    def problems(self) -> list[TemplateBroken]:
        """Try every template of the folders on every kind it is for; return what is broken, before anybody needs it."""
        found = []
        for path in sorted(path for folder in self._folders for path in folder.glob("*")):
            if not path.is_file() or path.name.startswith((".", "~$")) or path.stem.upper() == "README":
                continue  # a word processor keeps ~$… beside a file that is open
            try:
                self._try(path)
            except TemplateBroken as error:
                found.append(error)
        return found

    def write(self, draft: Draft) -> bytes:
        """Return the document as DOCX. Raises `DraftRefused` and `TemplateBroken`."""
        return self.written(draft).content

    def written(self, draft: Draft, gap: str = "") -> Written:
        """Return the document and its template. `gap` stands for what is missing, in a preview; empty: it is refused.

        Raises `DraftRefused` and `TemplateBroken`.
        """
        kind = _known_kind(draft)
        values = _values(kind, draft)
        if missing := [name for name in kind.required_fields if name not in values and not gap]:
            raise DraftRefused(kind.id, missing)
        values = {name: values.get(name, gap) for name in kind.required_fields}
        name, content = self._template(kind.id)
        require_complete(name, content, kind)
        rendered = _rendered(name, content, _context(kind, draft, values))
        return Written(rendered, name, hashlib.sha256(content).hexdigest())

    def _template(self, kind: str) -> tuple[str, bytes]:
        for path in [folder / f"{name}.docx" for folder in self._folders for name in (kind, GENERAL)]:
            if path.is_file():
                return path.name, path.read_bytes()
        built_in = resources.files("liangfa_procedure").joinpath("data", "templates", f"{GENERAL}.docx")
        return f"{GENERAL}.docx", built_in.read_bytes()

    def _try(self, path: Path) -> None:
        if path.suffix != ".docx":
            raise TemplateBroken(path.name, "it is no template: its name must be <kind>.docx or general.docx")
        if path.stem != GENERAL and path.stem not in documents():
            raise TemplateBroken(path.name, f"there is no kind of document {path.stem!r}; its name must be one")
        content = path.read_bytes()
        for kind in documents().values() if path.stem == GENERAL else (documents()[path.stem],):
            require_complete(path.name, content, kind)


def _known_kind(draft: Draft) -> DocumentKind:
    kind = documents().get(draft.kind)
    if kind is None:
        raise DraftRefused(draft.kind, unknown=(draft.kind,))
    return kind


def _values(kind: DocumentKind, draft: Draft) -> dict[str, str]:
    """Return the fields that say something. Raises `DraftRefused` for fields that the kind has not."""
    if unknown := sorted(set(draft.fields) - set(kind.required_fields)):
        raise DraftRefused(kind.id, unknown=unknown)
    values = {name: text for name, text in draft.fields.items() if text.strip()}
    if has_number(kind) and draft.number:
        values.setdefault(NUMBER, draft.number)
    if MATERIALS in kind.required_fields and draft.materials:
        values.setdefault(MATERIALS, f"共 {len(draft.materials)} 件，见所附清单")
    return values


def _context(kind: DocumentKind, draft: Draft, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": kind.name_zh,
        "number": _clean(draft.number),
        "issuer": _clean(draft.issuer),
        "addressee": _clean(draft.addressee),
        "date": _clean(draft.date),
        "lines": [_line(kind, draft, name, _clean(text)) for name, text in values.items()],
        "field": {name: _clean(text) for name, text in values.items()},
        "materials": [{"title": _clean(one.title), "sha256": _clean(one.sha256)} for one in draft.materials],
    }


def _line(kind: DocumentKind, draft: Draft, name: str, text: str) -> dict[str, Any]:
    """Return a field as templates see it. `is_said`: it says what stands at the head or the end of a document anyway."""
    elsewhere = {NUMBER: draft.number, "date": draft.date, "agency": draft.issuer, "police_organ": draft.addressee}
    return {
        "label": label(kind, name),
        "text": text,
        "paragraphs": [one for one in text.split("\n") if one.strip()] or [""],
        "is_said": not _numbers_another(kind) and elsewhere.get(name) == text,
    }


def require_complete(name: str, content: bytes, kind: DocumentKind) -> None:
    """Raise `TemplateBroken` unless the template `content` shows all that a document of `kind` must say.

    It is tried with sample values; a template that was found good is not tried again.
    """
    if left_out := _left_out(name, content, kind.id):
        raise TemplateBroken(name, f"it does not show what a {kind.id} must say: {', '.join(left_out)}")


@lru_cache(maxsize=256)
def _left_out(name: str, content: bytes, kind_id: str) -> tuple[str, ...]:
    """Return the required fields that the template does not show; materials stand for title and hash of each."""
    kind = documents()[kind_id]
    values = {one: f"样{number:03d}例" for number, one in enumerate(kind.required_fields)}
    draft = Draft(kind.id, _SAMPLE, _SAMPLE, number=_SAMPLE, materials=(Material("样材料例", "0" * 64),), date=_SAMPLE)
    shown = _text(_rendered(name, content, _context(kind, draft, values)))
    missing = [one for one, text in values.items() if one != MATERIALS and text not in shown]
    if MATERIALS in values and not ("样材料例" in shown and "0" * 64 in shown):
        missing.append(MATERIALS)
    return tuple(missing)


def _text(content: bytes) -> str:
    """Return the words of a DOCX file, in whatever part they stand."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        names = [name for name in parts.namelist() if name.startswith("word/") and name.endswith(".xml")]
        pages = [parts.read(name).decode("utf-8", "replace") for name in names]
    return "".join(word for page in pages for word in _WORDS.findall(page))


def _clean(text: str) -> str:
    """Return `text` without what XML cannot hold: one such character would make the whole file unreadable."""
    return _NOT_IN_XML.sub("", text.replace("\r\n", "\n"))


def _rendered(name: str, content: bytes, context: Mapping[str, Any]) -> bytes:
    # A region's file is not trusted code: it may read what it is given and nothing else, and a wrong name is an error.
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
    file = io.BytesIO()
    try:
        template = DocxTemplate(io.BytesIO(content))
        template.render(dict(context), environment, autoescape=True)
        template.save(file)
        return _without_times(file)
    except (
        Exception
    ) as error:  # docx, zip, XML and Jinja each raise their own for a broken file: all mean the same here
        raise TemplateBroken(name, f"{type(error).__name__}: {error}") from error


def _without_times(file: io.BytesIO) -> bytes:
    """Return the archive with one fixed time on every part, for the same bytes whenever it is written."""
    target = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as fixed:
        for part in source.infolist():
            entry = zipfile.ZipInfo(part.filename, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            fixed.writestr(entry, source.read(part))
    return target.getvalue()
