//! A job with its model in hand, wherever that came from.

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, job_envelope},
    v1::LinearModel,
};
use solvemesh_broker::{Mesh, MeshError};

use crate::settlement::persist;

/// A job with its model in hand.
#[derive(Debug)]
pub(crate) struct Work {
    /// Without its model, where that came with it.
    envelope: JobEnvelope,
    /// In normal form.
    pub(crate) model: LinearModel,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoModel {
    /// The envelope has none.
    #[error("the job has no model")]
    Missing,
    /// It was stored, and is no more.
    #[error("{0}")]
    Lost(String),
    /// It can't be read now.
    #[error(transparent)]
    OutOfReach(MeshError),
}

impl Work {
    /// Takes a job's model from its envelope or from where it was stored.
    pub(crate) async fn open(mesh: &dyn Mesh, mut envelope: JobEnvelope) -> Result<Self, NoModel> {
        let model = match &mut envelope.payload {
            Some(job_envelope::Payload::Model(model)) => std::mem::take(model),
            Some(job_envelope::Payload::ModelReference(reference)) => {
                let parts = match persist(|| mesh.load(reference)).await {
                    Ok(parts) => parts,
                    Err(MeshError::Gone(what)) => return Err(NoModel::Lost(what)),
                    Err(error) => return Err(NoModel::OutOfReach(error)),
                };
                let decoded = LinearModel::decode(parts.concat().as_slice());
                decoded.map_err(|error| NoModel::Lost(error.to_string()))?
            }
            Some(job_envelope::Payload::Sweep(_) | job_envelope::Payload::SweepReference(_))
            | None => return Err(NoModel::Missing),
        };
        Ok(Self { envelope, model })
    }

    /// The job as it came.
    pub(crate) fn into_envelope(mut self) -> JobEnvelope {
        if let Some(job_envelope::Payload::Model(model)) = &mut self.envelope.payload {
            *model = self.model;
        }
        self.envelope
    }

    /// How much of everything the model has.
    pub(crate) fn size(&self) -> usize {
        let LinearModel { variable_lower, constraint_lower, coefficients, .. } = &self.model;
        variable_lower.len() + constraint_lower.len() + coefficients.len()
    }
}
