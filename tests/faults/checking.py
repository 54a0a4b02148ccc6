"""The checker of the fault tests on tallies: it compares what clients were told with journal and read model, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from liangfa_kit.messaging.consumer import Consumer
from liangfa_kit.verify import journal_faults
from tests.faults.figures import Outcome
from tests.tally import KIT, Tally, seen


async def checked(
    tally: Tally, model: Tally, consumer: Consumer, told: Collection[str], *, fault: str = "", times: int = 0
) -> Outcome:
    """Return what became of the requests `told`, all of whose events have been published and consumed.

    Lost: told and not journalled, or journalled without effect. Doubled: journalled twice, or in effect twice. Out of
    order: breaks of a chain, and events that an entity's read model could not follow.
    """
    journal, applied_rows = await tally.rows(KIT.journal), await model.rows(seen)
    times_journalled = Counter(entry["request_id"] for entry in journal)
    written = Counter(entry["stream"] for entry in journal)
    applied = Counter({row["name"]: row["events"] for row in applied_rows})
    jumped = sum(row["events"] != row["last_version"] for row in applied_rows)
    return Outcome(
        fault,
        times,
        acknowledged=len(told),
        lost=len(set(told) - times_journalled.keys()) + (written - applied).total(),
        doubled=sum(count - 1 for count in times_journalled.values()) + (applied - written).total(),
        disordered=len(list(journal_faults(tally.store, KIT))) + len(await consumer.set_aside()) + jumped,
    )
