//! Solver processes that die, hang and talk nonsense.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use solvemesh::{
    broker::v1::{LogEntry, log_entry::Kind as Entry},
    v1::{JobState, TerminationLimit, TerminationReason},
};
use solvemesh_tests::{
    checker::Ledger,
    clients::Load,
    fleet::Plan,
    payload::Payload,
    processes::{Process, lives, send},
    rabbit,
    trial::{Fault, LIMIT, Scale, Trial},
    within,
};
use tokio::{join, time};

use crate::entries::{is_finish, is_start};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "solver: segfault",
        limit: LIMIT,
        body: |scale| Box::pin(dies(scale, Blow::Signal(libc::SIGSEGV), "SOLVER_CRASHED", "SEGV")),
    },
    Fault {
        name: "solver: abort",
        limit: LIMIT,
        body: |scale| Box::pin(dies(scale, Blow::Signal(libc::SIGABRT), "SOLVER_CRASHED", "ABRT")),
    },
    Fault {
        name: "solver: killed for memory",
        limit: LIMIT,
        body: |scale| {
            Box::pin(dies(scale, Blow::Signal(libc::SIGKILL), "SOLVER_OUT_OF_MEMORY", "memory"))
        },
    },
    Fault {
        name: "solver: garbage on its pipe",
        limit: LIMIT,
        body: |scale| Box::pin(dies(scale, Blow::Garbage, "SOLVER_ERROR", "")),
    },
    Fault {
        name: "solver: hangs past its time limit",
        limit: LIMIT,
        body: |scale| Box::pin(hangs(scale)),
    },
];

/// How many attempts of a job may die.
const MAX_ATTEMPTS: usize = 3;

/// The places of the workers: each has one slot, so that its solver is its only child.
const EXPRESS: usize = 0;
const STANDARD: usize = 1;

/// What happens to a solver process.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Signal(libc::c_int),
    /// What it writes makes no sense.
    Garbage,
}

impl Blow {
    /// Strikes the solver of a worker with one slot; tells whether there was one.
    async fn strike(self, worker: &Process) -> bool {
        let Some(&solver) = worker.children().first() else { return false };
        match self {
            Self::Signal(libc::SIGSEGV) => segfault(solver).await,
            Self::Signal(signal) => send(solver, signal),
            Self::Garbage => {
                let open = |path| OpenOptions::new().write(true).open(path).ok();
                let pipe = reports(solver).and_then(open);
                pipe.is_some_and(|mut pipe| pipe.write_all(&[0xff; 64]).is_ok())
            }
        }
    }
}

/// Sends SIGSEGV until it works: Rust's own handler takes a first one that no access of
/// memory explains, and steps aside.
async fn segfault(solver: u32) -> bool {
    let struck = send(solver, libc::SIGSEGV);
    for _ in 0..200 {
        if !lives(solver) {
            break;
        }
        time::sleep(Duration::from_millis(5)).await;
        send(solver, libc::SIGSEGV);
    }
    struck
}

/// The pipe by which a solver process reports: not its standard output, which it keeps from
/// whatever libraries print.
fn reports(solver: u32) -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/proc/{solver}/fd"));
    let is_pipe = |fd: &u32| {
        let target = fs::read_link(folder.join(fd.to_string()));
        let info = fs::read_to_string(format!("/proc/{solver}/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
        target.is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
            && flags.is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_WRONLY)
    };
    // Past the three standard ones.
    (3..32).find(is_pipe).map(|fd| folder.join(fd.to_string()))
}

/// A mesh with a worker of each lane.
async fn start() -> Trial {
    let vhost = rabbit::vhost().await;
    let plan = Plan { workers: 0, ..Plan::default() };
    let mut trial = Trial::start(vhost.url(), plan).await;
    for slots in ["express=1", "standard=1"] {
        let most = MAX_ATTEMPTS.to_string();
        let flags = ["--slots", slots, "--overrun-grace", "1", "--max-attempts", &most];
        let worker = trial.fleet.worker_with(&flags);
        trial.fleet.workers.push(worker);
    }
    trial
}

