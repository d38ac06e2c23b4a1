//! Shared parts of the worker's tests: an in-memory mesh with its log, sample jobs, and solvers
//! that are shell scripts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnd, JobEnvelope, JobPayload, LogEntry, job_envelope, log_entry::Kind},
    solver::v1::{Incumbent, Outcome, SolverReport, solver_report},
    v1::{
        JobDescription, JobFinished, JobState, LinearModel, ModelSize, ObjectiveSense,
        SolveOptions, SolveResult, Termination, TerminationReason, VariableKind,
    },
};
use solvemesh_broker::{
    Delivery, ENVELOPE_VERSION, Lane, LogMessage, LogStart, MemoryConfig, MemoryMesh, Mesh,
};
use solvemesh_worker::{Overrun, SolverCommandLine, WorkerConfig};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// Timeout of every wait in a test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An in-memory mesh and a reader of its log.
pub(crate) struct TestMesh {
    pub(crate) mesh: Arc<dyn Mesh>,
    log: mpsc::Receiver<LogMessage>,
    /// All entries read so far.
    pub(crate) seen: Vec<LogEntry>,
}

impl TestMesh {
    pub(crate) async fn new() -> Self {
        let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
        let log = mesh.follow_log(LogStart::First).await.unwrap();
        Self { mesh, log, seen: Vec::new() }
    }

    pub(crate) async fn enqueue(&self, lane: &str, job: &JobEnvelope) {
        self.mesh.enqueue(&lane.parse::<Lane>().unwrap(), job).await.unwrap();
    }

    /// Consumes `count` jobs from a lane, then closes the consumer.
    pub(crate) async fn take(&self, lane: &str, count: u16) -> Vec<Delivery> {
        let lane = lane.parse::<Lane>().unwrap();
        let mut jobs = self.mesh.consume(&lane, count).await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < usize::from(count) {
            let next = timeout(TIMEOUT, jobs.next()).await;
            taken.push(next.expect("a job in the lane").unwrap());
        }
        taken
    }

    /// Reads the log until an entry matches, and returns that.
    pub(crate) async fn until(&mut self, matches: impl Fn(&LogEntry) -> bool) -> LogEntry {
        loop {
            let message = timeout(TIMEOUT, self.log.recv()).await;
            let message =
                message.unwrap_or_else(|_| panic!("no such entry: {:#?}", self.summary()));
            let entries = message.unwrap().batch.unwrap().entries;
            self.seen.extend(entries.iter().cloned());
            if let Some(entry) = entries.into_iter().find(&matches) {
                return entry;
            }
        }
    }

    /// Reads the log until a job starts.
    pub(crate) async fn started(&mut self, job: &str) {
        self.until(|entry| entry.job_id == job && matches!(entry.kind, Some(Kind::Started(_))))
            .await;
    }

    /// Reads the log until a job finishes.
    pub(crate) async fn finished(&mut self, job: &str) -> JobEnd {
        let entry = self
            .until(|entry| entry.job_id == job && matches!(entry.kind, Some(Kind::Finished(_))));
        match entry.await.kind {
            Some(Kind::Finished(finished)) => *finished,
            _ => unreachable!(),
        }
    }

    /// What happened to a job, by the entries that were read, in order.
    pub(crate) fn story(&self, job: &str) -> Vec<&'static str> {
        self.seen.iter().filter(|entry| entry.job_id == job).flat_map(kinds).copied().collect()
    }

    fn summary(&self) -> Vec<(&str, &'static [&'static str])> {
        self.seen.iter().map(|entry| (entry.job_id.as_str(), kinds(entry))).collect()
    }
}

/// The kinds of an entry: an end may contain a start.
fn kinds(entry: &LogEntry) -> &'static [&'static str] {
    match &entry.kind {
        Some(Kind::Finished(end)) if end.started.is_some() => &["started", "finished"],
        Some(Kind::Started(_)) => &["started"],
        Some(Kind::Progress(_)) => &["progress"],
        Some(Kind::Incumbent(_)) => &["incumbent"],
        Some(Kind::Log(_)) => &["log"],
        Some(Kind::AttemptLost(_)) => &["lost"],
        Some(Kind::Finished(_)) => &["finished"],
        _ => &["other"],
    }
}

/// The outcome of a finished job.
pub(crate) fn outcome(finished: &JobEnd) -> &JobFinished {
    finished.outcome.as_ref().unwrap()
}

/// The state of a finished job, and the reason of its failure.
pub(crate) fn state(finished: &JobEnd) -> (JobState, &str) {
    let outcome = outcome(finished);
    (outcome.state(), outcome.failure.as_ref().map_or("", |failure| &failure.reason))
}

/// The termination of a job that finished with a result.
pub(crate) fn termination(finished: &JobEnd) -> &Termination {
    outcome(finished).result.as_ref().unwrap().termination.as_ref().unwrap()
}

