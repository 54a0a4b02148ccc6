"""The Helm chart speaks of settings, services, ports, topics and health names that exist; no renderer is needed to see it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from liangfa_cli.journals import FILES
from liangfa_cli.platform import SERVICES
from liangfa_kit.messaging.topics import TOPICS
from liangfa_kit.rpc.health import ALIVE, CALLS
from liangfa_kit.settings import PREFIX, PlatformSettings
from tests.architecture.settings_named import settings_from

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "liangfa"
NAMED = re.compile(rf"{PREFIX}[A-Z_]+")
CONSUMERS = {"supervision", "joint_meeting"}


@cache
def values() -> dict[str, Any]:
    found = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@cache
def templates() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((CHART / "templates").iterdir()))


def is_setting(name: str) -> bool:
    fragment, _, field = name.removeprefix(PREFIX).lower().partition("__")
    found = PlatformSettings.model_fields.get(fragment)
    annotation: Any = found.annotation if found else None
    return annotation is not None and field in annotation.model_fields


def test_every_variable_of_a_pod_is_a_setting() -> None:
    """One that is not would keep every pod from starting."""
    named = set(NAMED.findall(templates()))
    assert len(named) > 15
    assert {name for name in named if not is_setting(name)} == set()
    assert not is_setting("LIANGFA_KAFKA__SERVER")


def test_every_service_is_deployed_and_no_other() -> None:
    """By the name that `liangfa serve` takes."""
    assert set(values()["services"]) == set(SERVICES)


def test_given_values_are_values_that_the_settings_take() -> None:
    """What the chart passes on as it stands in values.yaml."""
    given = values()
    settings = settings_from({
        "LIANGFA_LISTEN__PORT": given["ports"]["rpc"],
        "LIANGFA_LISTEN__HEALTH_PORT": given["ports"]["health"],
        "LIANGFA_LISTEN__LINGER_SECONDS": given["shutdown"]["lingerSeconds"],
        "LIANGFA_LISTEN__DRAIN_SECONDS": given["shutdown"]["drainSeconds"],
        "LIANGFA_DATABASE__URL": given["database"]["url"],
        "LIANGFA_DATABASE__OWNER_URL": given["database"]["ownerUrl"],
        "LIANGFA_DATABASE__READER_COUNT": given["database"]["readerCount"],
        "LIANGFA_KAFKA__SERVERS": given["kafka"]["servers"],
        "LIANGFA_KAFKA__REPLICATION": given["kafka"]["replication"],
        "LIANGFA_KAFKA__PREFIX": given["kafka"]["prefix"],
        "LIANGFA_TELEMETRY__OTLP_ENDPOINT": given["telemetry"]["otlpEndpoint"],
        "LIANGFA_TELEMETRY__SAMPLE_RATIO": given["telemetry"]["sampleRatio"],
        "LIANGFA_LOGGING__LEVEL": given["logging"]["level"],
    })  # fmt: skip
    assert settings.listen.port != settings.listen.health_port


def test_every_value_that_a_template_asks_for_is_given() -> None:
    """A name that values.yaml does not have renders as nothing, without a word."""
    asked = set(re.findall(r"\.Values\.([A-Za-z.]+)", templates())) | set(
        re.findall(r"\$values\.([A-Za-z.]+)", templates())
    )
    assert len(asked) > 20
    for path in asked:
        place: Any = values()
        for part in path.split("."):
            assert isinstance(place, dict), path
            assert part in place, path
            place = place[part]


def test_probes_ask_what_health_answers() -> None:
    """Ready is who answers calls, although events wait; restarted is only who does not answer at all."""
    probes = dict(re.findall(r"(\w+)Probe:\n\s+grpc: \{port: [^,]*ports\.health \}\}, service: (\w+)\}", templates()))
    assert probes == {"startup": CALLS, "readiness": CALLS, "liveness": ALIVE}


def test_pods_are_confined() -> None:
    """As the image is made: a user of its own, nothing to write to but what is mounted."""
    text = templates()
    for line in (
        "runAsNonRoot: true",
        "runAsUser: 10001",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "capabilities: {drop: [ALL]}",
        "automountServiceAccountToken: false",
    ):
        assert line in text, line
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert "--uid 10001" in dockerfile
    assert "latest" not in text + (CHART / "values.yaml").read_text(encoding="utf-8")


def test_two_replicas_of_each_and_files_that_both_can_write() -> None:
    """A node may go at any time; evidence that one replica stored, the other one has to find."""
    for name, service in values()["services"].items():
        assert service["replicas"] >= 2, name
        assert service.get("files", {}).get("accessMode", "ReadWriteMany") == "ReadWriteMany", name
    assert {name for name, one in values()["services"].items() if "files" in one} == set(FILES)


def test_lag_scales_consumers_no_further_than_partitions_reach() -> None:
    """A replica without a partition only waits."""
    most = max(topic.partitions for topic in TOPICS)
    for name, service in values()["services"].items():
        scaling = service["autoscaling"]
        assert scaling["kind"] in {"none", "cpu", "lag"}, name
        if "lagMessages" in scaling:
            assert name in CONSUMERS
            assert scaling["max"] <= most


def test_a_pod_has_time_to_drain() -> None:
    """Killed before its calls have ended, it would fail them."""
    assert re.search(
        r"terminationGracePeriodSeconds: \{\{ add [^}]*lingerSeconds [^}]*drainSeconds \d+ \}\}", templates()
    )


@pytest.mark.parametrize("file", ["Chart.yaml", "values.yaml"])
def test_versions_are_those_of_the_project(file: str) -> None:
    """One version for the package, the image and the chart."""
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    content = yaml.safe_load((CHART / file).read_text(encoding="utf-8"))
    if file == "Chart.yaml":
        assert content["appVersion"] == version[1]
    else:
        assert content["image"]["tag"] == ""
