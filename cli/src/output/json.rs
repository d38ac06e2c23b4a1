use std::{
    borrow::Cow,
    io::{self, Write},
};

use prost_types::Duration;
use solvemesh_client::{
    Outcome,
    v1::{Failure, Job, SensitivityRanges, SolveResult, SweepSummary},
};

use crate::output::{names, proofs, summary};

/// Writes the outcome of a job as one flat object on a line. It is written value by value, since
/// building a `Value` would copy a large solution. Unknown values are null.
pub(crate) fn write_outcome(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.text("jobId", Some(&outcome.job_id))?;
    object.text("state", names::state(outcome.state))?;
    let result = outcome.result.as_ref();
    termination(&mut object, result)?;
    solution(&mut object, result)?;
    proof(&mut object, result)?;
    sweep(&mut object, outcome.sweep.as_ref())?;
    object.number("maxViolation", max_violation(result))?;
    object.integer("attempt", outcome.attempt.into())?;
    solver(&mut object, result)?;
    failure(&mut object, outcome.failure.as_ref())?;
    object.end()
}

/// Writes the current state of a job as one flat object on a line, with the solution if `full`.
/// Objective, bound and gap of a running job are those of its latest progress.
pub(crate) fn write_job(out: &mut impl Write, job: &Job, full: bool) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.text("jobId", Some(&job.job_id))?;
    object.text("state", names::state(job.state()))?;
    let description = job.description.as_ref();
    object.text("name", description.map(|d| d.model_name.as_str()))?;
    object.pairs("labels", description.into_iter().flat_map(|d| &d.labels))?;
    object.text("requestId", description.map(|d| d.request_id.as_str()))?;
    object.text("lane", description.map(|d| d.lane.as_str()))?;
    let size = description.and_then(|d| d.size.as_ref());
    for (name, count) in [
        ("variables", size.map(|size| size.variable_count)),
        ("constraints", size.map(|size| size.constraint_count)),
        ("nonzeros", size.map(|size| size.nonzero_count)),
        ("integers", size.map(|size| size.integer_count)),
    ] {
        object.maybe_integer(name, count.map(i64::from))?;
    }
    for (name, time) in [
        ("submitTime", &job.submit_time),
        ("startTime", &job.start_time),
        ("finishTime", &job.finish_time),
    ] {
        object.text(name, time.as_ref().map(ToString::to_string).as_deref())?;
    }
    object.integer("attempt", job.attempt.into())?;
    object.text("worker", Some(job.worker.as_str()).filter(|worker| !worker.is_empty()))?;
    object.boolean("cancelRequested", job.cancel_requested)?;
    let result = job.result.as_ref();
    match (&job.progress, result) {
        (Some(progress), None) => {
            object.text("reason", None)?;
            object.text("limit", None)?;
            object.number("objective", progress.objective)?;
            object.number("bound", progress.objective_bound)?;
            object.number("gap", progress.relative_gap)?;
        }
        _ => termination(&mut object, result)?,
    }
    if full {
        solution(&mut object, result)?;
        proof(&mut object, result)?;
    }
    sweep(&mut object, job.sweep_summary.as_ref())?;
    object.number("maxViolation", max_violation(result))?;
    solver(&mut object, result)?;
    failure(&mut object, job.failure.as_ref())?;
    object.end()
}

fn termination<W: Write>(object: &mut Object<'_, W>, r: Option<&SolveResult>) -> io::Result<()> {
    let termination = r.and_then(|result| result.termination.as_ref());
    object.text("reason", termination.and_then(|t| names::reason(t.reason())))?;
    object.text("limit", termination.and_then(|t| names::limit(t.limit())))?;
    object.number("objective", termination.and_then(|t| t.objective))?;
    object.number("bound", termination.and_then(|t| t.objective_bound))?;
    object.number("gap", termination.and_then(|t| t.relative_gap))
}

fn solution<W: Write>(object: &mut Object<'_, W>, r: Option<&SolveResult>) -> io::Result<()> {
    let Some(solution) = r.and_then(|result| result.solution.as_ref()) else {
        return ["values", "duals", "reducedCosts"]
            .iter()
            .try_for_each(|key| object.text(key, None));
    };
    let (variables, constraints) = (&solution.variable_names, &solution.constraint_names);
    object.numbers("values", variables, Some(&solution.values))?;
    // A MIP has neither array. An LP without constraints has an empty array of duals, to be
    // written as `{}`, and is recognised by its reduced costs.
    let is_lp = !solution.duals.is_empty() || !solution.reduced_costs.is_empty();
    object.numbers("duals", constraints, is_lp.then_some(solution.duals.as_slice()))?;
    object.numbers(
        "reducedCosts",
        variables,
        is_lp.then_some(solution.reduced_costs.as_slice()),
    )?;
    for (key, names, ranges) in [
        ("costRanges", variables, &solution.cost_ranges),
        ("boundRanges", variables, &solution.bound_ranges),
        ("rightHandSideRanges", constraints, &solution.right_hand_side_ranges),
    ] {
        if let Some(ranges) = ranges {
            object.ranges(key, names, ranges)?;
        }
    }
    Ok(())
}

