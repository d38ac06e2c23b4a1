//! Faults of solver processes: they crash, hang, or write garbage.

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
        body: |scale| {
            Box::pin(crashes(scale, SolverFault::Signal(libc::SIGSEGV), "SOLVER_CRASHED", "SEGV"))
        },
    },
    Fault {
        name: "solver: abort",
        limit: LIMIT,
        body: |scale| {
            Box::pin(crashes(scale, SolverFault::Signal(libc::SIGABRT), "SOLVER_CRASHED", "ABRT"))
        },
    },
    Fault {
        name: "solver: killed for memory",
        limit: LIMIT,
        body: |scale| {
            Box::pin(crashes(
                scale,
                SolverFault::Signal(libc::SIGKILL),
                "SOLVER_OUT_OF_MEMORY",
                "memory",
            ))
        },
    },
    Fault {
        name: "solver: garbage on its pipe",
        limit: LIMIT,
        body: |scale| Box::pin(crashes(scale, SolverFault::Garbage, "SOLVER_ERROR", "")),
    },
    Fault {
        name: "solver: hangs past its time limit",
        limit: LIMIT,
        body: |scale| Box::pin(hangs(scale)),
    },
];

/// Maximum number of attempts of a job that may die.
const MAX_ATTEMPTS: usize = 3;

/// The indices of the workers. Each has one slot, so that its solver is its only child.
const EXPRESS: usize = 0;
const STANDARD: usize = 1;

/// A fault of a solver process.
#[derive(Clone, Copy, Debug)]
enum SolverFault {
    Signal(libc::c_int),
    /// Garbage arrives on the pipe of its reports.
    Garbage,
}

impl SolverFault {
    /// Injects the fault into the solver of a worker with one slot. Returns whether there was
    /// a solver.
    async fn inject(self, worker: &Process) -> bool {
        let Some(&solver) = worker.children().first() else { return false };
        match self {
            Self::Signal(libc::SIGSEGV) => segfault(solver).await,
            Self::Signal(signal) => send(solver, signal),
            Self::Garbage => {
                let open = |path| OpenOptions::new().write(true).open(path).ok();
                let pipe = report_pipe(solver).and_then(open);
                pipe.is_some_and(|mut pipe| pipe.write_all(&[0xff; 64]).is_ok())
            }
        }
    }
}

/// Sends SIGSEGV until the process dies: Rust's own handler ignores a first one that no memory
/// access explains, and restores the default handler.
async fn segfault(solver: u32) -> bool {
    let sent = send(solver, libc::SIGSEGV);
    for _ in 0..200 {
        if !lives(solver) {
            break;
        }
        time::sleep(Duration::from_millis(5)).await;
        send(solver, libc::SIGSEGV);
    }
    sent
}

/// The pipe for the reports of a solver process. It is not file descriptor 1: the process
/// redirects its standard output, so that the output of libraries stays out of the pipe. Only root
/// finds it: a solver process can't be dumped, so its folder in `/proc` is not its user's.
fn report_pipe(solver: u32) -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/proc/{solver}/fd"));
    let is_pipe = |fd: &u32| {
        let target = fs::read_link(folder.join(fd.to_string()));
        let info = fs::read_to_string(format!("/proc/{solver}/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
        target.is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
            && flags.is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_WRONLY)
    };
    // After the three standard descriptors.
    (3..32).find(is_pipe).map(|fd| folder.join(fd.to_string()))
}

/// Starts a mesh with one worker for each lane.
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

/// Injects a fault into the solver of each attempt at one job, until the job fails, and into
/// some solvers of short jobs, which are retried. Only the job that was being solved is charged
/// with an attempt.
async fn crashes(
    scale: Scale,
    solver_fault: SolverFault,
    reason: &'static str,
    word: &'static str,
) -> Trial {
    let mut trial = start().await;
    trial.rules.failures = BTreeSet::from([reason]);
    let load = Load { jobs: scale.times(1_500), long_every: 0, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &trial;
    let fault = async {
        let mut injected = 0;
        let mut reader = log.reader();
        let payload = Payload::Long { number: 0, limit: Duration::from_secs(20) };
        let victim = clients.accepted(0, "victim", payload).await;
        let watching = clients.watch(0, vec![victim.clone()]);
        let injecting = async {
            loop {
                let of_victim = |it: &LogEntry| it.job_id == victim;
                let entry =
                    reader.until(|it| of_victim(it) && (is_start(it) || is_finish(it))).await;
                if is_finish(&entry) {
                    break;
                }
                clients.recorder.fault();
                injected += usize::from(solver_fault.inject(&fleet.workers[STANDARD]).await);
            }
        };
        join!(watching, injecting);
        for _ in 0..scale.times(5) {
            log.reader().until(is_start).await;
            clients.recorder.fault();
            injected += usize::from(solver_fault.inject(&fleet.workers[EXPRESS]).await);
        }
        (victim, injected)
    };
    let (victim, injected) = clients.under_load(&load, fault).await;

    let ledger = Ledger::read(&log.messages());
    let account = &ledger.jobs[&victim];
    let end = account.end().expect("an end");
    let failure = end.failure.as_ref().unwrap_or_else(|| panic!("no failure: {end:?}"));
    assert_eq!((end.state(), failure.reason.as_str()), (JobState::Failed, reason));
    assert!(failure.message.contains(word), "{failure:?}");
    assert_eq!(account.starts(), MAX_ATTEMPTS);
    let deaths: usize = ledger.jobs.values().map(|job| job.deaths).sum();
    assert!(deaths <= injected, "{deaths} attempts were charged for {injected} faults");
    // By chance a short job may have been hit as often.
    for job in ledger.jobs.values() {
        let failed = job.end().is_some_and(|end| end.state() == JobState::Failed);
        assert!(!failed || job.starts() == MAX_ATTEMPTS, "a job failed before its last attempt");
    }
    trial
}

/// Stops the solver process of a job that has a solution, with SIGSTOP. It is killed past its
/// time limit, the solution is kept, and the next job gets another solver process.
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
                assert!(SolverFault::Signal(libc::SIGSTOP).inject(&fleet.workers[STANDARD]).await);
                let end = reader.until(|it| it.job_id == job && is_finish(it));
                // A tenth of the limit and a second of grace, and time for a busy machine.
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

/// Whether an entry reports the objective of a solution.
fn has_solution(entry: &LogEntry) -> bool {
    matches!(&entry.kind, Some(Entry::Progress(progress)) if progress.objective.is_some())
}
