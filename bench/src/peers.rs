//! The peers in Python: where they are, how they are started and run.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command as BlockingCommand, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::machine;

/// The folder of the scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
/// How long a peer may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take for one round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(600);
/// The packages whose versions are reported.
const PACKAGES: [&str; 6] = ["highspy", "grpcio", "celery", "pika", "tornado", "pyomo"];

/// The virtual environment that `scripts/setup bench` makes.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    folder: PathBuf,
}

/// A server or worker that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    /// The line that it printed when it was ready.
    line: String,
}

impl Peers {
    /// The virtual environment, if it exists.
    pub(crate) fn find() -> Option<Self> {
        let cache = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
            Some(cache) => PathBuf::from(cache),
            None => Path::new(&env::var_os("HOME")?).join(".cache"),
        };
        let peers = Self { folder: cache.join("solvemesh/bench-venv") };
        peers.python().is_file().then_some(peers)
    }

    /// Its Python.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The versions of Python and of the packages.
    pub(crate) fn versions(&self) -> Vec<String> {
        let script = format!(
            "import platform, importlib.metadata as m\nprint('Python', platform.python_version())\n\
             for p in {PACKAGES:?}: print(p, m.version(p))"
        );
        let mut python = BlockingCommand::new(self.python());
        let printed = machine::output(python.args(["-c", &script])).unwrap_or_default();
        printed.lines().map(str::to_owned).collect()
    }

    /// A command that runs a script; its errors go to those of this program.
    fn script(&self, script: &str) -> Command {
        let mut command = self.program("python");
        command.arg(script);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(name));
        command
            .current_dir(SCRIPTS)
            // Its imports must not write into the source folder.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts a script, and waits until it is ready.
    pub(crate) async fn start(&self, script: &str, arguments: &[&str]) -> anyhow::Result<Peer> {
        let mut command = self.script(script);
        ready(command.args(arguments)).await.context(script.to_owned())
    }

    /// Starts the workers of Celery, and waits until they are ready.
    pub(crate) async fn start_celery(&self, url: &str, processes: usize) -> anyhow::Result<Peer> {
        let mut celery = self.program("celery");
        celery.env("SOLVEMESH_BENCH_AMQP", url).args(["--quiet", "--app", "celery_app", "worker"]);
        celery.args(["--pool", "prefork", "--concurrency", &processes.to_string()]);
        celery.args(["--without-gossip", "--without-mingle", "--without-heartbeat"]);
        celery.args(["--loglevel", "ERROR"]);
        // Celery warns of root, as which everything runs in a container.
        ready(celery.env("PYTHONWARNINGS", "ignore")).await.context("celery")
    }

    /// Runs a client to its end, and returns the numbers that it printed.
    pub(crate) async fn run(
        &self,
        script: &str,
        arguments: &[&str],
        amqp: &str,
    ) -> anyhow::Result<Vec<f64>> {
        let mut command = self.script(script);
        let running = command.args(arguments).env("SOLVEMESH_BENCH_AMQP", amqp).output();
        let output = timeout(ROUND_TIMEOUT, running).await.context(script.to_owned())??;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script} ended with {}: {errors}", output.status);
        let printed = String::from_utf8(output.stdout)?;
        Ok(printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    }
}

/// Starts a command, and waits for the line by which it reports that it is ready.
async fn ready(command: &mut Command) -> anyhow::Result<Peer> {
    let mut child = command.spawn()?;
    let output = child.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("listening") {
                return anyhow::Ok(line);
            }
        }
        bail!("it ended before it was ready")
    };
    let line = timeout(START_TIMEOUT, listening).await.context("it is not ready in time")??;
    Ok(Peer { child, line })
}

impl Peer {
    /// The port at which it listens.
    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        let port = self.line.rsplit(' ').next().and_then(|port| port.parse().ok());
        port.with_context(|| format!("no port in {:?}", self.line))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the peer has ended")
    }
}
