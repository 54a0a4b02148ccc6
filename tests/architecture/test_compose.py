"""docker-compose.yml speaks of settings, files and services that exist, and confines every container."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from liangfa_cli.platform import SERVICES
from liangfa_kit.rpc.tls import Certificates
from liangfa_kit.settings import PREFIX, PlatformSettings, Tls
from tests.architecture.settings_named import settings_from

ROOT = Path(__file__).parents[2]
WRITES_TO_ITS_IMAGE = {"kafka"}
HAS_NO_SHELL = {"otel-collector"}


@cache
def compose(path: str = "docker-compose.yml") -> dict[str, Any]:
    content = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    return {name: one for name, one in services().items() if one["image"].startswith("liangfa:")}


def test_there_is_a_container_for_each_service_and_no_other() -> None:
    """A service that nobody starts would be missed by nobody until its first caller."""
    started = {name: one["command"][1] for name, one in ours().items()}
    assert set(started.values()) == set(SERVICES)
    assert all(name == service.replace("_", "-") for name, service in started.items())


def test_every_variable_is_a_setting_with_a_value_that_it_takes() -> None:
    """The settings refuse what they do not know, so a slip would only show at the start."""
    for name, one in ours().items():
        settings = settings_from(one["environment"])
        assert settings.tls.is_on, name
        assert settings.kafka.instance == f"{name}-1"
    peers = settings_from(ours()["joint-meeting"]["environment"]).peers
    assert peers.enforcement_record.partition(":")[0] in ours()


def test_a_slip_in_a_variable_would_be_seen() -> None:
    """The check above can fail."""
    with pytest.raises(ValueError, match="kafka"):
        settings_from({"LIANGFA_KAFKA__SERVER": "kafka:9092"})
    with pytest.raises(ValueError, match="kafka"):
        settings_from({"LIANGFA_KAFKA__REPLICATION": "many"})


def test_every_container_is_confined() -> None:
    """A user of its own, no capabilities, nothing to write to but its volumes, a fixed version, a word about its health."""
    for name, one in services().items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert str(one["user"]) not in {"0", "root"}, name
        assert one.get("read_only", False) or name in WRITES_TO_ITS_IMAGE, name
        assert re.search(r":v?\d+\.\d+", one["image"]), name
        assert "healthcheck" in one or name in HAS_NO_SHELL, name
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), name


def test_no_secret_stands_in_a_variable() -> None:
    """Variables are shown by `docker inspect`; files are not."""
    for name, one in services().items():
        for variable, value in one.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {variable}"


def test_files_that_are_mounted_are_there() -> None:
    """Docker would make an empty folder in the place of one that is not."""
    for name, one in services().items():
        for volume in one.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in compose()["volumes"], f"{name}: {source}"


def test_the_secrets_that_are_read_are_those_that_are_made(tmp_path: Path) -> None:
    """`make secrets` makes each of them; the certificates are good for what they are for, and stay when it runs again."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["sh", str(ROOT / "deploy" / "docker" / "make-secrets.sh"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    wanted = {name: Path(secret["file"]) for name, secret in compose()["secrets"].items()}
    assert {path.parent for path in wanted.values()} == {Path("var/secrets")}
    assert {path.name for path in wanted.values()} <= set(made)
    used = {
        used if isinstance(used, str) else used["source"]
        for one in services().values()
        for used in one.get("secrets", ())
    }
    assert used == set(wanted)
    for service in [*SERVICES, "operator"]:
        name = service.replace("_", "-")
        tls = Tls(certificate=tmp_path / f"{name}.crt", key=tmp_path / f"{name}.key", ca=tmp_path / "ca.crt")
        assert Certificates(tls).remaining_seconds() > 300 * 86_400
    subprocess.run(command, check=True, timeout=60)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == made


def test_a_service_that_is_waited_for_says_when_it_is_ready() -> None:
    """`service_healthy` waits for ever for a container without a health check."""
    for one in services().values():
        for awaited in one.get("depends_on", {}):
            assert "healthcheck" in services()[awaited]


def test_the_embedded_platform_is_confined_too() -> None:
    """One container, read-only, on loopback."""
    (one,) = compose("deploy/docker/embedded.yaml")["services"].values()
    assert one["read_only"]
    assert one["cap_drop"] == ["ALL"]
    assert one["command"][0] == "up"


def test_settings_named_in_the_image_exist() -> None:
    """The Dockerfile's own variables."""
    text = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
    named = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", text))
    assert named
    assert isinstance(settings_from(named), BaseModel)
    assert settings_from(named).listen.host == "0.0.0.0"  # noqa: S104 - in a container that is its own network
    assert isinstance(settings_from(named), PlatformSettings)
