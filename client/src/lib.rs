//! The Rust client library of solvemesh: submits models, watches jobs, collects results.
//!
//! ```no_run
//! use solvemesh_client::{Client, v1::{Model, SubmitJobRequest, model::Form}};
//!
//! # async fn example() -> Result<(), solvemesh_client::Error> {
//! let client = Client::connect("http://127.0.0.1:50051")?;
//! let text = "max\n obj: 3 x + 2 y\nst\n c: x + y <= 4\nend\n".to_owned();
//! let model = Model { form: Some(Form::Lp(text)), ..Model::default() };
//! let job = client.submit(SubmitJobRequest { model: Some(model), ..Default::default() }).await?;
//! let outcome = client.result(&job.job_id).await?;
//! println!("{:?}", outcome.objective());
//! # Ok(())
//! # }
//! ```
//!
//! With a [`sweep`](v1::SubmitJobRequest::sweep) in the request, the model is the base of many
//! scenarios: [`Client::watch`] streams their results in
//! [`ScenarioResults`](v1::ScenarioResults) events, and [`Client::sweep_results`] collects them.
//!
//! [`Client::watch_mesh`] streams the state of the mesh: its lanes, workers and gateways. The place
//! of a queued job is in its [`queue_position`](v1::Job::queue_position).
//!
//! A gateway with TLS has an address with `https://`. [`ConnectOptions`] has a private CA, the
//! certificate of the client, and a token.
//!
//! Every call is idempotent, and is retried for a bounded time while no gateway responds or the
//! gateway asks to retry later.

mod assembly;
mod client;
mod connect;
mod error;
mod mesh_watch;
mod outcome;
mod reopening;
mod retry;
mod sweep;
mod watch;

pub use assembly::{Assembly, PartsError};
pub use client::Client;
pub use connect::ConnectOptions;
pub use error::{Error, Rejection, Violation};
pub use mesh_watch::{MeshUpdate, MeshWatch};
pub use outcome::Outcome;
pub use retry::Retry;
pub use solvemesh::v1;
pub use sweep::SweepResults;
pub use tonic::Code;
pub use watch::{Update, Watch};
