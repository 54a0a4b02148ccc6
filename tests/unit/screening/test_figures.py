"""Regional figures: read strictly, put in the place of the library's, and named by the version."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangfa_screening import Screener, ScreeningInput, load_library
from liangfa_screening.figures import FiguresError, read_figures

PARAMETER = {"name": "rp_fraud_amount", "default": 3000.0, "min": 3000.0, "max": 10000.0, "source": "法释〔2011〕7号"}
FRAUD = "参保人伪造住院票据骗取医保基金{}元。"


def file_of(folder: Path, text: str) -> Path:
    path = folder / "figures.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def is_suspected(region: str, figures: Path, amount: int) -> bool:
    screener = Screener(load_library(region, figures=figures))
    return screener.screen(ScreeningInput("t", cause="骗取医保基金", narrative=FRAUD.format(amount))).suspected


def test_the_most_specific_figure_holds_and_the_national_floor_elsewhere(tmp_path: Path) -> None:
    """4,000 yuan: a crime at 3,000, none at a province's 5,000, one again in a city with 3,500."""
    figures = file_of(
        tmp_path,
        """
        "420000": {rp_fraud_amount: {value: 5000, source: 某省文件}}
        "420500": {rp_fraud_amount: {value: 3500, source: 某市文件}}
        """,
    )
    assert is_suspected("310101", figures, 4_000)
    assert not is_suspected("420111", figures, 4_000)
    assert is_suspected("420501", figures, 4_000)
    assert is_suspected("420111", figures, 5_000)


def test_the_version_tells_which_figures_were_used(tmp_path: Path) -> None:
    """Same input and version, same result: other figures are another version."""
    entry = '"420000": {{rp_fraud_amount: {{value: {}, source: 某省文件}}}}'
    (tmp_path / "b").mkdir()
    first = load_library("420111", figures=file_of(tmp_path, entry.format(5000)))
    other = load_library("420111", figures=file_of(tmp_path / "b", entry.format(6000)))
    plain = load_library()
    assert len({first.version, other.version, plain.version}) == 3
    assert load_library("310101", figures=tmp_path / "figures.yaml").version == plain.version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"420000": {rp_nothing: {value: 1, source: x}}', "no such parameter"),
        ('"420000": {rp_fraud_amount: {value: 50000, source: x}}', "outside 3000.0 to 10000.0"),
        ('"420000": {rp_fraud_amount: {value: many, source: x}}', "is no number"),
        ('"420000": {rp_fraud_amount: {value: 5000, source: ""}}', "source"),
        ('"420000": {rp_fraud_amount: 5000}', "source"),
        ("420000: {rp_fraud_amount: {value: 5000, source: x}}", "no division code"),
        ('"42": {}', "no division code"),
        ("[1, 2]", "by division code"),
        ('"420000": 7', "by parameter"),
        ("{", "figures"),
    ],
)
def test_a_figure_that_cannot_hold_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    """A slip of the pen must not move the line of a crime."""
    with pytest.raises(FiguresError, match=told):
        read_figures(file_of(tmp_path, text), [PARAMETER])


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    """Named in the settings, so somebody counts on it."""
    with pytest.raises(FiguresError, match="gone"):
        read_figures(tmp_path / "gone.yaml", [PARAMETER])
