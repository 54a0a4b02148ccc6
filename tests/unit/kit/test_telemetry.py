"""Telemetry: declared in one place, off unless asked for."""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from liangfa_kit.context import new_traceparent
from liangfa_kit.settings import Telemetry as TelemetrySettings
from liangfa_kit.telemetry import (
    BACKGROUND_RESTARTS,
    METRICS,
    RPC_DURATION,
    WATCHERS,
    MetricKind,
    Telemetry,
    end_span,
    telemetry,
    traceparent_of,
)


def collected(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_every_metric_has_a_name_a_unit_and_a_meaning() -> None:
    """Names are unique, below our prefix, and say what is counted."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"liangfa(\.[a-z_]+)+", metric.name)
        assert metric.unit
        assert metric.meaning.endswith(".")
        assert isinstance(metric.kind, MetricKind)


def test_without_an_endpoint_nothing_is_measured() -> None:
    """No provider, no span, no thread."""
    off = telemetry(TelemetrySettings(), "x")
    assert not off.enabled
    assert off.start_span("x", "") is None
    off.record(RPC_DURATION, 1.0)
    off.observe(WATCHERS, lambda: 1.0)
    off.shutdown()


def test_measurements_reach_their_instruments() -> None:
    """Counters add, histograms count, gauges are read with the attributes of each source."""
    reader = InMemoryMetricReader()
    on = Telemetry(meters=MeterProvider([reader]))
    on.record(BACKGROUND_RESTARTS, 2, task="relay")
    on.record(BACKGROUND_RESTARTS, 1, task="relay")
    on.record(RPC_DURATION, 0.25, method="/x/Y", outcome="OK")
    on.observe(WATCHERS, lambda: 7, service="a")
    on.observe(WATCHERS, lambda: 8, service="b")
    found = collected(reader)
    assert found[BACKGROUND_RESTARTS.name][0].value == 3
    assert found[RPC_DURATION.name][0].sum == 0.25
    gauges = {point.attributes["service"]: point.value for point in found[WATCHERS.name]}
    assert gauges == {"a": 7, "b": 8}
    on.shutdown()


def test_a_span_belongs_to_its_callers_trace() -> None:
    """The trace goes on across processes, and an expected refusal is not an error."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    on = Telemetry(tracers)
    given = new_traceparent()
    for outcome, reason in (("OK", ""), ("STALE", "STALE_VERSION"), ("INTERNAL", "KeyError")):
        span = on.start_span("/x/Y", given)
        assert span is not None
        assert traceparent_of(span)[3:35] == given[3:35]
        assert traceparent_of(span) != given
        end_span(span, outcome, reason)
    spans = exporter.get_finished_spans()
    assert [span.status.is_ok for span in spans] == [True, True, False]
    assert {f"{span.parent.span_id:016x}" for span in spans if span.parent} == {given[36:52]}
    on.shutdown()


def test_an_endpoint_switches_it_on() -> None:
    """The collector need not be there: sending is nobody's concern but the exporter's thread."""
    on = telemetry(TelemetrySettings(otlp_endpoint="http://127.0.0.1:9"), "x")
    assert on.enabled
    on.shutdown()
