//! The command line of the fault suite. It accepts the flags of the usual test harness, since
//! `cargo test` passes the same arguments to every test binary.

use std::env;

use solvemesh_tests::trial::Scale;

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Whether to list the faults instead of running them.
    pub(crate) list: bool,
    /// Factor of the number of jobs and rounds.
    pub(crate) scale: Scale,
    /// If not empty, only faults run whose names contain one of these.
    filters: Vec<String>,
}

/// Flags of the usual test harness that take a value as the next argument.
const VALUED: [&str; 8] = [
    "--test-threads",
    "--skip",
    "--format",
    "--color",
    "--logfile",
    "--report-time",
    "--shuffle-seed",
    "-Z",
];

impl Arguments {
    /// Parses the command line. Other flags of the usual test harness are ignored.
    pub(crate) fn read() -> Self {
        let mut read = Self { list: false, scale: scale(), filters: Vec::new() };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if argument == "--list" {
                read.list = true;
            } else if VALUED.contains(&argument.as_str()) {
                arguments.next();
            } else if !argument.starts_with('-') {
                read.filters.push(argument);
            }
        }
        read
    }

    /// Whether the fault with this name is selected.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

/// The scale in `SOLVEMESH_RELIABILITY_SCALE`, 1 by default.
fn scale() -> Scale {
    let value = env::var("SOLVEMESH_RELIABILITY_SCALE").ok();
    let scale = value.map_or(1.0, |text| text.parse().expect("SOLVEMESH_RELIABILITY_SCALE"));
    assert!(scale > 0.0 && scale <= 1000.0, "SOLVEMESH_RELIABILITY_SCALE is {scale}");
    Scale(scale)
}
