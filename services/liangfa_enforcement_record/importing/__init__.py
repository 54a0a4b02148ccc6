"""Reading an agency's own table: bytes in, candidate cases and problems out. No database, no transport, no other service.

`tables` opens files of every kind and yields rows (`delimited`, `workbooks`, `legacy`, `markup`, `encodings`), `headers` finds
and matches column names, `fields` and `layouts` say what they mean, `mapping` is what a person confirms, `rows` turns a row
into a `CaseDraft` or into `Problem`s with a remedy (`parties`, `amounts`, `drafts`), `identity` tells cases apart,
`duplicates` reports probable repeats and splits, `rejects` writes the rows kept aside as a file to be corrected.
"""

from liangfa_enforcement_record.importing.drafts import CaseDraft, OutcomeKind, PartyDraft, RowOutcome
from liangfa_enforcement_record.importing.mapping import Mapping, MappingSuggestion, suggest_mapping
from liangfa_enforcement_record.importing.problems import Problem, Severity
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.rows import read_drafts
from liangfa_enforcement_record.importing.tables import Table, open_table

__all__ = [
    "CaseDraft",
    "Mapping",
    "MappingSuggestion",
    "OutcomeKind",
    "PartyDraft",
    "Problem",
    "RowOutcome",
    "Severity",
    "Table",
    "TableRefused",
    "open_table",
    "read_drafts",
    "suggest_mapping",
]
