use std::time::{Duration, SystemTime};

use solvemesh::{
    broker::v1::{BulkReference, JobEnvelope, JobPayload, job_envelope::Body},
    v1::{
        Job, JobDescription, JobState, ModelSize, SolveOptions, StartingPoint, SubmitJobRequest,
        Sweep, SweepDescription, SweepSummary,
    },
};
use solvemesh_broker::{ENVELOPE_VERSION, Lane};
use solvemesh_model::{NormalModel, ReadModel, normalise_start, sweep::Scenarios};

use super::{
    catalog,
    identity::{self, EncodedPayload},
    job_id, option_support, options, sweep,
};
use crate::{
    policy::Policy,
    refusal::{FieldError, Refusal, reason},
};

/// The largest LP that goes into the express lane by default: LPs up to this size are solved
/// within milliseconds, and must not wait behind long solves.
const EXPRESS_VARIABLES: i32 = 2_000;
const EXPRESS_CONSTRAINTS: i32 = 2_000;
const EXPRESS_NONZEROS: i32 = 10_000;

const MAX_LABELS: usize = 64;
const MAX_LABEL_KEY: usize = 63;
const MAX_LABEL_VALUE: usize = 255;
const MAX_REQUEST_ID: usize = 128;
const MAX_MODEL_NAME: usize = 255;

/// Maximum total size of a job's warnings, in bytes. They are part of the job's description,
/// which every page of `ListJobs` contains.
const MAX_WARNING_BYTES: usize = 16 << 10;

/// A job as a client requests it, independent of the RPC.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// The request. `Solve` has the same fields.
    pub request: SubmitJobRequest,
    /// The tenant of the caller's credential; empty as long as there are no credentials. It is
    /// never taken from the request.
    pub tenant: String,
    /// The time that the caller's own (gRPC) deadline leaves for the solve; caps the time
    /// limit. Not part of the digest: a retry with less time left is the same submission.
    pub time_left: Option<Duration>,
}

/// A valid job, with everything decided, that is ready to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The job's id.
    pub job_id: String,
    /// The digest of the submission, by which a repeated request id is checked.
    pub digest: [u8; 32],
    /// The queue in which it waits.
    pub lane: Lane,
    /// The model in normal form, with its start or its scenarios.
    pub payload: EncodedPayload,
    /// The part that is kept in the log and shown by the API: all but the payload.
    pub description: JobDescription,
    /// When it was submitted.
    pub submit_time: SystemTime,
}

