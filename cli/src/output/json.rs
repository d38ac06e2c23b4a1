//! The JSON of a job: one flat object on a line. Each struct lists the keys in the order in which
//! they are written. Unknown values are null.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
};

use prost_types::{Duration, Timestamp};
use serde::{Serialize, Serializer};
use solvemesh_client::{
    Outcome,
    v1::{Failure, Job, JobDescription, Progress, SensitivityRanges, Solution, SolveResult},
};

use crate::output::{names, proofs, queue, summary};

/// The outcome of a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeLine<'a> {
    job_id: &'a str,
    state: Option<&'static str>,
    #[serde(flatten)]
    termination: TerminationKeys,
    #[serde(flatten)]
    solution: SolutionKeys<'a>,
    #[serde(flatten)]
    proofs: Option<proofs::Keys<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<summary::Object<'a>>,
    max_violation: Option<f64>,
    attempt: i32,
    #[serde(flatten)]
    solver: SolverKeys,
    #[serde(flatten)]
    failure: Option<FailureKeys<'a>>,
}

/// The current state of a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobLine<'a> {
    job_id: &'a str,
    state: Option<&'static str>,
    name: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    request_id: Option<&'a str>,
    lane: Option<&'a str>,
    variables: Option<i32>,
    constraints: Option<i32>,
    nonzeros: Option<i32>,
    integers: Option<i32>,
    submit_time: Option<String>,
    start_time: Option<String>,
    finish_time: Option<String>,
    attempt: i32,
    worker: Option<&'a str>,
    cancel_requested: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<queue::Object>,
    #[serde(flatten)]
    termination: TerminationKeys,
    #[serde(flatten)]
    solution: Option<SolutionKeys<'a>>,
    #[serde(flatten)]
    proofs: Option<proofs::Keys<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<summary::Object<'a>>,
    max_violation: Option<f64>,
    #[serde(flatten)]
    solver: SolverKeys,
    #[serde(flatten)]
    failure: Option<FailureKeys<'a>>,
}

#[derive(Serialize)]
struct TerminationKeys {
    reason: Option<&'static str>,
    limit: Option<&'static str>,
    objective: Option<f64>,
    bound: Option<f64>,
    gap: Option<f64>,
}

/// The solution, by name. Only results of a sensitivity analysis have ranges.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SolutionKeys<'a> {
    values: Option<NumbersByName<'a>>,
    duals: Option<NumbersByName<'a>>,
    reduced_costs: Option<NumbersByName<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_ranges: Option<RangesByName<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_ranges: Option<RangesByName<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    right_hand_side_ranges: Option<RangesByName<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SolverKeys {
    solver: Option<&'static str>,
    solve_seconds: Option<f64>,
}

/// The keys that only failed and expired jobs have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureKeys<'a> {
    failure_reason: &'a str,
    failure_message: &'a str,
}

/// Numbers as an object by name. It is streamed, since building a map would copy a large solution.
/// `serde_json` writes a number that is not finite as null.
pub(crate) struct NumbersByName<'a> {
    /// A number beyond these has its index as its name; see [`name`].
    pub(crate) names: &'a [String],
    pub(crate) numbers: &'a [f64],
}

impl Serialize for NumbersByName<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let numbers = self.numbers.iter().enumerate();
        to.collect_map(numbers.map(|(index, number)| (name(self.names, index), number)))
    }
}

/// Ranges as an object by name, streamed likewise.
struct RangesByName<'a> {
    names: &'a [String],
    ranges: &'a SensitivityRanges,
}

/// A range. Infinite ends are null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    lower: Option<f64>,
    upper: Option<f64>,
    objective_at_lower: Option<f64>,
    objective_at_upper: Option<f64>,
}

impl Serialize for RangesByName<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let SensitivityRanges { lower, upper, objective_at_lower, objective_at_upper } =
            self.ranges;
        let range = |index: usize| Range {
            lower: lower.get(index).copied(),
            upper: upper.get(index).copied(),
            objective_at_lower: objective_at_lower.get(index).copied(),
            objective_at_upper: objective_at_upper.get(index).copied(),
        };
        to.collect_map((0..lower.len()).map(|index| (name(self.names, index), range(index))))
    }
}

