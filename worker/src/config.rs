//! The configuration of a worker: its name, slots, limits and timeouts.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use solvemesh_broker::{InvalidLane, Lane};

use crate::{job_limit::JobLimit, metrics::Metrics};

/// The lanes of the optional solvers that this program was built with. Such solvers have lanes of
/// their own, because not every worker has them.
pub const OWN_LANES: &[&str] = &[
    #[cfg(feature = "cbc")]
    Lane::CBC,
    #[cfg(feature = "scip")]
    Lane::SCIP,
];

/// Configuration of a worker. [`WorkerConfig::default`] suits a machine that runs nothing else.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Name of the worker in logs and in the jobs that it solves.
    pub name: String,
    /// Number of jobs of each lane that are solved at once. Slots × `threads_per_job`
    /// should not exceed the cores.
    pub slots: Slots,
    /// Number of jobs that each slot takes.
    pub job_limit: JobLimit,
    /// Command that starts a solver process.
    pub solver: SolverCommandLine,
    /// Number of attempts that may die in the solver until the job fails; at least 1. Only
    /// attempts that started count.
    pub max_attempts: u32,
    /// Maximum threads of a job, whatever it requests; at least 1.
    pub threads_per_job: u32,
    /// Maximum memory that a solver process may allocate for a job, in bytes, whatever the job
    /// requests; `None` for no limit.
    pub memory_per_job: Option<u64>,
    /// Maximum time limit of a job, and the time limit of jobs without one.
    pub max_solve_time: Duration,
    /// How long a solver may exceed its time limit before it is killed.
    pub overrun: Overrun,
    /// How long a solver may take to stop a cancelled solve before it is killed.
    pub cancel_grace: Duration,
    /// Timeout for a solver process to report ready, and for reading a task.
    pub start_timeout: Duration,
    /// Maximum number of unsettled jobs of a slot of the express lane, the one it solves included.
    /// A slot of any other lane has one.
    pub express_prefetch: u16,
    /// After this time in one solve, a slot requeues its prefetched jobs, for slots that are
    /// free. Each requeue counts against the broker's delivery limit.
    pub share_after: Duration,
    /// Timeout of a lookup: how long a redelivered job waits for a gateway to report its status.
    /// Without an answer it is solved.
    pub lookup_timeout: Duration,
    /// Minimum time between two progress entries of an attempt.
    pub progress_interval: Duration,
    /// Maximum time between two progress entries of an attempt, even if the solver reports
    /// nothing.
    pub heartbeat: Duration,
    /// How long a job of a later format is parked before it is requeued. Each requeue counts
    /// against the broker's delivery limit of 200, so 200 of these pauses have to exceed the
    /// longest deadline. Must be less than 30 minutes: RabbitMQ before 3.12 requeues a delivery
    /// that is unsettled for that long.
    pub later_format_pause: Duration,
    /// How long a drain waits, after the last solve, for the log to confirm the results.
    pub settle_grace: Duration,
    /// Where the worker counts what it does.
    pub metrics: Metrics,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            slots: Slots::default(),
            job_limit: JobLimit::default(),
            solver: SolverCommandLine::default(),
            max_attempts: 3,
            threads_per_job: 1,
            memory_per_job: None,
            max_solve_time: Duration::from_secs(24 * 60 * 60),
            overrun: Overrun::default(),
            cancel_grace: Duration::from_secs(1),
            start_timeout: Duration::from_secs(30),
            express_prefetch: 32,
            share_after: Duration::from_secs(2),
            lookup_timeout: Duration::from_secs(2),
            progress_interval: Duration::from_millis(500),
            // The public API promises progress once a second; timers fire late.
            heartbeat: Duration::from_millis(900),
            later_format_pause: Duration::from_secs(10 * 60),
            settle_grace: Duration::from_secs(10),
            metrics: Metrics::default(),
        }
    }
}

impl WorkerConfig {
    /// Maximum number of unsettled jobs of a slot of this lane.
    pub fn prefetch(&self, lane: &Lane) -> u16 {
        let may_prefetch = lane.as_str() == Lane::EXPRESS && self.job_limit.allows_more();
        if may_prefetch { self.express_prefetch.max(1) } else { 1 }
    }
}

/// How long a solver may exceed its time limit before it is killed: some phases of a solver
/// rarely check the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overrun {
    /// Fixed part.
    pub fixed: Duration,
    /// Part in proportion to the time limit, added to the fixed part; 0.1 is a tenth.
    pub share: f64,
}

impl Default for Overrun {
    fn default() -> Self {
        Self { fixed: Duration::from_secs(5), share: 0.1 }
    }
}

impl Overrun {
    /// The overrun of a solve with this time limit.
    pub fn of(&self, limit: Duration) -> Duration {
        let share = Duration::try_from_secs_f64(limit.as_secs_f64() * self.share);
        self.fixed.saturating_add(share.unwrap_or_default())
    }
}

