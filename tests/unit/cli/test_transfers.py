"""`liangfa transfers`: a case goes to the police from the terminal, and everybody sees what is theirs to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from liangfa_cli.attaching import attached, fields, items, moment, organisation
from liangfa_cli.main import main
from liangfa_cli.platform import Platform
from liangfa_cli.transfer_tables import remaining
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from tests.terminal import Terminal, terminal
from tests.transferring import NAMES, OFFICER, START

RECEIVER, SUPERVISOR = (f"{key}={NAMES[key]}" for key in ("police", "procuratorate"))
SIDES = ("--receiver", RECEIVER, "--supervisor", SUPERVISOR)
HEAD, POLICE, POLICE_HEAD = ("agency_head", "market"), ("police", "police"), ("police_head", "police")
PROCURATOR = ("procurator", "procuratorate")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("platform")) as found:
        yield found


async def registered(platform: Platform, *, title: str, narrative: str) -> str:
    case = case_pb2.Case(
        title=title, cause="经营有毒有害食品", narrative=narrative, parties=[case_pb2.Party(name="某火锅店")]
    )
    stub = CaseServiceStub(platform.channel_for(OFFICER))
    return (await stub.RegisterCase(case_rpc.RegisterCaseRequest(request_id=title, case=case))).case.id


def a_case(running: Terminal, title: str = "罂粟壳案", narrative: str = "后厨使用罂粟壳熬制底料，已售出12锅。") -> str:
    return running.ask(lambda platform: registered(platform, title=title, narrative=narrative))


def opened(running: Terminal, title: str) -> str:
    """Return the id of a transfer of a new case."""
    done = running.say("transfers", "open", a_case(running, title), *SIDES)
    assert done.exit_code == 0, done.output
    found = re.search(r"opened: (\S+)", done.output)
    assert found is not None
    return found.group(1)


def reason(result: Result) -> str:
    assert isinstance(result.exception, PlatformError), result.output
    assert result.exception.remedy
    assert result.exception.message_zh
    return result.exception.reason


def papers(folder: Path, *kinds: str) -> list[str]:
    """Return `--document` options for files that are named after their kinds."""
    words = []
    for kind in kinds:
        (folder / f"{kind}.pdf").write_bytes(kind.encode())
        words += ["--document", str(folder / f"{kind}.pdf")]
    return words


def test_a_case_goes_from_the_record_to_the_filing_by_commands(running: Terminal, tmp_path: Path) -> None:
    """Opened from a case with its parties and the screening's offence; each side takes its steps; receipts are signed."""
    transfer = opened(running, "一路到立案")
    steps: tuple[tuple[tuple[str, str], str, list[str]], ...] = (
        (("officer", "market"), "report_to_head", papers(tmp_path, "transfer_report")),
        (HEAD, "approve_transfer", []),
        (("officer", "market"), "deliver_transfer",
         [*papers(tmp_path, "transfer_letter", "investigation_report", "item_list", "material_list"), "--item", "白酒|12瓶"]),
        (POLICE, "accept_transfer", papers(tmp_path, "acceptance_receipt")),
        (POLICE_HEAD, "file_case", papers(tmp_path, "filing_decision", "filing_notice")),
    )  # fmt: skip
    for who, name, more in steps:
        done = running.say("transfers", "step", transfer, name, *more, who=who)
        assert done.exit_code == 0, done.output
        assert "已办 done" in done.output
    waiting = running.say("transfers", "list")
    assert "待我方签收 for us to sign" in waiting.output
    signed = running.say("transfers", "sign", transfer)
    assert signed.exit_code == 0, signed.output
    shown = running.say("transfers", "show", transfer, who=PROCURATOR)
    for words in (
        "一路到立案", "生产、销售有毒、有害食品罪", "某火锅店", "第 1 号 移送公安机关", "已办 done", "police_filing_decision",
        "决定立案", "涉嫌犯罪案件移送书", "起算 from 20", "逾期提醒 alerts 移送机关承办人、移送机关负责人", "国务院令第310号", "confirmed",
    ):  # fmt: skip
        assert words in shown.output, words
    assert "尚待签收 not yet" not in shown.output


def test_the_worklist_says_what_is_owed_and_what_is_waited_for(running: Terminal, tmp_path: Path) -> None:
    """The head owes the decision, the police the acceptance; each sees the other's limit as waiting."""
    transfer = opened(running, "工作清单")
    running.say("transfers", "step", transfer, "report_to_head", *papers(tmp_path, "transfer_report"))
    mine = running.say("transfers", "list", "--most", "200")
    owed = mine.output.partition("等待对方")[0]
    assert "我方应办 we owe" in owed
    assert "工作清单" in owed
    assert "left" in owed
    nobody = running.say("transfers", "list", who=("officer", "ecology"))
    assert nobody.output == "没有正在计算的期限，也没有待签收的回执。 No limit is running, and no receipt waits.\n"
    running.say("transfers", "step", transfer, "approve_transfer", who=HEAD)
    letters = papers(tmp_path, "transfer_letter", "investigation_report", "item_list", "material_list")
    running.say("transfers", "step", transfer, "deliver_transfer", *letters)
    accepted = papers(tmp_path, "acceptance_receipt")
    assert running.say("transfers", "step", transfer, "accept_transfer", *accepted, who=POLICE).exit_code == 0
    assert "工作清单" in running.say("transfers", "list", "--most", "200").output.partition("等待对方 we wait for")[2]
    assert "工作清单" in running.say("transfers", "list", who=POLICE).output.partition("等待对方")[0]


