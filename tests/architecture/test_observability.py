"""Alert rules and dashboards speak of metrics that exist, and every alert says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from liangfa_kit.telemetry import METRICS, Metric, MetricKind

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
_NAME = re.compile(r"\bliangfa_[a-z_]+")


def prometheus_names(metric: Metric) -> set[str]:
    """Return how the collector's Prometheus exporter names a metric: its unit and kind as suffixes."""
    name = metric.name.replace(".", "_")
    if metric.unit == "s":
        name += "_seconds"
    if metric.kind is MetricKind.HISTOGRAM:
        return {f"{name}_{part}" for part in ("bucket", "count", "sum")}
    return {f"{name}_total"} if metric.kind is MetricKind.COUNTER else {name}


KNOWN = {name for metric in METRICS for name in prometheus_names(metric)}


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def test_alert_rules_ask_for_metrics_that_exist() -> None:
    """A renamed metric would silence its alert for ever."""
    for rule in rules():
        asked = set(_NAME.findall(rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= KNOWN, rule["alert"]


def test_every_alert_has_words_a_severity_and_a_runbook() -> None:
    """Whoever is woken reads what it means and what to do."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert " / " in rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] in anchors, rule["alert"]


def test_dashboards_show_metrics_that_exist_and_leave_none_out() -> None:
    """Every declared metric is on a panel, and every panel shows declared ones."""
    shown: set[str] = set()
    for path in (FOLDER / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                asked = set(_NAME.findall(target["expr"]))
                assert asked, panel["title"]
                assert asked <= KNOWN, panel["title"]
                shown |= asked
    for metric in METRICS:
        assert shown & prometheus_names(metric), metric.name
