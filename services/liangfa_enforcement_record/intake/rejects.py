"""The rows kept aside as a file: the original columns to be corrected, and beside them what is wrong and what to do.

The file can be imported again as it is after correction: the added columns are not fields. Cells that a spreadsheet would
run as a formula are written as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

ADDED = ("错误行号", "错误列", "错误值", "原因", "更正办法", "原因代码")


def plain(cell: str) -> str:
    """Return a cell that no spreadsheet runs: a leading =, +, - or @ gets an apostrophe, unless it is a number."""
    if cell[:1] in {"=", "+", "@", "\t", "\r"} or (cell[:1] == "-" and not cell[1:].replace(".", "", 1).isdigit()):
        return f"'{cell}"
    return cell


def _lines(rows: Iterable[pb.RejectedRow]) -> Iterator[list[str]]:
    headers: Sequence[str] | None = None
    for row in rows:
        if headers is None:
            headers = list(row.values)
            yield [*headers, *ADDED]
        problems = row.problems
        yield [
            *(plain(row.values.get(header, "")) for header in headers),
            str(row.row),
            plain("；".join(p.column for p in problems)),
            plain("；".join(p.value for p in problems)),
            "；".join(p.message_zh for p in problems),
            "；".join(p.remedy_zh for p in problems),
            "；".join(p.reason for p in problems),
        ]
    if headers is None:
        yield list(ADDED)


def to_csv(rows: Iterable[pb.RejectedRow]) -> Iterator[bytes]:
    """Yield the file as CSV, UTF-8 with a byte-order mark so that spreadsheets read it right."""
    yield b"\xef\xbb\xbf"
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for line in _lines(rows):
        writer.writerow(line)
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def to_xlsx(rows: Iterable[pb.RejectedRow]) -> Iterator[bytes]:
    """Yield the file as XLSX."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("待更正")
    for line in _lines(rows):
        sheet.append(line)
    buffer = io.BytesIO()
    book.save(buffer)
    content = buffer.getvalue()
    for start in range(0, len(content), 1 << 16):
        yield content[start : start + (1 << 16)]
