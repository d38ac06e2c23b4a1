//! What a worker is told at its start, and every bound it keeps to.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use solvemesh_broker::{InvalidLane, Lane};

/// The lanes of the solvers that not every worker has and that this program was built with.
pub const OWN_LANES: &[&str] = &[
    #[cfg(feature = "cbc")]
    Lane::CBC,
    #[cfg(feature = "scip")]
    Lane::SCIP,
];

/// How a worker works. [`WorkerConfig::default`] has sane values for a machine that
/// does nothing else.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Tells this worker from others, in the log and to the submitters.
    pub name: String,
    /// How many jobs of each lane are solved at once. Slots × `threads_per_job`
    /// should not exceed the cores.
    pub slots: Slots,
    /// How a solver process is started.
    pub solver: SolverCommandLine,
    /// How many attempts of a job may die in the solver before the job fails; at
    /// least 1. Only attempts that started count.
    pub max_attempts: u32,
    /// The most threads that a job gets, whatever it asks for; at least 1.
    pub threads_per_job: u32,
    /// The most memory that a solver process may allocate for a job, in bytes, whatever
    /// that asks for; `None` for no cap.
    pub memory_per_job: Option<u64>,
    /// The time limit of a job that has none, and the most that any job gets.
    pub longest_solve: Duration,
    /// How long past its time limit a solver may go on before it is killed.
    pub overrun: Overrun,
    /// How long a solver may take to end a solve that was cancelled before it is
    /// killed.
    pub cancel_grace: Duration,
    /// How long a solver process may take to say that it is up, and to read a task.
    pub start_timeout: Duration,
    /// How many jobs of the express lane a slot holds, the one it solves included.
    /// A slot of any other lane holds one.
    pub express_prefetch: u16,
    /// A slot that is busy with one job for longer than this gives the others that it
    /// holds to slots that are free. Each return counts against the broker's delivery
    /// limit.
    pub share_after: Duration,
    /// How long a job that was handed out before waits for a gateway to tell where it
    /// stands; without an answer it is solved.
    pub ask_patience: Duration,
    /// The least time between two progress entries of an attempt.
    pub progress_interval: Duration,
    /// The most time between two progress entries of an attempt, even where the
    /// solver has nothing to say.
    pub heartbeat: Duration,
    /// How long a job of a later format is held, beside those that are solved, before
    /// it goes back into its queue. Each return counts against the broker's delivery
    /// limit, and 200 of these pauses shall last longer than the longest deadline.
    /// RabbitMQ before 3.12 takes back by itself what is held for 30 minutes.
    pub later_format_pause: Duration,
    /// How long a drain waits, after the last solve, for the log to confirm what
    /// was found out.
    pub settle_grace: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            slots: Slots::default(),
            solver: SolverCommandLine::default(),
            max_attempts: 3,
            threads_per_job: 1,
            memory_per_job: None,
            longest_solve: Duration::from_secs(24 * 60 * 60),
            overrun: Overrun::default(),
            cancel_grace: Duration::from_secs(1),
            start_timeout: Duration::from_secs(30),
            express_prefetch: 32,
            share_after: Duration::from_secs(2),
            ask_patience: Duration::from_secs(2),
            progress_interval: Duration::from_millis(500),
            // The contract says once a second, and timers are late.
            heartbeat: Duration::from_millis(900),
            later_format_pause: Duration::from_secs(10 * 60),
            settle_grace: Duration::from_secs(10),
        }
    }
}

impl WorkerConfig {
    /// How many unsettled jobs a slot of this lane holds at most.
    pub fn prefetch(&self, lane: &Lane) -> u16 {
        if lane.as_str() == Lane::EXPRESS { self.express_prefetch.max(1) } else { 1 }
    }
}

/// How long past its time limit a solver may go on: some phases of a solver look at
/// the clock rarely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overrun {
    /// In any case.
    pub fixed: Duration,
    /// On top of that, this share of the time limit; 0.1 is a tenth.
    pub share: f64,
}

impl Default for Overrun {
    fn default() -> Self {
        Self { fixed: Duration::from_secs(5), share: 0.1 }
    }
}

impl Overrun {
    /// The overrun of a solve with this limit.
    pub fn of(&self, limit: Duration) -> Duration {
        let share = Duration::try_from_secs_f64(limit.as_secs_f64() * self.share);
        self.fixed.saturating_add(share.unwrap_or_default())
    }
}

/// The command that starts a solver process: it speaks `solvemesh.solver.v1` on its
/// standard input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolverCommandLine {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl SolverCommandLine {
    /// This very program again, with other arguments: on Linux it stays the same
    /// even when its file is replaced by a newer version meanwhile.
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

/// How many slots each lane has, as in "express=1,standard=4".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(BTreeMap<Lane, usize>);

/// The most slots of one lane.
const MAX_SLOTS: usize = 1024;

impl Slots {
    /// The lanes and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&Lane, usize)> {
        self.0.iter().map(|(lane, count)| (lane, *count))
    }

    /// All slots together.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// One slot for short jobs, one for each solver that not every worker has, and `cores`
    /// for all others.
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

/// Text that names no slots.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlots {
    /// It is not of the form LANE=N,LANE=N.
    #[error("expected LANE=N, found {0:?}")]
    Form(String),
    /// A lane's name can't be one.
    #[error(transparent)]
    Lane(#[from] InvalidLane),
    /// A lane has too many slots, or is named twice.
    #[error("a lane is named once and has at most {MAX_SLOTS} slots: {0:?}")]
    Count(String),
    /// A lane's jobs are for a solver that is not here.
    #[error("this program was built without the solver of lane {0}")]
    Solver(Lane),
    /// There is no slot at all.
    #[error("there must be at least one slot")]
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
            let elsewhere = [Lane::CBC, Lane::SCIP].contains(&lane.as_str())
                && !OWN_LANES.contains(&lane.as_str());
            if elsewhere && count > 0 {
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
    fn slots_are_read_as_they_are_written() {
        let slots: Slots = "express=1, standard=4,big-lane=0".parse().unwrap_or_default();
        let read: Vec<_> = slots.iter().map(|(lane, n)| (lane.to_string(), n)).collect();
        assert_eq!(read, [("express".to_owned(), 1), ("standard".to_owned(), 4)]);
        assert_eq!(slots.total(), 5);
    }

    #[test]
    fn slots_that_make_no_sense_are_refused() {
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
    fn this_program_can_be_started_again() {
        let again = SolverCommandLine::this_program(["--list"]);
        let listed = std::process::Command::new(again.program).args(again.args).output();
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        assert!(listed.is_ok_and(|tests| tests.contains("this_program_can_be_started_again")));
    }
}
