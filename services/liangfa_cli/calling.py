"""One call, or a few, on a running platform."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from liangfa_cli.identity import Caller, token_source
from liangfa_cli.reaching import reach
from liangfa_kit.rpc.client import Channel
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub

if TYPE_CHECKING:
    from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform is called, and as whom."""

    address: str
    folder: Path
    caller: Caller


def with_channel(place: Place, work: Callable[[Channel], Awaitable[_T]]) -> _T:
    """Run `work` on a channel to the platform and return what it returns. Raises `PlatformError`."""

    async def run() -> _T:
        issue = token_source(place.folder, place.caller)
        async with reach(place.address, issue) as channel:
            return await work(channel)

    return asyncio.run(run())


def with_transfers(place: Place, work: Callable[[TransferServiceAsyncStub], Awaitable[_T]]) -> _T:
    """Run `work` on a stub of the platform's transfers and return what it returns. Raises `PlatformError`."""
    return with_channel(place, lambda channel: work(TransferServiceStub(channel)))
