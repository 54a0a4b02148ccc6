"""`liangfa meetings`: joint meetings, their papers, and the tasks that they give."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from liangfa_cli.options import Address, Agency, AgencyName, As, Folder, Region

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

app = typer.Typer(
    no_args_is_help=True, help="联席会议: joint meetings of the region, minutes, and tasks that they give."
)
out = Console()
_T = TypeVar("_T")
_Meeting = Annotated[str, typer.Argument(help="Id of a meeting.")]
_Output = Annotated[Path, typer.Option("--output", help="File to write.")]
_ADDRESS = "127.0.0.1:7420"
_DISTRICT = "420111"
_DATA = Path("var")
_STATES = {1: "已通知 convened", 2: "开会 in session", 3: "待确认 drafted", 4: "已确认 sealed", 5: "取消 cancelled"}
_TASK_STATES = {1: "未办 open", 2: "已报告 reported", 3: "已完成 done"}


class _Caller:
    """Where a command calls, and as whom."""

    def __init__(self, address: str, folder: Path, role: str, region: str, agency: str, name: str) -> None:
        from liangfa_cli.calling import Place
        from liangfa_cli.identity import Caller

        self._place = Place(address, folder, Caller(role, region, agency, name))

    def call(self, work: Callable[[MeetingServiceAsyncStub], Awaitable[_T]]) -> _T:
        """Return what `work` returns of the service. Raises `PlatformError`."""
        from liangfa_cli.calling import with_channel
        from liangfa_protos.joint_meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub

        return with_channel(self._place, lambda channel: work(MeetingServiceStub(channel)))


def _options(
    agency: Agency,
    address: Address = _ADDRESS,
    role: As = "officer",
    region: Region = _DISTRICT,
    agency_name: AgencyName = "",
    folder: Folder = _DATA,
) -> _Caller:
    """Return where to call and as whom: the options that every command has."""
    return _Caller(address, folder, role, region, agency, agency_name)


def _command(name: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command that is given a caller; on the command line it has the options of `_options` after its own."""

    def register(work: Callable[..., None]) -> Callable[..., None]:
        shared, own = (inspect.signature(one, eval_str=True).parameters for one in (_options, work))
        named = [one for key, one in own.items() if key != "caller"]
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in [*named, *shared.values()]]

        @wraps(work)
        def run(**values: Any) -> None:
            work(_options(**{key: values.pop(key) for key in shared}), **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer asks
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return app.command(name or None)(run)

    return register


@_command("list")
def list_(caller: _Caller) -> None:
    """List the meetings of the region, the latest first, and say when the next regular one is due."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    rule = caller.call(lambda stub: stub.GetMeetingRule(rpc.GetMeetingRuleRequest()))
    found = caller.call(lambda stub: stub.ListMeetings(rpc.ListMeetingsRequest(page_size=50))).meetings
    table = Table("会议 meeting", "时间 time", "状态 state", "纪要 minutes")
    for one in found:
        table.add_row(Text(one.title), _time(one.starts_at), _STATES.get(one.state, ""), Text(one.document_number))
    out.print(table if found else Text("尚未召集会议。 No meeting was convened yet."))
    for one in found:
        out.print(Text(f"{one.id}  {one.title}"), soft_wrap=True)
    out.print(Text(f"下次例会应于 {_time(rule.next_due_at)} 前召开 (next regular meeting)"), soft_wrap=True)


@_command()
def show(caller: _Caller, meeting: _Meeting) -> None:
    """Show a meeting: agenda, what was resolved, who received the notice, figures of the period."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    found = caller.call(lambda stub: stub.GetMeeting(rpc.GetMeetingRequest(meeting_id=meeting))).meeting
    out.print(Text(f"{found.title}  {_time(found.starts_at)}  {found.place}  {_STATES.get(found.state, '')}"))
    for number, item in enumerate(found.agenda, 1):
        out.print(Text(f"{number}. {item.title}" + (f"：{item.text}" if item.text else "")), soft_wrap=True)
        if item.HasField("resolution"):
            out.print(Text(f"   决议 resolved: {item.resolution.text}", style="green"), soft_wrap=True)
    received = "、".join(one.unit_name for one in found.attendance if one.HasField("received_by")) or "无 nobody"
    out.print(Text(f"已签收 notice received: {received}"), soft_wrap=True)
    table = Table(
        "单位 unit", "案件 cases", "疑似 suspected", "移送 sent", "立案 filed", "不立案 refused", "逾期 missed"
    )
    for line in found.figures:
        figures = (line.cases, line.suspected, line.transferred, line.filed, line.refused, line.limits_missed)
        table.add_row(Text(line.unit_name), *map(str, figures))
    out.print(table)


@_command()
def receive(
    caller: _Caller,
    meeting: _Meeting,
    attendee: Annotated[list[str] | None, typer.Option(help="Who comes; again for each.")] = None,
) -> None:
    """Receive the notice of a meeting for your unit (签收), and say who comes."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    request = rpc.AcknowledgeNoticeRequest(request_id=_new(), meeting_id=meeting, attendees=attendee or ())
    caller.call(lambda stub: stub.AcknowledgeNotice(request))
    out.print(Text("已签收会议通知。 The notice is received.", style="green"))


@_command()
def propose(
    caller: _Caller,
    title: Annotated[str, typer.Argument(help="What it is about, in a line.")],
    text: Annotated[str, typer.Option(help="What there is to say of it.")] = "",
    case: Annotated[str, typer.Option(help="Id of the case, if it is about one.")] = "",
) -> None:
    """Propose an item for the agenda of the next meeting."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    request = rpc.ProposeItemRequest(request_id=_new(), title=title, text=text, case_id=case)
    item = caller.call(lambda stub: stub.ProposeItem(request)).item
    out.print(Text(f"已提出议题 proposed: {item.id} {item.title}", style="green"), soft_wrap=True)


@_command()
def tasks(
    caller: _Caller,
    own: Annotated[bool, typer.Option("--own", help="Only those of your unit.")] = False,
    done: Annotated[bool, typer.Option("--done", help="Those that are done, too.")] = False,
) -> None:
    """List the tasks that meetings gave, the most urgent first."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    request = rpc.ListTasksRequest(own=own, include_done=done)
    found = caller.call(lambda stub: stub.ListTasks(request)).tasks
    if not found:
        out.print(Text("没有未完成的任务。 No task is open."))
        return
    table = Table("期限 due", "单位 owner", "任务 task", "要求步骤 step", "状态 state")
    for one in found:
        late = "，逾期 overdue" if one.is_overdue else ""
        state = f"{_TASK_STATES.get(one.state, '')}{late}"
        table.add_row(one.due_on, Text(one.owner_unit_name), Text(one.text), Text(one.required_step_zh), Text(state))
    out.print(table)
    for one in found:
        out.print(Text(f"{one.id}  {one.text}"), soft_wrap=True)


@_command()
def report(
    caller: _Caller,
    task: Annotated[str, typer.Argument(help="Id of a task.")],
    reply: Annotated[str, typer.Argument(help="What was done.")],
) -> None:
    """Report that a task of your unit is done; the convener judges."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    request = rpc.ReportTaskRequest(request_id=_new(), task_id=task, reply=reply)
    caller.call(lambda stub: stub.ReportTask(request))
    out.print(Text("已报告，待召集人评判。 Reported; the convener judges.", style="green"))


@_command()
def minutes(caller: _Caller, meeting: _Meeting, output: _Output) -> None:
    """Save the minutes (会议纪要) as DOCX."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    reply = caller.call(lambda stub: stub.GetMinutes(rpc.GetMinutesRequest(meeting_id=meeting)))
    _saved(output, reply.content)


@_command()
def calendar(caller: _Caller, output: _Output) -> None:
    """Save your meetings and tasks as a calendar file (iCalendar)."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    reply = caller.call(lambda stub: stub.GetCalendar(rpc.GetCalendarRequest()))
    _saved(output, reply.content)


@_command()
def bulletin(
    caller: _Caller,
    day_from: Annotated[str, typer.Argument(help="First day, YYYY-MM-DD.")],
    day_to: Annotated[str, typer.Argument(help="Last day.")],
    output: _Output,
) -> None:
    """Draft a case bulletin (案情通报) of a period as DOCX: people check and sign it."""
    from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc

    request = rpc.DraftBulletinRequest(day_from=day_from, day_to=day_to)
    _saved(output, caller.call(lambda stub: stub.DraftBulletin(request)).content)


def _saved(output: Path, content: bytes) -> None:
    output.write_bytes(content)
    out.print(Text(f"已保存 saved: {output}", style="green"), soft_wrap=True)


def _new() -> str:
    return str(uuid.uuid4())


def _time(moment: Timestamp) -> str:
    from liangfa_kit.clock import BEIJING

    return f"{moment.ToDatetime(tzinfo=UTC).astimezone(BEIJING):%Y-%m-%d %H:%M}"