/// A job with this model and a time limit in seconds.
pub(crate) fn job(id: &str, model: LinearModel, limit: f64) -> JobEnvelope {
    let size = ModelSize {
        variable_count: model.variable_lower.len() as i32,
        constraint_count: model.constraint_lower.len() as i32,
        nonzero_count: model.coefficients.len() as i32,
        integer_count: 0,
    };
    let options = SolveOptions {
        time_limit: Duration::from_secs_f64(limit).try_into().ok(),
        ..SolveOptions::default()
    };
    JobEnvelope {
        version: ENVELOPE_VERSION,
        job_id: id.to_owned(),
        digest: vec![7; 32],
        description: Some(JobDescription {
            model_name: id.to_owned(),
            size: Some(size),
            options: Some(options),
            ..JobDescription::default()
        }),
        submit_time: Some(std::time::SystemTime::now().into()),
        body: Some(job_envelope::Body::Payload(JobPayload::from(model).encode_to_vec().into())),
        ..JobEnvelope::default()
    }
}

/// The product mix of Wyndor Glass, at this profit rate of windows.
pub(crate) fn wyndor(windows: f64) -> LinearModel {
    LinearModel {
        sense: ObjectiveSense::Maximize.into(),
        objective_offset: 0.0,
        variable_count: Some(2),
        variable_lower: vec![0.0; 2],
        variable_upper: vec![f64::INFINITY; 2],
        objective: vec![300.0, windows],
        variable_kinds: vec![VariableKind::Continuous.into(); 2],
        variable_names: vec!["Doors".to_owned(), "Windows".to_owned()],
        constraint_count: Some(3),
        constraint_lower: vec![f64::NEG_INFINITY; 3],
        constraint_upper: vec![4.0, 12.0, 18.0],
        constraint_names: ["Plant1", "Plant2", "Plant3"].map(str::to_owned).to_vec(),
        row_starts: vec![0, 1, 2, 4],
        column_indices: vec![0, 1, 0, 1],
        coefficients: vec![1.0, 2.0, 3.0, 2.0],
    }
}

/// A model without constraints: binary variables, whose sum is minimised.
pub(crate) fn unconstrained(names: Vec<String>) -> LinearModel {
    let n = names.len();
    LinearModel {
        sense: ObjectiveSense::Minimize.into(),
        variable_count: Some(n as i32),
        variable_lower: vec![0.0; n],
        variable_upper: vec![1.0; n],
        objective: vec![1.0; n],
        variable_kinds: vec![VariableKind::Integer.into(); n],
        variable_names: names,
        constraint_count: Some(0),
        row_starts: vec![0],
        ..LinearModel::default()
    }
}

/// A report of an outcome with this reason and these values.
pub(crate) fn outcome_of(reason: TerminationReason, values: Vec<f64>) -> solver_report::Kind {
    let termination = Termination { reason: reason.into(), ..Termination::default() };
    let result = SolveResult { termination: Some(termination), ..SolveResult::default() };
    solver_report::Kind::Outcome(Outcome { result: Some(result), values, ..Outcome::default() })
}

pub(crate) fn incumbent(objective: f64, values: Vec<f64>) -> solver_report::Kind {
    solver_report::Kind::Incumbent(Incumbent { objective, bound: None, values })
}

/// Solvers that are shell scripts, and the files they read and write.
pub(crate) struct Scripts {
    folder: TempDir,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes reports about a task into a file that scripts can `cat`.
    pub(crate) fn reports(&self, name: &str, task: u64, kinds: Vec<solver_report::Kind>) {
        let mut bytes = Vec::new();
        for kind in kinds {
            let report = SolverReport { task, kind: Some(kind) };
            report.encode_length_delimited(&mut bytes).unwrap();
        }
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// A solver that runs this script. In it, `ready` reports ready; `task FILE` waits for a task
    /// and writes its bytes to a file, up to 1 MiB.
    pub(crate) fn solver(&self, script: &str) -> SolverCommandLine {
        let script = format!(
            "cd '{}'\n\
             ready() {{ printf '\\002\\022\\000'; }}\n\
             task() {{ dd bs=1048576 count=1 of=\"$1\" 2>/dev/null; [ -s \"$1\" ] || exit 0; }}\n\
             {script}",
            self.folder.path().display()
        );
        SolverCommandLine { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
    }

    /// Waits until a script has written a file, and reads it.
    pub(crate) async fn written(&self, name: &str) -> String {
        let poll = async {
            loop {
                match std::fs::read_to_string(self.path(name)) {
                    Ok(text) if text.ends_with('\n') => return text,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        timeout(TIMEOUT, poll).await.unwrap()
    }
}

/// A worker of this many express slots with short graces.
pub(crate) fn config(express: usize, solver: SolverCommandLine) -> WorkerConfig {
    WorkerConfig {
        name: "tester".to_owned(),
        slots: format!("express={express}").parse().unwrap(),
        solver,
        overrun: Overrun { fixed: Duration::from_millis(200), share: 0.0 },
        cancel_grace: Duration::from_millis(200),
        // No heartbeats in the logs, however long a test takes.
        heartbeat: Duration::from_secs(600),
        ..WorkerConfig::default()
    }
}
