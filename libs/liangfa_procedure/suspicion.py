"""What a step says of a suspected crime: whether the police have it. The reading of a step that read models share. Pure."""

from __future__ import annotations

from enum import Enum

_WITH_THE_POLICE = frozenset({"delivered", "accepted"})
_SUSPECTED, _HANDLED, _DROPS = "crime_suspected", "administrative_handling", "drop_suspicion"


class Suspicion(Enum):
    """What an event says of a suspected crime: not with the police, with them, or found to be none by the agency's head."""

    STANDS = "stands"
    ANSWERED = "answered"
    DROPPED = "dropped"


def suspicion_after(step: str, suspect_id: str, from_state: str, to_state: str) -> Suspicion | None:
    """Return what a step says of the suspicion, None for nothing new.

    A crime reported to the police directly is with them too; a transfer that is taken back is not.
    """
    if suspect_id or to_state == from_state:
        return None
    if to_state in _WITH_THE_POLICE:
        return Suspicion.ANSWERED
    if step == _DROPS:
        return Suspicion.DROPPED
    stands = from_state in _WITH_THE_POLICE | {_HANDLED} and to_state == _SUSPECTED
    return Suspicion.STANDS if stands else None
