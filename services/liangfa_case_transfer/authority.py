"""Who may call what, and who may see a transfer: default deny.

Roles say whether a method may be called at all (`RULES`); which step a role may take is said by the procedure's table.
Whether a transfer exists for the caller is decided by taking part: its sender, receiver and supervisor see it, the police
organs that had it before, and the procurators, justice supervisors and judges of its region.
"""

from __future__ import annotations

from liangfa_kit.errors import Forbidden
from liangfa_kit.identity import Actor
from liangfa_procedure.steps import Step
from liangfa_protos.case_transfer.v1 import document_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_standards.divisions import covers

OFFICER, HEAD, LEGAL = "officer", "agency_head", "legal_reviewer"
POLICE, POLICE_HEAD = "police", "police_head"
PROCURATOR, CHIEF, JUDGE, JUSTICE = "procurator", "chief_procurator", "judge", "justice_supervisor"
OPERATOR = "operator"
"""Whoever runs the platform for an organisation: takes over what it numbered on paper, and sees no transfer."""
AGENCY = frozenset({OFFICER, HEAD})
ACTING = AGENCY | {POLICE, POLICE_HEAD, PROCURATOR, CHIEF, JUDGE}
"""Roles of the procedure's table: they take steps."""
READING = ACTING | {LEGAL, JUSTICE}
OVERSEEING = frozenset({PROCURATOR, CHIEF, JUDGE, JUSTICE})
"""Who sees the transfers of the region, taking part or not."""

DIVIDING = {POLICE_HEAD: "police", CHIEF: "procuratorate", JUDGE: "court"}
"""Who splits and joins filed cases, by the side on which they must stand."""
FORMER_RECEIVER = "former_receiver"
"""A police organ that has passed the case on: of the steps it may take those that say so."""

_SERVICE = "/liangfa_protos.case_transfer.v1.TransferService/"
_DOCUMENTS = "/liangfa_protos.case_transfer.v1.DocumentService/"
RULES: dict[str, frozenset[str]] = {
    f"{_SERVICE}OpenTransfer": AGENCY,
    f"{_SERVICE}TakeStep": ACTING,
    f"{_SERVICE}ListAllowedSteps": READING,
    f"{_SERVICE}GetTransfer": READING,
    f"{_SERVICE}ListTransfers": READING,
    f"{_SERVICE}ListClocks": READING,
    f"{_SERVICE}ExtendClock": frozenset({HEAD, POLICE_HEAD, CHIEF, JUDGE}),
    f"{_SERVICE}SignReceipt": ACTING,
    f"{_SERVICE}SplitTransfer": frozenset(DIVIDING),
    f"{_SERVICE}JoinTransfer": frozenset(DIVIDING),
    f"{_SERVICE}ListReceipts": READING,
    f"{_SERVICE}ListPublicKeys": READING,
    f"{_SERVICE}ListReceiptGaps": READING,
    f"{_DOCUMENTS}PreviewDocument": ACTING,
    f"{_DOCUMENTS}IssueDocument": ACTING,
    f"{_DOCUMENTS}GetDocument": READING,
    f"{_DOCUMENTS}DownloadDocument": READING,
    f"{_DOCUMENTS}AttachSignedScan": ACTING,
    f"{_DOCUMENTS}StartNumberSeries": frozenset({OPERATOR, HEAD, POLICE_HEAD, CHIEF}),  # of their own organisation
    f"{_DOCUMENTS}ListDocuments": READING,
    f"{_DOCUMENTS}ExportCaseFile": READING,
}


def authorise(method: str, actor: Actor, _request: object = None) -> None:
    """Raise `Forbidden` unless a role of `actor` may call `method`. A method without a rule is for nobody."""
    if not RULES.get(method, frozenset()) & actor.roles or not actor.agency_id:
        raise Forbidden(
            f"Your roles do not allow {method.rpartition('/')[2]}.",
            message_zh="您的角色无权进行此操作。",
            remedy="Ask the operator of your district for the role, or a colleague who has it.",
            reason="ROLE_NOT_ALLOWED",
            method=method,
        )


def may_see(actor: Actor, transfer: pb.Transfer) -> bool:
    """Tell whether the transfer exists for `actor`."""
    former = (organ.id for organ in transfer.former_receivers)
    if actor.agency_id in {transfer.sender.id, transfer.receiver.id, transfer.supervisor.id, *former}:
        return True
    return bool(OVERSEEING & actor.roles) and covers(actor.region, transfer.region)


def sides(actor: Actor, transfer: pb.Transfer) -> frozenset[str]:
    """Return the sides on which the actor's organisation takes part."""
    found = {
        "agency": actor.agency_id == transfer.sender.id,
        "police": actor.agency_id == transfer.receiver.id,
        FORMER_RECEIVER: actor.agency_id in {organ.id for organ in transfer.former_receivers},
        "procuratorate": actor.agency_id == transfer.supervisor.id,
        "court": JUDGE in actor.roles and covers(actor.region, transfer.region),
    }
    return frozenset(side for side, is_there in found.items() if is_there)


def may_divide(actor: Actor, transfer: pb.Transfer) -> bool:
    """Tell whether `actor` may split the transfer, or join it with another one."""
    here = sides(actor, transfer)
    return any(role in actor.roles and side in here for role, side in DIVIDING.items())


def party(transfer: pb.Transfer, side: str) -> pb.Organisation:
    """Return the organisation on a side; without an id where nobody of the transfer stands there."""
    known = {"agency": transfer.sender, "police": transfer.receiver, "procuratorate": transfer.supervisor}
    return known.get(side, pb.Organisation())


def own_name(actor: Actor, transfer: pb.Transfer) -> str:
    """Return the name of the actor's organisation; where the token knows only its id, the name that the transfer knows."""
    if actor.agency_name not in {"", actor.agency_id}:
        return actor.agency_name
    known = (transfer.sender, transfer.receiver, transfer.supervisor, *transfer.former_receivers)
    return next((one.name for one in known if one.id == actor.agency_id), actor.agency_name)


def side_of(step: Step, actor: Actor, here: frozenset[str], side_by_role: dict[str, str]) -> str:
    """Return the side on which `actor` takes `step`, empty when the organisation stands on none of the step's sides."""
    mine = sorted(side_by_role[role] for role in step.roles & actor.roles)
    if step.is_for_former_receiver and FORMER_RECEIVER in here:
        here |= {"police"}
    return next((side for side in mine if side in here), "")


def may_see_document(actor: Actor, document: document_pb2.IssuedDocument) -> bool:
    """Tell whether a version of a document exists for `actor`, who sees its transfer.

    It is its issuer's own until a step hands it over; then whoever received it sees it, and who oversees the transfer.
    """
    if actor.agency_id == document.issuer.id or actor.agency_id in document.handed_to:
        return True
    return bool(OVERSEEING & actor.roles) and bool(document.handed_to)
