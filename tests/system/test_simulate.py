"""Stories played through the real service: the same alerts, line by line, as the table gives."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from liangfa_cli.main import app
from liangfa_cli.simulating import play
from liangfa_procedure.scenario import load_scenario, read_scenario
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.simulation import play as play_by_the_table
from liangfa_procedure.steps import Procedure, Scope, Step

STORIES = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.yaml"))
TABLE = Procedure.load()


def test_there_are_stories() -> None:
    """A folder that is not found would pass the test below."""
    assert len(STORIES) >= 10


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_service_tells_what_the_table_tells(path: Path) -> None:
    """Each alert on its day to its recipient, and the state in which the transfer ends."""
    scenario = load_scenario(path)
    assert list(asyncio.run(play(scenario)).lines()) == list(play_by_the_table(scenario).lines())


def _possible(state: str, courses: dict[str, str], taken: dict[tuple[str, str], int]) -> list[tuple[Step, str]]:
    """Return the steps that the service would allow, each with the suspect whom it concerns."""
    # The table knows sides, not organs: what is in flight when the case is passed on is the service's matter alone.
    found = [(step, "") for step in TABLE.allowed(state) if "receiving_organ" not in step.required_fields]
    if state != "filed":
        return found
    if any(course != "ended" for course in courses.values()):
        found = [(step, "") for step, _ in found if step.to_state != "closed"]
    for name, course in courses.items():
        steps = TABLE.allowed(course, Scope.SUSPECT)
        found += [(step, name) for step in steps if not step.most or taken.get((step.id, name), 0) < step.most]
    return found


@st.composite
def stories(draw: st.DrawFn) -> str:
    """Draw a legal story of up to twelve steps: days with and without an hour, steps without a day, late receipts."""
    state = draw(st.sampled_from(["crime_suspected", "approved", "accepted", "not_filed", "filed", "filed"]))
    courses = dict.fromkeys(draw(st.sampled_from([("甲",), ("甲", "乙")])), "investigated")
    sector = draw(st.sampled_from(["environment", "drug", "economic", "work_safety", "labour"]))
    rows = [f"begins_in: {state}", f"sector: {sector}", f"suspects: [{', '.join(courses)}]", "until: 2026-06-30"]
    rows.append("steps:")
    taken: dict[tuple[str, str], int] = {}
    day = date(2025, draw(st.sampled_from([1, 4, 9])), draw(st.integers(2, 28)))
    for number in range(draw(st.integers(1, 12))):
        possible = _possible(state, courses, taken)
        if not possible:
            break
        step, suspect = draw(st.sampled_from(possible))
        taken[step.id, suspect] = taken.get((step.id, suspect), 0) + 1
        parts = [f"step: {step.id}", *([f"suspect: {suspect}"] if suspect else [])]
        if number == 0 or draw(st.integers(0, 5)):
            parts.append(f"on: {day}")
        is_signed_later = draw(st.booleans())
        if step.on_receipt and is_signed_later:
            parts.append(f"received: {day + timedelta(days=draw(st.integers(0, 12)))}")
        rows.append(f"  - {{{', '.join(parts)}}}")
        if suspect:
            courses[suspect] = step.to_state or courses[suspect]
        else:
            state = step.to_state or state
        day += timedelta(days=draw(st.sampled_from([0, 0, 1, 1, 2, 3, 4, 10, 33])))
    return "\n".join(rows)


@given(stories())
@settings(deadline=None, max_examples=30, derandomize=True)
def test_service_and_table_agree_on_any_legal_story(story: str) -> None:
    """Whatever the order, the days and the suspects: nothing is told by one that the other does not tell."""
    scenario = read_scenario(story)
    assert list(asyncio.run(play(scenario)).lines()) == list(play_by_the_table(scenario).lines())


def test_a_case_that_is_passed_on_goes_on_with_its_new_organ() -> None:
    """Forwarded on the second day; the new organ accepts it and has three days of its own."""
    story = """
    begins_in: accepted
    until: 2026-03-31
    steps:
      - {on: 2026-03-02, step: request_supplement, received: 2026-03-04}
      - {on: 2026-03-03, step: forward_transfer, fields: {receiving_organ: 某市公安局}}
      - {on: 2026-03-05, step: accept_transfer}
      - {on: 2026-03-06, step: supplement_materials}
    """
    scenario = read_scenario(story)
    lines = list(asyncio.run(play(scenario)).lines())
    assert lines == list(play_by_the_table(scenario).lines())
    assert any(
        '"2026-03-10", "rule": "police_filing_decision"' in line for line in lines
    )  # 5 March + 3: Sunday, Monday 9


EXACT = """
begins_in: awaiting_approval
until: 2026-03-10
steps:
  - {on: 2026-03-02 09:00, step: approve_transfer}
  - {on: 2026-03-03 %s, step: deliver_transfer}
  - {on: 2026-03-03 18:00, step: copy_to_procuratorate}
