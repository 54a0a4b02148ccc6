"""Signing tokens on the platform's own machine, and looking after its keys."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import Invalid
from liangfa_kit.identity import Actor, TokenIssuer
from liangfa_kit.keys import distrust, rotate, signing_key, trusted_keys
from liangfa_kit.settings import PlatformSettings, Storage, load


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token speaks for. Without a person it is the account of this machine; an agency's name may be its id."""

    role: str
    region: str
    agency: str
    agency_name: str = ""
    agency_type: str = ""
    person: str = ""
    person_name: str = ""

    def actor(self) -> Actor:
        """Return the caller as the platform knows one."""
        login, name = _account()
        person = self.person or f"cli-{login}"
        return Actor(
            person_id=person,
            person_name=self.person_name or (person if self.person else name),
            agency_id=self.agency,
            agency_name=self.agency_name or self.agency,
            agency_type=self.agency_type,
            region=self.region,
            roles=frozenset({self.role}),
        )


def _account() -> tuple[str, str]:
    """Return login and full name of the account that runs this process."""
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:  # a container may run under a number that has no account
        return str(os.getuid()), f"account {os.getuid()}"
    return entry.pw_name, entry.pw_gecos.partition(",")[0] or entry.pw_name


def token_source(folder: Path, caller: Caller, minutes: int = 15) -> Callable[[], str]:
    """Return what signs a fresh token at each call, as the platform with its data in `folder` expects it."""
    settings = load(PlatformSettings, storage=Storage(folder=folder))
    actor = caller.actor()

    def issue() -> str:
        key = signing_key(settings.key_folder)
        issuer = TokenIssuer(key, SystemClock(), timedelta(minutes=minutes), issuer=settings.identity.issuer)
        return issuer.issue(actor, audience=settings.identity.audience)

    return issue


def tend_keys(folder: Path, action: str, kid: str) -> Table:
    """List, rotate or distrust keys; return the keys as they are then. A running platform takes them up by itself."""
    keys = load(PlatformSettings, storage=Storage(folder=folder)).key_folder
    if action == "rotate":
        rotate(keys)
    elif action == "distrust":
        _distrust(keys, kid)
    elif action != "list":
        raise Invalid(f"Unknown action {action!r}.", remedy="Say list, rotate or distrust.", reason="ACTION_UNKNOWN")
    signing = signing_key(keys).kid
    table = Table("key", "signs", title="Trusted keys")
    for known in trusted_keys(keys):
        table.add_row(known, "yes" if known == signing else "")
    return table


def _distrust(keys: Path, kid: str) -> None:
    if kid == signing_key(keys).kid:
        raise Invalid(
            "This key signs the new tokens: without trust nobody could sign in.",
            message_zh="该密钥正在用于签发凭证，不能直接撤销。",
            remedy="Rotate first, then distrust the former key.",
            reason="KEY_IN_USE",
            kid=kid,
        )
    if kid not in trusted_keys(keys):
        raise Invalid(
            f"There is no trusted key {kid!r}.",
            message_zh="没有这一受信任密钥。",
            remedy="Take the key from `liangfa keys list`.",
            reason="KEY_UNKNOWN",
            kid=kid,
        )
    distrust(keys, kid)
