//! The command line, as `cargo test` gives it to every test.

use std::env;

use solvemesh_tests::trial::Scale;

/// What to do.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Whether to name the faults and try none.
    pub(crate) list: bool,
    /// How long and how much.
    pub(crate) scale: Scale,
    /// Only faults that have one of these in their names.
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
    /// Reads the command line. What means nothing here is passed over.
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

    /// Whether a fault is to be tried.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn scale() -> Scale {
    let told = env::var("SOLVEMESH_RELIABILITY_SCALE").ok();
    let scale = told.map_or(1.0, |text| text.parse().expect("SOLVEMESH_RELIABILITY_SCALE"));
    assert!(scale > 0.0 && scale <= 1000.0, "SOLVEMESH_RELIABILITY_SCALE is {scale}");
    Scale(scale)
}
