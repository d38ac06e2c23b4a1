//! The payload of a job: its model or its sweep, from the envelope or from the bulk store.
//!
//! The gateway encodes a payload once. The worker decodes it once, for its own check of the
//! solution, and passes the same bytes on to the solver process.

use bytes::{Bytes, BytesMut};
use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, JobEnvelope, JobPayload, job_envelope::Body},
    v1::{StartingPoint, Sweep},
};
use solvemesh_broker::{Mesh, MeshError};
use solvemesh_model::NormalModel;

use crate::delivery::held_job::with_retries;

/// A payload, encoded and decoded.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The encoded `JobPayload`, as the gateway wrote it.
    pub(crate) bytes: Bytes,
    pub(crate) model: NormalModel,
    /// Where the solve begins, as submitted.
    pub(crate) start: Option<StartingPoint>,
    /// The scenarios of a sweep, in normal form; `None` for any other job.
    pub(crate) sweep: Option<Sweep>,
}

/// Why the payload of a job cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPayload {
    /// The envelope contains neither a payload nor a reference to one.
    #[error("the job has no payload")]
    Missing,
    /// It was in the bulk store and has been deleted there, or it is damaged.
    #[error("{0}")]
    Lost(String),
    /// The bulk store cannot be read now; a later try may succeed.
    #[error(transparent)]
    Unavailable(MeshError),
}

impl Payload {
    /// Takes the payload from the envelope, or loads it from the bulk store, and decodes it.
    ///
    /// # Errors
    ///
    /// See [`NoPayload`].
    pub(crate) async fn load(mesh: &dyn Mesh, envelope: &JobEnvelope) -> Result<Self, NoPayload> {
        match &envelope.body {
            Some(Body::Payload(bytes)) => Self::decode(bytes.clone()),
            Some(Body::PayloadReference(reference)) => {
                Self::decode(load_stored(mesh, reference).await?)
            }
            None => Err(NoPayload::Missing),
        }
    }

    fn decode(bytes: Bytes) -> Result<Self, NoPayload> {
        let lost = |error: &dyn std::fmt::Display| NoPayload::Lost(error.to_string());
        let JobPayload { model, start, sweep } =
            JobPayload::decode(bytes.clone()).map_err(|error| lost(&error))?;
        let model = model.ok_or(NoPayload::Missing)?;
        let model = NormalModel::try_from(model).map_err(|error| lost(&error))?;
        Ok(Self { bytes, model, start, sweep })
    }

    /// Size of the model: number of variables, constraints and coefficients together.
    pub(crate) fn size(&self) -> usize {
        self.rows_and_columns() + self.model.coefficients.len()
    }

    /// Number of variables and constraints together.
    pub(crate) fn rows_and_columns(&self) -> usize {
        self.model.variable_count() + self.model.constraint_count()
    }
}

/// Loads an object from the bulk store, with retries.
async fn load_stored(mesh: &dyn Mesh, reference: &BulkReference) -> Result<Bytes, NoPayload> {
    let parts = match with_retries(|| mesh.load(reference)).await {
        Ok(parts) => parts,
        Err(MeshError::Gone(what)) => return Err(NoPayload::Lost(what)),
        Err(error) => return Err(NoPayload::Unavailable(error)),
    };
    if let [part] = parts.as_slice() {
        return Ok(part.clone());
    }
    let mut bytes = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in parts {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}
