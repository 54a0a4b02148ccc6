"""Who may do what with the record: one table, default deny.

Two questions: may this role call this method at all (`RULES`), and may this caller see or change this case (`may_see`,
`may_change`). Lists are filtered by the same scope that guards the single record. What a caller may not see does not exist
for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_enforcement_record.errors import CaseNotFound, PurposeRequired, PurposeTooLong, invalid
from liangfa_enforcement_record.validation import text_violations
from liangfa_kit.context import current_or_none
from liangfa_kit.errors import Forbidden
from liangfa_kit.identity import Actor
from liangfa_kit.store.fence import ALL_ROWS, NO_ROWS, VisibleRows, rows_in_region, rows_of_agency
from liangfa_standards.divisions import region_prefix

OFFICER = "officer"
HEAD = "agency_head"
LEGAL = "legal_reviewer"
PROCURATOR = "procurator"
CHIEF = "chief_procurator"
POLICE = "police"
POLICE_HEAD = "police_head"
JUSTICE = "justice_supervisor"
OPERATOR = "operator"

AGENCY = frozenset({OFFICER, HEAD, LEGAL})
SUPERVISORS = frozenset({PROCURATOR, CHIEF, POLICE, POLICE_HEAD, JUSTICE})
READERS = AGENCY | SUPERVISORS
EVERYBODY = READERS | {OPERATOR}

MAX_PURPOSE = 500
_CASES = "/liangfa_protos.enforcement_record.v1.CaseService/"
_EVIDENCE = "/liangfa_protos.enforcement_record.v1.EvidenceService/"
_IMPORTS = "/liangfa_protos.enforcement_record.v1.ImportService/"
_SCREENING = "/liangfa_protos.enforcement_record.v1.ScreeningService/"
ENTERING = frozenset({OFFICER, HEAD})
REVIEWERS = frozenset({HEAD, LEGAL, PROCURATOR, JUSTICE})
"""Who gives a verdict on a hit: never the officer who entered the case, nor the police who would receive it."""

RULES: dict[str, frozenset[str]] = {
    f"{_CASES}RegisterCase": ENTERING,
    f"{_CASES}RegisterSimpleCase": ENTERING,
    f"{_CASES}AmendCase": ENTERING,
    f"{_CASES}AdvanceStage": AGENCY,
    f"{_CASES}RecordStep": ENTERING,
    f"{_CASES}RecordDecision": ENTERING,
    f"{_CASES}GetCase": READERS,
    f"{_CASES}SearchCases": READERS,
    f"{_CASES}GetCaseTimeline": READERS,
    f"{_EVIDENCE}BeginUpload": ENTERING,
    f"{_EVIDENCE}UploadEvidence": ENTERING,
    f"{_EVIDENCE}GetUpload": ENTERING,
    f"{_EVIDENCE}DownloadEvidence": READERS,
    f"{_IMPORTS}SuggestMapping": ENTERING,
    f"{_IMPORTS}ImportTable": ENTERING,
    f"{_IMPORTS}GetImport": AGENCY,
    f"{_IMPORTS}ListImports": AGENCY,
    f"{_IMPORTS}WatchImport": AGENCY,
    f"{_IMPORTS}ResumeImport": ENTERING,
    f"{_IMPORTS}ListRejectedRows": AGENCY,
    f"{_IMPORTS}CorrectRow": ENTERING,
    f"{_IMPORTS}ExportRejectedRows": AGENCY,
    f"{_IMPORTS}ListFindings": AGENCY,
    f"{_SCREENING}ScreenCase": AGENCY,
    f"{_SCREENING}ListScreenings": READERS,
    f"{_SCREENING}ListHits": READERS,
    f"{_SCREENING}ReviewHit": REVIEWERS,
    f"{_SCREENING}GetRuleQuality": READERS,
    f"{_SCREENING}GetLibrary": EVERYBODY,
}


def authorise(method: str, actor: Actor, _request: object = None) -> None:
    """Raise `Forbidden` unless a role of `actor` may call `method`. A method without a rule is for nobody.

    An agency's role counts with an agency only: records of no agency would be everybody's who has none.
    """
    roles = RULES.get(method, frozenset()) & actor.roles
    if roles and not actor.agency_id and roles <= AGENCY:
        raise Forbidden(
            "Your role is an agency's, and your token names no agency.",
            message_zh="您的角色须隶属某一机关，登录凭证中没有机关信息。",
            remedy="Ask the operator of your district to enter your agency, and sign in again.",
            reason="AGENCY_REQUIRED",
            method=method,
        )
    if not roles:
        raise Forbidden(
            f"Your roles do not allow {method.rpartition('/')[2]}.",
            message_zh="您的角色无权进行此操作。",
            remedy="Ask the operator of your district for the role, or a colleague who has it.",
            reason="ROLE_NOT_ALLOWED",
            method=method,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see: cases of agencies whose division lies in `region`, or else cases of `agency_id`.

    A supervisor's region holds the own agency's cases too. Empty texts match nothing: with neither no case is seen.
    """

    agency_id: str = ""
    region: str = ""

    def covers(self, agency_id: str, region: str) -> bool:
        """Tell whether a case of `agency_id` in `region` is within the scope."""
        if self.region:
            return region.startswith(region_prefix(self.region))
        return bool(self.agency_id) and agency_id == self.agency_id


def scope_of(actor: Actor) -> Scope:
    """Return what `actor` may see: agencies their own cases, supervisors those of their region."""
    if actor.roles & SUPERVISORS and actor.region:
        return Scope(region=actor.region)
    return Scope(actor.agency_id) if actor.roles & READERS else Scope()


def visible_rows() -> VisibleRows:
    """Return what the database lets the call under way see, for row-level security; all rows to work outside of calls."""
    call = current_or_none()
    if call is None:
        return ALL_ROWS
    if call.actor is None:
        return NO_ROWS
    scope = scope_of(call.actor)
    return rows_in_region(region_prefix(scope.region)) if scope.region else rows_of_agency(scope.agency_id)


def require_visible(actor: Actor, case_id: str, agency_id: str, region: str) -> None:
    """Raise `CaseNotFound` when the case does not exist for `actor`."""
    if not scope_of(actor).covers(agency_id, region):
        raise CaseNotFound(case_id)


def require_purpose(
    actor: Actor, case_id: str, agency_id: str, region: str, purpose: str, *, reveal: bool = False
) -> None:
    """Raise `CaseNotFound` when unseen; `PurposeRequired` when a stranger to the case, or a revealing look, gives none."""
    require_visible(actor, case_id, agency_id, region)
    if (reveal or agency_id != actor.agency_id) and not purpose.strip():
        raise PurposeRequired
    if len(purpose) > MAX_PURPOSE:
        raise PurposeTooLong(MAX_PURPOSE)
    if violations := list(text_violations([("purpose", purpose, MAX_PURPOSE)])):
        raise invalid(violations)


def require_own(actor: Actor, case_id: str, agency_id: str, region: str) -> None:
    """Raise `CaseNotFound` when unseen, `Forbidden` when seen but another agency's: only its agency changes a case."""
    require_visible(actor, case_id, agency_id, region)
    if agency_id != actor.agency_id or not actor.roles & AGENCY:
        raise Forbidden(
            f"Case {case_id} belongs to another agency: you may read it, not change it.",
            message_zh="该案件属于其他机关，您可以查看但不能修改。",
            remedy="Ask the agency that owns the case.",
            reason="NOT_YOUR_CASE",
            case_id=case_id,
        )