def test_what_may_be_done_is_listed_with_what_it_needs(running: Terminal) -> None:
    """For the caller's role; a side without a step is told so."""
    transfer = opened(running, "可办步骤")
    found = running.say("transfers", "allowed", transfer)
    assert "report_to_head" in found.output
    assert "transfer_report" in found.output
    assert "approve_transfer" not in found.output
    assert "没有可办的步骤" in running.say("transfers", "allowed", transfer, who=("judge", "court")).output


def test_a_refused_step_gives_its_reason_a_sentence_and_a_remedy(running: Terminal, tmp_path: Path) -> None:
    """And nothing has happened."""
    transfer = opened(running, "被拒绝")
    assert reason(running.say("transfers", "step", transfer, "report_to_head")) == "DOCUMENTS_MISSING"
    assert reason(running.say("transfers", "step", transfer, "file_case", who=POLICE_HEAD)) == "STEP_NOT_ALLOWED_HERE"
    assert reason(running.say("transfers", "step", transfer, "approve_transfer")) == "STEP_NOT_ALLOWED_HERE"
    assert reason(running.say("transfers", "show", transfer, who=("officer", "ecology"))) == "TRANSFER_NOT_FOUND"
    assert reason(running.say("transfers", "sign", transfer)) == "RECEIPT_NOT_FOUND"
    report = papers(tmp_path, "transfer_report")
    assert reason(running.say("transfers", "step", transfer, "report_to_head", *report, "--at", "2020-01-01")) == (
        "TIME_OUT_OF_ORDER"
    )
    assert running.say("transfers", "step", transfer, "report_to_head", *report, "--version", "1").exit_code == 0
    stale = running.say("transfers", "step", transfer, "approve_transfer", "--version", "1", who=HEAD)
    assert "STALE" in reason(stale)