/// Command that starts a solver process, which speaks the protocol `solvemesh.solver.v1` on its
/// standard input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolverCommandLine {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl SolverCommandLine {
    /// This program with these arguments. On Linux, `/proc/self/exe` stays the same program even
    /// if its file is replaced by a newer version meanwhile.
    pub fn this_program(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().unwrap_or_else(|_| PathBuf::from("solvemesh-worker"))
        };
        Self { program, args: args.into_iter().map(Into::into).collect() }
    }
}

impl Default for SolverCommandLine {
    /// `solvemesh-worker solver`, where this program is `solvemesh-worker`.
    fn default() -> Self {
        Self::this_program(["solver"])
    }
}

/// Number of slots of each lane, as in "express=1,standard=4".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(BTreeMap<Lane, usize>);

/// Maximum number of slots of one lane.
const MAX_SLOTS: usize = 1024;

impl Slots {
    /// The lanes and their numbers of slots.
    pub fn iter(&self) -> impl Iterator<Item = (&Lane, usize)> {
        self.0.iter().map(|(lane, count)| (lane, *count))
    }

    /// One slot of the standard lane.
    pub fn one() -> Self {
        Self(Lane::STANDARD.parse().map(|lane| (lane, 1)).into_iter().collect())
    }

    /// Total number of slots.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The default for this number of cores: one slot for the express lane, one for each lane of
    /// [`OWN_LANES`], and `cores` for the standard lane.
    pub fn for_cores(cores: usize) -> Self {
        let lanes = [(Lane::EXPRESS, 1), (Lane::STANDARD, cores.clamp(1, MAX_SLOTS))];
        let own = OWN_LANES.iter().map(|&lane| (lane, 1));
        let lanes = lanes.into_iter().chain(own);
        Self(lanes.filter_map(|(name, n)| Some((name.parse().ok()?, n))).collect())
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::for_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// Why a text is not a valid list of slots.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlots {
    /// An item is not of the form LANE=N.
    #[error("expected LANE=N, found {0:?}")]
    Form(String),
    /// A name is not a valid lane.
    #[error(transparent)]
    Lane(#[from] InvalidLane),
    /// A lane has too many slots, or is listed twice.
    #[error("expected each lane once with at most {MAX_SLOTS} slots, found {0:?}")]
    Count(String),
    /// A lane is that of a solver that this program was built without.
    #[error("this program was built without the solver of lane {0}")]
    Solver(Lane),
    /// No lane has a slot.
    #[error("expected at least one slot")]
    None,
}

impl FromStr for Slots {
    type Err = InvalidSlots;

    fn from_str(text: &str) -> Result<Self, InvalidSlots> {
        let mut slots = BTreeMap::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let form = || InvalidSlots::Form(item.to_owned());
            let (lane, count) = item.split_once('=').ok_or_else(form)?;
            let count = count.trim().parse::<usize>().map_err(|_| form())?;
            let lane: Lane = lane.trim().parse()?;
            let unsupported = [Lane::CBC, Lane::SCIP].contains(&lane.as_str())
                && !OWN_LANES.contains(&lane.as_str());
            if unsupported && count > 0 {
                return Err(InvalidSlots::Solver(lane));
            }
            let repeated = slots.insert(lane, count).is_some();
            if repeated || count > MAX_SLOTS {
                return Err(InvalidSlots::Count(item.to_owned()));
            }
        }
        slots.retain(|_, count| *count > 0);
        if slots.is_empty() { Err(InvalidSlots::None) } else { Ok(Self(slots)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_parsed() {
        let slots: Slots = "express=1, standard=4,big-lane=0".parse().unwrap_or_default();
        let read: Vec<_> = slots.iter().map(|(lane, n)| (lane.to_string(), n)).collect();
        assert_eq!(read, [("express".to_owned(), 1), ("standard".to_owned(), 4)]);
        assert_eq!(slots.total(), 5);
    }

    #[test]
    fn a_worker_for_one_job_prefetches_no_others() {
        let one = JobLimit::One { wait: None };
        let config = WorkerConfig { job_limit: one, slots: Slots::one(), ..Default::default() };
        assert_eq!(Ok(config.slots.clone()), "standard=1".parse());
        assert_eq!(config.prefetch(&Lane::express()), 1);
        assert_eq!(WorkerConfig::default().prefetch(&Lane::express()), 32);
    }

    #[test]
    fn invalid_slots_are_rejected() {
        for bad in ["", "express", "express=x", "express=-1", "a=1,a=2", "a=2000", "A=1", "a=0"] {
            assert!(bad.parse::<Slots>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_solver_may_overrun_by_a_fixed_time_and_a_share_of_its_limit() {
        let overrun = Overrun { fixed: Duration::from_secs(5), share: 0.1 };
        assert_eq!(overrun.of(Duration::from_secs(60)), Duration::from_secs(11));
        assert_eq!(overrun.of(Duration::ZERO), Duration::from_secs(5));
    }

    #[test]
    fn this_program_starts_a_copy_of_itself() {
        let again = SolverCommandLine::this_program(["--list"]);
        let listed = std::process::Command::new(again.program).args(again.args).output();
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        assert!(listed.is_ok_and(|tests| tests.contains("this_program_starts_a_copy_of_itself")));
    }
}
