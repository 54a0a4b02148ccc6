"""From a kept table to chunks that are ready to be entered. Runs in a thread; touches no database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from itertools import islice
from pathlib import Path

from liangfa_enforcement_record.commands.import_commands import EnterChunk
from liangfa_enforcement_record.drafted import Prepared, prepared, rejected_row, told_finding
from liangfa_enforcement_record.errors import MappingRequired, refused_table
from liangfa_enforcement_record.importing.drafts import OutcomeKind, RowOutcome, SkipReason
from liangfa_enforcement_record.importing.duplicates import DuplicateFinder
from liangfa_enforcement_record.importing.headers import HEAD_ROWS, header_for
from liangfa_enforcement_record.importing.mapping import Mapping
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.rows import RowReader, read_drafts, suggestion_for
from liangfa_enforcement_record.importing.tables import Row, Table, open_table
from liangfa_kit.clock import beijing_date
from liangfa_kit.identity import Actor
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

CHUNK_ROWS = 500
"""Rows a commit: few enough that others on the train wait little more than a tenth of a second, enough to share its cost."""
_ABOVE_THE_ROWS = frozenset({SkipReason.TITLE, SkipReason.HEADER})


@dataclass(slots=True)
class Chunk:
    """What consecutive rows have become. No natural key occurs twice: a revised row waits for the next chunk."""

    first: int
    prepared: list[Prepared] = field(default_factory=list)
    rejected: list[pb.RejectedRow] = field(default_factory=list)
    found: list[pb.Finding] = field(default_factory=list)
    skipped: int = 0
    repeated: int = 0
    above: int = 0
    hashes: dict[str, str] = field(default_factory=dict)
    rows_expected: int = 0

    @property
    def size(self) -> int:
        """How many outcomes it stands for, title and header lines included."""
        return len(self.prepared) + len(self.rejected) + self.skipped + self.repeated + self.above

    def command(self, import_id: str, worker: str, known: dict[str, str]) -> EnterChunk:
        """Return the command by which `worker` enters it; `known` are the cases that revised rows change."""
        return EnterChunk(
            import_id=import_id,
            worker=worker,
            first=self.first,
            size=self.size,
            prepared=self.prepared,
            rejected=self.rejected,
            skipped=self.skipped,
            repeated=self.repeated,
            found=self.found,
            known=known,
            rows_expected=self.rows_expected,
        )


class TableReader:
    """Reads the table at `path` for the import that `progress` tells of, on behalf of `importer`."""

    def __init__(self, path: Path, progress: pb.ImportProgress, mapping_yaml: str, importer: Actor) -> None:
        self._path = path
        self._name = progress.file_name
        self._import_id = progress.import_id
        self._mapping_yaml = mapping_yaml
        self._importer = importer
        # The day on which the import began, also when it goes on days later: the same rows then become the same cases.
        self._received_on = beijing_date(progress.started_at.ToDatetime(tzinfo=UTC))

    def chunks(self, skip: int) -> Iterator[Chunk]:
        """Yield the table in chunks; the first `skip` outcomes were entered before and are only looked at.

        Raises `TableRefused` where the table cannot be read on; what was read before that has been yielded.
        """
        table = open_table(self._path, self._name)
        outcomes = read_drafts(table, mapping_of(table, self._mapping_yaml), received_on=self._received_on)
        finder = DuplicateFinder()
        for outcome in islice(outcomes, skip):
            if outcome.draft is not None:
                finder.look(outcome.draft)
        expected = rows_expected(self._path, table)
        chunk = Chunk(skip, rows_expected=expected)
        try:
            for outcome in outcomes:
                row = prepared(outcome, self._importer, self._import_id)
                if chunk.size >= CHUNK_ROWS or (row is not None and _is_revised_here(row, chunk)):
                    yield chunk
                    chunk = Chunk(chunk.first + chunk.size, rows_expected=expected)
                _add(outcome, row, chunk, finder)
        except TableRefused:
            if chunk.size:
                yield chunk
            raise
        if chunk.size:
            yield chunk

    def corrected(self, number: int, values: dict[str, str]) -> RowOutcome:
        """Return what a corrected row becomes; `values` are its cells by header."""
        table = open_table(self._path, self._name)
        mapping = mapping_of(table, self._mapping_yaml)
        header = header_for([column.header for column in mapping.columns], list(islice(table.rows(), HEAD_ROWS)))
        reader = RowReader(header, mapping, self._received_on)
        return reader.outcome(Row(number, [values.get(name, "") for name in header.names]))


def _is_revised_here(row: Prepared, chunk: Chunk) -> bool:
    """Tell whether an earlier row of the chunk is the same case with other content."""
    return chunk.hashes.get(row.natural_key, row.row_hash) != row.row_hash


def _add(outcome: RowOutcome, row: Prepared | None, chunk: Chunk, finder: DuplicateFinder) -> None:
    if row is not None and outcome.draft is not None:
        chunk.found.extend(map(told_finding, finder.look(outcome.draft, row.row_hash)))
        if row.natural_key in chunk.hashes:
            chunk.repeated += 1
        else:
            chunk.hashes[row.natural_key] = row.row_hash
            chunk.prepared.append(row)
    elif outcome.kind is OutcomeKind.REJECTED:
        chunk.rejected.append(rejected_row(outcome))
    elif outcome.skipped in _ABOVE_THE_ROWS:
        chunk.above += 1
    else:
        chunk.skipped += 1


def mapping_of(table: Table, mapping_yaml: str) -> Mapping:
    """Return the confirmed mapping, else the suggested one when it is certain. Raises `MappingRequired`, `TableRefused`."""
    if mapping_yaml:
        return Mapping.from_yaml(mapping_yaml)
    _header, suggestion = suggestion_for(table)
    if not suggestion.is_certain:
        unsure = [column.header for column in suggestion.columns if column.field and column.confidence < 0.9]
        raise MappingRequired("、".join(unsure[:5]) or "未识别到当事人列")
    return suggestion.mapping


def checked(path: Path, name: str, mapping_yaml: str) -> Table:
    """Return the table if it can be read from its beginning; raises what `ImportTable` answers when it cannot."""
    try:
        table = open_table(path, name)
        mapping = mapping_of(table, mapping_yaml)
        next(read_drafts(table, mapping), None)
    except TableRefused as refusal:
        raise refused_table(refusal) from refusal
    return table


def rows_expected(path: Path, table: Table) -> int:
    """Return an estimate of the table's rows: line feeds of a text file; 0 for a workbook, whose rows are packed."""
    if table.kind != "csv":
        return 0
    count = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            count += piece.count(b"\n")
    return max(0, count - 1)


_NOTES_ZH = {
    "SHEET_NOT_READ": "工作表“{}”未导入，如需导入请单独另存",
    "HIDDEN_ROWS_READ": "已包含 {} 个隐藏行",
    "MERGED_CELLS_FILLED": "已将 {} 个纵向合并单元格的值填入各行",
    "DECODING_LOSSES": "文件中有无法按 {} 解码的字符",
}


def notes_zh(table: Table) -> list[str]:
    """Return what is worth knowing of the file itself, in Chinese."""
    return [_NOTES_ZH.get(note.reason, note.reason + " {}").format(note.detail) for note in table.notes]
