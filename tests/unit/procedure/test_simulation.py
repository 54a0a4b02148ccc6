"""Stories played against the procedure: every alert on its day, none that is not due."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_procedure.scenario import Alert, Level, read_scenario
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.simulation import StepRefused, play
from liangfa_procedure.steps import Procedure

STORIES = sorted((Path(__file__).parents[2] / "data" / "scenarios").glob("*.yaml"))
ACCEPTED = """
begins_in: delivered
until: 2026-03-31
steps:
  - {on: 2026-03-02, step: accept_transfer, by: police}
"""


def levels(text: str) -> list[tuple[str, str, str]]:
    """Return day, rule and level of every alert of the story, each once."""
    return sorted({(str(a.day), a.rule, a.level.value) for a in play(read_scenario(text)).alerts})


def test_there_are_stories() -> None:
    """A folder that is not found would pass every test below."""
    assert len(STORIES) >= 20


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_gives_the_alerts_that_were_worked_out_by_hand(path: Path) -> None:
    """Exactly those: day, rule, recipient and level; and the state in which the transfer ends."""
    scenario = read_scenario(path.read_text(encoding="utf-8"))
    outcome = play(scenario)
    assert scenario.expected is not None
    assert list(outcome.alerts) == list(scenario.expected)
    assert outcome.state == scenario.final_state


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_played_twice_gives_the_same(path: Path) -> None:
    """Nothing is kept between two plays."""
    text = path.read_text(encoding="utf-8")
    assert play(read_scenario(text)) == play(read_scenario(text))


def test_a_clock_that_nobody_stops_warns_once_and_is_missed_once() -> None:
    """However long the story is watched afterwards."""
    assert levels(ACCEPTED) == [
        ("2026-03-04", "police_filing_decision", "warn"),
        ("2026-03-06", "police_filing_decision", "overdue"),
    ]


def test_a_longer_track_needs_a_ground_and_an_approver() -> None:
    """Without them the story is refused, and three days stay three days."""
    row = "  - {on: 2026-03-03, extend: police_filing_decision, track: major_complex%s}\n"
    with pytest.raises(ScenarioInvalid, match="ground"):
        read_scenario(ACCEPTED + row % "")
    granted = ACCEPTED + row % ", ground: 重大, approver: 局长"
    assert levels(granted) == [("2026-03-31", "police_filing_decision", "warn")]  # 30 days: 1 April


def test_an_unknown_hour_never_makes_a_step_late() -> None:
    """Approved one day and delivered the next may be within 24 hours; the day after that cannot be."""
    story = """
    begins_in: awaiting_approval
    steps:
      - {on: 2026-03-02, step: approve_transfer}
      - {on: %s, step: deliver_transfer}
    """
    assert levels(story % "2026-03-03") == []
    assert ("2026-03-03", "send_to_police", "overdue") in levels(story % "2026-03-04")


def test_a_known_hour_is_held_to_the_minute() -> None:
    """24 hours from 09:00 end at 09:00."""
    story = """
    begins_in: awaiting_approval
    steps:
      - {on: 2026-03-02 09:00, step: approve_transfer}
      - {on: 2026-03-03 %s, step: deliver_transfer}
    """
    assert ("2026-03-03", "send_to_police", "overdue") not in levels(story % "08:59")
    assert ("2026-03-03", "send_to_police", "overdue") in levels(story % "09:01")


def test_what_the_story_never_comes_to_is_no_duty_of_the_police() -> None:
    """24 hours for telling what is missing concern only a transfer in which something was missing."""
    assert not [alert for alert in levels(ACCEPTED) if alert[1].startswith("police_notify_incomplete")]


def test_limits_count_from_receipt_when_the_story_says_when_that_was() -> None:
    """Refusal served on the 2nd, signed for on the 5th: the right to reconsideration runs from the 5th."""
    story = """
    begins_in: not_filed
    until: 2026-03-31
    steps:
      - {on: 2026-03-02, step: serve_refusal, received: 2026-03-05}
    """
    # 5 March + 3 = Sunday 8 March, so Monday the 9th; the reminder comes a day before.
    assert ("2026-03-08", "request_reconsideration", "warn") in levels(story)
    assert not [alert for alert in levels(story) if alert[2] == "overdue"]


def test_each_suspect_has_a_course_and_clocks_of_his_own() -> None:
    """One is prosecuted, the other is not; alerts name whom they concern."""
    story = """
    begins_in: filed
    suspects: [甲, 乙]
    until: 2026-03-20
    steps:
      - {on: 2026-01-05, step: send_for_prosecution, suspect: 甲}
      - {on: 2026-01-05, step: send_for_prosecution, suspect: 乙}
      - {on: 2026-01-20, step: decide_non_prosecution, suspect: 甲}
      - {on: 2026-01-20, step: prosecute, suspect: 乙}
    """
    outcome = play(read_scenario(story))
    assert outcome.suspects == {"甲": "not_prosecuted", "乙": "on_trial"}
    assert {a.suspect for a in outcome.alerts if a.rule == "internal_handover_to_admin_dept"} == {"甲"}
    assert {a.suspect for a in outcome.alerts if a.rule == "first_instance_trial"} == {"乙"}


def test_supplementary_investigation_is_possible_twice() -> None:
    """Criminal Procedure Law article 175."""
    head = "begins_in: filed\nsteps:\n  - {on: 2026-01-05, step: send_for_prosecution}\n"
    round_trip = "  - {on: 2026-02-%02d, step: return_for_investigation}\n  - {on: 2026-02-%02d, step: resubmit_for_prosecution}\n"
    play(read_scenario(head + round_trip % (1, 2) + round_trip % (3, 4)))
    with pytest.raises(ScenarioInvalid, match="2 times"):
        play(read_scenario(head + round_trip % (1, 2) + round_trip % (3, 4) + round_trip % (5, 6)))


def test_a_year_without_a_notice_is_told() -> None:
    """The end of the limit rests on weekends alone until the operator adds the year."""
    story = ACCEPTED.replace("2026", "2027")
    assert play(read_scenario(story)).warnings == ("HOLIDAYS_NOT_PUBLISHED police_filing_decision",)
    added = "holidays: {2027: {days_off: [2027-03-05], days_worked: []}}" + story
    outcome = play(read_scenario(added))
    assert outcome.warnings == ()
    late = [alert for alert in outcome.alerts if alert.level is Level.OVERDUE]
    assert {alert.day for alert in late} == {date(2027, 3, 9)}  # Friday off: Monday the 8th


def test_a_step_the_table_does_not_allow_is_refused_with_its_place_in_the_story() -> None:
    """And with what would be allowed."""
    with pytest.raises(StepRefused, match="step 2 of the story") as caught:
        play(read_scenario(ACCEPTED + "  - {on: 2026-03-03, step: approve_transfer, by: agency_head}\n"))
    assert caught.value.where == 2
    assert caught.value.refusal.reason == "STEP_NOT_ALLOWED_HERE"
    with pytest.raises(StepRefused, match="is for the head of the police"):
        play(read_scenario(ACCEPTED + "  - {on: 2026-03-03, step: file_case, by: officer}\n"))


def test_courses_of_suspects_begin_with_the_filing_and_end_before_the_close() -> None:
    """As the service holds it."""
    with pytest.raises(ScenarioInvalid, match="once the case is filed"):
        play(read_scenario(ACCEPTED + "  - {on: 2026-03-03, step: detain}\n"))
    with pytest.raises(ScenarioInvalid, match="has not ended"):
        play(read_scenario("steps:\n  - {on: 2026-03-03, step: detain}\n  - {on: 2026-03-04, step: close_filed}\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "mapping"),
        ("steps: []", "list of steps"),
        ("steps: [{on: 2026-03-02, step: fly}]", "no step fly"),
        ("steps: [{on: yesterday, step: suspect_crime}]", "no day"),
        ("steps: [{step: suspect_crime}]", "no step has a date"),
        ("steps: [{on: 2026-03-02, step: suspect_crime, bye: officer}]", "unknown keys"),
        ("steps: [{on: 2026-03-02, step: suspect_crime, by: king}]", "no role"),
        ("sector: space\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "no sector"),
        ("begins_in: space\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "no state"),
        (
            "steps: [{on: 2026-03-02, step: suspect_crime}, {on: 2026-03-01, step: report_to_head}, {step: approve_transfer}]",
            "before the step",
        ),
        ("steps: [{on: 2026-03-02, step: report_to_head, received: 2026-03-01}]", "before it is taken"),
        ("steps: [{on: 2026-03-02, extend: approve_transfer, track: x}]", "no track"),
        ("steps: [{on: 2026-03-02, step: detain, suspect: 丙}]", "not among"),
        ("steps: [unclosed", "no YAML"),
        ("until: 2026-02-30\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "no YAML"),
        ("until: soon\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "until"),
        ("suspects: 3\nsteps: 4", "steps is a list"),
        ("suspects: [甲, 甲]\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "one name"),
        ("holidays: [2027]\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "holidays is a mapping"),
        ("holidays: {2027: {days_off: [monday]}}\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "days_off is a day"),
        ("steps: [{on: 2026-03-02, step: suspect_crime, by: {a: b}}]", "by is a word"),
        ("steps: [{on: 2026-03-02, step: suspect_crime, fields: [a]}]", "fields is a mapping"),
        ("steps: [{on: 2026-03-02, step: detain, custody: perhaps}]", "true or false"),
        ("steps: [{on: 9999-12-31, step: suspect_crime}]", "no day"),
        ("expected: [{day: 2026-03-02}]\nsteps: [{on: 2026-03-02, step: suspect_crime}]", "no such rule"),
        ("steps: [{on: 2026-03-02, step: give_penalty_opinion, fields: {reply_by: soon}}]", "last day"),
    ],
)
def test_a_scenario_that_cannot_be_read_says_what_is_wrong(text: str, words: str) -> None:
    """A misspelt word is an error and never a step that silently does nothing."""
    with pytest.raises(ScenarioInvalid, match=words):
        read_scenario(text)


def test_expected_alerts_are_read_one_for_each_recipient() -> None:
    """A list of recipients stands for one alert each."""
    text = ACCEPTED + "expected: [{day: 2026-03-06, rule: police_filing_decision, level: overdue, to: [a, b]}]\n"
    assert read_scenario(text).expected == tuple(
        Alert(date(2026, 3, 6), "police_filing_decision", name, Level.OVERDUE) for name in ("a", "b")
    )


def test_a_limit_named_in_the_opinion_goes_before_the_two_months() -> None:
    """The opinion asks for a reply by 20 April; two months would end on 4 May."""
    story = """
    begins_in: filed
    until: 2026-05-10
    steps:
      - {on: 2026-03-04, step: give_penalty_opinion, fields: {reply_by: 2026-04-20}}
    """
    late = [alert for alert in levels(story) if alert[2] == "overdue"]
    assert late == [("2026-04-21", "reply_to_penalty_opinion", "overdue")]
    without = story.replace(", fields: {reply_by: 2026-04-20}", "")
    # 4 May 2026 lies in the Labour Day holiday (1 to 5 May): Wednesday the 6th is the last day.
    assert ("2026-05-07", "reply_to_penalty_opinion", "overdue") in levels(without)


UPHELD = """
begins_in: reconsideration
until: 2026-04-30
steps:
  - {on: 2026-03-02, step: uphold_refusal}
