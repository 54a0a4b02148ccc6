"""Stories told in the words of the field: every row and name of the table is understood, or the nearest is named."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from liangfa_procedure import shapes
from liangfa_procedure.naming import (
    is_row_without_step,
    rule_called,
    sector_called,
    state_called,
    steps_called,
    track_called,
)
from liangfa_procedure.reading import read_data
from liangfa_procedure.rules import Rules
from liangfa_procedure.scenario import Moment, Told, read_scenario
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.simulation import play
from liangfa_procedure.steps import Procedure, Step

STEPS = list(Procedure.load().steps.values())


def told(text: str) -> list[tuple[str, str | None]]:
    """Return the step and the suspect of each line as understood."""
    events = read_scenario(text).events
    return [(event.step.id, event.suspect) for event in events if isinstance(event, Told)]


def story(*words: str, head: str = "") -> str:
    """Return a story of these steps, a day apart."""
    rows = "\n".join(f"  - {{on: 2026-03-{day:02}, step: {word}}}" for day, word in enumerate(words, start=2))
    return f"{head}\nsteps:\n{rows}\n"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_a_step_is_understood_by_its_id_and_its_names(step: Step) -> None:
    """The id means it alone; its Chinese and its English name mean it among those that are called alike."""
    assert steps_called(step.id) == (step,)
    assert step in steps_called(step.name_zh)
    assert step in steps_called(step.name_en)


@pytest.mark.parametrize("row", sorted({step.reference for step in STEPS} - {"H", "F9"}))
def test_a_row_of_the_procedure_table_is_understood(row: str) -> None:
    """A row with several steps means each of them; the story decides."""
    assert {step.id for step in STEPS if step.reference == row} <= {step.id for step in steps_called(row)}


def test_other_words_are_those_of_steps_that_exist() -> None:
    """A misspelt id in the list would be words for nothing."""
    assert set(read_data("step_names.yaml")) <= set(Procedure.load().steps)


@pytest.mark.parametrize("row", sorted(Procedure.load().rows_without_step))
def test_a_row_without_a_step_is_passed_over_and_told(row: str) -> None:
    """A1 is the filing at the agency: the story goes on, and the last line says that nothing was done for it."""
    assert is_row_without_step(row)
    if steps_called(row):
        return
    scenario = read_scenario(story(f'"{row}"', "发现涉嫌犯罪"))
    assert [event.where for event in scenario.events] == [2]
    assert f"NO_STEP {row}" in play(scenario).warnings


@pytest.mark.parametrize(
    ("words", "means"),
    [
        (("受理", "立案"), "file_case"),
        (("受理", "不予立案", "送达不予立案通知书", "提请复议", "立案"), "file_on_reconsideration"),
        (("受理", "不予立案", "建议立案监督", "要求说明不立案理由", "说明理由", "通知立案", "立案"), "file_on_notice"),
        (("B1", "C2", "C2", "E1", "E2", "E3", "F3", "F3", "F6", "F6"), "file_on_notice"),
        (("不予立案", "接受不予立案", "E5", "E5", "E5"), "report_result"),
        (("不起诉", "I2"), "tell_non_prosecution"),
        (("移送起诉", "退补", "移送审查起诉"), "resubmit_for_prosecution"),
        (("撤案", "告知撤案", "反向移送", "行政处罚"), "record_penalty"),
        (("行政处罚", "检察意见"), "require_transfer"),
        (("移送行政检察部门", "检察意见"), "give_penalty_opinion"),
        (("撤销不予立案决定",), "file_on_reconsideration"),
    ],
)
def test_a_word_with_several_meanings_means_the_step_that_is_possible_there(words: tuple[str, ...], means: str) -> None:
    """立案 is filing on a notice once there is one."""
    assert told(story(*words))[-1][0] == means


def test_a_word_that_later_lines_explain_is_read_by_them() -> None:
    """复议决定 upholds the refusal, unless the items are handed over after it."""
    assert told(story("提请复议", "复议决定", "建议立案监督"))[1][0] == "uphold_refusal"
    assert told(story("提请复议", "复议决定", "移交涉案物品"))[1][0] == "file_on_reconsideration"


def test_a_step_without_a_name_concerns_every_suspect_whom_it_can_concern() -> None:
    """Both are sent for prosecution; judged is the one who is on trial."""
    text = """
    suspects: [甲, 乙]
    steps:
      - {on: 2026-03-02, step: 移送审查起诉}
      - {on: 2026-03-10, step: 不起诉, suspect: 甲}
      - {on: 2026-03-10, step: 提起公诉, suspect: 乙}
      - {on: 2026-04-10, step: 一审宣判}
    """
    assert told(text) == [
        ("send_for_prosecution", "甲"),
        ("send_for_prosecution", "乙"),
        ("decide_non_prosecution", "甲"),
        ("prosecute", "乙"),
        ("pronounce_judgment", "乙"),
    ]


@pytest.mark.parametrize(
    ("by", "roles"),
    [
        ("公安机关", {"police_head"}),
        ("police", {"police_head"}),
        ("某县公安局", {"police_head"}),
        ("police_head", {"police_head"}),
        ("县级以上公安机关负责人", {"police_head"}),
        ("officer", {"officer"}),
        ("某市人民检察院", {"procurator", "chief_procurator"}),
        ("市场监督管理局", {"officer", "agency_head"}),
        ("县卫健委", {"officer", "agency_head"}),
        ("文化市场综合执法支队", {"officer", "agency_head"}),
    ],
)
def test_an_organ_is_whoever_there_may_take_the_step(by: str, roles: set[str]) -> None:
    """The head of the police files; another organ is not made a police organ by it."""
    (event,) = read_scenario(f"steps: [{{on: 2026-03-02, step: 决定立案, by: {by}}}]").events
    assert isinstance(event, Told)
    assert event.roles == roles


def test_an_organ_that_may_not_take_the_step_is_refused() -> None:
    """No procuratorate files a case."""
    with pytest.raises(ScenarioInvalid, match="is for the head of the police"):
        play(read_scenario("steps: [{on: 2026-03-02, step: 决定立案, by: 检察院}]"))


def test_other_keys_and_chinese_sectors_are_read() -> None:
    """日期, date, 步骤, action: the same keys."""
    text = (
        "{领域: 环境, 步骤: [{日期: 2026-03-02, 步骤: 接受移送, 主体: 公安局}, {date: 2026-03-03, action: file_case}]}"
    )
    scenario = read_scenario(text)
    assert scenario.sector == "environment"
    assert [event.step.id for event in scenario.events if isinstance(event, Told)] == ["accept_transfer", "file_case"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-03-04", date(2024, 3, 4)),
        ("2024年3月4日", date(2024, 3, 4)),
        ("2024/3/4", date(2024, 3, 4)),
        ("2024.03.04", date(2024, 3, 4)),
        ("2024年3月4日下午2时30分", datetime(2024, 3, 4, 14, 30)),
        ("2024-03-04 9:05", datetime(2024, 3, 4, 9, 5)),
        ("2024-03-04T09:05:00+00:00", datetime(2024, 3, 4, 9, 5, tzinfo=UTC)),
    ],
)
def test_days_are_read_as_they_are_written(text: str, at: date) -> None:
    """ISO 8601 and the Chinese way."""
    assert shapes.written(text) == at
    assert Moment.read(text, 1).earliest.year == 2024


@pytest.mark.parametrize("text", ["2024-13-04", "3月4日", "2024年2月30日", ""])
def test_what_is_no_day_is_refused(text: str) -> None:
    """With the line on which it stands."""
    with pytest.raises(ScenarioInvalid, match="step 7 of the story"):
        Moment.read(text, 7)


@pytest.mark.parametrize(
    ("word", "names"), [("accept_transfr", "accept_transfer"), ("提请复仪", "提请复议"), ("H", "detain, release")]
)
def test_an_unknown_word_is_answered_with_the_nearest(word: str, names: str) -> None:
    """And a row with many steps with their names."""
    with pytest.raises(ScenarioInvalid, match=names):
        read_scenario(story(word))


def test_a_result_that_nobody_asked_for_is_owed_to_nobody() -> None:
    """刑事诉讼法第一百七十七条 is about an opinion of the procuratorate; after a return by the police nobody is late with it."""
    text = story("退回", "send_to_right_authority", "decide_penalty") + "  - {on: 2026-03-20, step: report_result}\n"
    assert play(read_scenario(text)).alerts == ()
    asked = "steps:\n  - {on: 2026-03-02, step: 司法建议}\n  - {on: 2026-03-03, step: record_penalty}\n"
    late = play(read_scenario(asked + "  - {on: 2026-03-20, step: tell_penalty}\n")).alerts
    assert {alert.rule for alert in late} == {"administrative_result_notice"}


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("报请负责人审批", "report_to_head"),
        ("局长批准移送", "approve_transfer"),
        ("移交给县公安局后签收回执", None),
        ("县公安局立案侦查", "file_case"),
        ("建议人民检察院立案监督", "propose_supervision"),
        ("提请市检察院立案监督", "propose_supervision"),
        ("通知生态环境局撤案", "notify_withdrawal"),
        ("移交涉案卷烟", "hand_over_items"),
        ("送达不立案决定书", "serve_refusal"),
        ("移交行政检察部门", "hand_over_internally"),
    ],
)
def test_a_careless_wording_is_brought_to_a_known_one(word: str, step: str | None) -> None:
    """Organs by their side, verbs that mean the same, whoever acts in front; what speaks of two things means none."""
    assert [found.id for found in steps_called(word)[:1]] == ([] if step is None else [step])


@pytest.mark.parametrize(
    "word", ["未移送公安机关", "准备移送公安机关", "没有立案侦查", "逾期未批准移送", "决定书", "公安机关立案侦查后"]
)
def test_what_denies_a_step_or_speaks_of_another_time_is_not_read_as_it(word: str) -> None:
    """A story may say what was not done: an error that a person sees, never the step."""
    assert steps_called(word) == ()


def test_a_sector_and_a_rule_are_understood_by_their_chinese_names() -> None:
    """环保局 is the environment; a limit may be made longer under the name that the list of limits gives it."""
    assert sector_called("环保局") == "environment"
    assert sector_called("钓鱼") == "钓鱼"
    assert rule_called("经济犯罪移送案件立案审查") == "police_filing_decision_economic"


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("提出移送的报告", "report_to_head"),
        ("成立两人专案组", "assign_task_force"),
        ("维持不予立案的复议决定", "uphold_refusal"),
        ("某区公安分局决定立案侦查", "file_case"),
        ("公安机关依法不予立案", "refuse_filing"),
        ("市生态环境局向公安机关移送案件", "deliver_transfer"),
        ("局负责人批准移送案件", "approve_transfer"),
    ],
)
def test_a_word_that_is_like_one_step_alone_is_read_as_that(word: str, step: str) -> None:
    """Who acts may stand before it; its opposite is never meant."""
    assert step in {found.id for found in steps_called(word)}
    assert len({found.name_zh for found in steps_called(word)}) == 1 or word.endswith("立案侦查")


@pytest.mark.parametrize(
    "word", ["立案审查", "立案监督通知", "决定不移送起诉", "撤销立案", "缴纳罚款", "审查起诉", "终止侦查审查"]
)
def test_a_word_that_is_like_none_or_several_is_not_guessed(word: str) -> None:
    """A wrong step would give wrong alerts in silence."""
    assert steps_called(word) == ()


def test_what_was_guessed_is_told() -> None:
    """The last line says how a word was read; a word that is known is not mentioned."""
    scenario = read_scenario(story("成立专案组", "提出移送的报告"))
    assert [code for code in play(scenario).warnings if code.startswith("READ_AS")] == [
        "READ_AS 提出移送的报告 report_to_head"
    ]


def test_lines_that_all_have_a_day_are_put_in_order_and_it_is_told() -> None:
    """With a line that has no day nobody can say where it belongs: that is refused where a day lies before the one above."""
    lines = [
        "  - {on: 2026-03-04, step: 批准移送}",
        "  - {on: 2026-03-02, step: 指定专案组}",
        "  - {on: 2026-03-03, step: 提出移送书面报告}",
    ]
    scenario = read_scenario("\n".join(["steps:", *lines]))
    ids = [event.step.id for event in scenario.events if isinstance(event, Told)]
    assert ids == ["assign_task_force", "report_to_head", "approve_transfer"]
    assert play(scenario).warnings == ("REORDERED",)
    with pytest.raises(ScenarioInvalid, match="lies before"):
        read_scenario("\n".join(["steps:", *lines, "  - {step: 移送}"]))


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("不予立案通知书送达市场监管局", "serve_refusal"),
        ("将撤案决定告知应急管理局", "notify_withdrawal"),
        ("将案件移送检察院审查起诉", "send_for_prosecution"),
        ("将涉案物品移交公安机关", "hand_over_items"),
        ("移交账簿等物品", "hand_over_items"),
        ("承办人写出移送报告", "report_to_head"),
        ("公安局以拒不支付劳动报酬罪立案侦查", "file_case"),
        ("以证据不足为由不批捕", "decide_arrest"),
        ("提请批捕", "request_arrest"),
        ("补充侦查后重新移送", "resubmit_for_prosecution"),
        ("税务局就公安机关逾期未决定申请检察院监督", "propose_delay_supervision"),
        ("要求公安机关说明逾期理由", "demand_overdue_reasons"),
        ("认为应当给予行政处罚", "find_violation"),
        ("执法大队提出移送意见报告", "report_to_head"),
        ("公安机关将不予立案通知书送达县生态环境局", "serve_refusal"),
        ("县公安局经审查，认为没有犯罪事实，不予立案", "refuse_filing"),
        ("被不起诉人申诉，中止审查", "suspend_reverse_review"),
        ("法院发出司法建议，建议给予行政处罚", "ask_for_penalty_after_judgment"),
        ("检察长决定通知公安机关撤销案件", "notify_to_withdraw"),
        ("公安机关复议后仍维持原决定", "uphold_refusal"),
        ("将撤销案件决定书送达农业农村局", "notify_withdrawal"),
    ],
)
def test_the_order_of_words_and_the_name_of_the_offence_do_not_matter(word: str, step: str) -> None:
    """将……告知, ……书送达, 以……罪, 以……为由, 就……申请: the deed is what is left; an offence named 拒不…… denies nothing."""
    assert [found.id for found in steps_called(word)[:1]] == [step]


@pytest.mark.parametrize(
    "word",
    [
        "要求公安机关说明情况",
        "建议给予行政处罚",
        "认为应当移送公安机关",
        "应当立案",
        "建议公安机关立案侦查",
        "将案件退回检察院",
    ],
)
def test_what_is_asked_for_or_thought_is_not_read_as_done(word: str) -> None:
    """Read as the deed, a demand for reasons would stop the limit that it starts."""
    assert steps_called(word) == ()


@pytest.mark.parametrize(
    ("last", "means"),
    [
        ("撤销案件", "notify_withdrawal"),
        ("不起诉", "tell_non_prosecution"),
        ("移交涉案物品", "notify_decision"),
    ],
)
def test_whom_a_notice_tells_of_what_is_said_by_the_step_before_it(last: str, means: str) -> None:
    """通知行政机关 after a withdrawal tells of that and not of the filing, months ago."""
    found = read_scenario(story("受理", "立案", last, "书面通知移送机关"))
    assert [event.step.id for event in found.events if isinstance(event, Told)][-1] == means


@pytest.mark.parametrize(
    ("word", "sector"),
    [
        ("某区生态环境局", "environment"),
        ("区市场监督管理局", ""),
        ("烟草专卖局", ""),
        ("食品药品监管局", "食品药品监管局"),
    ],
)
def test_an_office_tells_the_sector_unless_it_tells_two(word: str, sector: str) -> None:
    """Offices without a measure of their own follow the general rules; of two fields a person has to choose."""
    assert sector_called(word) == sector


@pytest.mark.parametrize(
    ("word", "sector", "rule"),
    [
        ("立案审查", "economic", "police_filing_decision_economic"),
        ("立案审查期限", "", "police_filing_decision"),
        ("公安机关立案审查", "environment", "police_filing_decision_env"),
        ("police_filing_decision", "drug", "police_filing_decision_drug"),
        ("审查", "", "审查"),
    ],
)
def test_the_general_rule_means_the_one_that_the_sector_has_instead(word: str, sector: str, rule: str) -> None:
    """A part of its name is enough where it is the only one that can be extended."""
    assert rule_called(word, sector) == rule


@pytest.mark.parametrize(
    ("rule", "word", "track"),
    [
        ("police_filing_decision", "线索需要核实", "line_needs_verification"),
        ("police_filing_decision", "重大复杂", "major_complex"),
        ("police_filing_decision_economic", "重大跨区域", "major_cross_region"),
        ("police_filing_decision_drug", "重大复杂", None),
        ("arrest_request", "流窜作案", "roaming_repeat_gang"),
        ("prosecution_review", "", "major_complex"),
        ("police_filing_decision", "", None),
    ],
)
def test_a_track_is_understood_in_chinese_unless_two_are_meant(rule: str, word: str, track: str | None) -> None:
    """Left out, it is the only one that the rule has."""
    found = track_called(word, Rules.load().rule(rule))
    assert (found.name if found else None) == track


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("已立案", "filed"),
        ("立案", "filed"),
        ("立案审查", "accepted"),
        ("侦查阶段", "filed"),
        ("不予立案", "not_filed"),
        ("钓鱼", "钓鱼"),
    ],
)
def test_a_state_is_understood_by_its_chinese_name(word: str, state: str) -> None:
    """Where a suspect stands is possible in a filed case alone."""
    assert state_called(word) == state


@pytest.mark.parametrize("told", ["reply_by: 2025年11月20日", "回复期限: 2025-11-20", "fields: {回复期限: 2025.11.20}"])
def test_the_day_that_an_opinion_names_is_read_as_it_is_written(told: str) -> None:
    """As a key of the line or among its fields; a day that is none is refused."""
    found = read_scenario(f"steps:\n  - {{on: 2025-10-20, step: give_penalty_opinion, {told}}}\n").events[0]
    assert isinstance(found, Told)
    assert found.fields["reply_by"] == date(2025, 11, 20)
    with pytest.raises(ScenarioInvalid, match="reply_by"):
        read_scenario("steps:\n  - {on: 2025-10-20, step: give_penalty_opinion, reply_by: 一个月内}\n")


def test_a_suspect_may_be_named_in_the_step() -> None:
    """对周某撤销案件, also when the name holds no 某; whom the line concerns is still said by `suspect`."""
    head = "suspects: [周某, 欧阳立案]\nbegins_in: filed"
    found = told(story("对周某撤销案件", "对欧阳立案终止侦查", head=head))
    assert found[0][0] == found[-1][0] == "withdraw_case"
