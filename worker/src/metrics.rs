//! What the worker does, for Prometheus. No label has text of a submitter: the values of all of them
//! are lanes, solvers and names of this program.
//!
//! Counters whose labels are known exist from the start, at 0: Prometheus sees an increase only between
//! two samples, and would miss the first event of each.

use std::time::{Duration, SystemTime};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use solvemesh::v1::{ScenarioResult, Solver};
use solvemesh_broker::Lane;

use crate::{
    attempt::disposition::{Disposition, Ending},
    delivery::lookup::Decision,
    process::Death,
};

/// Counters and histograms of a worker. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    slots: Family<Slots, Gauge>,
    attempts: Family<Attempts, Counter>,
    solve_seconds: Family<Solves, Histogram, fn() -> Histogram>,
    queue_seconds: Family<InLane, Histogram, fn() -> Histogram>,
    solver_restarts: Family<Restarts, Counter>,
    redeliveries: Family<Redeliveries, Counter>,
    scenarios: Family<Scenarios, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Slots {
    lane: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempts {
    lane: String,
    ending: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Solves {
    lane: String,
    solver: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InLane {
    lane: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Restarts {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Redeliveries {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Scenarios {
    reason: &'static str,
}

/// What can happen to the job of an attempt that has ended.
const ENDINGS: [&str; 5] = ["succeeded", "cancelled", "failed", "retried", "requeued"];

/// The label of solver processes that were killed as they exceeded the time limit of their job.
const KILLED_AT_TIME_LIMIT: &str = "KILLED_AT_TIME_LIMIT";
/// The label of those that did not stop for a cancel.
const KILLED_FOR_CANCEL: &str = "KILLED_FOR_CANCEL";

/// What is done with a job that was delivered again.
const REDELIVERIES: [&str; 3] = ["solved", "finished_already", "parked"];

/// A histogram of times from a millisecond to most of a day: 0.001, 0.004, … 67,109 s.
fn times() -> Histogram {
    Histogram::new((0..14).map(|step| 0.001 * 4_f64.powi(step)))
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            slots: Family::default(),
            attempts: Family::default(),
            solve_seconds: Family::new_with_constructor(times),
            queue_seconds: Family::new_with_constructor(times),
            solver_restarts: Family::default(),
            redeliveries: Family::default(),
            scenarios: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        for cause in Death::REASONS.into_iter().chain([KILLED_AT_TIME_LIMIT, KILLED_FOR_CANCEL]) {
            drop(self.solver_restarts.get_or_create(&Restarts { cause }));
        }
        for what in REDELIVERIES {
            drop(self.redeliveries.get_or_create(&Redeliveries { what }));
        }
        registry.register(
            "slots",
            "Slots of this worker: busy ones solve a job, idle ones wait for one",
            self.slots.clone(),
        );
        registry.register(
            "attempts",
            "Attempts at jobs that have ended, by what happened to the job",
            self.attempts.clone(),
        );
        registry.register(
            "solve_seconds",
            "Time of a solve in the solver process",
            self.solve_seconds.clone(),
        );
        registry.register(
            "queue_seconds",
            "Time from the submission of a job to the start of its first attempt",
            self.queue_seconds.clone(),
        );
        registry.register(
            "solver_restarts",
            "Solver processes that died or were killed, and were started again",
            self.solver_restarts.clone(),
        );
        registry.register(
            "redeliveries",
            "Jobs that were delivered again or may be queued twice, by what was done with them",
            self.redeliveries.clone(),
        );
        registry.register(
            "scenarios",
            "Scenarios of sweeps that were answered, by the reason of their end",
            self.scenarios.clone(),
        );
    }

    /// Adds the slots of a lane, all of them idle.
    pub(crate) fn add_slots(&self, lane: &Lane, count: usize) {
        self.slots(lane, "idle").set(i64::try_from(count).unwrap_or(i64::MAX));
        self.slots(lane, "busy").set(0);
        for ending in ENDINGS {
            drop(self.attempts.get_or_create(&Attempts { lane: lane.to_string(), ending }));
        }
    }

    /// A slot of a lane has become busy.
    pub(crate) fn slot_became_busy(&self, lane: &Lane) {
        self.slots(lane, "idle").dec();
        self.slots(lane, "busy").inc();
    }

    /// A slot of a lane has become idle.
    pub(crate) fn slot_became_idle(&self, lane: &Lane) {
        self.slots(lane, "busy").dec();
        self.slots(lane, "idle").inc();
    }

    fn slots(&self, lane: &Lane, state: &'static str) -> Gauge {
        self.slots.get_or_create_owned(&Slots { lane: lane.to_string(), state })
    }

    /// The first attempt of a job starts, which was submitted at a time by the clock of its gateway.
    pub(crate) fn job_started(&self, lane: &str, submitted: SystemTime) {
        // A clock that is ahead counts as no wait.
        let waited = SystemTime::now().duration_since(submitted).unwrap_or_default();
        let label = InLane { lane: lane.to_owned() };
        self.queue_seconds.get_or_create(&label).observe(waited.as_secs_f64());
    }

    /// An attempt has ended: how, and what happens to its job.
    pub(crate) fn attempt_ended(&self, lane: &Lane, ending: &Ending, disposition: &Disposition) {
        match ending {
            Ending::Reported { .. } | Ending::KilledForDrain => {}
            Ending::Overran => self.solver_restarted(KILLED_AT_TIME_LIMIT),
            Ending::KilledForCancel => self.solver_was_killed_for_cancel(),
            Ending::Died(death) => self.solver_died(death),
        }
        let ending = match disposition {
            Disposition::Succeed => "succeeded",
            Disposition::Cancel => "cancelled",
            Disposition::Fail(_) => "failed",
            Disposition::Retry(_) => "retried",
            Disposition::Requeue => "requeued",
        };
        self.attempts.get_or_create(&Attempts { lane: lane.to_string(), ending }).inc();
    }

    /// A solver has solved a model, or has tried to.
    pub(crate) fn solved(&self, lane: &Lane, solver: Solver, time: Duration) {
        let solver = solver.as_str_name();
        let solver = solver.strip_prefix("SOLVER_").unwrap_or(solver);
        let label = Solves { lane: lane.to_string(), solver };
        self.solve_seconds.get_or_create(&label).observe(time.as_secs_f64());
    }

    /// A solver process has died by itself.
    pub(crate) fn solver_died(&self, death: &Death) {
        self.solver_restarted(death.reason());
    }

    /// A solver process was killed as it did not stop for a cancel.
    pub(crate) fn solver_was_killed_for_cancel(&self) {
        self.solver_restarted(KILLED_FOR_CANCEL);
    }

    fn solver_restarted(&self, cause: &'static str) {
        self.solver_restarts.get_or_create(&Restarts { cause }).inc();
    }

    /// What was decided about a delivery. A first delivery that is solved is nothing special.
    pub(crate) fn decided(&self, decision: &Decision, redelivered: bool) {
        let what = match decision {
            Decision::Solve(_) if !redelivered => return,
            Decision::Solve(_) => "solved",
            Decision::Acknowledge => "finished_already",
            Decision::Park => "parked",
        };
        self.redeliveries.get_or_create(&Redeliveries { what }).inc();
    }

    /// Scenarios have been answered.
    pub(crate) fn scenarios_answered(&self, results: &[ScenarioResult]) {
        for result in results {
            let reason = result.reason().as_str_name();
            let reason = reason.strip_prefix("TERMINATION_REASON_").unwrap_or(reason);
            self.scenarios.get_or_create(&Scenarios { reason }).inc();
        }
    }
}
