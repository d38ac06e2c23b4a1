//! The main loop of the solver process: reads tasks from its worker and answers them one by one.

use std::{
    collections::VecDeque,
    io::{self, BufReader, ErrorKind, Read, Write},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use solvemesh::solver::v1::{
    Confinement, Interrupt, Ready, SolveTask, SolverCommand, SweepTask, Withdrawal,
    solver_command::Kind as Command, solver_report::Kind,
};

use super::{highs_solver::HighsSolver, report::Reports, sweep::Sweeps, task};
use solvemesh::frame::{self, MAX_TASKS_IN_FLIGHT};

/// Exit code of a solver process whose command stream closed during a solve.
pub(super) const ORPHANED: i32 = 3;

/// Capacity of the task queue. A worker has at most [`MAX_TASKS_IN_FLIGHT`] tasks unanswered, so
/// the thread that reads commands never waits for room: then it could read no interrupts.
const QUEUED_TASKS: usize = MAX_TASKS_IN_FLIGHT;

/// A task with the flags that commands set for it.
struct Assignment {
    task: Task,
    flags: Arc<Flags>,
}

/// What a worker has asked for a task. Each task has flags of its own, so that an interrupt never
/// stops a later one.
#[derive(Default)]
struct Flags {
    /// To end with the best solution so far.
    interrupt: AtomicBool,
    /// Not to begin.
    withdrawn: AtomicBool,
}

/// What to solve.
enum Task {
    Model(Box<SolveTask>),
    Sweep(Box<SweepTask>),
}

/// Reports that it is ready and how it is confined, then solves the tasks that arrive on `commands` until that stream
/// ends. If it ends during a solve, the worker has died and the process exits at once.
///
/// # Errors
///
/// When a command can't be read, or a report can't be written.
pub fn serve(
    commands: impl Read + Send + 'static,
    reports: impl Write + Send + 'static,
    confinement: Confinement,
) -> io::Result<()> {
    let reports = Reports::new(reports);
    let ready = Ready { pid: process::id(), confinement: Some(confinement) };
    reports.send(0, Kind::Ready(ready))?;
    // The number of tasks that were read and not yet answered. It lets `read_commands` distinguish
    // a worker that stops its process from one that died during a solve.
    let busy = Arc::new(AtomicUsize::new(0));
    let (assignments, tasks) = mpsc::sync_channel(QUEUED_TASKS);
    thread::Builder::new().name("solver-commands".to_owned()).spawn({
        let busy = Arc::clone(&busy);
        move || read_commands(commands, &assignments, &busy)
    })?;
    let mut highs_solver = HighsSolver::default();
    let mut sweeps = Sweeps::default();
    for assignment in tasks {
        let Assignment { task, flags } = assignment?;
        if flags.withdrawn.load(Ordering::Relaxed) {
            busy.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let interrupt = &flags.interrupt;
        match task {
            Task::Model(task) => {
                // The next task is not of that sweep: free its model before this one is loaded.
                sweeps.clear();
                let number = task.task;
                let outcome = task::solve(&mut highs_solver, &reports, *task, interrupt)?;
                // Before the outcome is sent: once it is read, the worker may close the commands.
                busy.fetch_sub(1, Ordering::AcqRel);
                reports.send(number, Kind::Outcome(outcome))?;
                // After the outcome is sent, so that the worker doesn't wait for it.
                highs_solver.clear();
            }
            Task::Sweep(task) => {
                sweeps.solve(&reports, *task, interrupt)?;
                busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
    Ok(())
}

/// Reads commands until the stream ends or fails. Runs on a thread of its own, so that interrupts
/// arrive during a solve.
fn read_commands(
    commands: impl Read,
    assignments: &mpsc::SyncSender<io::Result<Assignment>>,
    busy: &AtomicUsize,
) {
    let mut commands = BufReader::new(commands);
    let mut latest = LatestTasks::default();
    loop {
        let assignment = match frame::read::<SolverCommand>(&mut commands, frame::MAX_FRAME_BYTES) {
            Ok(Some(SolverCommand { kind: Some(command) })) => match command {
                Command::Solve(task) => {
                    let flags = latest.register(task.task, busy);
                    Ok(Assignment { task: Task::Model(Box::new(task)), flags })
                }
                Command::Sweep(task) => {
                    let flags = latest.register(task.task, busy);
                    Ok(Assignment { task: Task::Sweep(Box::new(task)), flags })
                }
                Command::Interrupt(Interrupt { task }) => {
                    latest.interrupt(task);
                    continue;
                }
                Command::Withdrawal(Withdrawal { first_task }) => {
                    latest.withdraw(first_task);
                    continue;
                }
            },
            Ok(Some(SolverCommand { kind: None })) => {
                Err(io::Error::new(ErrorKind::InvalidData, "unknown solver command"))
            }
            // The worker died during a solve: nobody is left to read the outcome.
            Ok(None) if busy.load(Ordering::Acquire) > 0 => process::exit(ORPHANED),
            Ok(None) => return,
            Err(_) if busy.load(Ordering::Acquire) > 0 => process::exit(ORPHANED),
            Err(error) => Err(error),
        };
        // After an undecodable command the position in the stream is unknown.
        let last = assignment.is_err();
        if assignments.send(assignment).is_err() || last {
            return;
        }
    }
}

/// The flags of the latest tasks, at least of all that are unanswered, in the order of the tasks.
#[derive(Default)]
struct LatestTasks(VecDeque<(u64, Arc<Flags>)>);

impl LatestTasks {
    /// Counts a new task as unanswered, and returns its flags.
    fn register(&mut self, task: u64, busy: &AtomicUsize) -> Arc<Flags> {
        busy.fetch_add(1, Ordering::AcqRel);
        if self.0.len() > MAX_TASKS_IN_FLIGHT {
            self.0.pop_front();
        }
        let flags = Arc::<Flags>::default();
        self.0.push_back((task, Arc::clone(&flags)));
        flags
    }

    fn interrupt(&self, task: u64) {
        for (_, flags) in self.0.iter().filter(|(number, _)| *number == task) {
            flags.interrupt.store(true, Ordering::Relaxed);
        }
    }

    /// Withdraws tasks. One that has begun meanwhile is interrupted: nobody reads its outcome.
    fn withdraw(&self, first_task: u64) {
        for (_, flags) in self.0.iter().filter(|(number, _)| *number >= first_task) {
            flags.withdrawn.store(true, Ordering::Relaxed);
            flags.interrupt.store(true, Ordering::Relaxed);
        }
    }
}
