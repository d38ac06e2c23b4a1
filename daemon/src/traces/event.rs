//! Events of spans.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Adds an event to a span of [`TRACES`](crate::TRACES), with numbers as attributes; nothing if the
/// span is not recorded. Log lines do not show it.
pub fn trace_event(
    span: &Span,
    name: &'static str,
    time: SystemTime,
    numbers: impl IntoIterator<Item = (&'static str, f64)>,
) {
    let attributes = numbers.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
    span.add_event_with_timestamp(name, time, attributes);
}
