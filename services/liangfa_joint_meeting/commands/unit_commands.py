"""Commands on member units."""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.errors import NotYourRegion
from liangfa_joint_meeting.tables import units
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1 import unit_service_pb2 as rpc
from liangfa_standards.divisions import covers


@dataclass(frozen=True, slots=True)
class EnrolUnit:
    """Enter a unit, or replace its entry."""

    unit: rpc.Unit


def _enrol(command: EnrolUnit, work: Work) -> rpc.EnrolUnitResponse:
    unit = command.unit
    v.check(
        v.text("unit.id", unit.id, v.MAX_NAME, is_required=True),
        v.text("unit.name", unit.name, v.MAX_NAME, is_required=True),
        v.text("unit.kind", unit.kind, v.MAX_NAME),
        v.region("unit.region", unit.region),
        v.text("unit.document_prefix", unit.document_prefix, 50),
        v.size("unit.liaison_officers", unit.liaison_officers),
        (
            violation
            for number, officer in enumerate(unit.liaison_officers[: v.MAX_LIST])
            for name in ("person_id", "name", "phone")
            for violation in v.text(
                f"unit.liaison_officers[{number}].{name}",
                getattr(officer, name),
                v.MAX_NAME,
                is_required=name == "name",
            )
        ),
    )
    known = work.row(units, unit.id)
    for region in {unit.region, known["region"] if known else unit.region}:
        if not covers(work.actor.region, region):
            raise NotYourRegion(region)
    work.save(
        units,
        {
            "id": unit.id,
            "name": unit.name,
            "region": unit.region,
            "is_active": unit.active,
            "body": unit.SerializeToString(deterministic=True),
        },
    )
    work.record(f"unit/{unit.id}", events_pb2.UnitEnrolled(unit=unit))
    return rpc.EnrolUnitResponse(unit=unit)


ENROL = Handler(
    "EnrolUnit",
    _enrol,
    rpc.EnrolUnitResponse,
    lambda c: (Need(units, "id", (c.unit.id,)),),
    lambda c: (f"unit/{c.unit.id}",),
)
