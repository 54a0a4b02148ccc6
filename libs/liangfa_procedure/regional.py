"""Which templates a region writes its documents with: its own, those of the divisions above it, then the built-in one.

A folder holds a folder for each division that has templates of its own, named by its code (GB/T 2260): `420111`, `420100`,
`420000`. Templates that lie beside them are for every region. What a division has goes before what lies above it.
"""

from __future__ import annotations

import re
from pathlib import Path

from liangfa_procedure.writing import TemplateBroken, Templates

_CODE = re.compile(r"[0-9]{6}")


class RegionalTemplates:
    """The templates in `folder`; without one the built-in template serves every region."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def of(self, region: str) -> Templates:
        """Return the templates of a region, by its division code. Anything else has those of every region."""
        if self._folder is None:
            return Templates()
        code = region[:6]
        above = (code, f"{code[:4]}00", f"{code[:2]}0000") if _CODE.fullmatch(code) else ()
        return Templates(*(self._folder / one for one in dict.fromkeys(above)), self._folder)

    def problems(self) -> list[TemplateBroken]:
        """Try every template of every region (blocking file work); return what is broken or incomplete, by its path."""
        if self._folder is None:
            return []
        if not self._folder.is_dir():
            return [TemplateBroken(str(self._folder), "there is no such folder")]
        found = Templates(self._folder).problems()
        for path in sorted(one for one in self._folder.iterdir() if one.is_dir() and not one.name.startswith(".")):
            if not _CODE.fullmatch(path.name):
                found.append(TemplateBroken(f"{path.name}/", "its name must be a division code of six digits"))
                continue
            problems = Templates(path).problems()
            found += [TemplateBroken(f"{path.name}/{one.template}", one.cause) for one in problems]
        return found

    def count(self) -> int:
        """Return how many template files there are."""
        return len(list(self._folder.rglob("*.docx"))) if self._folder else 0
