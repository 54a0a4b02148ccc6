"""Mutual TLS: who has a certificate of our CA is let in, nobody else; a renewed one is taken up while all goes on."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError

from liangfa_kit.clock import ManualClock
from liangfa_kit.errors import PlatformError, Precondition, Unavailable
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_kit.rpc.health import Health
from liangfa_kit.rpc.server import RpcServer
from liangfa_kit.rpc.tls import Certificates
from liangfa_kit.settings import Listen, Tls
from tests.certificates import Authority, serial_of
from tests.echo import ISSUER, NAME, EchoService, pipeline_of
from tests.replicas import lasting_ports
from tests.tally import CLERK

pytestmark = pytest.mark.asyncio
OURS, OTHERS = Authority.made(), Authority.made()
EXPIRED = timedelta(seconds=-1)


@asynccontextmanager
async def serving(tls: Tls, **listen: int) -> AsyncIterator[RpcServer]:
    settings = Listen(port=0, drain_seconds=0, **listen)
    server = RpcServer(pipeline_of(EchoService(), [], settings), Health({}), settings, Certificates(tls))
    await server.start()
    try:
        yield server
    finally:
        await server.drain()


async def said(server: RpcServer, tls: Tls | None, host: str = "localhost") -> str:
    """Call over a new connection; return what came back."""
    certificates = Certificates(tls) if tls else None
    outgoing = Outgoing(lambda: ISSUER.issue(CLERK), call_seconds=20)
    async with connect(f"{host}:{server.port}", outgoing, certificates=certificates) as channel:
        say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
        return str((await say(StringValue(value="x"))).value)


async def refused(server: RpcServer, tls: Tls | None) -> None:
    with pytest.raises(Unavailable):
        await said(server, tls)


async def shown(server: RpcServer, client: Tls) -> int:
    """Return the serial number of the certificate that the server shows to a new connection."""
    context = ssl.create_default_context(cafile=str(client.ca))
    context.load_cert_chain(str(client.certificate), str(client.key))
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(found).serial_number
    finally:
        writer.close()


async def test_services_of_one_authority_reach_each_other(tmp_path: Path) -> None:
    """Each proves itself to the other."""
    async with serving(OURS.issue(tmp_path / "server")) as server:
        assert await said(server, OURS.issue(tmp_path / "client")) == "x"


async def test_a_stranger_is_refused(tmp_path: Path) -> None:
    """No certificate, one of another authority, or no encryption at all: none of them reaches a method."""
    async with serving(OURS.issue(tmp_path / "server")) as server:
        await refused(server, None)
        stranger = OTHERS.issue(tmp_path / "stranger")
        await refused(server, stranger)
        trusting = stranger.model_copy(update={"ca": OURS.issue(tmp_path / "client").ca})
        await refused(server, trusting)
        assert await said(server, OURS.issue(tmp_path / "client")) == "x"


async def test_a_server_of_another_authority_is_not_spoken_to(tmp_path: Path) -> None:
    """A caller does not hand its token to whoever listens on the port."""
    async with serving(OTHERS.issue(tmp_path / "server")) as server:
        client = OURS.issue(tmp_path / "client")
        await refused(server, client)


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    """New connections get the new one; the one that is open goes on."""
    files = OURS.issue(tmp_path / "server")
    client = OURS.issue(tmp_path / "client")
    async with serving(files) as server:
        outgoing = Outgoing(lambda: ISSUER.issue(CLERK), call_seconds=20)
        async with connect(f"localhost:{server.port}", outgoing, certificates=Certificates(client)) as channel:
            say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
            await say(StringValue(value="x"))
            before = await shown(server, client)
            assert before == serial_of(files)
            OURS.issue(tmp_path / "server")
            assert await shown(server, client) == serial_of(files) != before
            assert (await say(StringValue(value="y"))).value == "y"


async def test_a_caller_takes_up_its_own_renewed_certificate(tmp_path: Path) -> None:
    """A channel lives as long as its process: longer than a certificate."""
    files = OTHERS.issue(tmp_path / "client")
    async with serving(OURS.issue(tmp_path / "server")) as server:
        outgoing = Outgoing(lambda: ISSUER.issue(CLERK), call_seconds=20)
        async with connect(f"localhost:{server.port}", outgoing, certificates=Certificates(files)) as channel:
            say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
            with pytest.raises(Unavailable):
                await say(StringValue(value="x"))
            OURS.issue(tmp_path / "client")
            assert (await say(StringValue(value="x"))).value == "x"


async def test_an_expired_certificate_opens_nothing(tmp_path: Path) -> None:
    """Neither at the start, nor when it replaces a good one; and a server refuses a caller whose own has ended."""
    expired = OURS.issue(tmp_path / "expired", lasts=EXPIRED)
    with pytest.raises(Precondition) as refusal:
        Certificates(expired)
    assert refusal.value.reason == "TLS_FILE_UNUSABLE"
    files, client = OURS.issue(tmp_path / "server"), OURS.issue(tmp_path / "client")
    async with serving(files) as server:
        good = serial_of(files)
        OURS.issue(tmp_path / "server", lasts=EXPIRED)
        assert await shown(server, client) == good
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await exchanged(server, expired)


async def exchanged(server: RpcServer, client: Tls) -> None:
    """Connect as `client` and wait for the server's first word: in TLS 1.3 it is there that a refusal shows."""
    context = ssl.create_default_context(cafile=str(client.ca))
    context.load_cert_chain(str(client.certificate), str(client.key))
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
    try:
        await reader.readexactly(9)  # the header of HTTP/2's first frame
    finally:
        writer.close()


