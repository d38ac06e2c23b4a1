//! Traces of jobs on their way through gateway, broker and worker, exported by OTLP over HTTP to an
//! OpenTelemetry collector.
//!
//! The standard variables configure it, `OTEL_EXPORTER_OTLP_ENDPOINT` above all. Without one of the
//! endpoints nothing is started, and the spans, which have a target of their own, are disabled where
//! they would be created.

mod context;
mod event;
mod export;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

pub use context::{Origin, TraceContext};
pub use event::trace_event;
use export::SHUTDOWN_TIMEOUT;

/// The target of all spans that belong to traces: `info_span!(target: TRACES, "…")`. Log lines do not
/// show them.
pub const TRACES: &str = "solvemesh::traces";

/// The exporter of this process, if there is one.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// The exporter that the environment asks for. `service` is the name of this program, unless
    /// `OTEL_SERVICE_NAME` sets another. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If a variable asks for what is not supported. The message names it.
    pub(crate) fn from_environment(service: &'static str) -> anyhow::Result<Self> {
        export::provider(|name| std::env::var(name).ok(), service).map(Self)
    }

    /// Whether this process exports traces.
    pub fn are_exported(&self) -> bool {
        self.0.is_some()
    }

    /// The layer that makes spans of [`TRACES`] those of a trace.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let tracer = self.0.as_ref()?.tracer("solvemesh");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_level(false)
            .with_target(false);
        Some(layer.with_filter(filter_fn(|metadata| metadata.target() == TRACES)))
    }

    /// Exports what is left, for at most five seconds: a collector that is away must not hold up the
    /// end of the program.
    pub async fn shut_down(self) {
        let Some(provider) = self.0 else { return };
        // It blocks its thread, and the export needs those of the runtime.
        let closing = move || provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
        match tokio::task::spawn_blocking(closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(cause = %error, "last spans not exported"),
            Err(error) => tracing::warn!(cause = %error, "last spans not exported"),
        }
    }
}
