//! CPU time and memory of processes, from /proc.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// The duration of a clock tick of /proc on Linux.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that a process has used so far, in user and kernel mode, without its children.
pub(crate) fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).context(path)?;
    // The figures follow the name, which is in parentheses and may itself contain any character.
    let figures = stat.rsplit_once(')').map_or("", |(_, figures)| figures);
    let ticks = figures.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<u32, _>>().context("the CPU time of a process")?;
    Ok(TICK * ticks)
}

/// The sum of the CPU times of processes.
pub(crate) fn cpu_times(processes: &[u32]) -> anyhow::Result<Duration> {
    processes.iter().map(|&process| cpu_time(process)).sum()
}

/// The resident memory of a process, in KiB.
pub(crate) fn memory(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).context(path)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse()?)
}
