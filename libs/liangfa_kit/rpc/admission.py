"""Who is let in, and how a call ends that the server itself ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from liangfa_kit.errors import Exhausted, PlatformError, Unavailable


class ShuttingDown(Unavailable):
    """The server stops. A stream is taken up again elsewhere from its cursor."""

    reason = "SHUTTING_DOWN"

    def __init__(self) -> None:
        super().__init__(
            "The server is shutting down.",
            message_zh="服务正在停止，请重新连接。",
            remedy="Connect again in a moment; resume a stream from its last cursor.",
            retry_after_seconds=1.0,
        )


class Interrupted(Unavailable):
    """Something that the method waited for was cancelled, though the caller still waits: without this it would for ever."""

    reason = "INTERRUPTED"

    def __init__(self) -> None:
        super().__init__(
            "The work on this call was interrupted on the server.",
            message_zh="服务端处理被中断。",
            remedy="Send it again with the same request id; what is done already stays done.",
        )


class Gate:
    """Counts what is being served and turns away what exceeds the limit."""

    def __init__(self, limit: int, what: str) -> None:
        self.active = 0
        self._limit = limit
        self._what = what

    def check(self, *, is_draining: bool = False) -> None:
        """Raise `Exhausted` when there are more than may be (the caller has counted itself already)."""
        if is_draining:
            raise ShuttingDown
        if self.active > self._limit:
            raise Exhausted(
                f"The server is busy: it serves {self._limit} {self._what} at once.",
                message_zh="系统繁忙，请稍后重试。",
                remedy="Wait a moment and send the same request again.",
                reason="TOO_MANY_CALLS",
                retry_after_seconds=1.0,
                limit=self._limit,
            )


@dataclass(eq=False, slots=True)
class OpenStream:
    """A stream being served, whether one of its messages is on its way, and with what the server ends it, if it does."""

    task: asyncio.Task[Any]
    is_writing: bool = False
    ending: PlatformError | None = None

    def end(self, refusal: PlatformError) -> None:
        """End the stream with `refusal`, now or after the message on its way: no status goes into an unfinished one."""
        if self.ending is None:
            self.ending = refusal
            if not self.is_writing:
                self.task.cancel()
