//! A solver process: started, spoken to over its pipes, and killed if need be.

mod exit;
mod reports;

use std::{io, process::Stdio, time::Duration};

use prost::Message;
use solvemesh::{
    solver::v1::{Interrupt, SolveTask, SolverCommand, SweepTask, solver_command, solver_report},
    v1::{LinearModel, SolveOptions},
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, timeout, timeout_at},
};

pub(crate) use exit::Death;
use reports::{Broken, Reports};

use crate::config::SolverCommandLine;

/// How long a process that closed its pipes may take to end, before it is killed.
const LAST_BREATH: Duration = Duration::from_secs(2);
/// The largest report that is not about a solution.
const SMALL_REPORT: usize = 1 << 20;
/// What a variable or a row may take in an outcome, at most: 8 bytes in each of six
/// arrays, and room.
const BYTES_PER_ENTRY: usize = 64;

/// A solver process that is up. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct SolverProcess {
    child: Child,
    input: ChildStdin,
    reports: Reports<ChildStdout>,
    pid: u32,
    /// The latest task's number; reports about earlier ones are late.
    task: u64,
    /// The most bytes of a report about the latest task.
    report_limit: usize,
    /// The most memory that it may allocate, in bytes, if there is a limit.
    memory_limit: Option<u64>,
    /// Why nothing more comes from it, and until when it may end by itself.
    broken: Option<(Broken, Instant)>,
}

/// Why a solver process can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The program can't be started.
    #[error("can't start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// It started and died before it was ready.
    #[error("the solver process {0} before it was ready")]
    Died(Death),
    /// It started, and said something else than that it is ready, or nothing.
    #[error("the solver process did not say that it is ready within {0:?}")]
    NotReady(Duration),
}

