"""What PostgreSQL's refusals mean to us. The driver's own words go to the log, never to a caller."""

from __future__ import annotations

import psycopg
from psycopg import errors

from liangfa_kit.errors import Exhausted, Unavailable
from liangfa_kit.store.port import Clash, Preempted

_UNDONE = (errors.SerializationFailure, errors.DeadlockDetected)
_TOO_SLOW = (errors.QueryCanceled, errors.LockNotAvailable, errors.IdleInTransactionSessionTimeout)


def translated(error: BaseException | None) -> Exception:
    """Return the error of ours that a driver's error stands for; one that is a bug of ours comes back as it is."""
    if isinstance(error, _UNDONE):
        return Preempted()
    if isinstance(error, errors.DiskFull):
        return Exhausted(
            "The disk is full: nothing was written.",
            message_zh="磁盘已满：本次操作未写入任何内容。",
            remedy="Free space on the data volume, then send the same request again.",
            reason="DISK_FULL",
        )
    if isinstance(error, _TOO_SLOW):
        return Unavailable(
            "The database took too long: nothing was written.",
            message_zh="数据库响应超时：本次操作未写入任何内容。",
            remedy="Send the same request again in a moment; narrow a search that takes long.",
            reason="DATABASE_TOO_SLOW",
        )
    if isinstance(error, psycopg.IntegrityError):
        return Clash(error.diag.table_name or "")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.ReadOnlySqlTransaction):
        return unavailable()
    return error if isinstance(error, Exception) else RuntimeError("no error")


def unavailable() -> Unavailable:
    """Return the answer when the database cannot be reached, or not be written."""
    return Unavailable(
        "The database cannot be reached now: nothing was written.",
        message_zh="数据库暂时无法连接：本次操作未写入任何内容。",
        remedy="Send the same request again in a moment; if it goes on, call the operator.",
        reason="DATABASE_UNAVAILABLE",
    )


def outcome_unknown() -> Unavailable:
    """Return the answer when the connection broke between the wish to commit and its confirmation."""
    return Unavailable(
        "The connection to the database broke while it was committing: it is not known whether this was written.",
        message_zh="提交过程中与数据库的连接中断：尚不能确定本次操作是否已写入。",
        remedy="Send the same request again with the same request id: it is carried out once in any case.",
        reason="COMMIT_OUTCOME_UNKNOWN",
    )
