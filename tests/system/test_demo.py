"""The demonstration as a newcomer runs it, and what `liangfa verify` says of its data afterwards."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
LIANGFA = Path(sys.executable).parent / "liangfa"


def liangfa(*arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    command = [str(LIANGFA), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "data"
    done = liangfa("demo", "--exit", "--folder", folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (folder.parent / "output.txt").write_text(done.stdout)
    return folder


def test_the_demo_imports_screens_explains_and_watches_live(demo_folder: Path) -> None:
    """The published table goes in, crimes are found with their reasons, new cases appear live, and it ends by itself."""
    shown = (demo_folder.parent / "output.txt").read_text()
    for word in ("140/140", "疑似涉嫌犯罪", "有毒、有害食品罪", "刑法", "实时收到 4 件新录入案件"):
        assert word in shown, word


def test_the_demo_carries_a_case_to_its_filing_and_shows_a_limit_that_is_missed(demo_folder: Path) -> None:
    """Each step with its receipts, signed by both sides and checked; the case that nobody delivers is told of live."""
    shown = (demo_folder.parent / "output.txt").read_text()
    told, live = shown.split("实时监督")[-2:]
    for word in ("批准移送", "出具第 1 号回执", "签收第 1 号回执", "决定立案", "4 份回执双方均已签名，离线核验完好"):
        assert word in told, word
    assert "批准后向同级公安机关移送" in live
    assert "1 项逾期" in live


def test_the_demos_journals_verify_and_a_flipped_byte_is_named(demo_folder: Path) -> None:
    """`liangfa verify` says intact; after one changed byte it says which entry, with exit code 1."""
    intact = liangfa("verify", "--folder", demo_folder)
    assert intact.returncode == 0
    assert "intact" in intact.stdout
    path = demo_folder / "enforcement_record" / "records.sqlite3"
    with sqlite3.connect(path) as connection:
        (payload,) = connection.execute("SELECT payload FROM journal WHERE position = 10").fetchone()
        flipped = bytes([*payload[:-1], payload[-1] ^ 1])
        connection.execute("UPDATE journal SET payload = ? WHERE position = 10", (flipped,))
    connection.close()
    found = liangfa("verify", "--folder", demo_folder)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE journal SET payload = ? WHERE position = 10", (payload,))
    connection.close()
    assert found.returncode == 1
    assert "HASH_MISMATCH" in found.stdout
    assert "position 10" in found.stdout


def test_a_rebuilt_supervision_is_identical_row_by_row(demo_folder: Path) -> None:
    """Feed, alerts and counts come out of the events again exactly as they were."""
    path = demo_folder / "supervision" / "supervision.sqlite3"
    before = rows_of(path)
    assert len(before["feed"]) > 140
    rebuilt = liangfa("events", "rebuild", "--folder", demo_folder)
    assert rebuilt.returncode == 0, rebuilt.stderr[-2000:]
    assert rows_of(path) == before


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as connection:
        tables = ("feed", "feed_end", "alerts", "case_counts")
        found = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}
    connection.close()
    return found


def test_screening_a_file_offline_gives_a_line_for_every_line(tmp_path: Path) -> None:
    """Known, unknown and malformed input: always an output line, never an exception."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines: list[dict[str, Any]] = [
        {"id": "1", "cause": "经营有毒有害食品", "narrative": "后厨使用罂粟壳熬制底料，违法所得120元。"},
        {"id": "2", "agency_type": "火星管理局", "cause": "占道经营", "narrative": "占道摆摊。", "facts": {"色": 1}},
    ]
    source.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines) + "not json\n")
    done = liangfa("screen", "--input", source, "--output", target)
    assert done.returncode == 0
    results = [json.loads(line) for line in target.read_text().splitlines()]
    assert [result["suspected"] for result in results] == [True, False, False]
    first = results[0]["offences"][0]
    assert first["id"] == "toxic_food"
    fact = next(fact for fact in first["facts"] if fact["value"] is True and fact["text"])
    assert lines[0]["narrative"][fact["start"] : fact["end"]] == fact["text"]
    assert results[2]["error"]["reason"] == "MALFORMED_JSON"


def test_a_missing_folder_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    """No traceback for an expected refusal."""
    done = liangfa("verify", "--folder", tmp_path / "nothing")
    assert done.returncode == 1
    assert "NO_DATA" in done.stderr
    assert "Traceback" not in done.stderr
