//! Positions in traces, as they travel with a job.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A job that starts within this time of its submission continues the trace of that. One that starts
/// later begins a trace of its own with a link to it: a job may wait for days, and what shows traces
/// expects them to end soon.
const SAME_TRACE: Duration = Duration::from_secs(60);

/// The name of the header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// A span of a trace that is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceContext(SpanContext);

/// Where a job comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The span that sent it.
    pub context: TraceContext,
    /// When it was submitted, by the clock of its gateway.
    pub submitted: SystemTime,
}

impl TraceContext {
    /// That of a span; `None` if it is not recorded.
    pub fn of(span: &Span) -> Option<Self> {
        Self::recorded(&span.context())
    }

    /// Parses a value of the header `traceparent`
    /// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)); `None` if it
    /// is malformed or its trace is not recorded.
    pub fn parse(traceparent: &str) -> Option<Self> {
        // Of every job, if its gateway exports no traces.
        if traceparent.is_empty() {
            return None;
        }
        let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        Self::recorded(
            &TraceContextPropagator::new().extract_with_context(&Context::new(), &headers),
        )
    }

    fn recorded(context: &Context) -> Option<Self> {
        let span = context.span().span_context().clone();
        (span.is_valid() && span.is_sampled()).then_some(Self(span))
    }

    /// The value of the header `traceparent`.
    pub fn traceparent(&self) -> String {
        let mut headers = HashMap::<String, String>::new();
        let context = Context::new().with_remote_span_context(self.0.clone());
        TraceContextPropagator::new().inject_context(&context, &mut headers);
        headers.remove(TRACEPARENT).unwrap_or_default()
    }

    /// The id of the trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl Origin {
    /// Makes a new span continue the trace of the origin, or links it to that. The span must not
    /// have been entered yet.
    pub fn attach_to(&self, span: &Span) {
        let origin = self.context.0.clone();
        // A clock that is ahead counts as no wait.
        let age = SystemTime::now().duration_since(self.submitted).unwrap_or_default();
        if age < SAME_TRACE {
            // An error means that the span is not recorded.
            let _ = span.set_parent(Context::new().with_remote_span_context(origin));
        } else {
            span.add_link(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_was_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::parse(text).expect("a recorded trace");
        assert_eq!(context.traceparent(), text);
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn what_is_malformed_or_not_recorded_is_no_position() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        assert_eq!(TraceContext::of(&Span::none()), None);
    }
}
