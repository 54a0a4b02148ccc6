"""Putting services together in one process: broker, services, hosting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

import liangfa_case_transfer.wiring as transfer_wiring
import liangfa_enforcement_record.wiring as record_wiring
import liangfa_joint_meeting.wiring as meeting_wiring
import liangfa_supervision.wiring as supervision_wiring
from liangfa_case_transfer.case_evidence import CaseEvidence
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_joint_meeting.case_facts import CaseFacts
from liangfa_kit import logs
from liangfa_kit.clock import Clock, SystemClock
from liangfa_kit.dependencies import Dependency
from liangfa_kit.errors import Invalid, NotFound, PlatformError
from liangfa_kit.hosting import Background, Hosted, Service, hosted
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import fingerprint, signing_key, trusted_keys
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.opening import open_broker
from liangfa_kit.objects import ObjectStore
from liangfa_kit.rpc.client import Channel, Outgoing, connect, forwarded_token
from liangfa_kit.rpc.health import Readiness
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.tls import Certificates, certificates
from liangfa_kit.settings import PlatformSettings
from liangfa_kit.telemetry import telemetry
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.holidays import read_calendar
from liangfa_procedure.reading import ProcedureError
from liangfa_protos.enforcement_record.v1 import case_service_pb2, evidence_service_pb2, screening_service_pb2
from liangfa_screening import Screener, load_library
from liangfa_screening.figures import FiguresError

_KEYS_LOOK_SECONDS = 1.0
_log = structlog.get_logger("liangfa.platform")
SERVICES = (record_wiring.NAME, transfer_wiring.NAME, meeting_wiring.NAME, supervision_wiring.NAME)


@dataclass
class Platform:
    """A running platform, or the part of it that this process serves."""

    settings: PlatformSettings
    issuer: TokenIssuer
    host: Hosted
    record: record_wiring.EnforcementRecord | None
    supervision: supervision_wiring.Supervision | None
    meeting: meeting_wiring.JointMeeting | None = None
    transfer: transfer_wiring.CaseTransfer | None = None

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"{self.settings.listen.host}:{self.host.port}"

    def channel_for(self, actor: Actor, *, call_seconds: float = 60.0) -> Channel:
        """Return a channel in this process on which `actor` calls; every call gets a fresh token."""
        outgoing = Outgoing(token=lambda: self.issuer.issue(actor), call_seconds=call_seconds)
        return local_channel(self.host.pipeline, outgoing)


@asynccontextmanager
async def running(
    settings: PlatformSettings, only: str | None = None, *, clock: Clock | None = None
) -> AsyncIterator[Platform]:
    """Run the platform, or the service `only`, until the block ends; then drain it in order."""
    if only is not None and only not in SERVICES:
        raise NotFound(
            f"There is no service {only!r}.", remedy=f"Services are: {', '.join(SERVICES)}.", reason="SERVICE_UNKNOWN"
        )
    clock = clock or SystemClock()
    folder, identity = settings.storage.folder, settings.identity
    issuer = _issuer(settings, clock)
    verifier = TokenVerifier(
        trusted_keys(settings.key_folder),
        clock,
        audience=identity.audience,
        issuer=identity.issuer,
        leeway=timedelta(seconds=identity.leeway_seconds),
    )
    proof = certificates(settings.tls, clock)
    measuring = telemetry(settings.telemetry, f"liangfa-{only}" if only else "liangfa")
    log = logs.configure(settings.logging, clock)
    broker = open_broker(settings)
    database = settings.database
    record = supervision = meeting = transfer = None
    if only in {None, record_wiring.NAME}:
        record = _enforcement_record(settings, broker, clock)
    if only in {None, supervision_wiring.NAME}:
        supervision = supervision_wiring.build(folder, broker, clock, database=database, telemetry=measuring, log=log)
    if only in {None, meeting_wiring.NAME}:
        meeting = meeting_wiring.build(folder, broker, clock, database=database, objects=settings.objects)
    if only in {None, transfer_wiring.NAME}:
        transfer = _case_transfer(settings, broker, clock)
    log_of_events = Dependency("the event log", broker.check, calls_need=False)
    services = [_record_service(record, log_of_events)] if record else []
    services += [_supervision_service(supervision, log_of_events)] if supervision else []
    services += [_meeting_service(meeting, log_of_events)] if meeting else []
    services += [_transfer_service(transfer, log_of_events)] if transfer else []
    services.append(Service("identity", (), background=[_key_watch(settings.key_folder, verifier, issuer)]))
    try:
        async with (
            AsyncExitStack() as stack,  # closed after the last call that needs the other service has ended
            hosted(
                services,
                listen=settings.listen,
                verifier=verifier,
                log=log,
                telemetry=measuring,
                certificates=proof,
            ) as host,
        ):
            for reader in _readers(meeting, transfer):
                reader.channel = _channel_to_record(settings, host, proof, is_here=record is not None)
                if reader.channel:
                    stack.push_async_callback(reader.channel.close)
            yield Platform(settings, issuer, host, record, supervision, meeting, transfer)
    finally:
        await broker.close()
        await asyncio.to_thread(measuring.shutdown)
        log.close()


def _readers(
    meeting: meeting_wiring.JointMeeting | None, transfer: transfer_wiring.CaseTransfer | None
) -> Sequence[CaseFacts | CaseEvidence]:
    """Return what reads enforcement_record on behalf of its callers."""
    found: list[CaseFacts | CaseEvidence] = [meeting.case_facts] if meeting else []
    return [*found, transfer.evidence] if transfer else found


def _channel_to_record(
    settings: PlatformSettings, host: Hosted, proof: Certificates | None, *, is_here: bool
) -> Channel | None:
    """Return the way to enforcement_record on behalf of whoever calls; None when nobody said where it is."""
    outgoing = Outgoing(token=forwarded_token)
    if is_here:
        return local_channel(host.pipeline, outgoing)
    if not settings.peers.enforcement_record:
        return None
    asked = [
        case_service_pb2.DESCRIPTOR.services_by_name["CaseService"],
        evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"],
        screening_service_pb2.DESCRIPTOR.services_by_name["ScreeningService"],
    ]
    return connect(settings.peers.enforcement_record, outgoing, asked, waits=True, certificates=proof)


def _enforcement_record(settings: PlatformSettings, broker: Broker, clock: Clock) -> record_wiring.EnforcementRecord:
    database, objects = settings.database, settings.objects
    rules = screening_rules(settings)
    return record_wiring.build(settings.storage.folder, broker, clock, rules, database=database, objects=objects)


def _case_transfer(settings: PlatformSettings, broker: Broker, clock: Clock) -> transfer_wiring.CaseTransfer:
    folder, templates = settings.storage.folder, settings.documents.folder
    database, objects = settings.database, settings.objects
    calendar = _calendar(settings.holidays.file)
    return transfer_wiring.build(
        folder, broker, clock, calendar, database=database, objects=objects, template_folder=templates
    )


def _calendar(file: Path | None) -> Calendar:
    """Return the calendar with the operator's years. Raises `Invalid` for a file that cannot be used."""
    try:
        return read_calendar(file) if file is not None else Calendar()
    except (ProcedureError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Invalid(
            f"The holidays in {file} cannot be used: {why}.",
            message_zh=f"节假日文件 {file} 无法使用。",
            remedy="Correct the file that LIANGFA_HOLIDAYS__FILE names (docs/operations.md), or leave it out.",
            reason="HOLIDAYS_UNUSABLE",
            file=file,
        ) from None


def _issuer(settings: PlatformSettings, clock: Clock) -> TokenIssuer:
    identity = settings.identity
    ttl = timedelta(seconds=identity.token_ttl_seconds)
    key = signing_key(settings.key_folder)
    return TokenIssuer(key, clock, ttl, issuer=identity.issuer, audience=identity.audience)


def _key_watch(folder: Path, verifier: TokenVerifier, issuer: TokenIssuer) -> Background:
    """Return the work that takes up keys which an operator adds, rotates or distrusts while the platform runs.

    It looks every second, and at once when a token names a key that is not known. A key that cannot be read is told, and
    the keys that were known before stay.
    """
    known: object = None

    def take_up() -> None:
        nonlocal known
        found = fingerprint(folder)
        if found != known:
            key, trusted = signing_key(folder), trusted_keys(folder)
            issuer.sign_with(key)
            verifier.trust(trusted)
            known = found
            _log.info("keys_trusted", signing=key.kid, trusted=sorted(trusted))

    def look_again() -> None:
        with suppress(PlatformError):  # the work below tells it
            take_up()

    async def run() -> None:
        verifier.look_again = look_again
        while True:
            take_up()
            await asyncio.sleep(_KEYS_LOOK_SECONDS)

    return Background("identity.keys", run)


def screening_rules(settings: PlatformSettings) -> CaseScreening:
    """Return the rules with the region's figures. Raises `Invalid` for figures that cannot be used."""
    try:
        return CaseScreening(Screener(load_library(figures=settings.screening.figures)))
    except FiguresError as error:
        raise Invalid(
            f"The regional figures cannot be used: {error}",
            message_zh=f"地区数额标准文件无法使用：{error}",
            remedy="Mend the file that LIANGFA_SCREENING__FIGURES names (docs/screening.md), then start again.",
            reason="FIGURES_INVALID",
        ) from error


def _record_service(record: record_wiring.EnforcementRecord, events: Dependency) -> Service:
    def readiness() -> Sequence[str]:
        trouble = record.relay.state.trouble
        return [f"events wait in the journal: {trouble}"] if trouble else []

    return _service(record_wiring.NAME, record, readiness, events, record.objects)


def _supervision_service(supervision: supervision_wiring.Supervision, events: Dependency) -> Service:
    def readiness() -> Sequence[str]:
        trouble, halted = supervision.relay.state.trouble, supervision.consumer.state.halted
        waiting = [f"events wait in the journal: {trouble}"] if trouble else []
        return [*waiting, *([f"the consumer has stopped: {halted}"] if halted else [])]

    return _service(supervision_wiring.NAME, supervision, readiness, events)


def _meeting_service(meeting: meeting_wiring.JointMeeting, events: Dependency) -> Service:
    def readiness() -> Sequence[str]:
        trouble, halted = meeting.relay.state.trouble, meeting.consumer.state.halted
        waiting = [f"events wait in the journal: {trouble}"] if trouble else []
        return [*waiting, *([f"the consumer has stopped: {halted}"] if halted else [])]

    return _service(meeting_wiring.NAME, meeting, readiness, events, meeting.objects)


def _transfer_service(transfer: transfer_wiring.CaseTransfer, events: Dependency) -> Service:
    def readiness() -> Sequence[str]:
        trouble = transfer.relay.state.trouble
        return [f"events wait in the journal: {trouble}"] if trouble else []

    return _service(transfer_wiring.NAME, transfer, readiness, events, transfer.objects)


Part = (
    record_wiring.EnforcementRecord
    | transfer_wiring.CaseTransfer
    | supervision_wiring.Supervision
    | meeting_wiring.JointMeeting
)


def _service(
    name: str, part: Part, readiness: Readiness, events: Dependency, files: ObjectStore | None = None
) -> Service:
    async def ask_database() -> None:
        await part.store.read(lambda connection: connection.execute(sa.select(1)).scalar())

    @asynccontextmanager
    async def lifetime() -> AsyncIterator[None]:
        part.start()
        try:
            yield
        finally:
            await part.stop()

    background = [Background(f"{name}.{run.__qualname__}", run) for run in part.background]
    needed = [Dependency("the database", ask_database), events]
    if files is not None:
        needed.append(Dependency("the store of files", files.check, calls_need=False))
    return Service(
        name,
        part.services,
        lifetime=lifetime,
        background=background,
        readiness=readiness,
        dependencies=needed,
        gauges=part.gauges,
    )
