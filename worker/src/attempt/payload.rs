//! A job with its model in hand, wherever that came from.

use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, JobEnvelope, SweepPayload, job_envelope::Payload},
    v1::{LinearModel, Sweep},
};
use solvemesh_broker::{Mesh, MeshError};

use crate::delivery::held_job::persist;

/// A job with its model in hand.
#[derive(Debug)]
pub(crate) struct Work {
    /// Without its model, where that came with it.
    envelope: JobEnvelope,
    /// In normal form.
    pub(crate) model: LinearModel,
    /// Of a sweep: the scenarios, in normal form.
    pub(crate) sweep: Option<Sweep>,
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
        let of_sweep = |payload: SweepPayload| {
            let SweepPayload { model, sweep } = payload;
            model.zip(sweep.map(Some)).ok_or(NoModel::Missing)
        };
        let (model, sweep) = match &mut envelope.payload {
            Some(Payload::Model(model)) => (std::mem::take(model), None),
            Some(Payload::ModelReference(reference)) => (load(mesh, reference).await?, None),
            // It stays whole in the envelope, for the shares that are made of it.
            Some(Payload::Sweep(payload)) => of_sweep(payload.clone())?,
            Some(Payload::SweepReference(reference)) => of_sweep(load(mesh, reference).await?)?,
            None => return Err(NoModel::Missing),
        };
        Ok(Self { envelope, model, sweep })
    }

    /// The job as it came.
    pub(crate) fn into_envelope(mut self) -> JobEnvelope {
        if let Some(Payload::Model(model)) = &mut self.envelope.payload {
            *model = self.model;
        }
        self.envelope
    }

    /// The model, and the envelope as it came, but for a model in it.
    pub(crate) fn into_parts(self) -> (LinearModel, JobEnvelope) {
        (self.model, self.envelope)
    }

    /// How much of everything the model has.
    pub(crate) fn size(&self) -> usize {
        let LinearModel { variable_lower, constraint_lower, coefficients, .. } = &self.model;
        variable_lower.len() + constraint_lower.len() + coefficients.len()
    }
}

/// Loads what was stored.
async fn load<M: Message + Default>(
    mesh: &dyn Mesh,
    reference: &BulkReference,
) -> Result<M, NoModel> {
    let parts = match persist(|| mesh.load(reference)).await {
        Ok(parts) => parts,
        Err(MeshError::Gone(what)) => return Err(NoModel::Lost(what)),
        Err(error) => return Err(NoModel::OutOfReach(error)),
    };
    M::decode(parts.concat().as_slice()).map_err(|error| NoModel::Lost(error.to_string()))
}
