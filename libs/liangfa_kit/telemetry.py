"""Traces and metrics through OpenTelemetry: every metric is declared here, once.

Without an OTLP endpoint there is no provider and no span object: `Telemetry` is then a value that is asked whether
it is `enabled` and answers no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from liangfa_kit.settings import Telemetry as TelemetrySettings


class MetricKind(Enum):
    """How values of a metric add up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name, kind, unit (UCUM) and meaning."""

    name: str
    kind: MetricKind
    unit: str
    meaning: str


RPC_DURATION = Metric(
    "liangfa.rpc.server.duration", MetricKind.HISTOGRAM, "s", "Time to serve a call, by method and outcome."
)
RPC_ACTIVE = Metric("liangfa.rpc.server.active", MetricKind.GAUGE, "{call}", "Unary calls being served.")
RPC_STREAMS = Metric("liangfa.rpc.server.streams", MetricKind.GAUGE, "{stream}", "Streams open.")
BACKGROUND_RESTARTS = Metric(
    "liangfa.background.restarts", MetricKind.COUNTER, "{restart}", "Background tasks that failed and were restarted."
)
JOURNAL_POSITION = Metric("liangfa.journal.position", MetricKind.GAUGE, "{entry}", "Last position of the journal.")
RELAY_POSITION = Metric("liangfa.relay.position", MetricKind.GAUGE, "{entry}", "Last position published.")
CONSUMER_APPLIED = Metric("liangfa.consumer.applied", MetricKind.GAUGE, "{event}", "Events applied since the start.")
CONSUMER_SET_ASIDE = Metric(
    "liangfa.consumer.set_aside", MetricKind.GAUGE, "{event}", "Events set aside, not replayed."
)
CONSUMER_DELAY = Metric(
    "liangfa.consumer.delay", MetricKind.HISTOGRAM, "s", "From an event's command to its effect, by consumer."
)
WATCHERS = Metric("liangfa.watch.watchers", MetricKind.GAUGE, "{stream}", "Connected watchers of the live feed.")
TLS_REMAINING = Metric(
    "liangfa.tls.remaining", MetricKind.GAUGE, "s", "Time until this process's certificate ends; negative afterwards."
)

METRICS = (
    RPC_DURATION,
    RPC_ACTIVE,
    RPC_STREAMS,
    BACKGROUND_RESTARTS,
    JOURNAL_POSITION,
    RELAY_POSITION,
    CONSUMER_APPLIED,
    CONSUMER_SET_ASIDE,
    CONSUMER_DELAY,
    WATCHERS,
    TLS_REMAINING,
)
"""Every metric of the platform."""

_PROPAGATOR = TraceContextTextMapPropagator()
_SCOPE = "liangfa"


class Telemetry:
    """Where spans and measurements go. Nothing global: it is handed to whoever measures."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self.enabled = tracers is not None or meters is not None
        self._tracers = tracers
        self._meters = meters
        self._tracer = tracers.get_tracer(_SCOPE) if tracers else None
        self._meter = meters.get_meter(_SCOPE) if meters else None
        self._instruments: dict[str, Any] = {}

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Add `value` to a counter or a histogram."""
        if self._meter is None:
            return
        instrument = self._instruments.get(metric.name)
        if instrument is None:
            make: Any = (
                self._meter.create_counter if metric.kind is MetricKind.COUNTER else self._meter.create_histogram
            )
            instrument = self._instruments[metric.name] = make(metric.name, metric.unit, metric.meaning)
        if metric.kind is MetricKind.COUNTER:
            instrument.add(value, attributes)
        else:
            instrument.record(value, attributes)

    def observe(self, metric: Metric, read: Callable[[], float], **attributes: str) -> None:
        """Have a gauge read by `read` whenever metrics are sent. Several sources of one metric differ in attributes."""
        if self._meter is None:
            return
        sources: list[tuple[Callable[[], float], dict[str, str]]] | None = self._instruments.get(metric.name)
        if sources is None:
            sources = self._instruments[metric.name] = []

            def observed(_options: CallbackOptions) -> Iterable[Observation]:
                return [Observation(value(), named) for value, named in sources]

            self._meter.create_observable_gauge(metric.name, [observed], metric.unit, metric.meaning)
        sources.append((read, attributes))

    def start_span(
        self, name: str, traceparent: str, kind: SpanKind = SpanKind.SERVER, **attributes: str
    ) -> Span | None:
        """Return a started span below `traceparent`, or None when nothing is traced. Whoever starts it ends it."""
        if self._tracer is None:
            return None
        parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
        named = {f"liangfa.{key}": value for key, value in attributes.items()}
        return self._tracer.start_span(name, context=parent, kind=kind, attributes=named)

    def shutdown(self) -> None:
        """Send what is waiting and end the exporters' threads."""
        if self._tracers:
            self._tracers.shutdown()
        if self._meters:
            self._meters.shutdown()


OFF = Telemetry()
"""Nothing is traced and nothing measured."""


def traceparent_of(span: Span) -> str:
    """Return the W3C trace context that makes its bearer a child of `span`."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def end_span(span: Span, outcome: str, reason: str) -> None:
    """End a span with its outcome; only INTERNAL marks it as an error, a refusal is an expected answer."""
    span.set_attribute("liangfa.outcome", outcome)
    if reason:
        span.set_attribute("liangfa.reason", reason)
    if outcome == "INTERNAL":
        span.set_status(Status(StatusCode.ERROR, reason))
    span.end()


def telemetry(settings: TelemetrySettings, process: str) -> Telemetry:
    """Return the telemetry of this process (`process` names it to the collector): off without an endpoint."""
    if not settings.otlp_endpoint:
        return Telemetry()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create({"service.name": process, "service.namespace": "liangfa"})
    insecure = settings.otlp_endpoint.startswith("http://")
    tracers = TracerProvider(sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)), resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure)))
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=settings.otlp_endpoint, insecure=insecure),
        export_interval_millis=settings.metric_interval_seconds * 1000,
    )
    return Telemetry(tracers, MeterProvider([reader], resource=resource))
