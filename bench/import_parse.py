"""Tables of 100,000 rows into drafts, CSV and XLSX, beside the bare readers; with the peak memory of each process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from bench.report import Figure
from liangfa_enforcement_record.importing import OutcomeKind, open_table, read_drafts
from liangfa_enforcement_record.importing.cells import column_letters
from liangfa_enforcement_record.importing.duplicates import DuplicateFinder
from liangfa_enforcement_record.importing.rows import suggestion_for

ROWS = 100_000
NAMES = (
    *(
        "行政相对人名称",
        "行政相对人类别",
        "行政相对人代码_1(统一社会信用代码)",
        "行政相对人代码_2(工商注册号)",
        "行政相对人代码_3(组织机构代码)",
    ),
    *(
        "行政相对人代码_4(税务登记号)",
        "行政相对人代码_5(事业单位证书号)",
        "行政相对人代码_6(社会组织登记证号)",
        "法定代表人",
        "行政处罚决定书文号",
    ),
    *(
        "违法行为类型",
        "违法事实",
        "处罚依据",
        "处罚类别",
        "处罚内容",
        "罚款金额（万元）",
        "没收违法所得、没收非法财物的金额（万元）",
    ),
    *(
        "暂扣或吊销证照名称及编号",
        "处罚决定日期",
        "处罚有效期",
        "公示截止期",
        "处罚机关",
        "处罚机关统一社会信用代码",
        "数据来源单位",
    ),
    *("数据来源单位统一社会信用代码", "备注"),
)
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_PARTS = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def run() -> Iterator[Figure]:
    """Write both files, read them in fresh processes, tell rows a second and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        table, book = Path(folder, "rows.csv"), Path(folder, "rows.xlsx")
        _write_csv(table)
        _write_xlsx(book)
        peers = {table: ("csv", "csv.reader, cells only"), book: ("calamine", "calamine, cells only")}
        for path, (peer, peer_name) in peers.items():
            bare = _measured(peer, path)
            drafts, found = _measured("drafts", path), _measured("findings", path)
            kind, size = path.suffix[1:].upper(), path.stat().st_size / 1e6
            note = f"{size:.0f} MB file, peak {drafts['peak_mb']:.0f} MB (bare: {bare['peak_mb']:.0f} MB)"
            yield Figure(f"{kind}: rows into drafts", drafts["rate"], "rows/s", bare["rate"], peer_name, note=note)
            note = f"peak {found['peak_mb']:.0f} MB"
            yield Figure(
                f"{kind}: with keys, repeats and splits", found["rate"], "rows/s", drafts["rate"], "drafts", note=note
            )


def _measured(mode: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.import_parse", mode, str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(told.stdout)
    return figures


def _worker(mode: str, path: Path) -> dict[str, float]:
    """Return processor seconds as a rate, so that neighbours on the machine do not count, and the peak memory."""
    started = time.process_time()
    count = {"csv": _bare_csv, "calamine": _bare_calamine, "drafts": _drafts, "findings": _findings}[mode](path)
    seconds = time.process_time() - started
    return {"rate": count / seconds, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """Return this process's own high-water mark; the usual counter is inherited from the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _bare_csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file))


def _bare_calamine(path: Path) -> int:
    from python_calamine import CalamineWorkbook

    return sum(1 for _ in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows())


def _drafts(path: Path) -> int:
    table = open_table(path, path.name)
    _header, suggestion = suggestion_for(table)
    count = sum(outcome.kind is OutcomeKind.DRAFT for outcome in read_drafts(table, suggestion.mapping))
    assert count == ROWS, count
    return count


def _findings(path: Path) -> int:
    table = open_table(path, path.name)
    _header, suggestion = suggestion_for(table)
    finder = DuplicateFinder()
    count = 0
    for outcome in read_drafts(table, suggestion.mapping):
        if outcome.draft is not None:
            finder.look(outcome.draft)
            count += 1
    return count


def _rows() -> Iterator[list[str]]:
    for number in range(1, ROWS + 1):
        month, day = number % 12 + 1, number % 28 + 1
        facts = (
            f"当事人于2017年{month}月在其经营场所销售侵犯他人注册商标专用权的商品，现场查获假冒服装{number}件，销售金额{number * 3}元，"
            f"未售出货值{number * 7}元。当事人无法提供进货票据，经商标权利人鉴定为假冒商品，执法人员依法对涉案商品采取扣押措施。"
        )
        agency, code = "武汉市洪山区市场监督管理局", credit_code(90_000_000)
        yield [
            *(
                f"武汉市洪山区{number}商贸有限公司",
                "法人及非法人组织",
                credit_code(number),
                "",
                "",
                "",
                "",
                "",
                f"张三{number % 997}",
            ),
            *(
                f"洪市监处罚〔2017〕{number}号",
                "销售侵犯注册商标专用权商品",
                facts,
                "《商标法》第五十七条第三项、第六十条第二款",
            ),
            *(
                "罚款;没收非法财物",
                f"没收侵权商品，罚款{number}元",
                f"{number / 10_000:.4f}",
                "0.5",
                "",
                f"2017-{month:02}-{day:02}",
            ),
            *("2099-12-31", "", agency, code, agency, code, f"x{number}"),
        ]


def credit_code(number: int) -> str:
    """Return a made-up 统一社会信用代码 with right check digits, another one for each number below 100,000,000."""
    body = f"{number:08}"
    check = 11 - sum(int(c) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    code = f"91420111{body}{'0123456789X0'[check]}"
    return code + _ALPHABET[-sum(_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code)) % 31]


def _write_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows(_rows())


def _write_xlsx(path: Path) -> None:
    """Write the rows as a spreadsheet program does: shared texts, numbers as numbers."""
    texts: dict[str, int] = {}
    letters = [column_letters(index) for index in range(len(NAMES))]

    def cell(column: str, row: int, value: str) -> str:
        if value.replace(".", "", 1).isdigit():
            return f'<c r="{column}{row}"><v>{value}</v></c>'
        return f'<c r="{column}{row}" t="s"><v>{texts.setdefault(value, len(texts))}</v></c>' if value else ""

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, row in enumerate([list(NAMES), *_rows()], start=1):
                cells = "".join(cell(column, number, value) for column, value in zip(letters, row, strict=True))
                sheet.write(f'<row r="{number}">{cells}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        items = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}">{items}</sst>')
        sheets = '<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{sheets}</workbook>')
        parts = {"worksheet": "worksheets/sheet1.xml", "sharedStrings": "sharedStrings.xml"}
        archive.writestr("xl/_rels/workbook.xml.rels", _relationships(parts))
        archive.writestr("_rels/.rels", _relationships({"officeDocument": "xl/workbook.xml"}))
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{_PARTS}/content-types"/>')


def _relationships(parts: dict[str, str]) -> str:
    """Return the relationships of a part of the package; the first is r1."""
    items = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts.items(), start=1)
    )
    return f'<Relationships xmlns="{_PARTS}/relationships">{items}</Relationships>'


if __name__ == "__main__":
    print(json.dumps(_worker(sys.argv[1], Path(sys.argv[2]))))
