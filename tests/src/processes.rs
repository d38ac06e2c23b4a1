//! The project's own processes, started and stopped as an operator would.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::PathBuf,
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

/// How many lines of a log's end are shown when its test failed, and how many of the
/// warnings before.
const SHOWN: usize = 40;

fn peak(id: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The path of one of the project's programs, as built beside this test.
///
/// # Panics
///
/// When it has not been built: `cargo build --workspace` does.
pub fn program(name: &str) -> PathBuf {
    let this = env::current_exe().expect("the path of this program");
    // A test lies in target/PROFILE/deps, a program in target/PROFILE.
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

/// A command that runs one of the project's programs with an environment that
/// configures nothing.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    for (key, _) in env::vars_os().filter(|(key, _)| is_ours(key)) {
        command.env_remove(key);
    }
    command.kill_on_drop(true);
    command
}

fn is_ours(key: &OsStr) -> bool {
    key.to_string_lossy().starts_with("SOLVEMESH_")
}

/// A gateway or a worker. Dropped, it is killed; if its test failed, its log is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program.
    pub fn start(program: &str, arguments: &[&str]) -> (Self, BufReader<ChildStdout>) {
        let folder = TempDir::new().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let mut child = command(program)
            .args(arguments)
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

    /// How long it has computed so far, without its children.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("its figures");
        // The name before them may have anything in it but the last parenthesis.
        let figures = stat.rsplit_once(')').map_or("", |(_, figures)| figures);
        // Clock ticks in user and in kernel mode, of which Linux tells 100 a second.
        let ticks = figures.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|count| count.parse::<u64>().expect("a count of ticks"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// The most memory that it has had so far, in bytes, and so its children.
    pub fn peak_memory(&self) -> (u64, Vec<u64>) {
        let id = self.id();
        // Linux tells the children by the thread that started each.
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

    /// Kills it as the kernel would (SIGKILL), and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.ended(Duration::from_secs(60)).await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        // The child was not waited for, so the id is still its own.
        assert!(send(self.id(), signal), "{} can't be sent signal {signal}", self.name);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// When it takes longer than `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "a process to stop", self.child.wait()).await.expect("an exit status")
    }

    /// Whether it still runs after some time.
    pub async fn runs_on_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.child.wait()).await.is_err()
    }

    /// The ids of the processes that it has started and that live.
    pub fn children(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|&id| parent(id) == Some(self.id())).collect()
    }
}

/// Whether a process lives.
pub fn lives(process: u32) -> bool {
    parent(process).is_some()
}

/// The process that started a process, if that lives.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may contain anything: the state and the parent.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let lives = fields.next().is_some_and(|state| state != "Z");
    fields.next()?.parse().ok().filter(|_| lives)
}

/// Sends a signal to any process; tells whether there was one.
pub fn send(process: u32, signal: libc::c_int) -> bool {
    let id = libc::pid_t::try_from(process).expect("a process id");
    // SAFETY: no memory is involved. Process ids are not soon given anew.
    unsafe { libc::kill(id, signal) == 0 }
}

impl Drop for Process {
    fn drop(&mut self) {
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
/// When the process ends before, or takes too long.
pub async fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    let read = within(Duration::from_secs(60), "a line of output", output.read_line(&mut line));
    assert_ne!(read.await.expect("readable output"), 0, "the process ended without a word");
    line.trim_end().to_owned()
}
