"""How a screening result is published: each fact with its origin and the text that its words stand in."""

from __future__ import annotations

from liangfa_enforcement_record.screening import to_screening
from liangfa_protos.enforcement_record.v1 import case_pb2
from liangfa_screening import Screener, ScreeningInput, load_library


def test_a_published_fact_says_where_it_comes_from() -> None:
    """Read, derived and assumed facts can be told apart, and those of the cause from those of the narrative."""
    case = ScreeningInput("t", cause="非法猎捕", narrative="用粘网抓麻雀143只。", facts={"wildlife_value": 900})
    published = to_screening(Screener(load_library()).screen(case))
    facts = {fact.name: fact for fact in published.offences[0].facts}
    assert facts["closed_area_or_season"].origin == case_pb2.FACT_ORIGIN_ASSUMED
    assert facts["closed_area_or_season"].text_part == case_pb2.TEXT_PART_UNSPECIFIED
    assert facts["banned_gear_or_method"].origin == case_pb2.FACT_ORIGIN_NARRATIVE
    assert facts["banned_gear_or_method"].text_part == case_pb2.TEXT_PART_NARRATIVE
