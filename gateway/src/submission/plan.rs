//! Turns a submission into the plan of a job.

use std::time::{Duration, SystemTime};

use solvemesh::{
    broker::v1::{BulkReference, JobEnvelope, JobPayload, job_envelope::Body},
    v1::{
        Job, JobDescription, JobState, SolveOptions, StartingPoint, SubmitJobRequest, Sweep,
        SweepDescription, SweepSummary,
    },
};
use solvemesh_broker::{ENVELOPE_VERSION, Lane};
use solvemesh_model::{ReadModel, normalise_start, sweep::Scenarios};

use super::{
    catalog,
    identity::{self, EncodedPayload},
    job_id, lane, option_support, options,
    request_fields::{self, TimeLimits},
    sweep,
};
use crate::{
    policy::Policy,
    refusal::{FieldError, Refusal, reason},
};

const MAX_MODEL_NAME: usize = 255;

/// Maximum total size of a job's warnings, in bytes. They are part of the job's description,
/// which every page of `ListJobs` contains.
const MAX_WARNING_BYTES: usize = 16 << 10;

/// A job as a client requests it, independent of the RPC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Submission {
    /// The request. `Solve` has the same fields.
    pub(crate) request: SubmitJobRequest,
    /// The tenant of the caller; empty where callers are not recognised. It is never taken from
    /// the request.
    pub(crate) tenant: String,
    /// The id of the caller's credential; likewise. Not part of the digest: a retry may come with
    /// another key of the tenant.
    pub(crate) submitter: String,
    /// The time that the caller's own (gRPC) deadline leaves for the solve; caps the time
    /// limit. Not part of the digest: a retry with less time left is the same submission.
    pub(crate) time_left: Option<Duration>,
}

/// A valid job, with everything decided, that is ready to be queued.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The job's id.
    pub(crate) job_id: String,
    /// The digest of the submission, by which a repeated request id is checked.
    pub(crate) digest: [u8; 32],
    /// The queue in which it waits.
    pub(crate) lane: Lane,
    /// The model in normal form, with its start or its scenarios.
    pub(crate) payload: EncodedPayload,
    /// The part that is kept in the log and shown by the API: all but the payload.
    pub(crate) description: JobDescription,
    /// When it was submitted.
    pub(crate) submit_time: SystemTime,
}

/// Validates a submission and turns it into a plan: reads the model into normal form, fills in
/// the defaults, chooses the lane, encodes the payload and computes the digest. No I/O.
///
/// # Errors
///
/// [`Refusal::Invalid`] with every invalid field. Errors in the model itself are reported alone,
/// because most other checks need the model.
pub(crate) fn plan(
    submission: Submission,
    policy: &Policy,
    now: SystemTime,
) -> Result<Plan, Refusal> {
    let Submission { mut request, tenant, submitter, time_left } = submission;
    let model = request.model.take().ok_or_else(|| Refusal::missing("model"))?;
    let time_limits = request_fields::time_limits(&request, policy);
    let read = solvemesh_model::read(model, &policy.model)?;
    let Decisions { lane, mut options, start, scenarios } =
        decide(&request, &read, time_limits.as_ref().err(), policy)?;
    let TimeLimits { total, queue } = time_limits.map_err(invalid)?;

    let ReadModel { name, model, size, warnings, start: _ } = read;
    // The payload has them in normal form.
    (request.starts, request.sweep) = (Vec::new(), None);
    let sweep = scenarios.as_ref().map(|scenarios| sweep::describe(scenarios, &model));
    let payload = EncodedPayload::new(&JobPayload {
        model: Some(model.into_inner()),
        start,
        sweep: scenarios.map(Scenarios::into_sweep),
    });
    // Over the options as requested, before `time_left` changes the time limit below.
    let digest = identity::digest(&tenant, &name, &payload, &request);
    cap_time_limit(&mut options, time_left);
    Ok(Plan {
        job_id: job_id(&tenant, &request.request_id),
        digest,
        payload,
        description: JobDescription {
            model_name: name,
            labels: request.labels,
            size: Some(size),
            lane: lane.to_string(),
            options: Some(options),
            expire_time: Some((now + total).into()),
            queue_expire_time: Some((now + queue).into()),
            warnings: bounded(warnings),
            request_id: request.request_id,
            sweep,
            tenant,
            submitter,
            priority: request.priority,
            // Decided when the job is admitted.
            rank: 0,
            // Known when it is submitted.
            trace_id: String::new(),
        },
        lane,
        submit_time: now,
    })
}

/// What is decided about a job by its request and its model.
struct Decisions {
    lane: Lane,
    options: SolveOptions,
    start: Option<StartingPoint>,
    scenarios: Option<Scenarios>,
}

