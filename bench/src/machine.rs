//! The machine and the programs of a run: without them its numbers say nothing.

use std::{fmt, fs, process::Command};

use serde::Serialize;

use crate::peers::Peers;

/// What the results depend on. `unknown` where the system does not tell.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// The load of the last minute before the run: other work on the machine.
    load: String,
    rabbitmq: String,
    erlang: String,
    /// The version of Python and of the packages of the peers; empty without peers.
    python: Vec<String>,
}

impl Machine {
    /// Asks the system and the programs.
    pub(crate) fn inspect(rabbitmq: String, erlang: String, peers: Option<&Peers>) -> Self {
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_gib().unwrap_or(f64::NAN),
            kernel: output(Command::new("uname").arg("-sr")).unwrap_or_else(unknown),
            load: load(),
            rabbitmq,
            erlang,
            python: peers.map(Peers::versions).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, load, rabbitmq, erlang, python } = self;
        writeln!(f, "{cpu}, {cores} cores, {memory_gib:.1} GiB, {kernel}, load before {load}")?;
        write!(f, "RabbitMQ {rabbitmq} on Erlang {erlang}")?;
        if !python.is_empty() {
            write!(f, "; {}", python.join(", "))?;
        }
        Ok(())
    }
}

/// The standard output of a command, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().map_or_else(unknown, str::to_owned)
}

fn memory_gib() -> Option<f64> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kib / f64::from(1 << 20))
}

/// The value of the first line `name: value` of a file.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
