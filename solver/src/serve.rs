//! The main loop of the solver process: reads tasks from its worker and answers them one by one.

use std::{
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
    Ready, SolveTask, SolverCommand, SweepTask, solver_command::Kind as Command,
    solver_report::Kind,
};

use super::{highs_solver::HighsSolver, report::Reports, sweep::Sweeps, task};
use solvemesh::frame;

/// Exit code of a solver process whose command stream closed during a solve.
pub(super) const ORPHANED: i32 = 3;

/// Capacity of the task queue. One is enough: a worker sends the next task only after the outcome
/// of the last.
const QUEUED_TASKS: usize = 1;

/// A task with an interrupt flag of its own, so that an interrupt never stops a later task.
struct Assignment {
    task: Task,
    interrupt: Arc<AtomicBool>,
}

/// What to solve.
enum Task {
    Model(Box<SolveTask>),
    Sweep(Box<SweepTask>),
}

/// Reports that it is ready, then solves the tasks that arrive on `commands` until that stream
/// ends. If it ends during a solve, the worker has died and the process exits at once.
///
/// # Errors
///
/// When a command can't be read, or a report can't be written.
pub fn serve(
    commands: impl Read + Send + 'static,
    reports: impl Write + Send + 'static,
) -> io::Result<()> {
    let reports = Reports::new(reports);
    reports.send(0, Kind::Ready(Ready { pid: process::id() }))?;
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
        let Assignment { task, interrupt } = assignment?;
        match task {
            Task::Model(task) => {
                // The next task is not of that sweep: free its model before this one is loaded.
                sweeps.clear();
                let number = task.task;
                let outcome = task::solve(&mut highs_solver, &reports, *task, &interrupt)?;
                // Before the outcome is sent: once it is read, the worker may close the commands.
                busy.fetch_sub(1, Ordering::AcqRel);
                reports.send(number, Kind::Outcome(outcome))?;
                // After the outcome is sent, so that the worker doesn't wait for it.
                highs_solver.clear();
            }
            Task::Sweep(task) => {
                sweeps.solve(&reports, *task, &interrupt)?;
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
    let mut latest = Arc::new(AtomicBool::new(false));
    loop {
        let assignment = match frame::read::<SolverCommand>(&mut commands, frame::MAX_FRAME_BYTES) {
            Ok(Some(SolverCommand { kind: Some(Command::Solve(task)) })) => {
                latest = register_task(busy);
                Ok(Assignment { task: Task::Model(Box::new(task)), interrupt: Arc::clone(&latest) })
            }
            Ok(Some(SolverCommand { kind: Some(Command::Sweep(task)) })) => {
                latest = register_task(busy);
                Ok(Assignment { task: Task::Sweep(Box::new(task)), interrupt: Arc::clone(&latest) })
            }
            Ok(Some(SolverCommand { kind: Some(Command::Interrupt(_)) })) => {
                // Between solves this is the flag of a finished task, which nobody reads any more.
                latest.store(true, Ordering::Relaxed);
                continue;
            }
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

/// Counts a new task as unanswered, and returns its interrupt flag.
fn register_task(busy: &AtomicUsize) -> Arc<AtomicBool> {
    busy.fetch_add(1, Ordering::AcqRel);
    Arc::new(AtomicBool::new(false))
}
