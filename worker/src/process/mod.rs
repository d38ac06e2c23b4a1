//! A solver process: start, commands and reports over its pipes, memory limit, kill.

mod command;
mod confinement;
mod environment;
mod exit;
mod limits;
mod reports;

use std::{io, process::Stdio, sync::Once, time::Duration};

use bytes::{Buf, BytesMut};
use prost::Message;
use solvemesh::solver::v1::{
    Confinement, Interrupt, SolveTask, SolverCommand, SweepTask, Withdrawal,
    solver_command::Kind as CommandKind, solver_report,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{self, Instant, timeout, timeout_at},
};

pub(crate) use exit::Death;
use reports::{ReadError, Reports};

use crate::config::SolverCommandLine;

/// How long a process that closed its pipes may take to exit before it is killed. Its exit
/// status says more about the cause than the closed pipe does.
const EXIT_GRACE: Duration = Duration::from_secs(2);
/// Maximum size, in bytes, of a report without a solution.
const SMALL_REPORT: usize = 1 << 20;
/// Maximum bytes of an outcome per variable or row: 8 bytes in each of six arrays, and reserve.
const BYTES_PER_ENTRY: usize = 64;

/// A running solver process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct SolverProcess {
    child: Child,
    input: ChildStdin,
    reports: Reports<ChildStdout>,
    pid: u32,
    /// What the process reported that it may not do.
    confinement: Confinement,
    /// Number of the task whose reports are read, 0 before the first. Reports about others are
    /// dropped.
    task: u64,
    /// Number of the latest task that was sent.
    last_task: u64,
    /// Maximum size, in bytes, of a report about the tasks that were sent.
    report_limit: usize,
    /// Maximum memory that the process may allocate, in bytes; `None` for no limit.
    memory_limit: Option<u64>,
    /// Why no more reports can be read, and the deadline for the process to exit by itself.
    broken: Option<(ReadError, Instant)>,
}

/// Why a solver process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The program cannot be executed.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// It died before it reported ready.
    #[error("the solver process died before it was ready: {0}")]
    Died(Death),
    /// It reported something else than ready, or nothing within the timeout.
    #[error("the solver process did not report ready within {0:?}")]
    NotReady(Duration),
}