impl SolverProcess {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(
        command: &SolverCommandLine,
        patience: Duration,
    ) -> Result<Self, StartError> {
        let spawn =
            |source| StartError::Spawn { program: command.program.display().to_string(), source };
        let mut child = Command::new(&command.program)
            .args(&command.args)
            // It has no business with the broker.
            .env_remove("SOLVEMESH_AMQP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A Ctrl-C at the terminal is for the worker, which drains.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        let missing = || spawn(io::ErrorKind::BrokenPipe.into());
        let pid = child.id().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let reports = Reports::new(child.stdout.take().ok_or_else(missing)?);
        offer_to_the_oom_killer(pid);
        let mut process = Self {
            child,
            input,
            reports,
            pid,
            task: 0,
            report_limit: SMALL_REPORT,
            memory_limit: None,
            broken: None,
        };
        match timeout(patience, process.reports.next(SMALL_REPORT)).await {
            Ok(Ok((0, solver_report::Kind::Ready(_)))) => Ok(process),
            Ok(Err(broken)) => Err(StartError::Died(process.autopsy(broken).await)),
            Ok(Ok(_)) | Err(_) => {
                process.kill().await;
                Err(StartError::NotReady(patience))
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has been given a task: memory that it freed may be in pieces.
    pub(crate) fn is_used(&self) -> bool {
        self.task > 0
    }

    /// Gives it a task, under the task's memory limit. The model comes back whole.
    ///
    /// # Errors
    ///
    /// What it died of.
    pub(crate) async fn give(
        &mut self,
        model: &mut LinearModel,
        options: SolveOptions,
        patience: Duration,
    ) -> Result<(), Death> {
        self.keep_within(options.memory_limit_bytes).await?;
        self.task += 1;
        let entries = model.variable_lower.len() + model.constraint_lower.len();
        self.report_limit = SMALL_REPORT + entries.saturating_mul(BYTES_PER_ENTRY);
        // The model is lent to the message, which would else hold a copy of it.
        let task = SolveTask {
            task: self.task,
            model: Some(std::mem::take(model)),
            options: Some(options),
        };
        let mut command = SolverCommand { kind: Some(solver_command::Kind::Solve(task)) };
        let bytes = command.encode_length_delimited_to_vec();
        if let Some(solver_command::Kind::Solve(SolveTask { model: Some(lent), .. })) =
            &mut command.kind
        {
            *model = std::mem::take(lent);
        }
        self.send(&bytes, patience).await
    }

    /// Gives it scenarios, of a sweep of so many variables and constraints together, under
    /// a memory limit.
    ///
    /// # Errors
    ///
    /// What it died of.
    pub(crate) async fn give_scenarios(
        &mut self,
        task: SweepTask,
        entries: usize,
        memory_limit: Option<u64>,
        patience: Duration,
    ) -> Result<(), Death> {
        self.keep_within(memory_limit).await?;
        self.task += 1;
        self.report_limit = SMALL_REPORT + entries.saturating_mul(BYTES_PER_ENTRY);
        let task = SweepTask { task: self.task, ..task };
        let command = SolverCommand { kind: Some(solver_command::Kind::Sweep(task)) };
        self.send(&command.encode_length_delimited_to_vec(), patience).await
    }

    /// Puts its task under a memory limit.
    async fn keep_within(&mut self, memory_limit: Option<u64>) -> Result<(), Death> {
        if let Err(error) = self.limit_memory(memory_limit) {
            self.kill().await;
            return Err(Death::Garbled(format!("its memory can't be limited: {error}")));
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8], patience: Duration) -> Result<(), Death> {
        match timeout(patience, self.input.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.autopsy(Broken::Closed).await),
            Err(_) => {
                self.kill().await;
                Err(Death::Deaf)
            }
        }
    }

    /// The next report about the latest task. Waiting may be given up at any time.
    ///
    /// # Errors
    ///
    /// What it died of.
    pub(crate) async fn report(&mut self) -> Result<solver_report::Kind, Death> {
        while self.broken.is_none() {
            match self.reports.next(self.report_limit).await {
                Ok((task, kind)) if task == self.task => return Ok(kind),
                Ok(_) => {}
                Err(broken) => self.broken = Some((broken, Instant::now() + LAST_BREATH)),
            }
        }
        Err(self.death().await)
    }

    /// Waits until the process dies without anything to do. Waiting may be given up
    /// at any time.
    pub(crate) async fn dies_idle(&mut self) -> Death {
        loop {
            if let Err(death) = self.report().await {
                return death;
            }
        }
    }

    /// Asks it to end its solve. That it did not hear is seen by what follows.
    pub(crate) async fn interrupt(&mut self) {
        let kind = Some(solver_command::Kind::Interrupt(Interrupt {}));
        let bytes = SolverCommand { kind }.encode_length_delimited_to_vec();
        // A few bytes: they wait only where the process reads nothing at all.
        let _ = timeout(Duration::from_millis(100), self.input.write_all(&bytes)).await;
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(pid = self.pid, cause = %error, "a solver process can't be killed");
        }
    }

    /// Replaces its memory limit; without one, lifts it.
    fn limit_memory(&mut self, limit: Option<u64>) -> io::Result<()> {
        if limit != self.memory_limit {
            limit_memory(self.pid, limit)?;
            self.memory_limit = limit;
        }
        Ok(())
    }

    /// What it died of, of which this is the first sign.
    async fn autopsy(&mut self, sign: Broken) -> Death {
        self.broken.get_or_insert_with(|| (sign, Instant::now() + LAST_BREATH));
        self.death().await
    }

    /// What it died of that is broken; where it still lives after a while, it is killed.
    /// Waiting may be given up at any time, and gains it no time.
    async fn death(&mut self) -> Death {
        let mut what = Broken::Closed.to_string();
        if let Some((broken, until)) = &self.broken {
            what = broken.to_string();
            if let Broken::Closed = broken
                && let Ok(Ok(status)) = timeout_at(*until, self.child.wait()).await
            {
                return Death::of(status, self.memory_limit);
            }
        }
        self.kill().await;
        Death::Garbled(what)
    }
}

/// Where memory runs out, the kernel shall take a solver, and never its worker.
fn offer_to_the_oom_killer(pid: u32) {
    if let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "900") {
        tracing::debug!(pid, cause = %error, "the out-of-memory score stays as it is");
    }
}

/// Limits what a process may allocate to so many bytes, or to what the system allows it.
/// That counts memory that is reserved for writing, touched or not, and no code.
#[cfg(target_os = "linux")]
fn limit_memory(pid: u32, limit: Option<u64>) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: no new limit is set, and `now` outlives the call.
    if unsafe { libc::prlimit(pid, libc::RLIMIT_DATA, std::ptr::null(), &raw mut now) } != 0 {
        return Err(io::Error::last_os_error());
    }
    now.rlim_cur = limit.map_or(now.rlim_max, |bytes| bytes.min(now.rlim_max));
    // SAFETY: `now` outlives the call, and no old limit is asked for.
    match unsafe { libc::prlimit(pid, libc::RLIMIT_DATA, &raw const now, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Limits what a process may allocate.
#[cfg(not(target_os = "linux"))]
fn limit_memory(_: u32, _: Option<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