/// Strikes the solver at each attempt of one job, until that fails; and some solvers of
/// short jobs, which are tried again. Only the job that was being solved is charged.
async fn dies(scale: Scale, blow: Blow, reason: &'static str, word: &'static str) -> Trial {
    let mut trial = start().await;
    trial.rules.failures = BTreeSet::from([reason]);
    let load = Load { jobs: scale.times(1_500), long_every: 0, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &trial;
    let fault = async {
        let mut strikes = 0;
        let mut reader = log.reader();
        let payload = Payload::Long { number: 0, limit: Duration::from_secs(20) };
        let victim = clients.accepted(0, "victim", payload).await;
        let watching = clients.watch(0, vec![victim.clone()]);
        let striking = async {
            loop {
                let of_victim = |it: &LogEntry| it.job_id == victim;
                let entry =
                    reader.until(|it| of_victim(it) && (is_start(it) || is_finish(it))).await;
                if is_finish(&entry) {
                    break;
                }
                clients.recorder.fault();
                strikes += usize::from(blow.strike(&fleet.workers[STANDARD]).await);
            }
        };
        join!(watching, striking);
        for _ in 0..scale.times(5) {
            log.reader().until(is_start).await;
            clients.recorder.fault();
            strikes += usize::from(blow.strike(&fleet.workers[EXPRESS]).await);
        }
        (victim, strikes)
    };
    let (victim, strikes) = clients.under_load(&load, fault).await;

    let ledger = Ledger::read(&log.messages());
    let account = &ledger.jobs[&victim];
    let end = account.end().expect("an end");
    let failure = end.failure.as_ref().unwrap_or_else(|| panic!("no failure: {end:?}"));
    assert_eq!((end.state(), failure.reason.as_str()), (JobState::Failed, reason));
    assert!(failure.message.contains(word), "{failure:?}");
    assert_eq!(account.starts(), MAX_ATTEMPTS);
    let deaths: usize = ledger.jobs.values().map(|job| job.deaths).sum();
    assert!(deaths <= strikes, "{deaths} attempts were charged for {strikes} deaths");
    // By chance a short job may have been struck as often.
    for job in ledger.jobs.values() {
        let failed = job.end().is_some_and(|end| end.state() == JobState::Failed);
        assert!(!failed || job.starts() == MAX_ATTEMPTS, "who was not struck failed too");
    }
    trial
}

/// Stops the solver process of a job that has a solution, for ever: it is killed past its
/// time limit, the solution stands, and the next job has another solver.
async fn hangs(scale: Scale) -> Trial {
    const LIMIT: Duration = Duration::from_secs(3);
    let trial = start().await;
    let load = Load { jobs: scale.times(1_500), long_every: 0, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &trial;
    let fault = async {
        let mut hung = Vec::new();
        for round in 0..scale.times(2) {
            let mut reader = log.reader();
            let payload = Payload::Long { number: round, limit: LIMIT };
            let job = clients.accepted(0, &format!("hung {round}"), payload).await;
            let watching = clients.watch(0, vec![job.clone()]);
            let stopping = async {
                reader.until(|it| it.job_id == job && has_solution(it)).await;
                clients.recorder.fault();
                assert!(Blow::Signal(libc::SIGSTOP).strike(&fleet.workers[STANDARD]).await);
                let end = reader.until(|it| it.job_id == job && is_finish(it));
                // A tenth and a second more, and what a busy machine takes.
                within(LIMIT * 3, "the end of a solver that hangs", end).await;
            };
            join!(watching, stopping);
            hung.push(job);
        }
        hung
    };
    let hung = clients.under_load(&load, fault).await;
    let ledger = Ledger::read(&log.messages());
    for job in hung {
        let account = &ledger.jobs[&job];
        let end = account.end().expect("an end");
        let result = end.result.as_ref().unwrap_or_else(|| panic!("no result: {end:?}"));
        let termination = result.termination.as_ref().expect("a termination");
        assert_eq!(termination.reason(), TerminationReason::Feasible, "{termination:?}");
        assert_eq!(termination.limit(), TerminationLimit::Time, "{termination:?}");
        assert!(termination.objective.is_some(), "{termination:?}");
        assert_eq!(account.starts(), 1);
    }
    trial
}

/// Whether an entry tells of a solution that an attempt has found.
fn has_solution(entry: &LogEntry) -> bool {
    matches!(&entry.kind, Some(Entry::Progress(progress)) if progress.objective.is_some())
}
