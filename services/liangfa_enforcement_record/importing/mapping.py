"""Which column is which field: suggested with reasons, confirmed by a person as a YAML file, applied to a header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from liangfa_enforcement_record.importing.fields import FIELDS, Kind
from liangfa_enforcement_record.importing.headers import Header, known_column, plain_header
from liangfa_enforcement_record.importing.layouts import BY_KEY, layout_of
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.samples import field_by_values, unit_by_values
from liangfa_standards.money import MoneyUnit

_MOST_BYTES = 256 * 1024
PROBLEM_COLUMN = "导入问题_"
"""Begins the columns that the file of rejected rows adds; they are never fields."""
_MANY = frozenset(
    ["penalty_categories", "remarks", "address", "licence", "cause", "decided_on", "facts", "uscc", "case_name"]
)
"""Fields that several columns may fill: joined or, where only one can count, the first that is not blank."""


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column of the file by its header: the field it fills, and the unit of its amounts."""

    header: str
    field: str
    unit: MoneyUnit | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A confirmed mapping. Headers are compared in their plain form; columns that it does not name stay raw values."""

    columns: tuple[MappedColumn, ...]
    layout: str = "other"
    constants: dict[str, str] = field(default_factory=dict)
    """Values for fields that the file has no column for, e.g. agency_name; also where the cell is blank."""

    def to_yaml(self) -> str:
        """Return the mapping as the file that a person confirms or edits."""
        columns: dict[str, Any] = {
            column.header: {"field": column.field, "unit": str(column.unit)} if column.unit else column.field
            for column in self.columns
        }
        data = {"version": 1, "layout": self.layout, "columns": columns, "constants": dict(self.constants)}
        text: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)
        return (
            "# 列对应关系：请核对后随文件提交。Which column is which field: check, correct, and send it with the file.\n"
            + text
        )

    @classmethod
    def from_yaml(cls, text: str) -> Mapping:
        """Return the mapping that a file holds. Raises `TableRefused` MAPPING_INVALID with what is wrong."""
        data = _loaded(text)
        columns = data.get("columns")
        if not isinstance(columns, dict) or not columns:
            raise _invalid("it needs `columns`: a header and a field each")
        constants = data.get("constants") or {}
        if not isinstance(constants, dict) or not all(str(name) in FIELDS for name in constants):
            raise _invalid("`constants` gives values to fields")
        layout = str(data.get("layout", "other"))
        if layout not in BY_KEY:
            raise _invalid(f"layout {layout!r} is none of {', '.join(BY_KEY)}")
        mapped = tuple(_mapped(str(header), entry) for header, entry in columns.items())
        return cls(mapped, layout, {str(name): str(value) for name, value in constants.items()})


def _loaded(text: str) -> dict[str, Any]:
    if len(text) > _MOST_BYTES:
        raise _invalid("it is too large")
    try:
        # An alias stands for what it names each time that it is told: a few of them in each other grow without end.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise _invalid("aliases (*name) are not taken: write the value out")
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _invalid(" ".join(str(error).split())[:200]) from error
    if not isinstance(data, dict):
        raise _invalid("it is not a mapping of names to values")
    return data


def _mapped(header: str, entry: object) -> MappedColumn:
    name, unit = (entry.get("field"), entry.get("unit")) if isinstance(entry, dict) else (entry, None)
    if not isinstance(name, str) or name not in FIELDS:
        raise _invalid(f"{name!r} (column {header}) is no field; fields are {', '.join(FIELDS)}")
    if unit is not None and (not isinstance(unit, str) or unit not in set(MoneyUnit)):
        raise _invalid(f"unit {unit!r} (column {header}) is none of {', '.join(MoneyUnit)}")
    known = FIELDS[name]
    return MappedColumn(header, known.name, MoneyUnit(unit) if unit else known.unit)


def _invalid(detail: str) -> TableRefused:
    return TableRefused("MAPPING_INVALID", detail=detail)


@dataclass(frozen=True, slots=True)
class ColumnSuggestion:
    """What a column seems to be: `field` empty when it is left out; `confidence` 0 to 1; why, in both languages."""

    index: int
    header: str
    field: str
    unit: MoneyUnit | None
    confidence: float
    reason_zh: str
    reason_en: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingSuggestion:
    """A proposal for a person to confirm. `is_certain` when every column was known by its header and a party is named."""

    layout: str
    columns: tuple[ColumnSuggestion, ...]
    mapping: Mapping
    is_certain: bool


def suggest_mapping(header: Header, sample_rows: Sequence[Sequence[str]]) -> MappingSuggestion:
    """Propose a mapping from the header and a few rows below it. Never raises: an unknown column is left out."""
    suggestions: list[ColumnSuggestion] = []
    taken: set[str] = set()
    for index, (name, distinct) in enumerate(zip(header.names, distinct_names(header.names), strict=True)):
        values = [cells[index] for cells in sample_rows if index < len(cells) and cells[index].strip()]
        suggestion = replace(_suggestion(index, name, values, taken), header=distinct)
        taken.add(suggestion.field)
        suggestions.append(suggestion)
    columns = tuple(MappedColumn(s.header, s.field, s.unit) for s in suggestions if s.field)
    layout = layout_of({column.field for column in columns})
    by_header = all(s.confidence >= 0.9 for s in suggestions if s.field)
    has_party = bool({"party_name", "persons", "companies"} & taken)
    return MappingSuggestion(layout.key, tuple(suggestions), Mapping(columns, layout.key), by_header and has_party)


def _suggestion(index: int, name: str, values: list[str], taken: set[str]) -> ColumnSuggestion:
    samples = tuple(value[:40] for value in values[:3])
    known = known_column(name)
    if known is not None:
        is_second = known.field in taken and known.field not in _MANY
        confidence = 0.5 if is_second else 0.98
        zh = "同一字段的第二列，仅在前一列为空时采用" if is_second else "列名已知"
        en = "second column of this field: counts where the first is blank" if is_second else "the header is known"
        unit, unit_confidence = _unit(known.field, known.unit, values)
        return ColumnSuggestion(index, name, known.field, unit, min(confidence, unit_confidence), zh, en, samples)
    guess = None if name.startswith(PROBLEM_COLUMN) else field_by_values(values)
    if guess is None or guess.field in taken or not name:
        return ColumnSuggestion(
            index, name, "", None, 0.0, "未能识别，不导入（保留原值）", "not recognised: kept as raw value", samples
        )
    return ColumnSuggestion(index, name, guess.field, None, guess.confidence, guess.reason_zh, guess.reason_en, samples)


def _unit(field_name: str, stated: MoneyUnit | None, values: list[str]) -> tuple[MoneyUnit | None, float]:
    if FIELDS[field_name].kind is not Kind.MONEY or stated is not None:
        return stated, 1.0
    return unit_by_values(values), 0.6


def columns_of(mapping: Mapping, header: Header) -> list[tuple[int, MappedColumn]]:
    """Return index and meaning of the header's columns that the mapping names, in its order of precedence.

    Raises `TableRefused` HEADER_NOT_MAPPED when a named column is not there.
    """
    places = {plain_header(name): index for index, name in enumerate(distinct_names(header.names)) if name}
    missing = [column.header for column in mapping.columns if plain_header(column.header) not in places]
    if missing:
        raise TableRefused("HEADER_NOT_MAPPED", columns="、".join(missing[:5]))
    return [(places[plain_header(column.header)], column) for column in mapping.columns]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return header names with `#2`, `#3` … behind those that occurred before, units and spelling aside."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        plain = plain_header(name)
        seen[plain] = count = seen.get(plain, 0) + 1
        distinct.append(f"{name}#{count}" if name and count > 1 else name)
    return distinct
