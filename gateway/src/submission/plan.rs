use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, JobEnvelope, SweepPayload, job_envelope},
    v1::{
        Job, JobDescription, JobState, Model, ModelSize, SolveOptions, Sweep, SweepDescription,
        SweepSummary,
    },
};
use solvemesh_broker::{FORMAT_VERSION, Lane};
use solvemesh_model::sweep::Scenarios;

use super::{catalog, identity::Payload, job_id, options, sweep};
use crate::{
    policy::Policy,
    refusal::{FieldFault, Refusal},
};

/// The largest LP of the express lane: these take milliseconds.
const EXPRESS_VARIABLES: i32 = 2_000;
const EXPRESS_CONSTRAINTS: i32 = 2_000;
const EXPRESS_NONZEROS: i32 = 10_000;

const MAX_LABELS: usize = 64;
const MAX_LABEL_KEY: usize = 63;
const MAX_LABEL_VALUE: usize = 255;
const MAX_REQUEST_ID: usize = 128;
const MAX_MODEL_NAME: usize = 255;

/// The most bytes of warnings that a job carries: it is told with every listing.
const MAX_WARNING_BYTES: usize = 16 << 10;

/// What a client asks for, whichever RPC it uses.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// The model.
    pub model: Option<Model>,
    /// How to solve it.
    pub options: SolveOptions,
    /// Labels to find the job by.
    pub labels: BTreeMap<String, String>,
    /// Makes it idempotent; empty for none.
    pub request_id: String,
    /// The lane; empty to have one chosen.
    pub lane: String,
    /// When to give up, from now.
    pub deadline: Option<prost_types::Duration>,
    /// When to give up if it still waits in its queue, from now.
    pub queue_time_limit: Option<prost_types::Duration>,
    /// Makes it a sweep.
    pub sweep: Option<Sweep>,
    /// What remains for the solve of the caller's own deadline. No part of the
    /// payload: a retry with less time left is the same submission.
    pub time_left: Option<Duration>,
}

/// A job that could be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its id.
    pub job_id: String,
    /// The digest of its payload.
    pub digest: [u8; 32],
    /// Where it is to wait.
    pub lane: Lane,
    /// What is to be solved, in normal form: a model, or a sweep with its base.
    pub payload: Option<job_envelope::Payload>,
    /// What is known of it from now on.
    pub description: JobDescription,
    /// Now.
    pub submit_time: SystemTime,
}

/// Decides about a submission: reads the model, checks everything, fills in defaults.
///
/// # Errors
///
/// [`Refusal::Invalid`] with all that is wrong.
pub fn plan(submission: Submission, policy: &Policy, now: SystemTime) -> Result<Plan, Refusal> {
    let mut faults = identity_faults(&submission);
    let Some(model) = &submission.model else {
        faults.push(fault("model", "is required"));
        return Err(Refusal::Invalid { reason: "INVALID_ARGUMENT", faults });
    };
    let mut span = |field, asked| {
        span(field, asked, policy).unwrap_or_else(|wrong| {
            faults.push(wrong);
            policy.max_deadline
        })
    };
    let deadline = span("deadline", submission.deadline);
    let queue_time = span("queue_time_limit", submission.queue_time_limit).min(deadline);
    let normal = solvemesh_model::read(model, &policy.model)?;
    if normal.name.chars().count() > MAX_MODEL_NAME {
        faults.push(fault("model.name", format!("may have {MAX_MODEL_NAME} characters")));
    }
    let is_small = submission.sweep.is_none()
        && !options::is_discrete(&normal.model)
        && is_small(&normal.size);
    let lane = match catalog::own_lane(submission.options.solver()) {
        Some(own) => own_lane(&submission.lane, own),
        None => lane(&submission.lane, is_small, policy),
    };
    let lane = lane.unwrap_or_else(|wrong| {
        faults.push(wrong);
        None
    });
    let mut options =
        options::settle(&submission.options, &normal.model, policy).unwrap_or_else(|wrong| {
            faults.extend(wrong);
            SolveOptions::default()
        });
    let settle = |asked| sweep::settle(asked, &submission.options, &normal.model, policy);
    let scenarios = submission.sweep.as_ref().map(settle).transpose().unwrap_or_else(|wrong| {
        faults.extend(wrong);
        None
    });
    let lane = match lane {
        Some(lane) if faults.is_empty() => lane,
        _ => return Err(Refusal::Invalid { reason: "INVALID_ARGUMENT", faults }),
    };

    let digest = Payload {
        name: &normal.name,
        model: &normal.model,
        options: &submission.options,
        labels: &submission.labels,
        lane: &submission.lane,
        spans: [submission.deadline, submission.queue_time_limit],
        sweep: scenarios.as_ref().map(Scenarios::sweep),
    }
    .digest();
    if let (Some(left), Some(limit)) = (submission.time_left, &mut options.time_limit)
        && Duration::try_from(*limit).is_ok_and(|limit| left < limit)
        && let Ok(left) = left.try_into()
    {
        *limit = left;
    }
    let description = JobDescription {
        name: normal.name,
        labels: submission.labels,
        size: Some(normal.size),
        lane: lane.to_string(),
        options: Some(options),
        deadline: Some((now + deadline).into()),
        queue_deadline: Some((now + queue_time).into()),
        warnings: bounded(normal.warnings),
        request_id: submission.request_id,
        sweep: scenarios.as_ref().map(|scenarios| sweep::describe(scenarios, &normal.model)),
    };
    let payload = match scenarios {
        None => job_envelope::Payload::Model(normal.model),
        Some(scenarios) => job_envelope::Payload::Sweep(SweepPayload {
            model: Some(normal.model),
            sweep: Some(scenarios.into_sweep()),
        }),
    };
    Ok(Plan {
        job_id: job_id(&description.request_id),
        digest,
        lane,
        payload: Some(payload),
        description,
        submit_time: now,
    })
}

