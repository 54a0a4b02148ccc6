"""What a row becomes: a candidate case, a row kept aside, or a row that holds no case. Values only."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from liangfa_enforcement_record.importing.problems import Problem


@dataclass(frozen=True, slots=True)
class PartyDraft:
    """A party as a row names it. Codes are valid or empty; what is not valid stays in `as_written`."""

    name: str
    category: str = ""
    """`org`, `trader`, `person`, or empty when neither stated nor told by codes and name."""
    is_category_stated: bool = False
    uscc: str = ""
    id_document_type: str = ""
    id_document_number: str = ""
    legal_representative: str = ""
    phone: str = ""
    address: str = ""
    other_codes: MappingOf[str, str] = field(default_factory=dict)
    """registration_number, organisation_code, tax_number, institution_number, society_number; and `…_as_written`."""


class CaseDraft(NamedTuple):
    """A candidate case. Money in yuan, exact; dates of the Beijing calendar; an empty text or None is not stated."""

    row: int
    parties: tuple[PartyDraft, ...]
    cause: str
    """违法行为类型 or 案由; see the warnings for where it was derived."""
    is_decided: bool = True
    """Whether the row is a penalty decision; rows of an intake sheet are not."""
    case_name: str = ""
    case_number: str = ""
    facts: str = ""
    legal_basis: str = ""
    document_number: str = ""
    document_number_key: str = ""
    """What spellings of one number share; empty for blank and masked numbers."""
    penalty_categories: tuple[str, ...] = ()
    """Keys of the code list penalty_categories."""
    other_penalties: tuple[str, ...] = ()
    """Words of the category column that no list knows, and those behind 其他-."""
    penalty_content: str = ""
    fine_yuan: Decimal | None = None
    confiscated_yuan: Decimal | None = None
    penalty_total_yuan: Decimal | None = None
    suggested_fine_yuan: Decimal | None = None
    """Found in the words of the decision where the column is blank or absent: for a person to confirm."""
    suggested_confiscated_yuan: Decimal | None = None
    amount_involved_yuan: Decimal | None = None
    licence: str = ""
    decided_on: date | None = None
    decided_text: str = ""
    """ISO text of what is known of the date: `2020-09-15`, `2020-09`, `2020`, or empty."""
    valid_until: date | None = None
    publicity_until: date | None = None
    published_on: date | None = None
    agency_name: str = ""
    agency_uscc: str = ""
    agency_type: str = ""
    """Key of the code list agency_types, by the agency's name; empty when it is not known."""
    region_code: str = ""
    """Six digits, as stated or by the agency's name; empty when neither tells."""
    data_source_name: str = ""
    data_source_uscc: str = ""
    state: str = "normal"
    """normal, disputed or other; withdrawn rows become no drafts."""
    case_source: int | None = None
    procedure: str = ""
    """`simple`, `general` or empty."""
    occurred_on: date | None = None
    occurred_place: str = ""
    handlers: tuple[str, ...] = ()
    transferred: bool | None = None
    transferred_on: date | None = None
    transferred_to: str = ""
    remarks: str = ""
    names: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    """The headers and the row's cells as they stand in the file."""

    @property
    def raw(self) -> tuple[tuple[str, str], ...]:
        """Header and value of every cell that is not empty, as they stand in the file."""
        return tuple((name, cell) for name, cell in zip(self.names, self.cells, strict=False) if cell)

    @property
    def fine_or_suggestion(self) -> Decimal | None:
        """The fine of the column, else the one found in the words of the decision."""
        return self.fine_yuan if self.fine_yuan is not None else self.suggested_fine_yuan

    @property
    def confiscated_or_suggestion(self) -> Decimal | None:
        """The confiscated amount of the column, else the one found in the words of the decision."""
        return self.confiscated_yuan if self.confiscated_yuan is not None else self.suggested_confiscated_yuan


class OutcomeKind(StrEnum):
    """What became of a row; each row ends as exactly one of these."""

    DRAFT = "draft"
    REJECTED = "rejected"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a row holds no case."""

    TITLE = "TITLE"
    HEADER = "HEADER"
    REPEATED_HEADER = "REPEATED_HEADER"
    TOTAL = "TOTAL"
    NOTE = "NOTE"
    WITHDRAWN = "WITHDRAWN"
    DELETED = "DELETED"
    TEST_DATA = "TEST_DATA"


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row: a draft (with warnings), kept aside (with at least one error), or skipped with a reason."""

    row: int
    kind: OutcomeKind
    cells: tuple[str, ...]
    names: tuple[str, ...]
    draft: CaseDraft | None = None
    problems: tuple[Problem, ...] = ()
    skipped: SkipReason | None = None

    @cached_property
    def values(self) -> dict[str, str]:
        """The row as it stands, by header; a cell beyond the header by its column number."""
        names = [*self.names, *(f"第{i + 1}列" for i in range(len(self.names), len(self.cells)))]
        named = [name or f"第{i + 1}列" for i, name in enumerate(names)]
        return dict(zip(named, [*self.cells, *([""] * (len(named) - len(self.cells)))], strict=True))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the row aside."""
        return tuple(found for found in self.problems if found.is_error)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that a person should look at."""
        return tuple(found for found in self.problems if not found.is_error)
