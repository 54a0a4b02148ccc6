"""Marks from live conversations, gathered: what comes while one command is being written goes with the next.

Nobody waits for a mark, and each person's marks only grow, so that only the newest of them need to be written.
"""

from __future__ import annotations

import asyncio

import structlog

from liangfa_joint_meeting.commands.talking import MARK, MoveMarks, Reached
from liangfa_joint_meeting.hub import Hub, marks_response
from liangfa_kit.errors import PlatformError
from liangfa_kit.messaging.consumer import service_actor
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb

_log = structlog.get_logger("liangfa.joint_meeting")
_MOST = 500
_CALL = Call(service_actor("joint_meeting"))


class MarkWriter:
    """Writes marks at most once every `pause_seconds`, and tells the seats of each conversation once."""

    def __init__(self, train: Train, hub: Hub, *, pause_seconds: float = 0.05) -> None:
        self._train = train
        self._hub = hub
        self._pause_seconds = pause_seconds
        self._waiting: dict[str, Reached] = {}
        self._woken = asyncio.Event()

    def put(self, reached: Reached) -> None:
        """Take a mark; what waits for the same person in the same conversation is joined with it."""
        before = self._waiting.get(reached.key)
        if before is not None:
            reached = Reached(
                reached.consultation_id,
                reached.by,
                max(before.delivered_sequence, reached.delivered_sequence),
                max(before.read_sequence, reached.read_sequence),
            )
        self._waiting[reached.key] = reached
        self._woken.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                await self.flush()
            await asyncio.sleep(self._pause_seconds)

    async def finish(self) -> None:
        """Write everything that waits."""
        while self._waiting:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, and tell who is there. Marks that cannot be written now are told of again by the clients."""
        keys = list(self._waiting)[:_MOST]
        reached = [self._waiting.pop(key) for key in keys]
        try:
            moved = await self._train.execute(MARK, MoveMarks(reached), _CALL)
        except PlatformError as error:
            _log.warning("marks_not_written", count=len(reached), reason=error.reason)
            return
        told: dict[str, list[pb.Mark]] = {}
        for one, mark in zip(reached, moved.marks, strict=True):
            if mark.person_id:
                told.setdefault(one.consultation_id, []).append(mark)
        for consultation_id, found in told.items():
            self._hub.tell(consultation_id, marks_response(found))
