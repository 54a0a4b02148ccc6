"""The commit train: one writer, one transaction for whatever is waiting, one answer after the commit.

There is no timer: while one train commits, the next one fills. A single caller sees one small transaction;
sixty-four callers share one. One command = its state, its journal entries and its stored reply, committed
together or not at all. Nothing else in the project may open a write transaction (tests/architecture).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from liangfa_kit.boarding import Batch, Board, Car, Outcome
from liangfa_kit.errors import Exhausted, Stale, Unavailable
from liangfa_kit.journal import Entry
from liangfa_kit.store.port import Clash, Preempted, Store, Transaction
from liangfa_kit.work import Call, Handler

if TYPE_CHECKING:
    from google.protobuf.message import Message

C = TypeVar("C")
R = TypeVar("R", bound="Message")
T = TypeVar("T")
_log = structlog.get_logger("liangfa.train")
_ATTEMPTS = 5


@dataclass(slots=True)
class _Waiting:
    """Something in the queue, and where its outcome goes."""

    item: Car | Batch | Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Train:
    """The one writer of a service's database, in a thread of its own.

    `on_commit` is called in that thread after each commit with the entries that it journalled, in order (for the relay).
    `max_cars` bounds a train, so that a flood of commands cannot make the first of them wait for all.
    """

    def __init__(self, store: Store, board: Board, *, max_cars: int = 256) -> None:
        self._store = store
        self._board = board
        self._max_cars = max_cars
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._left_over: _Waiting | None = None
        self._closed = False
        self.on_commit: list[Callable[[Sequence[Entry]], None]] = []

    def start(self) -> None:
        """Start the writer's thread."""
        self._thread = threading.Thread(target=self._run, name="commit-train", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is waiting, then end the thread. Later commands are refused with `Unavailable`."""
        self._closed = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def execute(self, handler: Handler[C, R], command: C, call: Call) -> R:
        """Run one command and return its reply once it is durable.

        Raises the handler's `PlatformError` (nothing written), `Stale` after losing a race twice, or
        `RequestIdReused`. The same request id from the same caller returns the first reply again.
        A cancelled caller does not undo a command that is already on the train: it asks again with the same id.
        """
        reply: R = await self._put(Car(handler, command, call))
        return reply

    async def apply(self, batch: Batch) -> list[Outcome]:
        """Run a consumer's reactions and its new positions in one transaction; return an outcome for each."""
        outcomes: list[Outcome] = await self._put(batch)
        return outcomes

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` alone in a transaction of its own (operators' repairs, relay positions, rebuilds)."""
        result: T = await self._put(change)
        return result

    def _put(self, item: Car | Batch | Callable[[Transaction], Any]) -> asyncio.Future[Any]:
        if self._closed:
            raise Unavailable(
                "The service is shutting down: nothing was written.",
                message_zh="服务正在停止：本次操作未写入任何内容。",
                remedy="Send the same request again in a moment.",
                reason="SHUTTING_DOWN",
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, loop.create_future(), loop)
        self._queue.put(waiting)
        return waiting.future

    def _run(self) -> None:
        while (first := self._next()) is not None:
            if not isinstance(first.item, Car):
                _settle([(first, self._alone(first.item))])
                continue
            waiting = [first, *self._more_cars()]
            cars = [w.item for w in waiting if isinstance(w.item, Car)]
            _settle(list(zip(waiting, self._ride(cars), strict=True)))

    def _next(self) -> _Waiting | None:
        first, self._left_over = self._left_over, None
        return first if first is not None else self._queue.get()

    def _more_cars(self) -> list[_Waiting]:
        cars: list[_Waiting] = []
        while len(cars) < self._max_cars - 1:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)  # the end stays the end
                break
            if not isinstance(following.item, Car):
                self._left_over = following
                break
            cars.append(following)
        return cars

    def _ride(self, cars: list[Car]) -> list[Outcome]:
        """Commit the cars together; if the database refuses the train, one by one, so none fails its neighbours."""
        try:
            return self._commit(lambda tx: self._board.ride(tx, cars))
        except (Exhausted, Unavailable) as error:  # no command is at fault, and none would fare better alone
            return [Outcome(error=error) for _ in cars]
        except Exception as error:  # noqa: BLE001 - one command's doing: a clash, a value that no column holds
            if len(cars) > 1:
                return [self._ride([car])[0] for car in cars]
            return [self._retried(cars[0]) if isinstance(error, Clash) else Outcome(error=error)]

    def _retried(self, car: Car) -> Outcome:
        """Give the loser of a race one more train, then answer STALE."""
        try:
            return self._commit(lambda tx: self._board.ride(tx, [car]))[0]
        except Clash as clash:
            return Outcome(
                error=Stale(
                    "Somebody wrote the same record at the same moment: nothing of yours was written.",
                    message_zh="同一记录刚被他人写入：本次操作未写入任何内容。",
                    remedy="Read it again and send your command once more.",
                    table=clash.table,
                )
            )
        except Exception as error:  # noqa: BLE001 - it is the answer to whoever waits
            return Outcome(error=error)

    def _alone(self, item: Batch | Callable[[Transaction], Any]) -> Outcome:
        try:
            if isinstance(item, Batch):
                return Outcome(reply=self._commit(lambda tx: self._board.apply(tx, item)))
            return Outcome(reply=self._commit(item))
        except Exception as error:  # noqa: BLE001 - it is the answer to whoever waits
            return Outcome(error=error)

    def _commit(self, change: Callable[[Transaction], T]) -> T:
        result = self._committed(change)
        for listener in self.on_commit:
            try:
                listener(self._board.entries)
            except Exception:  # noqa: BLE001 - the commit stands, whatever a listener makes of it
                _log.exception("commit_listener_failed")
        return result

    def _committed(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` in a transaction, whole again when the database undid it to let another go on."""
        for attempt in range(1, _ATTEMPTS + 1):
            self._board.entries = ()
            try:
                with self._store.transaction() as transaction:
                    return change(transaction)
            except Preempted:
                _log.warning("transaction_preempted", attempt=attempt)
        raise Unavailable(
            "Others write the same records all the time: nothing was written.",
            message_zh="数据库写入冲突频繁：本次操作未写入任何内容。",
            remedy="Send the same request again in a moment.",
            reason="DATABASE_CONTENDED",
        )


def _settle(settled: Sequence[tuple[_Waiting, Outcome]]) -> None:
    """Hand the outcomes to their event loops: one wake-up per loop and train, not one per command."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for waiting, outcome in settled:
        by_loop.setdefault(waiting.loop, []).append((waiting.future, outcome))
    for loop, results in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, results)
        except RuntimeError:  # the loop is closed: nobody is waiting any more, and the commit stands
            _log.warning("answers_without_listener", count=len(results))


def _resolve(results: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, outcome in results:
        if future.cancelled():
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.reply)
