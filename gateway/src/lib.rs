//! The gateway: serves the gRPC and gRPC-Web API over a mesh of workers.
//!
//! `listener` accepts connections, `access` recognises callers, and `api` is the gRPC service, the
//! only part that depends on tonic. `submission` validates a
//! request without I/O, and `jobs` carries it out over the job table (`table`, a fold over the
//! results log). `tasks` has the background tasks, and `metrics` those for Prometheus. Nothing here depends on a solver, and only
//! `main.rs`, which composes the parts, depends on RabbitMQ. The exports are what `main.rs` and
//! the tests need.

mod access;
mod api;
mod clock;
mod config;
mod jobs;
mod listener;
mod mesh_state;
mod metrics;
mod policy;
mod refusal;
mod reload;
mod submission;
mod table;
pub mod tasks;

pub use access::{Access, AccessArgs, AccessFileError, NewKey, TokenRules};
pub use api::{
    browser::{BrowserPolicy, Origins},
    health::HEALTH_SERVICE,
    server::{ServeConfig, ServeError, WebConfig, serve},
};
pub use config::{Args, Command, KeyCommand};
pub use jobs::{Jobs, watch::close_slow_watchers};
pub use listener::{Certificates, ConnectionLimits, Exposed, Listener, Peer, check_exposure};
pub use policy::Policy;
pub use table::{Retention, SnapshotFile, Table};