async def test_files_that_do_not_belong_together_are_not_taken(tmp_path: Path) -> None:
    """A renewal is two files: between them a key and a certificate are of two kinds."""
    files = OURS.issue(tmp_path / "server")
    certificates = Certificates(files)
    before = certificates.current()
    assert 0 < certificates.remaining_seconds() <= 3_600
    assert files.key is not None
    other = OURS.issue(tmp_path / "other")
    assert other.key is not None
    files.key.write_bytes(other.key.read_bytes())
    assert certificates.current() is before
    OURS.issue(tmp_path / "server")
    assert certificates.current() is not before


async def test_files_that_change_in_place_and_keep_their_times_are_taken(tmp_path: Path) -> None:
    """As after a `chmod` of a key that could not be read: only the time of the change itself tells."""
    files, other = OURS.issue(tmp_path / "server"), OURS.issue(tmp_path / "other")
    assert files.key is not None
    assert other.key is not None
    certificates = Certificates(files)
    before = certificates.current()
    OURS.issue(tmp_path / "server")
    good, times = files.key.read_bytes(), files.key.stat()
    files.key.write_bytes(other.key.read_bytes())
    os.utime(files.key, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert certificates.current() is before
    files.key.write_bytes(good)
    os.utime(files.key, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert certificates.current() is not before


async def test_a_certificate_that_does_not_hold_yet_waits_for_its_day(tmp_path: Path) -> None:
    """Everybody would refuse it: the former one stays in use until then, without another change of the files."""
    clock = ManualClock(datetime.now(UTC))
    early = OURS.issue(tmp_path / "early", begins=timedelta(hours=1), lasts=timedelta(hours=3))
    with pytest.raises(Precondition) as refusal:
        Certificates(early, clock)
    assert refusal.value.reason == "TLS_FILE_UNUSABLE"
    certificates = Certificates(OURS.issue(tmp_path / "server"), clock)
    before = certificates.current()
    OURS.issue(tmp_path / "server", begins=timedelta(hours=1), lasts=timedelta(hours=3))
    assert certificates.current() is before
    clock.advance(timedelta(minutes=61))
    assert certificates.current() is not before
    assert certificates.remaining_seconds() > 3_600


async def test_closing_a_channel_ends_the_calls_of_its_former_certificate_too(tmp_path: Path) -> None:
    """They go on after a renewal; a process that ends waits for none of them, and leaves no connection behind."""
    files = OURS.issue(tmp_path / "client")
    async with serving(OURS.issue(tmp_path / "server")) as server:
        outgoing = Outgoing(lambda: ISSUER.issue(CLERK), call_seconds=300)
        channel = connect(f"localhost:{server.port}", outgoing, certificates=Certificates(files))
        tick = channel.unary_stream(f"/{NAME}/Tick", StringValue.SerializeToString, StringValue.FromString)
        say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
        responses = aiter(tick(StringValue(value="x")))
        assert (await anext(responses)).value == "x"
        OURS.issue(tmp_path / "client")
        assert (await say(StringValue(value="y"))).value == "y"
        await channel.close()
        with pytest.raises((PlatformError, asyncio.CancelledError)):
            async with asyncio.timeout(60):
                await anext(responses)


async def test_a_probe_without_a_certificate_may_ask_for_health_and_nothing_else(tmp_path: Path) -> None:
    """An orchestrator's probes have none: they get a port of their own that says yes or no."""
    (health_port,) = lasting_ports(1)
    async with (
        serving(OURS.issue(tmp_path / "server"), health_port=health_port),
        grpc.aio.insecure_channel(f"localhost:{health_port}") as channel,
    ):
        reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="calls"))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        say = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await say(StringValue(value="x"), metadata=(("authorization", f"Bearer {ISSUER.issue(CLERK)}"),))
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_half_of_the_files_is_a_slip_of_the_pen() -> None:
    """A server that was meant to be closed must not stand open."""
    with pytest.raises(ValidationError):
        Tls(certificate=Path("tls.crt"))