impl SolverProcess {
    /// Starts a solver process and waits until it reports ready, for at most `start_timeout`.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. The process is not left running.
    pub(crate) async fn start(
        command: &SolverCommandLine,
        start_timeout: Duration,
    ) -> Result<Self, StartError> {
        let spawn_error =
            |source| StartError::Spawn { program: command.program.display().to_string(), source };
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .env_clear()
            .envs(environment::of_solver())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Ctrl-C at the terminal must reach only the worker, which then drains.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn_error)?;
        let no_pipe = || spawn_error(io::ErrorKind::BrokenPipe.into());
        let pid = child.id().ok_or_else(no_pipe)?;
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        let reports = Reports::new(child.stdout.take().ok_or_else(no_pipe)?);
        let mut process = Self {
            child,
            input,
            reports,
            pid,
            confinement: Confinement::default(),
            task: 0,
            last_task: 0,
            report_limit: SMALL_REPORT,
            memory_limit: None,
            broken: None,
        };
        match timeout(start_timeout, process.reports.next(SMALL_REPORT)).await {
            Ok(Ok((0, solver_report::Kind::Ready(ready)))) => {
                process.confinement = ready.confinement.unwrap_or_default();
                Ok(process)
            }
            Ok(Err(broken)) => Err(StartError::Died(process.exit_cause(broken).await)),
            Ok(Ok(_)) | Err(_) => {
                process.kill().await;
                Err(StartError::NotReady(start_timeout))
            }
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Logs how solver processes are confined, once for this program.
    pub(crate) fn log_confinement(&self) {
        static LOGGED: Once = Once::new();
        LOGGED.call_once(|| confinement::log(&self.confinement));
    }

    /// Whether it has been sent a task. Its heap may then be fragmented, so that what a memory
    /// limit leaves for another task depends on the earlier ones.
    pub(crate) fn is_used(&self) -> bool {
        self.last_task > 0
    }

    /// Sends a solve task, under the memory limit of its options; its number is set here.
    /// `entries` is the number of variables and constraints, which bounds the size of the
    /// reports. The process has to read the task within `send_timeout`.
    ///
    /// # Errors
    ///
    /// Why the process died; it cannot be used any more.
    pub(crate) async fn send_solve(
        &mut self,
        task: SolveTask,
        entries: usize,
        send_timeout: Duration,
    ) -> Result<(), Death> {
        let memory_limit = task.options.as_ref().and_then(|options| options.memory_limit_bytes);
        self.begin_task(entries, memory_limit).await?;
        self.send(command::solve(SolveTask { task: self.task, ..task }), send_timeout).await
    }

    /// Sends several solve tasks at once, without a memory limit, to be solved in their order. Their
    /// numbers are set here. `entries` is the largest number of variables and constraints of one
    /// of them. [`next_task`](Self::next_task) turns to the first of them, then to each further
    /// one.
    ///
    /// # Errors
    ///
    /// Why the process died; it cannot be used any more.
    pub(crate) async fn send_solves(
        &mut self,
        tasks: impl Iterator<Item = SolveTask>,
        entries: usize,
        send_timeout: Duration,
    ) -> Result<(), Death> {
        self.apply_memory_limit(None).await?;
        self.set_report_limit(entries);
        self.task = self.last_task;
        let mut bytes = BytesMut::new();
        for task in tasks {
            self.last_task += 1;
            let command = command::solve(SolveTask { task: self.last_task, ..task });
            bytes.extend_from_slice(&command.head);
            bytes.extend_from_slice(&command.payload);
        }
        self.write(bytes, send_timeout).await
    }

    /// Turns to the next of the tasks of [`send_solves`](Self::send_solves), once the outcome of
    /// the last one was read.
    pub(crate) fn next_task(&mut self) {
        debug_assert!(self.task < self.last_task, "a task that was not sent");
        self.task += 1;
    }

    /// Sends scenarios to solve, under a memory limit; otherwise as [`Self::send_solve`].
    ///
    /// # Errors
    ///
    /// Why the process died; it cannot be used any more.
    pub(crate) async fn send_sweep(
        &mut self,
        task: SweepTask,
        entries: usize,
        memory_limit: Option<i64>,
        send_timeout: Duration,
    ) -> Result<(), Death> {
        self.begin_task(entries, memory_limit).await?;
        self.send(command::sweep(SweepTask { task: self.task, ..task }), send_timeout).await
    }

    /// Numbers the next task, and sets its limits.
    async fn begin_task(&mut self, entries: usize, memory_limit: Option<i64>) -> Result<(), Death> {
        let memory_limit = memory_limit.and_then(|limit| u64::try_from(limit).ok());
        self.apply_memory_limit(memory_limit).await?;
        self.last_task += 1;
        self.task = self.last_task;
        self.set_report_limit(entries);
        Ok(())
    }

    fn set_report_limit(&mut self, entries: usize) {
        self.report_limit = SMALL_REPORT + entries.saturating_mul(BYTES_PER_ENTRY);
    }

    /// Sets the memory limit of the next task. Kills the process if that fails: the task must
    /// not run without its limit.
    async fn apply_memory_limit(&mut self, memory_limit: Option<u64>) -> Result<(), Death> {
        if let Err(error) = self.limit_memory(memory_limit) {
            self.kill().await;
            return Err(Death::ProtocolError(format!("cannot set its memory limit: {error}")));
        }
        Ok(())
    }

    /// Sends a command.
    async fn send(&mut self, command: command::Command, timeout: Duration) -> Result<(), Death> {
        // As one vectored write: a small command is one system call, and one read of the solver.
        self.write(command.head.chain(command.payload), timeout).await
    }

    /// Writes commands into the pipe.
    async fn write(&mut self, mut bytes: impl Buf, timeout: Duration) -> Result<(), Death> {
        match time::timeout(timeout, self.input.write_all_buf(&mut bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.exit_cause(ReadError::Closed).await),
            Err(_) => {
                self.kill().await;
                Err(Death::TaskNotRead)
            }
        }
    }

    /// Waits for the next report about the current task. Cancel safe.
    ///
    /// # Errors
    ///
    /// Why the process died; it cannot be used any more.
    pub(crate) async fn next_report(&mut self) -> Result<solver_report::Kind, Death> {
        while self.broken.is_none() {
            match self.reports.next(self.report_limit).await {
                Ok((task, kind)) if task == self.task => return Ok(kind),
                Ok(_) => {}
                Err(broken) => self.broken = Some((broken, Instant::now() + EXIT_GRACE)),
            }
        }
        Err(self.wait_for_exit().await)
    }

    /// Waits until the process dies while it has no task; drops late reports. Cancel safe.
    pub(crate) async fn wait_for_idle_death(&mut self) -> Death {
        loop {
            if let Err(death) = self.next_report().await {
                return death;
            }
        }
    }

    /// Asks the process to stop the solve of the current task. Errors are ignored: a process that
    /// does not stop is killed at the caller's timeout.
    pub(crate) async fn interrupt(&mut self) {
        self.send_small(CommandKind::Interrupt(Interrupt { task: self.task })).await;
    }

    /// Asks the process not to begin the tasks after the current one. Their reports are dropped, if
    /// there are any: the next task that is sent is the next one whose reports are read.
    pub(crate) async fn withdraw_rest(&mut self) {
        let first_task = self.task + 1;
        self.send_small(CommandKind::Withdrawal(Withdrawal { first_task })).await;
    }

    /// Sends a command of a few bytes, which blocks only if the process reads nothing at all.
    async fn send_small(&mut self, kind: CommandKind) {
        let bytes = SolverCommand { kind: Some(kind) }.encode_length_delimited_to_vec();
        let _ = timeout(Duration::from_millis(100), self.input.write_all(&bytes)).await;
    }

    /// Kills the process and waits until it has exited.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(pid = self.pid, cause = %error, "cannot kill solver process");
        }
    }

    /// Sets the memory limit of the process; `None` removes it.
    fn limit_memory(&mut self, limit: Option<u64>) -> io::Result<()> {
        if limit != self.memory_limit {
            limits::set_memory_limit(self.pid, limit)?;
            self.memory_limit = limit;
        }
        Ok(())
    }

    /// Records the first sign that the process is unusable, and returns why it died.
    async fn exit_cause(&mut self, sign: ReadError) -> Death {
        self.broken.get_or_insert_with(|| (sign, Instant::now() + EXIT_GRACE));
        self.wait_for_exit().await
    }

    /// Waits for the exit of a process whose pipes are broken, and kills it at the deadline.
    /// Cancel safe: the deadline is fixed, so that another call does not extend it.
    async fn wait_for_exit(&mut self) -> Death {
        let mut cause = ReadError::Closed.to_string();
        if let Some((broken, until)) = &self.broken {
            cause = broken.to_string();
            // Only a process that closed its output is expected to exit by itself.
            if let ReadError::Closed = broken
                && let Ok(Ok(status)) = timeout_at(*until, self.child.wait()).await
            {
                return Death::of(status, self.memory_limit);
            }
        }
        self.kill().await;
        Death::ProtocolError(cause)
    }
}
