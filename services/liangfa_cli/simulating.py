"""`liangfa simulate`: a story played through the real service, and what its scheduler told of the limits."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from liangfa_cli.staging import Stage, request_id, stage
from liangfa_kit.clock import beijing_date
from liangfa_kit.errors import Invalid, PlatformError
from liangfa_procedure.instants import instants
from liangfa_procedure.paths import path
from liangfa_procedure.rules import FIELDS, Rules
from liangfa_procedure.scenario import Alert, Extended, Level, Scenario, Told, load_scenario
from liangfa_procedure.shapes import ScenarioInvalid
from liangfa_procedure.simulation import BEGINNINGS, Outcome, is_told_by
from liangfa_procedure.steps import Procedure, Scope, Step
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

OPENS = "suspect_crime"
TABLE = Procedure.load()
NOT_TOLD = "未载明"
_HEADS = {"agency": "agency_head", "police": "police_head", "procuratorate": "chief_procurator", "court": "judge"}


async def play(scenario: Scenario) -> Outcome:
    """Play the story in a temporary folder. Raises `ScenarioInvalid` for what the service refuses, with its reason."""
    moments = instants(scenario)
    with tempfile.TemporaryDirectory(prefix="liangfa-simulate-") as folder:
        async with stage(Path(folder), moments[0], scenario.calendar) as services:
            game = _Play(services, scenario)
            for event, at in zip(scenario.events, moments, strict=True):
                await game.sign(at)
                await services.advance(at)
                try:
                    await game.happen(event)
                except PlatformError as error:
                    raise ScenarioInvalid(f"{error} {error.remedy}", event.where) from error
            await game.sign(scenario.end)
            await services.advance(scenario.end)
            return await game.outcome()


async def simulated(story: Path, *, is_named: bool = False) -> list[str]:
    """Play a scenario file; return one JSON object a line, with the file's name when `is_named`.

    Raises `ScenarioInvalid` and `OSError`.
    """
    outcome = await play(load_scenario(story))
    named = f'{{"scenario": {json.dumps(story.name, ensure_ascii=False)}, '
    return [named + line[1:] if is_named else line for line in outcome.lines()]


@dataclass
class _Play:
    stage: Stage
    scenario: Scenario
    transfer: pb.Transfer = field(default_factory=pb.Transfer)
    begun: set[str] = field(default_factory=set)
    """Suspects of whom the story has told a step."""
    counted: set[str] = field(default_factory=set)
    """Clocks that the story started. What started before it began, or on a day that it does not tell, is not told."""
    uncounted: set[str] = field(default_factory=set)
    unsigned: list[tuple[datetime, pb.Receipt]] = field(default_factory=list)
    warnings: set[str] = field(default_factory=set)

    async def happen(self, event: Told | Extended) -> None:
        """Play one line of the story now."""
        if isinstance(event, Extended):
            await self._extend(event)
            return
        if not self.transfer.id and await self._open(event):
            return
        suspect = self._suspect(event.suspect)
        if suspect is not None and suspect.state and suspect.name not in self.begun:
            self.begun.add(suspect.name)
            await self._walk(
                path(Scope.SUSPECT, suspect.state, TABLE.first_from(event.step) or suspect.state), suspect.id
            )
        reply = await self._take(event.step, _role(event.roles, event.step), suspect.id if suspect else "", told=event)
        self._note(reply.clocks, is_dated=event.moment is not None)
        for receipt in _given(reply):
            await self._hand_over(receipt, event)

    async def _open(self, told: Told) -> bool:
        """Open the transfer; tell whether that was the step itself. Else bring it to where the story begins."""
        is_step = told.step.id == OPENS
        self._name_organisations()
        stub = self.stage.stub(_role(told.roles, told.step) if is_step else "officer")
        sector = FIELDS.get(self.scenario.sector, self.scenario.sector)
        named = self.stage.organisations
        reply = await stub.OpenTransfer(
            rpc.OpenTransferRequest(
                request_id=request_id(),
                case_id="story",
                title=self.scenario.title or NOT_TOLD,
                sector="" if sector == "general" else sector,
                receiver=pb.Organisation(id=named["police"], name=named["police"]),
                supervisor=pb.Organisation(id=named["procuratorate"], name=named["procuratorate"]),
                suspect_names=self.scenario.suspects,
                offences=[NOT_TOLD],
            )
        )
        self.transfer = reply.transfer
        if is_step:
            self._note(reply.clocks, is_dated=told.moment is not None)
            return True
        self.uncounted.update(clock.id for clock in reply.clocks)
        begins = self.scenario.first_state or BEGINNINGS[Scope.TRANSFER]
        await self._walk(path(Scope.TRANSFER, self.transfer.state, begins), "")
        return False

    def _name_organisations(self) -> None:
        """Call each side as the story first calls it."""
        named = self.stage.organisations
        for event in reversed(self.scenario.events):
            if isinstance(event, Told) and event.organisation and event.organisation not in named.values():
                named[TABLE.roles[_role(event.roles, event.step)].side] = event.organisation

    async def _walk(self, steps: Iterable[Step], suspect_id: str) -> None:
        """Go by `steps` to where the story begins; what they start is not told."""
        for step in steps:
            reply = await self._take(step, min(step.roles), suspect_id)
            self.uncounted.update(clock.id for clock in reply.clocks if clock.id not in self.counted)
            for receipt in _given(reply):
                signed = await self._sign(receipt)
                self.uncounted.update(clock.id for clock in signed if clock.id not in self.counted)

    async def _take(self, step: Step, role: str, suspect_id: str, *, told: Told | None = None) -> rpc.TakeStepResponse:
        fields = dict.fromkeys(step.required_fields, NOT_TOLD)
        kinds = dict.fromkeys(step.documents_required)
        if told is not None:
            fields |= {name: str(value) for name, value in told.fields.items()}
        for name in step.people:  # a story rarely names everybody, and says `两名执法人员`
            fields[name] = "、".join([fields[name], *(f"{NOT_TOLD}{n}" for n in range(1, step.people[name]))])
        if "receiving_organ" in step.required_fields and fields["receiving_organ"] == NOT_TOLD:
            fields["receiving_organ"] = f"{self.transfer.receiver.id}之二"
        request = rpc.TakeStepRequest(
            request_id=request_id(),
            transfer_id=self.transfer.id,
            step=step.id,
            suspect_id=suspect_id,
            expected_version=self.transfer.version,
            documents=map(_document, kinds),
            fields=fields,
        )
        if told is not None and told.custody is not None:
            request.in_custody = told.custody
        reply: rpc.TakeStepResponse = await self.stage.stub(role).TakeStep(request)
        self._follow(reply.transfer)
        return reply

    def _follow(self, transfer: pb.Transfer) -> None:
        self.transfer = transfer
        self.stage.organisations["police"] = transfer.receiver.id

    async def _hand_over(self, receipt: pb.Receipt, told: Told) -> None:
        if told.received is None:
            self._note(await self._sign(receipt), is_dated=told.moment is not None)
            return
        self.unsigned.append((max(told.received.earliest, self.stage.clock.now()), receipt))

    async def sign(self, until: datetime) -> None:
        """Let what was sent before be signed for, in the order of the days on which that happened."""
        for at, receipt in sorted(self.unsigned, key=lambda pair: pair[0]):
            if at <= until:
                await self.stage.advance(at)
                self.unsigned.remove((at, receipt))
                self._note(await self._sign(receipt), is_dated=True)

    async def _sign(self, receipt: pb.Receipt) -> list[pb.Clock]:
        sides = {body: side for side, body in self.stage.organisations.items()}
        side = sides.get(receipt.receiver.id, "police")  # who has passed the case on still signs for what came before
        stub = self.stage.stub(_HEADS[side], receipt.receiver.id)
        reply = await stub.SignReceipt(
            rpc.SignReceiptRequest(
                request_id=request_id(), transfer_id=self.transfer.id, receipt_id=receipt.id, sha256=receipt.sha256
            )
        )
        await self._read_again(stub)
        return list(reply.clocks)

    async def _read_again(self, stub: Any) -> list[pb.Clock]:
        reply = await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=self.transfer.id))
        self._follow(reply.transfer)
        return list(reply.clocks)

    async def _extend(self, event: Extended) -> None:
        stub = self.stage.stub(_HEADS.get(Rules.load().rule(event.rule_id).owes, "officer"))
        suspect = self._suspect(event.suspect)
        running = [
            clock
            for clock in (await self._read_again(stub) if self.transfer.id else [])
            if clock.rule_id == event.rule_id and clock.state == pb.CLOCK_STATE_RUNNING and clock.id in self.counted
            and clock.suspect_id in {"", suspect.id if suspect else "1"}
        ]  # fmt: skip
        if not running:
            raise ScenarioInvalid(f"no clock of {event.rule_id} is running", event.where)
        for clock in running:
            asked = rpc.ExtendClockRequest(
                request_id=request_id(), transfer_id=self.transfer.id, clock_id=clock.id, track=event.track,
                ground=event.ground, approver=event.approver,
            )  # fmt: skip
            try:
                self._note([(await stub.ExtendClock(asked)).clock], is_dated=True)
            except Invalid as refused:  # told twice, or what the limit allows anyway (至迟): the story goes on
                if {one.reason for one in refused.violations} != {"TRACK_NOT_LONGER"}:
                    raise
                self.warnings.add(f"TRACK_NOT_LONGER {event.rule_id}")
        await self._read_again(stub)

    def _note(self, clocks: Iterable[pb.Clock], *, is_dated: bool) -> None:
        """Remember which clocks the story started, and what a person must know of them."""
        for clock in clocks:
            is_new = clock.id not in self.counted | self.uncounted
            if is_new:
                (self.counted if is_dated else self.uncounted).add(clock.id)
            if is_new and not is_dated:
                # Without the day of its start a limit cannot be counted: nobody is told anything about it.
                self.warnings.add(f"START_UNKNOWN {clock.rule_id}")
            if clock.id in self.counted and clock.state == pb.CLOCK_STATE_RUNNING:
                self.warnings.update(f"{code} {clock.rule_id}" for code in clock.warnings)

    def _suspect(self, name: str | None) -> pb.Suspect | None:
        return next((one for one in self.transfer.suspects if one.name == name), None)

    async def outcome(self) -> Outcome:
        """Return what was told of the story's own clocks, and what became of the transfer."""
        told = [event for event in await self.stage.told() if event.clock.id in self.counted]
        telling = (event for event in told if is_told_by(self.scenario, event.clock.rule_id))
        alerts = sorted(alert for event in telling for alert in self._alerts(event))
        suspects = {one.name: one.state or BEGINNINGS[Scope.SUSPECT] for one in self.transfer.suspects}
        return Outcome(
            tuple(alerts), self.transfer.state, suspects, tuple(sorted({*self.warnings, *self.scenario.passed}))
        )

    def _alerts(self, event: events_pb2.ClockWarned | events_pb2.ClockMissed) -> Iterable[Alert]:
        clock = event.clock
        is_warning = isinstance(event, events_pb2.ClockWarned)
        at = clock.warned_at if is_warning else clock.missed_at
        level = Level.WARN if is_warning else Level.OVERDUE
        named = self.scenario.suspects[int(clock.suspect_id) - 1] if clock.suspect_id else ""
        suspect = named if len(self.scenario.suspects) > 1 else ""
        for recipient in event.recipients:
            yield Alert(_day(at.ToDatetime(tzinfo=UTC)), clock.rule_id, recipient, level, suspect)


def _day(at: datetime) -> date:
    return beijing_date(at)


def _given(reply: rpc.TakeStepResponse) -> list[pb.Receipt]:
    return [receipt for receipt in (reply.receipt, *reply.further_receipts) if receipt.receiver.id]


def _role(told: frozenset[str], step: Step) -> str:
    return min(told & step.roles or told)


def _document(kind: str) -> pb.Document:
    return pb.Document(kind=kind, title=kind, sha256=hashlib.sha256(kind.encode()).hexdigest(), size_bytes=len(kind))
