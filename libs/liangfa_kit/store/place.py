"""Where a service's PostgreSQL schema is and how it is reached, with every wait bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from liangfa_kit.store.fence import ALL_ROWS, SCOPE, VisibleRows

_CONNECT_SECONDS = 5
_PROBES = 3
_IDLE_SECONDS = 60
"""How long a transaction may rest between statements: a process that hangs in one holds all other writers up."""


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A schema of a database. `conninfo` (it may hold a password) is never shown.

    `statement_seconds` bounds a statement, `lock_seconds` a wait for another's lock or for a free reader,
    `reader_count` the readers' connections (two more may be opened for a moment). After `silence_seconds` without a
    word from the other host, and at most as long again, either end gives the connection up: a cut line closes nothing.
    """

    conninfo: str = field(repr=False)
    schema: str
    reader_count: int = 4
    statement_seconds: float = 30.0
    lock_seconds: float = 10.0
    silence_seconds: int = 10

    def connect(
        self, purpose: str, *, autocommit: bool = False, rows: VisibleRows = ALL_ROWS, **settings: str
    ) -> psycopg.Connection[Any]:
        """Return a new connection; `settings` are PostgreSQL's own, for this session. It sees `rows`."""
        silence, probe = self.silence_seconds, max(1, self.silence_seconds // _PROBES)
        session = {
            "search_path": self.schema,
            "statement_timeout": f"{round(self.statement_seconds * 1000)}",
            "lock_timeout": f"{round(self.lock_seconds * 1000)}",
            "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS * 1000}",
            "tcp_user_timeout": f"{silence * 1000}",
            "tcp_keepalives_idle": f"{silence}",  # else a host that is gone holds its locks for two hours
            "tcp_keepalives_interval": f"{probe}",
            "tcp_keepalives_count": f"{_PROBES}",
            "timezone": "UTC",
            SCOPE: rows.scope,
            "jit": "off",  # compiling costs more than any of our statements takes
        } | settings
        return psycopg.connect(
            self.conninfo,
            autocommit=autocommit,
            connect_timeout=_CONNECT_SECONDS,
            tcp_user_timeout=silence * 1000,
            keepalives_idle=silence,
            keepalives_interval=probe,  # the system's own 75 s would be what a request waits whose answer is cut off
            keepalives_count=_PROBES,
            application_name=f"liangfa {self.schema} {purpose}",
            options=" ".join(f"-c {name}={value}" for name, value in session.items()),
        )
