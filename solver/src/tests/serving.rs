//! The solver process from its worker's side, over pipes.

use std::{
    io::{self, ErrorKind, PipeReader, PipeWriter},
    process::Stdio,
    thread::{self, JoinHandle},
    time::Duration,
};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{
        Confinement, Interrupt, Outcome, SolveTask, SolverCommand, SolverReport, Withdrawal,
        solver_command::Kind as Command, solver_report::Kind,
    },
    v1::{LinearModel, SolveOptions, TerminationLimit, TerminationReason as Reason},
};

use super::{assert_optimal, reason, termination, time_limit};
use crate::{
    run,
    samples::{market_split, wyndor},
    serve::{ORPHANED, serve},
};
use solvemesh::frame::{self, MAX_TASKS_IN_FLIGHT};

struct Process {
    commands: PipeWriter,
    reports: PipeReader,
    served: JoinHandle<io::Result<()>>,
}

impl Process {
    fn start() -> Self {
        let (commands_read, commands) = io::pipe().unwrap();
        let (reports, reports_write) = io::pipe().unwrap();
        let served =
            thread::spawn(move || serve(commands_read, reports_write, Confinement::default()));
        let mut process = Self { commands, reports, served };
        let ready = process.next();
        assert_eq!(ready.task, 0);
        assert!(matches!(ready.kind, Some(Kind::Ready(ready)) if ready.pid == std::process::id()));
        process
    }

    fn send(&mut self, command: Command) {
        frame::write(&mut self.commands, &SolverCommand { kind: Some(command) }).unwrap();
    }

    fn solve(&mut self, task: u64, model: LinearModel, options: SolveOptions) {
        let payload = JobPayload::from(model).encode_to_vec().into();
        let task = SolveTask { task, payload, options: Some(options), start: None };
        self.send(Command::Solve(task));
    }

    fn next(&mut self) -> SolverReport {
        frame::read(&mut self.reports, frame::MAX_FRAME_BYTES).unwrap().unwrap()
    }

    fn outcome(&mut self, task: u64) -> Outcome {
        loop {
            let report = self.next();
            assert_eq!(report.task, task);
            if let Some(Kind::Outcome(outcome)) = report.kind {
                return outcome;
            }
        }
    }

    /// Closes the commands, and waits for the process to end.
    fn end(self) -> io::Result<()> {
        drop(self.commands);
        self.served.join().unwrap()
    }
}

#[test]
fn tasks_are_solved_one_after_the_other_until_the_commands_end() {
    let mut process = Process::start();
    for task in [1, 2] {
        process.solve(task, wyndor(), SolveOptions::default());
        assert_optimal(&process.outcome(task), 3600.0, &[2.0, 6.0]);
    }
    process.end().unwrap();
}

#[test]
fn interrupt_stops_only_the_solve_of_its_task() {
    let mut process = Process::start();
    process.send(Command::Interrupt(Interrupt { task: 1 }));
    process.solve(1, market_split(40, 5), SolveOptions::default());
    process.solve(2, market_split(40, 5), time_limit(Duration::from_millis(300)));
    while !matches!(process.next().kind, Some(Kind::Progress(_))) {}
    process.send(Command::Interrupt(Interrupt { task: 1 }));
    let outcome = process.outcome(1);
    assert_eq!(reason(&outcome), Reason::Feasible);
    assert_eq!(termination(&outcome).limit(), TerminationLimit::Interrupted);
    process.send(Command::Interrupt(Interrupt { task: 1 }));
    assert_eq!(termination(&process.outcome(2)).limit(), TerminationLimit::Time);
    process.solve(3, wyndor(), SolveOptions::default());
    assert_optimal(&process.outcome(3), 3600.0, &[2.0, 6.0]);
    process.end().unwrap();
}

#[test]
fn tasks_that_were_sent_at_once_are_solved_in_their_order() {
    let mut process = Process::start();
    for task in 1..=MAX_TASKS_IN_FLIGHT as u64 {
        process.solve(task, wyndor(), SolveOptions::default());
    }
    for task in 1..=MAX_TASKS_IN_FLIGHT as u64 {
        assert_optimal(&process.outcome(task), 3600.0, &[2.0, 6.0]);
    }
    process.end().unwrap();
}

#[test]
fn withdrawn_tasks_are_skipped() {
    let mut process = Process::start();
    process.solve(1, market_split(40, 5), time_limit(Duration::from_millis(500)));
    for task in 2..10 {
        process.solve(task, wyndor(), SolveOptions::default());
    }
    process.send(Command::Withdrawal(Withdrawal { first_task: 3 }));
    process.solve(10, wyndor(), SolveOptions::default());
    assert_eq!(termination(&process.outcome(1)).limit(), TerminationLimit::Time);
    for task in [2, 10] {
        assert_optimal(&process.outcome(task), 3600.0, &[2.0, 6.0]);
    }
    process.end().unwrap();
}

#[test]
fn task_is_solved_after_one_that_ended_at_its_limit() {
    let mut process = Process::start();
    process.solve(1, market_split(40, 5), time_limit(Duration::from_millis(300)));
    assert_eq!(reason(&process.outcome(1)), Reason::Feasible);
    process.solve(2, wyndor(), SolveOptions::default());
    assert_optimal(&process.outcome(2), 3600.0, &[2.0, 6.0]);
    process.end().unwrap();
}

#[test]
fn undecodable_command_ends_the_process_with_an_error() {
    let mut process = Process::start();
    io::Write::write_all(&mut process.commands, &[3, 0xff, 0xff, 0xff]).unwrap();
    assert_eq!(process.end().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn worker_that_stops_reading_ends_the_process_with_an_error() {
    let mut process = Process::start();
    let Process { reports, .. } = &mut process;
    drop(std::mem::replace(reports, io::pipe().unwrap().0));
    process.solve(1, wyndor(), SolveOptions::default());
    assert_eq!(process.served.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Set in the process that [`commands_closed_during_a_solve_end_the_process_at_once`]
/// starts from this same binary.
const AS_SOLVER: &str = "SOLVEMESH_TEST_AS_SOLVER";

#[test]
fn commands_closed_during_a_solve_end_the_process_at_once() {
    if std::env::var_os(AS_SOLVER).is_some() {
        run().unwrap();
        return;
    }
    let (_crate, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::commands_closed_during_a_solve_end_the_process_at_once");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture"])
        .env(AS_SOLVER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let task = SolveTask {
        task: 1,
        payload: JobPayload::from(market_split(40, 5)).encode_to_vec().into(),
        ..SolveTask::default()
    };
    let command = SolverCommand { kind: Some(Command::Solve(task)) };
    frame::write(&mut child.stdin.take().unwrap(), &command).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(ORPHANED));
}
