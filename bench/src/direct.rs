//! Solver processes without a mesh: tasks and reports over the pipes, as a worker uses them.

use std::{
    io::BufReader,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    frame,
    solver::v1::{SolveTask, SolverCommand, SolverReport, solver_command, solver_report},
    v1::{Model, SolveOptions, SolveResult},
};
use solvemesh_model::{Limits, read};
use solvemesh_tests::{models::wyndor, processes};

use crate::{files::Solved, load, rate::Rate};

/// The name of this contestant.
pub(crate) const ALONE: &str = "solver process alone, over its pipes";

/// A running solver process. It ends when its pipes close, and is killed when dropped.
struct SolverProcess {
    child: Child,
    commands: ChildStdin,
    reports: BufReader<ChildStdout>,
    task: u64,
}

impl SolverProcess {
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(processes::program("solvemesh-worker"))
            .arg("solver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().context("no standard input")?;
        let reports = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut process = Self { child, commands, reports, task: 0 };
        match process.report()? {
            solver_report::Kind::Ready(_) => Ok(process),
            other => bail!("{other:?} instead of ready"),
        }
    }

    /// Solves Wyndor, checks the objective, and returns how much longer it took than the solve.
    fn solve(&mut self, rate: u16) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let result = self.outcome(wyndor(f64::from(rate)), SolveOptions::default())?;
        let total = begin.elapsed();
        load::check(result.termination.unwrap_or_default().objective, rate)?;
        let solve = result.statistics.unwrap_or_default().solve_time;
        let solve: Duration = solve.context("no solve time")?.try_into()?;
        Ok(total.saturating_sub(solve))
    }

    /// Reads a model, solves it, and returns the result, which nothing has checked.
    fn outcome(&mut self, model: Model, options: SolveOptions) -> anyhow::Result<SolveResult> {
        let model = read(model, &Limits::default())?.model.into_inner();
        let payload = JobPayload { model: Some(model), ..JobPayload::default() };
        self.task += 1;
        let task = SolveTask {
            task: self.task,
            payload: payload.encode_to_vec().into(),
            options: Some(options),
            ..SolveTask::default()
        };
        let command = SolverCommand { kind: Some(solver_command::Kind::Solve(task)) };
        frame::write(&mut self.commands, &command)?;
        loop {
            let solver_report::Kind::Outcome(outcome) = self.report()? else { continue };
            return Ok(outcome.result.unwrap_or_default());
        }
    }

    fn report(&mut self) -> anyhow::Result<solver_report::Kind> {
        let report: Option<SolverReport> = frame::read(&mut self.reports, frame::MAX_FRAME_BYTES)?;
        report.and_then(|report| report.kind).context("the solver process has ended")
    }
}

impl Drop for SolverProcess {
    fn drop(&mut self) {
        // Errors are ignored: it may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures the rate of this number of solver processes, each with one job at a time.
pub(crate) fn solve(processes: usize, jobs: usize) -> anyhow::Result<Rate> {
    let mut solvers = Vec::new();
    for _ in 0..processes {
        let mut solver = SolverProcess::start()?;
        solver.solve(500)?; // Warm-up.
        solvers.push(solver);
    }
    let each = jobs.div_ceil(processes);
    let begin = Instant::now();
    thread::scope(|scope| {
        let work = |mut solver: SolverProcess| {
            move || {
                (1..=1000).cycle().take(each).try_for_each(|rate| solver.solve(rate).map(|_| ()))
            }
        };
        let threads: Vec<_> = solvers.into_iter().map(|solver| scope.spawn(work(solver))).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(Rate::of(each * processes, begin.elapsed()))
}

/// Reads and solves a model in one solver process, which is warm.
pub(crate) fn solve_file(model: Model, options: SolveOptions) -> anyhow::Result<Solved> {
    let mut solver = SolverProcess::start()?;
    solver.solve(500)?; // Warm-up.
    let begin = Instant::now();
    let result = solver.outcome(model, options)?;
    let seconds = begin.elapsed().as_secs_f64();
    let objective = result.termination.unwrap_or_default().objective;
    Ok(Solved { seconds, objective: objective.context("no objective")? })
}

/// Solves Wyndor again and again in one solver process. Returns how much longer each call took
/// than its solve, in milliseconds.
pub(crate) fn overheads(jobs: usize) -> anyhow::Result<Vec<f64>> {
    let mut solver = SolverProcess::start()?;
    solver.solve(500)?; // Warm-up.
    let call = |rate| solver.solve(rate).map(|time| time.as_secs_f64() * 1e3);
    (1..=1000).cycle().take(jobs).map(call).collect()
}