impl Plan {
    /// The job as the API tells it before the log does.
    pub fn job(&self) -> Job {
        let unanswered = |sweep: &SweepDescription| SweepSummary {
            scenarios: sweep.scenarios,
            ..SweepSummary::default()
        };
        Job {
            job_id: self.job_id.clone(),
            state: JobState::Queued.into(),
            description: Some(self.description.clone()),
            submit_time: Some(self.submit_time.into()),
            sweep: self.description.sweep.as_ref().map(unanswered),
            ..Job::default()
        }
    }

    /// The payload as it is stored: one of over so many bytes is too large for a message.
    pub fn payload_over(&self, bytes: usize) -> Option<Vec<u8>> {
        fn encoded(message: &impl Message, bytes: usize) -> Option<Vec<u8>> {
            (message.encoded_len() > bytes).then(|| message.encode_to_vec())
        }
        match self.payload.as_ref()? {
            job_envelope::Payload::Model(model) => encoded(model, bytes),
            job_envelope::Payload::Sweep(sweep) => encoded(sweep, bytes),
            job_envelope::Payload::ModelReference(_) | job_envelope::Payload::SweepReference(_) => {
                None
            }
        }
    }

    /// What travels through the queue: the payload itself, or where it lies. Takes the payload
    /// with it.
    pub fn envelope(&mut self, stored: Option<BulkReference>) -> JobEnvelope {
        let payload = match (self.payload.take(), stored) {
            (Some(job_envelope::Payload::Model(_)), Some(reference)) => {
                Some(job_envelope::Payload::ModelReference(reference))
            }
            (Some(job_envelope::Payload::Sweep(_)), Some(reference)) => {
                Some(job_envelope::Payload::SweepReference(reference))
            }
            (payload, _) => payload,
        };
        JobEnvelope {
            version: FORMAT_VERSION,
            job_id: self.job_id.clone(),
            digest: self.digest.to_vec(),
            description: Some(self.description.clone()),
            submit_time: Some(self.submit_time.into()),
            failed_attempts: 0,
            payload,
            scenarios: Vec::new(),
        }
    }
}

/// Keeps the first warnings, and counts the others.
fn bounded(mut warnings: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fitting = warnings.iter().take_while(|warning| {
        bytes += warning.len();
        bytes <= MAX_WARNING_BYTES
    });
    let kept = fitting.count();
    let rest = warnings.len() - kept;
    if rest > 0 {
        warnings.truncate(kept);
        warnings.push(format!("and {rest} more warnings"));
    }
    warnings
}

fn fault(field: impl Into<String>, description: impl Into<String>) -> FieldFault {
    FieldFault { field: field.into(), description: description.into() }
}

fn identity_faults(submission: &Submission) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if submission.request_id.chars().count() > MAX_REQUEST_ID {
        faults.push(fault("request_id", format!("may have {MAX_REQUEST_ID} characters")));
    }
    if submission.labels.len() > MAX_LABELS {
        faults.push(fault("labels", format!("there may be {MAX_LABELS} labels")));
    }
    for (key, value) in submission.labels.iter().take(MAX_LABELS) {
        if !(1..=MAX_LABEL_KEY).contains(&key.chars().count()) {
            let wrong = format!("a key has 1 to {MAX_LABEL_KEY} characters");
            faults.push(fault(format!("labels[{key:?}]"), wrong));
        }
        if value.chars().count() > MAX_LABEL_VALUE {
            let wrong = format!("a value may have {MAX_LABEL_VALUE} characters");
            faults.push(fault(format!("labels[{key:?}]"), wrong));
        }
    }
    faults
}

/// A span of time from now; without one, the longest.
fn span(
    field: &str,
    asked: Option<prost_types::Duration>,
    policy: &Policy,
) -> Result<Duration, FieldFault> {
    let max = policy.max_deadline;
    match asked.map(Duration::try_from) {
        None => Ok(max),
        Some(Ok(span)) if !span.is_zero() && span <= max => Ok(span),
        Some(_) => {
            let max = max.as_secs_f64();
            Err(fault(field, format!("must be above 0 and at most max_deadline, {max} s")))
        }
    }
}

/// The lane of a solver that has one of its own.
fn own_lane(asked: &str, own: Lane) -> Result<Option<Lane>, FieldFault> {
    if asked.is_empty() || asked == own.as_str() {
        return Ok(Some(own));
    }
    Err(fault("lane", format!("jobs for this solver wait in lane {own}, not in {asked:?}")))
}

/// Whether an LP of this size takes milliseconds.
fn is_small(size: &ModelSize) -> bool {
    size.variables <= EXPRESS_VARIABLES
        && size.constraints <= EXPRESS_CONSTRAINTS
        && size.nonzeros <= EXPRESS_NONZEROS
}

fn lane(asked: &str, is_small: bool, policy: &Policy) -> Result<Option<Lane>, FieldFault> {
    let find = |name: &str| policy.lanes.iter().find(|lane| lane.as_str() == name).cloned();
    if !asked.is_empty() {
        let known = || policy.lanes.iter().map(Lane::as_str).collect::<Vec<_>>().join(", ");
        return match find(asked) {
            Some(lane) => Ok(Some(lane)),
            None => Err(fault("lane", format!("{asked:?} is no lane; there are {}", known()))),
        };
    }
    let fitting = if is_small { Lane::EXPRESS } else { Lane::STANDARD };
    match find(fitting).or_else(|| policy.lanes.first().cloned()) {
        Some(lane) => Ok(Some(lane)),
        None => Err(fault("lane", "this mesh has no lanes")),
    }
}