def test_a_refusal_is_printed_as_reason_sentence_and_remedy_with_exit_code_1(
    running: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback; and each wrong field by its name."""
    address, folder = running.platform.address, str(running.folder)
    words = ["ledger", "reconcile", "--agency", "market", "--day", "soon", "--folder", folder, "--address", address]
    monkeypatch.setattr(sys, "argv", ["liangfa", *words])
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr().err
    assert end.value.code == 1
    for part in ("INVALID_TRANSFER", "个字段有误", "Correct the fields that are named", "day: 应为不晚于今日的日期"):
        assert part in told, part
    assert "Traceback" not in told


def test_a_case_without_a_suspicion_or_of_another_agency_opens_nothing(running: Terminal) -> None:
    """An officer can still name the offence; a case goes on its way once."""
    case = a_case(running, "台账", "未如实记录台账，经责令已改正。")
    refused = running.say("transfers", "open", case, *SIDES, who=("officer", "ecology"))
    assert reason(refused) == "CASE_NOT_FOUND"
    wrong = running.say("transfers", "open", case, "--receiver", "police", "--supervisor", SUPERVISOR)
    assert reason(wrong) == "ARGUMENT_MALFORMED"
    named = running.say("transfers", "open", case, *SIDES, "--offence", "[red]污染环境罪", "--title", "[b]标题")
    assert named.exit_code == 0
    assert "[red]污染环境罪" in named.output
    assert "[b]标题" in named.output
    again = running.say("transfers", "open", case, *SIDES, "--offence", "污染环境罪")
    assert reason(again) == "TRANSFER_EXISTS"


def test_documents_take_their_kind_from_the_word_the_name_or_the_need(tmp_path: Path) -> None:
    """And their hash from their content."""
    for name in ("涉嫌犯罪案件移送书.docx", "清单.pdf", "item_list.pdf", "调查报告终稿.pdf"):
        (tmp_path / name).write_bytes(b"content")
    files = [
        str(tmp_path / "涉嫌犯罪案件移送书.docx"), f"material_list={tmp_path / '清单.pdf'}",
        str(tmp_path / "item_list.pdf"), str(tmp_path / "调查报告终稿.pdf"),
    ]  # fmt: skip
    found = attached("deliver_transfer", files)
    assert [one.kind for one in found] == ["transfer_letter", "material_list", "item_list", "investigation_report"]
    assert {(one.sha256[:8], one.size_bytes) for one in found} == {("ed7002b4", 7)}
    assert found[3].title == "调查报告终稿"


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["x.pdf"], "DOCUMENT_KIND_UNKNOWN"), (["poem=x.pdf"], "DOCUMENT_KIND_UNKNOWN"),
     (["transfer_letter=/nowhere/x.pdf"], "DOCUMENT_UNREADABLE")],
)  # fmt: skip
def test_a_document_without_kind_or_content_is_refused_before_anything_is_sent(words: list[str], expected: str) -> None:
    """The kinds that the step needs are named."""
    with pytest.raises(Invalid) as refusal:
        attached("deliver_transfer", words)
    assert refusal.value.reason == expected
    if expected == "DOCUMENT_KIND_UNKNOWN":
        assert "transfer_letter" in str(refusal.value)


def test_words_of_the_command_line_become_fields_items_and_moments() -> None:
    """A moment without a zone is China's; a value may hold an equals sign."""
    assert fields(["reason=a=b", "members=张某、李某"]) == {"reason": "a=b", "members": "张某、李某"}
    assert items(["白酒|12瓶||局物证室", "车辆"]) == [
        pb.Item(name="白酒", quantity="12瓶", place="局物证室"), pb.Item(name="车辆")
    ]  # fmt: skip
    assert moment("2026-03-02T09:00") == START == moment("2026-03-02T01:00+00:00")
    for wrong in (lambda: fields(["reason"]), lambda: moment("soon"), lambda: organisation("police=", "--receiver")):
        with pytest.raises(Invalid):
            wrong()


@pytest.mark.parametrize(
    ("use", "hours", "expected"),
    [
        ("duty", 50.5, "剩 2 天 2 小时 · 2 d 2 h left"), ("duty", 0.5, "剩 30 分 · 30 min left"),
        ("duty", -25, "逾期 1 天 1 小时 · 1 d 1 h overdue"), ("right", -1, "已过 1 小时 0 分 · 1 h 0 min over"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_limit_is_told_in_its_two_largest_units(use: str, hours: float, expected: str) -> None:
    """Nobody is late who leaves a right unused."""
    now = datetime(2026, 3, 2, tzinfo=UTC)
    clock = pb.Clock(use=use, state=pb.CLOCK_STATE_RUNNING)
    clock.due_at.FromDatetime(now + timedelta(hours=hours))
    assert remaining(clock, now).plain == expected
    assert remaining(pb.Clock(state=pb.CLOCK_STATE_STOPPED), now).plain == "已办 done"


def test_a_document_that_was_issued_here_is_named_by_its_id(running: Terminal) -> None:
    """One that nobody issued is refused, with what to do."""
    transfer = opened(running, "平台文书")
    words = ("transfers", "step", transfer, "report_to_head", "--issued", "unheard-of")
    assert "DOCUMENT" in reason(running.say(*words))


def test_a_limit_is_given_more_time_and_a_suspect_s_course_is_shown(running: Terminal, tmp_path: Path) -> None:
    """By its rule and track, with ground and approver; what is no such limit is refused with those that run."""
    transfer = opened(running, "延期")
    delivery = papers(tmp_path, "transfer_letter", "investigation_report", "item_list", "material_list")
    steps: tuple[tuple[tuple[str, str], str, list[str]], ...] = (
        (("officer", "market"), "report_to_head", papers(tmp_path, "transfer_report")),
        (HEAD, "approve_transfer", []),
        (("officer", "market"), "deliver_transfer", delivery),
        (POLICE, "accept_transfer", papers(tmp_path, "acceptance_receipt")),
    )
    for who, step, words in steps:
        assert running.say("transfers", "step", transfer, step, *words, who=who).exit_code == 0, step
    more = ("--ground", "案情重大", "--approver", "某局长")
    told = running.say(
        "transfers", "extend", transfer, "police_filing_decision", "major_complex", *more, who=POLICE_HEAD
    )
    assert told.exit_code == 0, told.output
    assert "extended: major_complex" in told.output
    nothing = running.say("transfers", "extend", transfer, "hand_over_items", "major_complex", *more, who=POLICE_HEAD)
    assert reason(nothing) == "CLOCK_NOT_FOUND"
    assert isinstance(nothing.exception, PlatformError)
    assert "police_filing_decision" in nothing.exception.remedy
    wrong = running.say("transfers", "extend", transfer, "police_filing_decision", "none", *more, who=POLICE_HEAD)
    assert reason(wrong) == "TRACK_UNKNOWN"
    filing = papers(tmp_path, "filing_decision", "filing_notice")
    assert running.say("transfers", "step", transfer, "file_case", *filing, who=POLICE_HEAD).exit_code == 0
    sent = running.say(
        "transfers", "step", transfer, "send_for_prosecution", "--suspect", "1",
        *papers(tmp_path, "prosecution_opinion"), who=POLICE_HEAD,
    )  # fmt: skip
    assert "examined for prosecution" in sent.output
