//! The metrics of the process itself, with the names that all programs with Prometheus metrics use.
//!
//! Source of the names: "Writing client libraries" of Prometheus, section "Process metrics". Source
//! of the numbers: proc(5), so there are none outside of Linux.

use std::{
    fmt, fs, io,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Reads the metrics of this process at each scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    /// When the program began. Not from /proc, where it is relative to the boot of the system, which
    /// a service with `ProcSubset=pid` can't see.
    pub(super) started: SystemTime,
}

/// What the system says of this process.
struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_files: u64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there is nothing to say, and the other metrics are still of use.
        let Ok(Usage { cpu_seconds, resident_bytes, open_files }) = read() else { return Ok(()) };
        let start_time = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut encode =
            |name, help, metric: &dyn Encode| metric.encode_as(&mut encoder, name, help);
        encode(
            "process_cpu_seconds",
            "CPU time of the process, that of its solver processes not included, in seconds",
            &ConstCounter::new(cpu_seconds),
        )?;
        encode(
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970",
            &ConstGauge::new(start_time),
        )?;
        encode(
            "process_resident_memory_bytes",
            "Resident memory of the process, that of its solver processes not included",
            &ConstGauge::new(resident_bytes),
        )?;
        encode("process_open_fds", "Open file descriptors", &ConstGauge::new(open_files))
    }
}

/// Encodes a metric without labels under a name. The trait of the library is not object safe.
trait Encode {
    fn encode_as(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result;
}

impl<M: EncodeMetric> Encode for M {
    fn encode_as(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        self.encode(to.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

#[cfg(target_os = "linux")]
fn read() -> io::Result<Usage> {
    use rustix::param::{clock_ticks_per_second, page_size};

    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may contain anything; the fields after it count
    // from 3, the state.
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(malformed)?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = |field: usize| -> io::Result<f64> {
        let text = fields.get(field - 3).ok_or_else(malformed)?;
        text.trim().parse().map_err(|_| malformed())
    };
    #[expect(clippy::cast_precision_loss, reason = "a hundred per second")]
    let ticks = clock_ticks_per_second() as f64;
    let (user, system, resident_pages) = (number(14)?, number(15)?, number(24)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of pages")]
    let resident_pages = resident_pages as u64;
    Ok(Usage {
        cpu_seconds: (user + system) / ticks,
        resident_bytes: resident_pages * page_size() as u64,
        // One of them is that of this directory.
        open_files: fs::read_dir("/proc/self/fd")?.count().saturating_sub(1) as u64,
    })
}

#[cfg(not(target_os = "linux"))]
fn read() -> io::Result<Usage> {
    Err(io::ErrorKind::Unsupported.into())
}
