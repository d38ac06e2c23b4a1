//! Calls: how many, how they end, how long they take.
//!
//! Counters whose labels are known exist from the start, at 0: Prometheus sees an increase only between
//! two samples, and would miss the first event of each.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the buckets of response times, in seconds.
const BUCKETS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The limits of the gateway and of the mesh at which calls are refused.
const MESH_LIMITS: [&str; 7] = [
    "large_solutions",
    "log_max_bytes",
    "max_live_bytes",
    "max_live_jobs",
    "max_requests",
    "max_watchers",
    "queue_length",
];

/// Counters and times of calls. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RpcMetrics {
    requests: Family<Requests, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    limit_hits: Family<LimitHits, Counter>,
    watcher_cuts: Family<Cuts, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitHits {
    limit: String,
    scope: String,
}

impl LimitHits {
    fn of(limit: &str, scope: &str) -> Self {
        Self { limit: limit.to_owned(), scope: scope.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cuts {
    reason: String,
}

impl Default for RpcMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            limit_hits: Family::default(),
            watcher_cuts: Family::default(),
        }
    }
}

impl RpcMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for limit in MESH_LIMITS {
            drop(self.limit_hits.get_or_create(&LimitHits::of(limit, "mesh")));
        }
        for reason in [WATCHER_TOO_SLOW, "SHUTTING_DOWN"] {
            drop(self.watcher_cuts.get_or_create(&Cuts { reason: reason.to_owned() }));
        }
        registry.register(
            "rpc_requests",
            "Calls that have ended, by method and gRPC status code",
            self.requests.clone(),
        );
        registry.register(
            "rpc_seconds",
            "Time from the headers of a call to the end of its response; not of calls that wait \
             for a job",
            self.seconds.clone(),
        );
        registry.register(
            "limit_hits",
            "Calls that were refused at a limit, by the name of the limit and whose it is",
            self.limit_hits.clone(),
        );
        registry.register(
            "watcher_cuts",
            "Watch streams that the gateway ended before their jobs had, by reason",
            self.watcher_cuts.clone(),
        );
    }

    /// A call has ended with a status code.
    pub(crate) fn ended(&self, method: &'static str, code: &'static str) {
        self.requests.get_or_create(&Requests { method, code }).inc();
    }

    /// A call that is answered at once took this time.
    pub(crate) fn took(&self, method: &'static str, time: Duration) {
        self.seconds.get_or_create(&Method { method }).observe(time.as_secs_f64());
    }

    /// A call was refused at a limit: of this gateway or the mesh, or of the caller's key or tenant.
    pub(crate) fn limited(&self, limit: &str, scope: &str) {
        self.limit_hits.get_or_create(&LimitHits::of(limit, scope)).inc();
    }

    /// The gateway has ended a stream early, for a reason of the API.
    pub(crate) fn cut(&self, reason: &str) {
        self.watcher_cuts.get_or_create(&Cuts { reason: reason.to_owned() }).inc();
    }

    /// The gateway has closed streams whose clients read nothing.
    pub(crate) fn slow_watchers_closed(&self, count: usize) {
        let label = Cuts { reason: WATCHER_TOO_SLOW.to_owned() };
        self.watcher_cuts.get_or_create(&label).inc_by(count as u64);
    }
}

/// The reason of a stream that was closed as its client read nothing. Such a client learns of it
/// only when it reads on, if ever, so it is counted when the stream is closed.
pub(crate) const WATCHER_TOO_SLOW: &str = "WATCHER_TOO_SLOW";