/// Makes all decisions, or returns all errors, with `others` before them: each check continues
/// after the errors of the ones before.
fn decide(
    request: &SubmitJobRequest,
    read: &ReadModel,
    others: Option<&Vec<FieldError>>,
    policy: &Policy,
) -> Result<Decisions, Refusal> {
    let mut faults = request_fields::id_and_label_errors(request);
    faults.extend(request_fields::priority_error(request));
    faults.extend(others.into_iter().flatten().cloned());
    if read.name.chars().count() > MAX_MODEL_NAME {
        let wrong = format!("may have at most {MAX_MODEL_NAME} characters");
        faults.push(FieldError::new("model.name", wrong));
    }
    let requested = request.options.clone().unwrap_or_default();
    let lane = lane::choose(request, &requested, read, policy).map_err(|wrong| faults.push(wrong));
    let options = options::resolve(&requested, &read.model, policy);
    let options = options.map_err(|wrong| faults.extend(wrong));
    let start = start(request, &requested, read).map_err(|wrong| faults.extend(wrong));
    let resolve = |sweep: &Sweep| sweep::resolve(sweep, request, &requested, &read.model, policy);
    let scenarios = request.sweep.as_ref().map(resolve).transpose();
    let scenarios = scenarios.map_err(|wrong| faults.extend(wrong));
    match (lane, options, start, scenarios) {
        (Ok(lane), Ok(options), Ok(start), Ok(scenarios)) if faults.is_empty() => {
            Ok(Decisions { lane, options, start, scenarios })
        }
        _ => Err(invalid(faults)),
    }
}

fn invalid(faults: Vec<FieldError>) -> Refusal {
    Refusal::Invalid { reason: reason::INVALID_FIELD, faults }
}

/// The start in normal form: that of the request, or else that of the model's file, if the solver
/// supports one and the job is no sweep.
fn start(
    request: &SubmitJobRequest,
    options: &SolveOptions,
    read: &ReadModel,
) -> Result<Option<StartingPoint>, Vec<FieldError>> {
    let solver = options::chosen_solver(options);
    let supported = catalog::supports_field(solver, "starts");
    let refuse = |wrong: String| Err(vec![FieldError::new("starts", wrong)]);
    let start = match (request.starts.as_slice(), &read.start) {
        ([start], _) if supported => start,
        ([_], _) => return refuse(option_support::unsupported(solver, "starts")),
        // It is not part of the request, so it is no error that it cannot be used.
        ([], Some(start)) if supported && request.sweep.is_none() => start,
        ([], _) => return Ok(None),
        _ => return refuse("may have at most one entry".to_owned()),
    };
    let described = |fault: &solvemesh_model::Fault| FieldError {
        field: fault.field.clone(),
        description: fault.to_string(),
        place: None,
    };
    normalise_start(start, &read.model).map_err(|wrong| wrong.0.iter().map(described).collect())
}

/// Lowers the time limit to the time that the caller waits for the result.
fn cap_time_limit(options: &mut SolveOptions, time_left: Option<Duration>) {
    if let (Some(left), Some(limit)) = (time_left, &mut options.time_limit)
        && Duration::try_from(*limit).is_ok_and(|limit| left < limit)
        && let Ok(left) = left.try_into()
    {
        *limit = left;
    }
}

impl Plan {
    /// The job as the API shows it before the job table has it: queued, nothing solved.
    pub(crate) fn to_job(&self) -> Job {
        let unanswered = |sweep: &SweepDescription| SweepSummary {
            scenario_count: sweep.scenario_count,
            ..SweepSummary::default()
        };
        Job {
            job_id: self.job_id.clone(),
            state: JobState::Queued.into(),
            description: Some(self.description.clone()),
            submit_time: Some(self.submit_time.into()),
            sweep_summary: self.description.sweep.as_ref().map(unanswered),
            ..Job::default()
        }
    }

    /// Builds the message for the queue, with the payload itself or, where it was `stored`, with
    /// a reference to it.
    pub(crate) fn envelope(&self, stored: Option<BulkReference>) -> JobEnvelope {
        let body = match stored {
            Some(reference) => Body::PayloadReference(reference),
            None => Body::Payload(self.payload.bytes.clone()),
        };
        JobEnvelope {
            version: ENVELOPE_VERSION,
            job_id: self.job_id.clone(),
            digest: self.digest.to_vec(),
            description: Some(self.description.clone()),
            submit_time: Some(self.submit_time.into()),
            failed_attempts: 0,
            scenario_basis: None,
            body: Some(body),
            scenarios: Vec::new(),
            traceparent: String::new(),
        }
    }
}

/// Keeps the first warnings, up to [`MAX_WARNING_BYTES`], and replaces the others by their
/// count.
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