/// Validates a submission and turns it into a plan: reads the model into normal form, fills in
/// the defaults, chooses the lane, encodes the payload and computes the digest. No I/O.
///
/// # Errors
///
/// [`Refusal::Invalid`] with every invalid field. Errors in the model itself are reported alone,
/// because most other checks need the model.
pub fn plan(submission: Submission, policy: &Policy, now: SystemTime) -> Result<Plan, Refusal> {
    let Submission { mut request, tenant, time_left } = submission;
    let model = request.model.take().ok_or_else(|| Refusal::missing("model"))?;
    let times = times(&request, policy);
    let read = solvemesh_model::read(model, &policy.model)?;
    let Decisions { lane, mut options, start, scenarios } =
        decide(&request, &read, times.as_ref().err(), policy)?;
    let Times { total, queue } = times.map_err(invalid)?;

    let ReadModel { name, model, size, warnings } = read;
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
    let mut faults = identity_faults(request);
    faults.extend(others.into_iter().flatten().cloned());
    if read.name.chars().count() > MAX_MODEL_NAME {
        let wrong = format!("may have at most {MAX_MODEL_NAME} characters");
        faults.push(FieldError::new("model.name", wrong));
    }
    let requested = request.options.clone().unwrap_or_default();
    let lane = lane(request, &requested, read, policy).map_err(|wrong| faults.push(wrong));
    let options = options::resolve(&requested, &read.model, policy);
    let options = options.map_err(|wrong| faults.extend(wrong));
    let start = start(request, &requested, &read.model).map_err(|wrong| faults.extend(wrong));
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

/// The times after which a job is given up, from now.
struct Times {
    total: Duration,
    /// While it is still queued; at most `total`.
    queue: Duration,
}

fn times(request: &SubmitJobRequest, policy: &Policy) -> Result<Times, Vec<FieldError>> {
    let total = time("total_time_limit", request.total_time_limit, policy);
    let queue = time("queue_time_limit", request.queue_time_limit, policy);
    match (total, queue) {
        (Ok(total), Ok(queue)) => Ok(Times { total, queue: queue.min(total) }),
        (total, queue) => Err([total.err(), queue.err()].into_iter().flatten().collect()),
    }
}

/// The start in normal form.
fn start(
    request: &SubmitJobRequest,
    options: &SolveOptions,
    model: &NormalModel,
) -> Result<Option<StartingPoint>, Vec<FieldError>> {
    let [start] = request.starts.as_slice() else {
        let wrong = || vec![FieldError::new("starts", "may have at most one entry")];
        return if request.starts.is_empty() { Ok(None) } else { Err(wrong()) };
    };
    let solver = options::chosen_solver(options);
    if !catalog::supports_field(solver, "starts") {
        return Err(vec![FieldError::new("starts", option_support::unsupported(solver, "starts"))]);
    }
    let described = |fault: &solvemesh_model::Fault| FieldError {
        field: fault.field.clone(),
        description: fault.to_string(),
        place: None,
    };
    normalise_start(start, model).map_err(|wrong| wrong.0.iter().map(described).collect())
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
    pub fn job(&self) -> Job {
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
    pub fn envelope(&self, stored: Option<BulkReference>) -> JobEnvelope {
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
            body: Some(body),
            scenarios: Vec::new(),
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

/// Validates the request id and the labels.
fn identity_faults(request: &SubmitJobRequest) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if request.request_id.chars().count() > MAX_REQUEST_ID {
        faults.push(FieldError::new(
            "request_id",
            format!("may have at most {MAX_REQUEST_ID} characters"),
        ));
    }
    if request.labels.len() > MAX_LABELS {
        faults.push(FieldError::new("labels", format!("at most {MAX_LABELS} labels are allowed")));
    }
    // Bounded, as each label can add an error to the response.
    for (key, value) in request.labels.iter().take(MAX_LABELS) {
        if !(1..=MAX_LABEL_KEY).contains(&key.chars().count()) {
            let wrong = format!("a key must have 1 to {MAX_LABEL_KEY} characters");
            faults.push(FieldError::new(format!("labels[{key:?}]"), wrong));
        }
        if value.chars().count() > MAX_LABEL_VALUE {
            let wrong = format!("a value may have at most {MAX_LABEL_VALUE} characters");
            faults.push(FieldError::new(format!("labels[{key:?}]"), wrong));
        }
    }
    faults
}

/// Validates a requested time limit; the policy's maximum where none is requested.
fn time(
    field: &str,
    requested: Option<prost_types::Duration>,
    policy: &Policy,
) -> Result<Duration, FieldError> {
    let max = policy.max_total_time_limit;
    match requested.map(Duration::try_from) {
        None => Ok(max),
        Some(Ok(duration)) if !duration.is_zero() && duration <= max => Ok(duration),
        Some(_) => {
            let max = max.as_secs_f64();
            let wrong = format!("must be above 0 and at most max_total_time_limit, {max} s");
            Err(FieldError::new(field, wrong))
        }
    }
}

/// The lane of a job: that of its solver, if it has one of its own; else the requested one; else
/// express or standard by kind and size of the model.
fn lane(
    request: &SubmitJobRequest,
    options: &SolveOptions,
    read: &ReadModel,
    policy: &Policy,
) -> Result<Lane, FieldError> {
    let requested = request.lane.as_str();
    if let Some(own) = catalog::own_lane(options.solver()) {
        return if requested.is_empty() || requested == own.as_str() {
            Ok(own)
        } else {
            let wrong = format!("must be {own} for this solver, not {requested:?}");
            Err(FieldError::new("lane", wrong))
        };
    }
    // A sweep solves many models, and a small MIP can take hours.
    let is_small =
        request.sweep.is_none() && !options::is_discrete(&read.model) && is_small(&read.size);
    choose_lane(requested, is_small, policy)
}

/// Whether an LP of this size fits the express lane.
fn is_small(size: &ModelSize) -> bool {
    size.variable_count <= EXPRESS_VARIABLES
        && size.constraint_count <= EXPRESS_CONSTRAINTS
        && size.nonzero_count <= EXPRESS_NONZEROS
}

/// The requested lane; without one, express or standard by size, or the first lane of a mesh
/// that has neither.
fn choose_lane(requested: &str, is_small: bool, policy: &Policy) -> Result<Lane, FieldError> {
    let find = |name: &str| policy.lanes.iter().find(|lane| lane.as_str() == name).cloned();
    if !requested.is_empty() {
        let names = || policy.lanes.iter().map(Lane::as_str).collect::<Vec<_>>().join(", ");
        return find(requested).ok_or_else(|| {
            let wrong = format!("unknown lane {requested:?}; the lanes are {}", names());
            FieldError::new("lane", wrong)
        });
    }
    let fitting = if is_small { Lane::EXPRESS } else { Lane::STANDARD };
    let found = find(fitting).or_else(|| policy.lanes.first().cloned());
    found.ok_or_else(|| FieldError::new("lane", "no lanes are configured"))
}
