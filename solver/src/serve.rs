//! The solver process: takes tasks from its worker one by one, and answers each.

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

use super::{direct::Direct, report::Reports, sweep::Sweeps, task};
use crate::frame;

/// The exit code of a solver process whose worker went away during a solve.
pub(super) const ORPHANED: i32 = 3;

/// How many tasks may wait. A worker sends the next one after the outcome of the last.
const WAITING_TASKS: usize = 1;

/// A task, and the flag by which it alone is interrupted.
struct Assignment {
    task: Task,
    interrupt: Arc<AtomicBool>,
}

/// What is to be solved.
enum Task {
    Model(Box<SolveTask>),
    Sweep(Box<SweepTask>),
}

/// Says that it is ready, then solves the tasks that come by `commands`, until that
/// ends. Where it ends during a solve, the worker is gone and the process exits at
/// once.
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
    let busy = Arc::new(AtomicUsize::new(0));
    let (assignments, tasks) = mpsc::sync_channel(WAITING_TASKS);
    thread::Builder::new().name("solver-commands".to_owned()).spawn({
        let busy = Arc::clone(&busy);
        move || listen(commands, &assignments, &busy)
    })?;
    let mut direct = Direct::default();
    let mut sweeps = Sweeps::default();
    for assignment in tasks {
        let Assignment { task, interrupt } = assignment?;
        match task {
            Task::Model(task) => {
                sweeps.rest();
                let number = task.task;
                let outcome = task::solve(&mut direct, &reports, *task, &interrupt)?;
                busy.fetch_sub(1, Ordering::AcqRel);
                reports.send(number, Kind::Outcome(outcome))?;
                direct.rest();
            }
            Task::Sweep(task) => {
                sweeps.solve(&reports, *task, &interrupt)?;
                busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
    Ok(())
}

/// Reads commands until they end or can't be read, also while a solve is under way.
fn listen(
    commands: impl Read,
    assignments: &mpsc::SyncSender<io::Result<Assignment>>,
    busy: &AtomicUsize,
) {
    let mut commands = BufReader::new(commands);
    let mut latest = Arc::new(AtomicBool::new(false));
    loop {
        let assignment = match frame::read::<SolverCommand>(&mut commands) {
            Ok(Some(SolverCommand { kind: Some(Command::Solve(task)) })) => {
                latest = begin(busy);
                Ok(Assignment { task: Task::Model(Box::new(task)), interrupt: Arc::clone(&latest) })
            }
            Ok(Some(SolverCommand { kind: Some(Command::Sweep(task)) })) => {
                latest = begin(busy);
                Ok(Assignment { task: Task::Sweep(Box::new(task)), interrupt: Arc::clone(&latest) })
            }
            Ok(Some(SolverCommand { kind: Some(Command::Interrupt(_)) })) => {
                latest.store(true, Ordering::Relaxed);
                continue;
            }
            Ok(Some(SolverCommand { kind: None })) => {
                Err(io::Error::new(ErrorKind::InvalidData, "a command of an unknown kind"))
            }
            Ok(None) if busy.load(Ordering::Acquire) > 0 => process::exit(ORPHANED),
            Ok(None) => return,
            Err(_) if busy.load(Ordering::Acquire) > 0 => process::exit(ORPHANED),
            Err(error) => Err(error),
        };
        let last = assignment.is_err();
        if assignments.send(assignment).is_err() || last {
            return;
        }
    }
}

/// Notes that there is a task more; its flag.
fn begin(busy: &AtomicUsize) -> Arc<AtomicBool> {
    busy.fetch_add(1, Ordering::AcqRel);
    Arc::new(AtomicBool::new(false))
}