/// Writes the keys that only some results have, such as the proof of an infeasible model.
fn proof<W: Write>(object: &mut Object<'_, W>, r: Option<&SolveResult>) -> io::Result<()> {
    let keys = r.map(proofs::keys).unwrap_or_default();
    keys.iter().try_for_each(|(key, value)| object.value(key, value))
}

/// Writes the key `sweep`, which only sweeps have.
fn sweep<W: Write>(object: &mut Object<'_, W>, sweep: Option<&SweepSummary>) -> io::Result<()> {
    sweep.map_or(Ok(()), |sweep| object.value("sweep", &summary::object(sweep)))
}

fn solver<W: Write>(object: &mut Object<'_, W>, r: Option<&SolveResult>) -> io::Result<()> {
    object.text("solver", r.and_then(|result| names::solver(result.solver())))?;
    let statistics = r.and_then(|result| result.statistics.as_ref());
    let time = statistics.and_then(|statistics| statistics.solve_time.as_ref());
    object.number("solveSeconds", time.map(seconds))
}

/// Writes the keys that only failed and expired jobs have.
fn failure<W: Write>(object: &mut Object<'_, W>, failure: Option<&Failure>) -> io::Result<()> {
    let Some(failure) = failure else { return Ok(()) };
    object.text("failureReason", Some(&failure.reason))?;
    object.text("failureMessage", Some(&failure.message))
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

/// A streaming writer of a JSON object. [`end`](Self::end) closes a top-level object and its
/// line; an inner object is closed by writing `}` instead.
pub(crate) struct Object<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<'a, W: Write> Object<'a, W> {
    pub(crate) fn begin(out: &'a mut W) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, first: true })
    }

    pub(crate) fn end(self) -> io::Result<()> {
        self.out.write_all(b"}\n")
    }

    fn key(&mut self, key: &str) -> io::Result<()> {
        if !self.first {
            self.out.write_all(b",")?;
        }
        self.first = false;
        serde_json::to_writer(&mut *self.out, key)?;
        self.out.write_all(b":")
    }

    pub(crate) fn text(&mut self, key: &str, value: Option<&str>) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    fn value(&mut self, key: &str, value: &serde_json::Value) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut *self.out, value)?)
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    pub(crate) fn integer(&mut self, key: &str, value: i64) -> io::Result<()> {
        self.maybe_integer(key, Some(value))
    }

    fn maybe_integer(&mut self, key: &str, value: Option<i64>) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    /// Writes a number; `serde_json` writes one that is not finite as null.
    pub(crate) fn number(&mut self, key: &str, value: Option<f64>) -> io::Result<()> {
        self.key(key)?;
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }

    /// Writes an object of numbers by name, or null.
    pub(crate) fn numbers(
        &mut self,
        key: &str,
        names: &[String],
        values: Option<&[f64]>,
    ) -> io::Result<()> {
        let Some(values) = values else { return self.text(key, None) };
        self.key(key)?;
        let mut inner = Object::begin(&mut *self.out)?;
        for (index, &value) in values.iter().enumerate() {
            inner.number(&name(names, index), Some(value))?;
        }
        self.out.write_all(b"}")
    }

    /// Writes an object of ranges by name. Infinite ends are null.
    fn ranges(
        &mut self,
        key: &str,
        names: &[String],
        ranges: &SensitivityRanges,
    ) -> io::Result<()> {
        self.key(key)?;
        let mut inner = Object::begin(&mut *self.out)?;
        let end = |ends: &[f64], index: usize| ends.get(index).copied();
        for index in 0..ranges.lower.len() {
            inner.key(&name(names, index))?;
            let mut range = Object::begin(&mut *inner.out)?;
            range.number("lower", end(&ranges.lower, index))?;
            range.number("upper", end(&ranges.upper, index))?;
            range.number("objectiveAtLower", end(&ranges.objective_at_lower, index))?;
            range.number("objectiveAtUpper", end(&ranges.objective_at_upper, index))?;
            inner.out.write_all(b"}")?;
        }
        self.out.write_all(b"}")
    }

    fn pairs<'p>(
        &mut self,
        key: &str,
        pairs: impl Iterator<Item = (&'p String, &'p String)>,
    ) -> io::Result<()> {
        self.key(key)?;
        let mut inner = Object::begin(&mut *self.out)?;
        for (name, value) in pairs {
            inner.text(name, Some(value))?;
        }
        self.out.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh_client::v1::{
        JobState, Solution, SolveStatistics, Solver, Termination, TerminationReason, Verification,
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
