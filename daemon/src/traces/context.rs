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

/// A span of a trace. Whether it is recorded was decided where the trace began, or by the sampler of
/// its process. The spans that follow it are recorded if it is, by a sampler `parentbased_…`.
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
    /// That of a span; `None` if this process exports no traces.
    pub fn of(span: &Span) -> Option<Self> {
        Self::valid(&span.context())
    }

    /// Parses a value of the header `traceparent`
    /// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)); `None` if it
    /// is malformed.
    pub fn parse(traceparent: &str) -> Option<Self> {
        if !is_well_formed(traceparent) {
            return None;
        }
        let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        Self::valid(&TraceContextPropagator::new().extract_with_context(&Context::new(), &headers))
    }

    fn valid(context: &Context) -> Option<Self> {
        let span = context.span().span_context().clone();
        span.is_valid().then_some(Self(span))
    }

    /// The value of the header `traceparent`.
    pub fn traceparent(&self) -> String {
        let mut headers = HashMap::<String, String>::new();
        TraceContextPropagator::new().inject_context(&self.as_parent(), &mut headers);
        headers.remove(TRACEPARENT).unwrap_or_default()
    }

    /// The id of the trace, 32 hexadecimal digits, if it is recorded.
    pub fn recorded_id(&self) -> Option<String> {
        self.0.is_sampled().then(|| self.0.trace_id().to_string())
    }

    /// Makes a new span continue this trace. Whether that is recorded, the sampler decides; those that
    /// follow the parent decide as it did. The span must not have been entered yet.
    pub fn continue_in(&self, span: &Span) {
        // An error means that the span is disabled.
        let _ = span.set_parent(self.as_parent());
    }

    fn as_parent(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }
}

/// Whether a header has the form that the specification prescribes: version, trace, span and flags,
/// with fixed lengths, in lower case. A later version may append more. The library accepts any number
/// of digits, and so takes different malformed headers for the same trace.
fn is_well_formed(traceparent: &str) -> bool {
    const LENGTH: usize = 55;
    let bytes = traceparent.as_bytes();
    let has_end = match bytes.get(LENGTH) {
        None => true,
        Some(next) => *next == b'-' && !traceparent.starts_with("00"),
    };
    has_end
        && bytes.len() >= LENGTH
        && bytes[..LENGTH].iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

impl Origin {
    /// Makes a new span continue the trace of the origin, or links it to that. The span must not
    /// have been entered yet.
    pub fn attach_to(&self, span: &Span) {
        // A clock that is ahead counts as no wait.
        let age = SystemTime::now().duration_since(self.submitted).unwrap_or_default();
        // A link to a trace that is not recorded leads nowhere, and would not keep the sampler from
        // recording this one.
        if age < SAME_TRACE || !self.context.0.is_sampled() {
            self.context.continue_in(span);
        } else {
            span.add_link(self.context.0.clone());
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
        assert_eq!(context.recorded_id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));

        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let context = TraceContext::parse(text).expect("a trace that is not recorded");
        assert_eq!(context.traceparent(), text);
        assert_eq!(context.recorded_id(), None);

        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert!(TraceContext::parse(later).is_some(), "of a later version");
    }

    #[test]
    fn what_is_malformed_is_no_position() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-1-2-3",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        assert_eq!(TraceContext::of(&Span::none()), None);
    }
}