"""


@pytest.mark.parametrize("hour", ["04:59", "05:00", "08:59", "09:00", "12:00"])
def test_hours_are_told_to_the_minute_by_both(hour: str) -> None:
    """24 hours from 09:00: warned at 05:00, late at 09:00."""
    scenario = read_scenario(EXACT % hour)
    lines = list(asyncio.run(play(scenario)).lines())
    assert lines == list(play_by_the_table(scenario).lines())
    levels = {json.loads(line)["level"] for line in lines[:-1] if "send_to_police" in line}
    assert levels == ({"warn"} if hour >= "05:00" else set()) | ({"overdue"} if hour >= "09:00" else set())


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("  - {on: 2026-03-02, step: file_case, by: officer}", "step 1 .* is for the head of the police"),
        ("  - {on: 2026-03-02, step: approve_transfer}", "step 1 .*cannot be taken from"),
        ("  - {on: 2026-03-02, step: detain}", "step 1 .*once the case is filed"),
        (
            "  - {on: 2026-03-02, extend: approve_transfer_env, track: x, ground: y, approver: z}",
            "has no track",
        ),
    ],
)
def test_what_the_service_refuses_names_the_line_of_the_story(rows: str, words: str) -> None:
    """And says what to do."""
    with pytest.raises(ScenarioInvalid, match=words):
        asyncio.run(play(read_scenario(f"begins_in: accepted\nsteps:\n{rows}\n")))


def test_a_story_may_begin_without_a_day() -> None:
    """Both players take what comes before the first day to be no later, and count nothing from it."""
    steps = "{step: suspect_crime}, {step: report_to_head}, {on: 2026-03-09, step: approve_transfer}"
    scenario = read_scenario(f"until: 2026-03-31\nsteps: [{steps}]\n")
    lines = list(asyncio.run(play(scenario)).lines())
    assert lines == list(play_by_the_table(scenario).lines())
    assert "START_UNKNOWN assign_task_force" in lines[-1]


def test_a_longer_limit_is_granted_by_whoever_owes_the_step() -> None:
    """A court's own limit too, though no court is named in a transfer."""
    story = """
    begins_in: filed
    until: 2027-12-31
    steps:
      - {on: 2026-01-05, step: prosecute}
      - {on: 2026-02-05, extend: first_instance_trial, track: special, ground: 重大复杂, approver: 上一级人民法院}
      - {on: 2026-09-01, step: pronounce_judgment}
    """
    scenario = read_scenario(story)
    lines = list(asyncio.run(play(scenario)).lines())
    assert lines == list(play_by_the_table(scenario).lines())
    assert any("first_instance_trial" in line and "overdue" in line for line in lines)


def run(*paths: Path) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it wrote."""
    result = CliRunner().invoke(app, ["simulate", *map(str, paths)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_one_object_a_line_and_the_final_state_last() -> None:
    """Just what the library's player prints."""
    code, out, _ = run(STORIES[0])
    assert code == 0
    assert out.splitlines() == list(play_by_the_table(load_scenario(STORIES[0])).lines())


def test_lines_of_several_stories_name_theirs() -> None:
    """So that one run can play a whole folder."""
    code, out, _ = run(*STORIES[:2])
    assert code == 0
    assert [json.loads(line)["scenario"] for line in out.splitlines()][-1] == STORIES[1].name


def test_a_story_that_cannot_be_played_is_named_and_the_others_are_played(tmp_path: Path) -> None:
    """Exit code 2, one sentence each, no traceback."""
    wrong, binary = tmp_path / "wrong.yaml", tmp_path / "binary.yaml"
    wrong.write_text("steps: [{on: 2026-03-02, step: fly}]", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    code, out, err = run(wrong, binary, tmp_path / "absent.yaml", STORIES[0])
    assert code == 2
    assert "no step fly" in err
    assert "not UTF-8" in err
    assert "absent.yaml" in err
    assert "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["state"] == "filed"