/// Writes an object on a line.
pub(crate) fn write_line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// Writes the outcome of a job.
pub(crate) fn write_outcome(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let result = outcome.result.as_ref();
    let line = OutcomeLine {
        job_id: &outcome.job_id,
        state: names::state(outcome.state),
        termination: termination(result),
        solution: solution(result),
        proofs: result.map(proofs::keys),
        sweep: outcome.sweep.as_ref().map(summary::object),
        max_violation: max_violation(result),
        attempt: outcome.attempt,
        solver: solver(result),
        failure: outcome.failure.as_ref().map(failure),
    };
    write_line(out, &line)
}

/// Writes the current state of a job, with the solution if `full`. Objective, bound and gap of a
/// running job are those of its latest progress.
pub(crate) fn write_job(out: &mut impl Write, job: &Job, full: bool) -> io::Result<()> {
    static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();
    let description = job.description.as_ref();
    let text = |field: fn(&JobDescription) -> &String| description.map(|of| field(of).as_str());
    let size = description.and_then(|of| of.size.as_ref());
    let time = |time: &Option<Timestamp>| time.as_ref().map(ToString::to_string);
    let result = job.result.as_ref();
    let line = JobLine {
        job_id: &job.job_id,
        state: names::state(job.state()),
        name: text(|of| &of.model_name),
        labels: description.map_or(&NO_LABELS, |of| &of.labels),
        request_id: text(|of| &of.request_id),
        lane: text(|of| &of.lane),
        variables: size.map(|size| size.variable_count),
        constraints: size.map(|size| size.constraint_count),
        nonzeros: size.map(|size| size.nonzero_count),
        integers: size.map(|size| size.integer_count),
        submit_time: time(&job.submit_time),
        start_time: time(&job.start_time),
        finish_time: time(&job.finish_time),
        attempt: job.attempt,
        worker: Some(job.worker.as_str()).filter(|worker| !worker.is_empty()),
        cancel_requested: job.cancel_requested,
        queue_position: job.queue_position.as_ref().map(queue::object),
        termination: match (&job.progress, result) {
            (Some(progress), None) => latest(progress),
            _ => termination(result),
        },
        solution: full.then(|| solution(result)),
        proofs: result.filter(|_| full).map(proofs::keys),
        sweep: job.sweep_summary.as_ref().map(summary::object),
        max_violation: max_violation(result),
        solver: solver(result),
        failure: job.failure.as_ref().map(failure),
    };
    write_line(out, &line)
}

fn termination(result: Option<&SolveResult>) -> TerminationKeys {
    let termination = result.and_then(|result| result.termination.as_ref());
    TerminationKeys {
        reason: termination.and_then(|of| names::reason(of.reason())),
        limit: termination.and_then(|of| names::limit(of.limit())),
        objective: termination.and_then(|of| of.objective),
        bound: termination.and_then(|of| of.objective_bound),
        gap: termination.and_then(|of| of.relative_gap),
    }
}

fn latest(progress: &Progress) -> TerminationKeys {
    TerminationKeys {
        reason: None,
        limit: None,
        objective: progress.objective,
        bound: progress.objective_bound,
        gap: progress.relative_gap,
    }
}

fn solution(result: Option<&SolveResult>) -> SolutionKeys<'_> {
    result.and_then(|result| result.solution.as_ref()).map(by_name).unwrap_or_default()
}

fn by_name(solution: &Solution) -> SolutionKeys<'_> {
    let (variables, constraints) = (&solution.variable_names, &solution.constraint_names);
    // A MIP has neither array. An LP without constraints has an empty array of duals, to be
    // written as `{}`, and is recognised by its reduced costs.
    let is_lp = !solution.duals.is_empty() || !solution.reduced_costs.is_empty();
    let of_variables = |ranges| RangesByName { names: variables, ranges };
    let of_constraints = |ranges| RangesByName { names: constraints, ranges };
    SolutionKeys {
        values: Some(NumbersByName { names: variables, numbers: &solution.values }),
        duals: is_lp.then_some(NumbersByName { names: constraints, numbers: &solution.duals }),
        reduced_costs: is_lp
            .then_some(NumbersByName { names: variables, numbers: &solution.reduced_costs }),
        cost_ranges: solution.cost_ranges.as_ref().map(of_variables),
        bound_ranges: solution.bound_ranges.as_ref().map(of_variables),
        right_hand_side_ranges: solution.right_hand_side_ranges.as_ref().map(of_constraints),
    }
}

