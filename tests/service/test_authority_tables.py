"""No RPC is served that no authority table speaks of: a new one without a row fails here."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor

import liangfa_protos
from liangfa_cli.platform import running
from liangfa_kit.settings import Listen, Logging, PlatformSettings, Storage

HERE = Path(__file__).parent
PACKAGE = "/liangfa_protos."


def rpcs_with_rows() -> set[str]:
    """Return `Service/Method` of every row of every `tests/service/<service>/test_authority.py`."""
    found: set[str] = set()
    for path in sorted(HERE.glob("*/test_authority.py")):
        module = importlib.import_module(f"tests.service.{path.parent.name}.test_authority")
        found |= set(module.EXPECTED)
    return found


def published_rpcs() -> set[str]:
    """Return `Service/Method` of every proto service that the project publishes."""
    root = Path(liangfa_protos.__file__).parent
    found: set[str] = set()
    for path in sorted(root.rglob("*_service_pb2.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        module = importlib.import_module(f"liangfa_protos.{name}")
        services: dict[str, ServiceDescriptor] = module.DESCRIPTOR.services_by_name
        found |= {f"{service.name}/{method.name}" for service in services.values() for method in service.methods}
    return found


@pytest.mark.asyncio
async def test_every_rpc_that_the_platform_serves_has_a_row_in_an_authority_table(tmp_path: Path) -> None:
    """Whoever adds a method says in `EXPECTED` who may call it, for every role and relation."""
    settings = PlatformSettings(
        storage=Storage(folder=tmp_path), listen=Listen(port=0), logging=Logging(level="error", file=tmp_path / "log")
    )
    async with running(settings) as platform:
        served = {path.removeprefix(PACKAGE).partition(".v1.")[2] for path in platform.host.pipeline.endpoints}
    assert served == rpcs_with_rows()


def test_every_rpc_that_is_published_is_served_with_a_row() -> None:
    """A proto that nobody serves, or a table of methods that are gone, is found too."""
    assert published_rpcs() == rpcs_with_rows()