"""


def test_an_agency_that_accepts_the_decision_has_not_failed_to_contest_it() -> None:
    """O310 art. 9: whoever still disagrees shall propose supervision in three days; who agrees owes nothing."""
    rule = "propose_supervision_after_reconsideration"
    accepted = UPHELD + "  - {on: 2026-03-20, step: accept_refusal}\n"
    assert [alert for alert in levels(accepted) if alert[1] == rule] == [("2026-03-04", rule, "warn")]
    late = UPHELD + "  - {on: 2026-03-20, step: propose_supervision}\n"
    assert ("2026-03-06", rule, "overdue") in levels(late)


def test_a_penalty_after_a_refusal_owes_no_copy_and_no_service_that_the_story_does_not_tell_of() -> None:
    """Ten days for a copy concern crimes punished before their transfer; seven working days an absent party."""
    story = UPHELD + "  - {on: 2026-03-03, step: accept_refusal}\n  - {on: 2026-03-10, step: decide_penalty}\n"
    assert levels(story) == []
    late = story + "  - {on: 2026-03-24, step: serve_penalty}\n"
    assert levels(late) == [("2026-03-20", "deliver_penalty_decision", "overdue")]  # 7 working days: 19 March


def test_a_notice_in_hand_is_a_decision_told() -> None:
    """Environment: three days for the written notice, met when the agency signs for it on the third, missed on the fifth."""
    story = "sector: environment" + ACCEPTED + "  - {on: 2026-03-03, step: file_case, received: %s}\n"
    handed_over = story + "  - {on: %s, step: hand_over_items}\n"
    told = levels(handed_over % ("2026-03-06", "2026-03-06"))
    assert [alert for alert in told if alert[2] == "overdue"] == []
    missed = levels(handed_over % ("2026-03-10", "2026-03-10"))
    assert ("2026-03-07", "police_notify_decision_env", "overdue") in missed


def test_nobody_answers_what_he_has_not_received() -> None:
    """Whoever hands the items over has the filing notice, whatever the story says of its receipt afterwards."""
    story = "sector: environment" + ACCEPTED + "  - {on: 2026-03-03, step: file_case, received: 2026-03-10}\n"
    told = levels(story + "  - {on: 2026-03-05, step: hand_over_items}\n")
    assert [alert for alert in told if alert[2] == "overdue"] == []


def test_a_story_is_watched_to_the_end_of_its_last_day_and_no_longer() -> None:
    """What is late from the next day on is not told: the last day is still in time."""
    on_the_last_day = ACCEPTED.replace("2026-03-31", "2026-03-05")
    assert levels(on_the_last_day) == [("2026-03-04", "police_filing_decision", "warn")]
    assert ("2026-03-06", "police_filing_decision", "overdue") in levels(ACCEPTED.replace("03-31", "03-06"))


def test_a_day_named_last_is_watched_even_if_it_is_that_of_a_receipt() -> None:
    """Without `until` the last day that the story tells of counts."""
    story = "begins_in: not_filed\nsteps:\n  - {on: 2026-03-02, step: serve_refusal, received: 2026-03-09}\n"
    assert read_scenario(story).until == date(2026, 3, 9)


def test_a_limit_made_longer_after_it_was_missed_is_watched_again() -> None:
    """Told late once, then granted thirty days: warned and missed anew."""
    row = "  - {on: 2026-03-09, extend: police_filing_decision, track: major_complex, ground: 重大, approver: 局长}\n"
    assert levels(ACCEPTED.replace("03-31", "04-30") + row) == [
        ("2026-03-04", "police_filing_decision", "warn"),
        ("2026-03-06", "police_filing_decision", "overdue"),
        ("2026-03-31", "police_filing_decision", "warn"),
        ("2026-04-02", "police_filing_decision", "overdue"),
    ]


def test_a_story_may_begin_without_a_day() -> None:
    """What came before the first day starts no limit that could be counted, and makes nobody late."""
    story = """
    until: 2026-03-31
    steps:
      - {step: suspect_crime}
      - {step: assign_task_force}
      - {step: report_to_head}
      - {on: 2026-03-09, step: approve_transfer}
      - {on: 2026-03-11, step: deliver_transfer}
      - {step: copy_to_procuratorate}
    """
    outcome = play(read_scenario(story))
    assert {(str(a.day), a.rule, a.level.value) for a in outcome.alerts} == {
        ("2026-03-10", "send_to_police", "warn"),
        ("2026-03-10", "send_to_police", "overdue"),
    }
    assert "START_UNKNOWN approve_transfer" in outcome.warnings


def test_release_ends_custody() -> None:
    """A limit that begins after it moves off a rest day again; and no arrest need be asked for any more."""
    story = "begins_in: filed\nuntil: 2023-12-31\nsteps:\n  - {on: 2023-08-29, step: detain}\n%s"
    sent = "  - {on: 2023-09-01, step: send_for_prosecution}\n"
    kept, released = levels(story % sent), levels(story % ("  - {on: 2023-08-30, step: release}\n" + sent))
    assert ("2023-10-02", "prosecution_review", "overdue") in kept  # one month: 1 October, a holiday
    assert ("2023-10-08", "prosecution_review", "overdue") in released  # Saturday 7 October is worked
    assert {rule for _, rule, _ in released} == {"prosecution_review"}


@pytest.mark.parametrize(
    ("sector", "rule"),
    [
        ("tax", "police_filing_decision_economic"),
        ("economic", "police_filing_decision_economic"),
        ("labour", "police_filing_decision"),
        ("intellectual_property", "police_filing_decision"),
        ("environment", "police_filing_decision_env"),
    ],
)
def test_a_field_of_enforcement_has_the_limits_that_hold_there(sector: str, rule: str) -> None:
    """Tax crimes are economic crimes; fields without limits of their own have the general ones."""
    assert {alert[1] for alert in levels(f"sector: {sector}{ACCEPTED}")} == {rule}


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_legal_story_can_be_played_and_no_alert_comes_twice(data: st.DataObject) -> None:
    """Steps drawn from the table, days or weeks apart: each level of each started clock at most once to each recipient."""
    table, state, day = Procedure.load(), "crime_suspected", date(2025, 1, 2)
    rows = ["begins_in: crime_suspected", "until: 2026-12-31", "steps:"]
    for _ in range(data.draw(st.integers(1, 12))):
        open_steps = [step for step in table.allowed(state) if (state, step.to_state) != ("filed", "closed")]
        if not open_steps:
            break
        step = data.draw(st.sampled_from(open_steps))
        rows.append(f"  - {{on: {day}, step: {step.id}}}")
        state, day = step.to_state or state, day + timedelta(days=data.draw(st.integers(0, 30)))
    outcome = play(read_scenario("\n".join(rows)))
    assert outcome.state == state
    assert list(outcome.alerts) == sorted(outcome.alerts)
    for alert in outcome.alerts:
        assert date(2025, 1, 2) <= alert.day <= date(2026, 12, 31)
    assert len(set(outcome.alerts)) == len(outcome.alerts)


@pytest.mark.parametrize(
    ("copied", "alerts"), [("", set()), ("  - {on: 2026-03-09, step: copy_to_procuratorate}", {"warn", "overdue"})]
)
def test_a_limit_whose_number_no_text_sets_is_told_of_a_story_that_comes_to_its_step(
    copied: str, alerts: set[str]
) -> None:
    """同时抄送: a story that does not speak of the copy is no breach; one that tells of a late copy is."""
    told = ["  - {on: 2026-03-03, step: deliver_transfer}", "  - {on: 2026-03-04, step: accept_transfer}", copied]
    outcome = play(read_scenario("\n".join(["begins_in: approved", "steps:", *told, "until: 2026-03-10"])))
    found = [alert for alert in outcome.alerts if alert.rule == "cc_transfer_to_procuratorate"]
    assert {alert.level.value for alert in found} == alerts


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command on one file."""
    command = [sys.executable, "-m", "liangfa_procedure", "simulate", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")


def test_the_command_prints_one_object_a_line_and_the_final_state_last() -> None:
    """What the simulation gave, for other programs to read."""
    done = run(STORIES[0])
    *alerts, final = [json.loads(line) for line in done.stdout.splitlines()]
    assert alerts[0] == {
        "day": "2024-06-16",
        "rule": "police_filing_decision_env",
        "recipient": "police_handler",
        "level": "warn",
    }
    assert len(alerts) == 5
    assert final == {"state": "filed", "suspects": {"suspect": "investigated"}, "warnings": []}


def test_the_command_tells_what_is_wrong_with_a_story(tmp_path: Path) -> None:
    """Exit code 2, a sentence, no traceback."""
    story = tmp_path / "story.yaml"
    story.write_text("steps: [{on: 2026-03-02, step: fly}]", encoding="utf-8")
    for path in (story, tmp_path / "gone.yaml"):
        done = run(path)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert not done.stdout
