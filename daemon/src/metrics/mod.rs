//! Metrics of a program, and probes, over HTTP on a port of their own: `/metrics` for Prometheus,
//! `/livez` and `/readyz` for Kubernetes and other supervisors.
//!
//! Metrics are a value that is handed down, and not a global: a program composes the registry of
//! its parts, and a test reads that of the part it tests.

mod process;
mod server;

use std::time::SystemTime;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

pub use server::MetricsArgs;

/// The commit that the program was built from, if the build was told.
const COMMIT: Option<&str> = option_env!("SOLVEMESH_COMMIT");

/// The metrics of a program.
#[derive(Debug)]
pub struct Metrics(Registry);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    commit: &'static str,
}

impl Metrics {
    /// Those that all programs have: the version of the build, and the memory, CPU time and open
    /// files of the process.
    pub fn of_process() -> Self {
        let mut metrics = Self(Registry::default());
        metrics
            .0
            .register_collector(Box::new(process::ProcessCollector { started: SystemTime::now() }));
        // A gauge, as the older text format of Prometheus does not have the type `info`.
        let build = Family::<Build, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&Build { version, commit: COMMIT.unwrap_or("unknown") }).set(1);
        metrics.own().register("build_info", "Version of the program; the value is 1", build);
        metrics
    }

    /// Where the parts of the program register theirs: names get the prefix `solvemesh_`.
    pub fn own(&mut self) -> &mut Registry {
        self.0.sub_registry_with_prefix("solvemesh")
    }

    /// All of them in the text format of OpenMetrics 1.0.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only if a collector does.
        if let Err(error) = text::encode(&mut text, &self.0) {
            tracing::error!(cause = %error, "metrics can't be encoded");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_shows_its_build_and_what_its_process_takes() {
        let text = Metrics::of_process().to_text();
        let build = format!(r#"solvemesh_build_info{{version="{}","#, env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&build), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        };
        if cfg!(target_os = "linux") {
            // More than a MiB, fewer than a thousand files, started within the last day.
            assert!(value("process_resident_memory_bytes").is_some_and(|it| it > 1e6), "{text}");
            assert!(value("process_open_fds").is_some_and(|it| (3.0..1e3).contains(&it)), "{text}");
            assert!(value("process_cpu_seconds_total").is_some_and(|it| it < 1e5), "{text}");
            let start = value("process_start_time_seconds").unwrap_or_default();
            let now = SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let age = now.map_or(0.0, |now| now.as_secs_f64()) - start;
            assert!((-2.0..86_400.0).contains(&age), "{age} s ago");
        }
    }
}