fn solver(result: Option<&SolveResult>) -> SolverKeys {
    let statistics = result.and_then(|result| result.statistics.as_ref());
    let time = statistics.and_then(|statistics| statistics.solve_time.as_ref());
    SolverKeys {
        solver: result.and_then(|result| names::solver(result.solver())),
        solve_seconds: time.map(seconds),
    }
}

fn failure(failure: &Failure) -> FailureKeys<'_> {
    FailureKeys { failure_reason: &failure.reason, failure_message: &failure.message }
}

fn max_violation(result: Option<&SolveResult>) -> Option<f64> {
    result?.verification.as_ref()?.max_violation
}

/// A protobuf duration, in seconds.
pub(crate) fn seconds(duration: &Duration) -> f64 {
    duration.seconds as f64 + f64::from(duration.nanos) / 1e9
}

/// The name of a variable or constraint, or `#` and its index if the result has no names.
pub(crate) fn name(names: &[String], index: usize) -> Cow<'_, str> {
    names.get(index).map_or_else(|| format!("#{index}").into(), |name| name.as_str().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh_client::v1::{
        Basis, BasisStatus, InfeasibilityProof, InfeasibleSubset, JobState, ModelSize,
        QueuePosition, ScenarioExtreme, SolveStatistics, Solver, StartReport, SubsetBound,
        SweepSummary, Termination, TerminationCount, TerminationReason, UnboundedRay, Verification,
    };

    use super::*;

    fn line(outcome: &Outcome) -> String {
        let mut out = Vec::new();
        write_outcome(&mut out, outcome).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn ended(state: JobState) -> Outcome {
        Outcome { job_id: "j".into(), state, attempt: 0, result: None, failure: None, sweep: None }
    }

    fn solved(solution: Solution) -> Outcome {
        let termination = Termination {
            reason: TerminationReason::Optimal.into(),
            objective: Some(3600.0),
            objective_bound: Some(3600.0),
            relative_gap: Some(0.0),
            ..Termination::default()
        };
        let result = SolveResult {
            termination: Some(termination),
            solution: Some(solution),
            verification: Some(Verification {
                max_violation: Some(0.0),
                ..Verification::default()
            }),
            statistics: Some(SolveStatistics {
                solve_time: Some(Duration { seconds: 1, nanos: 500_000_000 }),
                ..SolveStatistics::default()
            }),
            solver: Solver::Highs.into(),
            ..SolveResult::default()
        };
        Outcome { attempt: 1, result: Some(result), ..ended(JobState::Succeeded) }
    }

    #[test]
    fn a_solved_job_is_one_flat_object_in_the_order_of_the_model() {
        let outcome = solved(Solution {
            variable_names: vec!["Windows".into(), "Doors".into()],
            values: vec![6.0, 2.0],
            reduced_costs: vec![0.0, 0.0],
            constraint_names: vec!["plant 3".into()],
            activities: vec![18.0],
            duals: vec![100.0],
            ..Solution::default()
        });
        let expected = concat!(
            r#"{"jobId":"j","state":"SUCCEEDED","reason":"OPTIMAL","limit":null,"#,
            r#""objective":3600.0,"bound":3600.0,"gap":0.0,"#,
            r#""values":{"Windows":6.0,"Doors":2.0},"duals":{"plant 3":100.0},"#,
            r#""reducedCosts":{"Windows":0.0,"Doors":0.0},"maxViolation":0.0,"#,
            r#""attempt":1,"solver":"HIGHS","solveSeconds":1.5}"#,
            "\n"
        );
        assert_eq!(line(&outcome), expected);
    }

    #[test]
    fn a_mip_has_no_duals() {
        let outcome = solved(Solution {
            variable_names: vec!["x".into()],
            values: vec![1.0],
            constraint_names: vec!["c".into()],
            activities: vec![1.0],
            ..Solution::default()
        });
        assert!(line(&outcome).contains(r#""values":{"x":1.0},"duals":null,"reducedCosts":null"#));
    }

    #[test]
    fn unknown_values_are_null() {
        let json = line(&ended(JobState::Cancelled));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["state"], "CANCELLED");
        for key in ["reason", "limit", "objective", "bound", "gap", "values", "duals", "solver"] {
            assert!(value[key].is_null() && json.contains(&format!("\"{key}\":null")), "{key}");
        }
        assert!(value.get("failureReason").is_none());
    }

    #[test]
    fn a_failed_job_has_reason_and_message() {
        let failure = Failure { reason: "SOLVER_CRASHED".into(), message: "signal 11".into() };
        let json = line(&Outcome { failure: Some(failure), ..ended(JobState::Failed) });
        let end = r#","failureReason":"SOLVER_CRASHED","failureMessage":"signal 11"}"#;
        assert!(json.trim_end().ends_with(end));
    }

    #[test]
    fn a_running_job_has_its_latest_progress() {
        let mut out = Vec::new();
        let progress =
            solvemesh_client::v1::Progress { objective: Some(7.0), ..Default::default() };
        let job = Job { progress: Some(progress), worker: "w".into(), ..Job::default() };
        write_job(&mut out, &job, false).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["objective"], 7.0);
        assert_eq!(value["worker"], "w");
        assert!(value["reason"].is_null() && value.get("values").is_none());
    }

    #[test]
    fn a_queued_job_has_its_position() {
        let mut out = Vec::new();
        let position = QueuePosition { jobs_ahead_count: 3, estimated_wait: None };
        let job = Job { queue_position: Some(position), ..Job::default() };
        write_job(&mut out, &job, false).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({"jobsAhead": 3, "estimatedWaitSeconds": null});
        assert_eq!(value["queuePosition"], expected);
    }

    /// A job with every key that only some jobs have.
    fn complete() -> Outcome {
        let ranges = |lower: f64| SensitivityRanges {
            lower: vec![lower],
            upper: vec![f64::INFINITY],
            objective_at_lower: vec![1.0],
            objective_at_upper: Vec::new(),
        };
        let extreme = ScenarioExtreme { index: 2, label: "low".into(), objective: Some(1.0) };
        let bound = SubsetBound { name: "x".into(), bound: Some(2.0), ..SubsetBound::default() };
        let solved = solved(Solution {
            variable_names: vec!["x".into()],
            values: vec![1.0, f64::NAN],
            reduced_costs: vec![0.5],
            cost_ranges: Some(ranges(f64::NEG_INFINITY)),
            bound_ranges: Some(ranges(-1.0)),
            right_hand_side_ranges: Some(ranges(0.0)),
            ..Solution::default()
        });
        let result = SolveResult {
            infeasibility_proof: Some(InfeasibilityProof {
                constraint_names: vec!["d".into(), "c".into(), "c".into()],
                multipliers: vec![1.0, 2.0, f64::NAN],
                verified: true,
                ..InfeasibilityProof::default()
            }),
            infeasible_subset: Some(InfeasibleSubset {
                variables: vec![bound],
                ..InfeasibleSubset::default()
            }),
            unbounded_ray: Some(UnboundedRay {
                variable_names: vec!["x".into()],
                values: vec![1.0],
                rate: Some(-3.0),
                ..UnboundedRay::default()
            }),
            start_report: Some(StartReport { detail: "d".into(), ..StartReport::default() }),
            basis: Some(Basis {
                variables: vec![BasisStatus::Basic.into()],
                constraints: vec![BasisStatus::Upper.into()],
            }),
            ..solved.result.unwrap()
        };
        let sweep = SweepSummary {
            scenario_count: 3,
            answered_count: 2,
            counts: vec![TerminationCount { reason: TerminationReason::Optimal.into(), count: 2 }],
            best: Some(extreme),
            iteration_count: 9,
            ..SweepSummary::default()
        };
        let failure = Failure { reason: "R".into(), message: "m".into() };
        let (result, failure, sweep) = (Some(result), Some(failure), Some(sweep));
        Outcome { job_id: "j".into(), state: JobState::Failed, attempt: 1, result, failure, sweep }
    }

    /// The keys from `values` to `sweep` of [`complete`].
    const COMPLETE: &str = concat!(
        r##""values":{"x":1.0,"#1":null},"duals":{},"reducedCosts":{"x":0.5},"##,
        r#""costRanges":{"x":{"lower":null,"upper":null,"objectiveAtLower":1.0,"#,
        r#""objectiveAtUpper":null}},"#,
        r#""boundRanges":{"x":{"lower":-1.0,"upper":null,"objectiveAtLower":1.0,"#,
        r#""objectiveAtUpper":null}},"#,
        r##""rightHandSideRanges":{"#0":{"lower":0.0,"upper":null,"objectiveAtLower":1.0,"##,
        r#""objectiveAtUpper":null}},"#,
        r#""infeasibilityProof":{"distance":null,"multipliers":{"c":null,"d":1.0},"#,
        r#""verified":true},"#,
        r#""infeasibleSubset":{"constraints":[],"irreducible":false,"#,
        r#""variables":[{"bound":2.0,"name":"x","side":"LOWER"}],"verified":false},"#,
        r#""unboundedRay":{"rate":-3.0,"steps":{"x":1.0},"verified":false},"#,
        r#""start":{"detail":"d","objective":null,"status":"UNSPECIFIED"},"#,
        r#""basis":{"constraints":["UPPER"],"variables":["BASIC"]},"#,
        r#""sweep":{"answered":2,"best":{"label":"low","objective":1.0,"scenario":2},"#,
        r#""counts":{"OPTIMAL":2},"iterations":9,"scenarios":3,"stoppedBy":null,"worst":null},"#,
    );

    #[test]
    fn keys_of_proofs_ranges_and_sweeps_have_their_places() {
        let start = r#"{"jobId":"j","state":"FAILED","reason":"OPTIMAL","limit":null,"#;
        let numbers = r#""objective":3600.0,"bound":3600.0,"gap":0.0,"#;
        let end = concat!(
            r#""maxViolation":0.0,"attempt":1,"solver":"HIGHS","solveSeconds":1.5,"#,
            r#""failureReason":"R","failureMessage":"m"}"#,
            "\n"
        );
        assert_eq!(line(&complete()), format!("{start}{numbers}{COMPLETE}{end}"));
    }

    #[test]
    fn a_job_has_its_solution_only_in_full() {
        let Outcome { job_id, result, failure, sweep: sweep_summary, .. } = complete();
        let description = JobDescription {
            model_name: "m".into(),
            labels: [("b", "2"), ("a", "1")].map(|(k, v)| (k.into(), v.into())).into(),
            lane: "default".into(),
            size: Some(ModelSize { variable_count: 1, ..ModelSize::default() }),
            ..JobDescription::default()
        };
        let job = Job {
            job_id,
            state: JobState::Failed.into(),
            description: Some(description),
            submit_time: Some(Timestamp { seconds: 0, nanos: 0 }),
            result,
            failure,
            sweep_summary,
            ..Job::default()
        };
        let written = |full| {
            let mut out = Vec::new();
            write_job(&mut out, &job, full).unwrap();
            String::from_utf8(out).unwrap()
        };
        let start = concat!(
            r#"{"jobId":"j","state":"FAILED","name":"m","labels":{"a":"1","b":"2"},"#,
            r#""requestId":"","lane":"default","variables":1,"constraints":0,"nonzeros":0,"#,
            r#""integers":0,"submitTime":"1970-01-01T00:00:00Z","startTime":null,"#,
            r#""finishTime":null,"attempt":0,"worker":null,"cancelRequested":false,"#,
            r#""reason":"OPTIMAL","limit":null,"objective":3600.0,"bound":3600.0,"gap":0.0,"#,
        );
        let end = concat!(
            r#""maxViolation":0.0,"solver":"HIGHS","solveSeconds":1.5,"#,
            r#""failureReason":"R","failureMessage":"m"}"#,
            "\n"
        );
        assert_eq!(written(true), format!("{start}{COMPLETE}{end}"));
        let sweep = &COMPLETE[COMPLETE.find(r#""sweep""#).unwrap()..];
        assert_eq!(written(false), format!("{start}{sweep}{end}"));
    }

    proptest! {
        #[test]
        fn any_solution_is_written_exactly_and_without_nan_or_infinity(
            variables in prop::collection::btree_map(any::<String>(), prop::num::f64::ANY, 0..20),
        ) {
            let (variable_names, values): (Vec<_>, Vec<_>) = variables.clone().into_iter().unzip();
            let json = line(&solved(Solution { variable_names, values, ..Solution::default() }));
            prop_assert_eq!(json.matches('\n').count(), 1);
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            for (name, value) in variables {
                let read = &parsed["values"][&name];
                if value.is_finite() {
                    prop_assert_eq!(read.as_f64().unwrap().to_bits(), value.to_bits());
                } else {
                    prop_assert!(read.is_null());
                }
            }
        }
    }
}
