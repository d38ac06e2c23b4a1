//! The project's own processes, started and stopped as an operator would.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::within;

/// Number of lines of a log that are printed when its test fails: this many from its end,
/// and this many warnings from before.
const SHOWN: usize = 40;

/// The peak resident memory of a process, in bytes.
fn peak(id: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The path of one of the project's programs, as built beside this test; or an absolute path as it
/// is.
///
/// # Panics
///
/// When it has not been built: `cargo build --workspace` does.
pub fn program(name: &str) -> PathBuf {
    if Path::new(name).is_absolute() {
        return name.into();
    }
    let this = env::current_exe().expect("the path of this program");
    // A test binary is in target/PROFILE/deps, the programs are in target/PROFILE.
    let folders = this.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "there is no {name} beside {}: build the workspace in the same profile first, as \
             scripts/test does",
            this.display()
        )
    })
}

/// A command that runs one of the project's programs without the `SOLVEMESH_` and `OTEL_`
/// variables of the environment, which would change its configuration.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    for (key, _) in env::vars_os().filter(|(key, _)| is_ours(key)) {
        command.env_remove(key);
    }
    command.kill_on_drop(true);
    command
}

fn is_ours(key: &OsStr) -> bool {
    let key = key.to_string_lossy();
    key.starts_with("SOLVEMESH_") || key.starts_with("OTEL_")
}

/// If this names a folder, the whole log of each process is copied into it.
const LOGS: &str = "SOLVEMESH_TEST_LOGS";

/// A running gateway or worker. Dropping it kills it; during a panic, that is if its test
/// failed, it also prints its log.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program. Returns it with its standard output; its log goes to a file.
    pub fn start(program: &str, arguments: &[&str]) -> (Self, BufReader<ChildStdout>) {
        Self::start_with(program, arguments, &[])
    }

    /// As [`start`](Self::start), with variables in its environment.
    pub fn start_with(
        program: &str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> (Self, BufReader<ChildStdout>) {
        let folder = TempDir::new().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let mut child = command(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let output = BufReader::new(child.stdout.take().expect("a piped output"));
        (Self { name: program.to_owned(), child, folder }, output)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }

    /// The CPU time that it has used so far, without its children.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("its figures");
        // The figures follow the program's name, which is in parentheses and may itself
        // contain any character.
        let figures = stat.rsplit_once(')').map_or("", |(_, figures)| figures);
        // Clock ticks in user and in kernel mode; Linux reports 100 a second.
        let ticks = figures.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|count| count.parse::<u64>().expect("a count of ticks"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// The peak resident memory of the process, and of each of its children, in bytes.
    pub fn peak_memory(&self) -> (u64, Vec<u64>) {
        let id = self.id();
        // Linux lists the children by the thread that started them.
        let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let children = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
        let children: Vec<String> = children.collect();
        let children = children.iter().flat_map(|ids| ids.split_whitespace());
        (peak(&id.to_string()).unwrap_or_default(), children.filter_map(peak).collect())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Kills it (SIGKILL), and waits until it has exited.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// Stops it (SIGTERM), and waits up to a minute until it has exited.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.ended(Duration::from_secs(60)).await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        // The child was not waited for, so its id can't have been reused.
        assert!(send(self.id(), signal), "{} can't be sent signal {signal}", self.name);
    }

    /// Waits until it has exited.
    ///
    /// # Panics
    ///
    /// After `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "a process to stop", self.child.wait()).await.expect("an exit status")
    }

    /// Whether it is still running after this time.
    pub async fn runs_on_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.child.wait()).await.is_err()
    }

    /// The ids of its child processes that are alive.
    pub fn children(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|&id| parent(id) == Some(self.id())).collect()
    }
}

/// Whether a process is alive. A zombie is not.
pub fn lives(process: u32) -> bool {
    parent(process).is_some()
}

/// The parent of a process that is alive.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may contain anything: the state and the parent.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let alive = fields.next().is_some_and(|state| state != "Z");
    fields.next()?.parse().ok().filter(|_| alive)
}

/// Sends a signal to any process. Returns whether there is such a process.
pub fn send(process: u32, signal: libc::c_int) -> bool {
    let id = libc::pid_t::try_from(process).expect("a process id");
    // SAFETY: `kill` accesses no memory. Process ids are not reused soon.
    unsafe { libc::kill(id, signal) == 0 }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(folder) = env::var_os(LOGS) {
            let name = format!("{}-{}.log", self.name, self.child.id().unwrap_or_default());
            // A failed copy must not replace the failure of the test.
            let _ = fs::copy(self.folder.path().join("log"), Path::new(&folder).join(name));
        }
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let (before, end) = lines.split_at(lines.len().saturating_sub(SHOWN));
            let warns = |line: &&&str| line.contains(" WARN ") || line.contains("ERROR ");
            let warnings: Vec<&str> = before.iter().filter(warns).copied().collect();
            let warnings = &warnings[warnings.len().saturating_sub(SHOWN)..];
            eprintln!(
                "--- log of {} ({:?}), its warnings\n{}\n… and its end\n{}\n---",
                self.name,
                self.child.id(),
                warnings.join("\n"),
                end.join("\n")
            );
        }
    }
}

/// The next line of a process's output.
///
/// # Panics
///
/// If the process exits first, or prints no line within a minute.
pub async fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    let read = within(Duration::from_secs(60), "a line of output", output.read_line(&mut line));
    assert_ne!(read.await.expect("readable output"), 0, "the process exited without output");
    line.trim_end().to_owned()
}
