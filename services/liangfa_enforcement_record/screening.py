"""Between the record and the screening library: a case in, a published result out. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from liangfa_kit.clock import beijing_date_of
from liangfa_kit.store.port import Row
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_screening import Earlier, Screener, ScreeningInput, ScreeningResult, load_library


@dataclass(frozen=True, slots=True)
class Screened:
    """A result. `facts` (JSON, empty when there are none) is what later cases of the same party will add up."""

    outcome: pb.ScreeningOutcome.ValueType
    library_version: str
    facts: str
    result: ScreeningResult

    def published(self, case_id: str, at_micros: int) -> pb.Screening:
        """Return the result as it is stored and told, still without an id."""
        screening = to_screening(self.result)
        screening.case_id = case_id
        screening.screened_at.FromMicroseconds(at_micros)
        return screening


class CaseScreening:
    """Screens cases under one version of the rules, each with the figures in force in its region."""

    def __init__(self, screener: Screener | None = None) -> None:
        self._screener = screener or Screener(load_library())
        self._by_region: dict[str, Screener] = {}

    @property
    def library_version(self) -> str:
        """Which rules these are."""
        return self._screener.library.version

    @property
    def screener(self) -> Screener:
        """The library's screener."""
        return self._screener

    def screener_for(self, region: str) -> Screener:
        """Return the screener with the figures of a division; most have none, and share one."""
        if region not in self._by_region:
            library = self._screener.library.for_region(region)
            known = (one for one in self._by_region.values() if one.library.version == library.version)
            plain = library is self._screener.library
            self._by_region[region] = self._screener if plain else next(known, None) or Screener(library)
        return self._by_region[region]

    def screen(self, case: pb.Case, earlier: Sequence[Row]) -> Screened:
        """Screen `case` alone and together with `earlier`, the parties' earlier records (rows of party_records)."""
        result = self.screener_for(case.region).screen(to_input(case), [to_earlier(row) for row in earlier])
        facts = result.additive_facts()
        text = orjson.dumps(facts).decode() if facts else ""
        return Screened(_outcome(result), result.library_version, text, result)


def to_input(case: pb.Case) -> ScreeningInput:
    """Return what the library reads of a case."""
    return ScreeningInput(
        id=case.id,
        agency_type=case.agency_type,
        cause=case.cause,
        narrative=case.narrative,
        facts=dict(case.facts),
        dated_on=case.decision.decided_on or case.occurred_on or _entered_on(case),
    )


def _entered_on(case: pb.Case) -> str:
    """Return the day of entry in Beijing: a case without any other date still counts with the party's earlier ones."""
    at = case.registered_at.ToMicroseconds()
    return beijing_date_of(at).isoformat() if at else ""


def to_earlier(row: Row) -> Earlier:
    """Return an earlier record of a party (a row of party_records) as the library takes it."""
    return Earlier(
        case_id=row["case_id"],
        dated_on=row["dated_on"],
        is_penalised=row["is_penalised"],
        facts=orjson.loads(row["screening_facts"]),
    )


def to_screening(result: ScreeningResult) -> pb.Screening:
    """Return the published form of a library result."""
    return pb.Screening(
        outcome=_outcome(result),
        offences=[_offence(found) for found in result.offences],
        near_misses=[_offence(found) for found in result.near_misses],
        missing=result.missing,
        library_version=result.library_version,
        is_cumulative=bool(result.offences) and result.offences[0].is_cumulative,
    )


def _outcome(result: ScreeningResult) -> pb.ScreeningOutcome.ValueType:
    if result.suspected:
        return pb.SCREENING_OUTCOME_SUSPECTED
    if result.near_misses:
        return pb.SCREENING_OUTCOME_NEAR_MISS
    return pb.SCREENING_OUTCOME_MISSING_FACTS if result.missing else pb.SCREENING_OUTCOME_CLEAR


_ORIGINS = {
    "narrative": pb.FACT_ORIGIN_NARRATIVE,
    "cause": pb.FACT_ORIGIN_CAUSE,
    "given": pb.FACT_ORIGIN_GIVEN,
    "derived": pb.FACT_ORIGIN_DERIVED,
    "earlier": pb.FACT_ORIGIN_EARLIER,
    "assumed": pb.FACT_ORIGIN_ASSUMED,
}
_PARTS = {"narrative": pb.TEXT_PART_NARRATIVE, "cause": pb.TEXT_PART_CAUSE}


def _offence(found: Any) -> pb.ScreenedOffence:
    standard = found.standard
    return pb.ScreenedOffence(
        offence_id=found.offence.id,
        name_zh=found.offence.name_zh,
        standard_id=standard.id,
        standard_text=standard.description,
        article=found.offence.article,
        legal_source=standard.source,
        confidence=standard.confidence,
        facts=[
            pb.ScreenedFact(
                name=fact.name, label_zh=fact.label_zh, value=fact.value_text(),
                text=fact.text, start=fact.start, end=fact.end,
                origin=_ORIGINS.get(fact.origin, pb.FACT_ORIGIN_UNSPECIFIED), text_part=_PARTS.get(fact.part, pb.TEXT_PART_UNSPECIFIED),
            )
            for fact in found.facts
        ],
        distance=found.distance,
        missing=found.missing,
        counted_case_ids=found.counted_case_ids,
    )  # fmt: skip
