//! What the worker's tests have in common: a mesh in memory, jobs, the log as it
//! grows, and solvers that are shell scripts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, JobFinished, LogEntry, job_envelope, log_entry::Kind},
    solver::v1::{Incumbent, Outcome, SolverReport, solver_report},
    v1::{
        Finished, JobDescription, JobState, LinearModel, ModelSize, ObjectiveSense, SolveOptions,
        SolveResult, Termination, TerminationReason, VariableKind,
    },
};
use solvemesh_broker::{Delivery, Lane, LogMessage, LogStart, MemoryConfig, MemoryMesh, Mesh};
use solvemesh_worker::{Overrun, SolverCommandLine, WorkerConfig};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mesh in memory, and its log as it grows.
pub(crate) struct Bed {
    pub(crate) mesh: Arc<dyn Mesh>,
    log: mpsc::Receiver<LogMessage>,
    /// All entries that were read.
    pub(crate) seen: Vec<LogEntry>,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
        let log = mesh.follow_log(LogStart::First).await.unwrap();
        Self { mesh, log, seen: Vec::new() }
    }

    pub(crate) async fn enqueue(&self, lane: &str, job: &JobEnvelope) {
        self.mesh.enqueue(&lane.parse::<Lane>().unwrap(), job).await.unwrap();
    }

    /// Takes jobs out of their lane, so many, and consumes no more.
    pub(crate) async fn take(&self, lane: &str, count: u16) -> Vec<Delivery> {
        let lane = lane.parse::<Lane>().unwrap();
        let mut jobs = self.mesh.consume(&lane, count).await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < usize::from(count) {
            let next = timeout(PATIENCE, jobs.next()).await;
            taken.push(next.expect("a job in the lane").unwrap());
        }
        taken
    }

    /// Reads on until an entry is such.
    pub(crate) async fn until(&mut self, such: impl Fn(&LogEntry) -> bool) -> LogEntry {
        loop {
            let message = timeout(PATIENCE, self.log.recv()).await;
            let message = message.unwrap_or_else(|_| panic!("in vain: {:#?}", self.told()));
            let entries = message.unwrap().batch.unwrap().entries;
            self.seen.extend(entries.iter().cloned());
            if let Some(entry) = entries.into_iter().find(&such) {
                return entry;
            }
        }
    }

    /// Reads on until a job started.
    pub(crate) async fn started(&mut self, job: &str) {
        self.until(|entry| entry.job_id == job && matches!(entry.kind, Some(Kind::Started(_))))
            .await;
    }

    /// Reads on until a job finished.
    pub(crate) async fn finished(&mut self, job: &str) -> JobFinished {
        let entry = self
            .until(|entry| entry.job_id == job && matches!(entry.kind, Some(Kind::Finished(_))));
        match entry.await.kind {
            Some(Kind::Finished(finished)) => finished,
            _ => unreachable!(),
        }
    }

    /// What the log has told of a job, in short.
    pub(crate) fn story(&self, job: &str) -> Vec<&'static str> {
        self.seen.iter().filter(|entry| entry.job_id == job).map(word).collect()
    }

    fn told(&self) -> Vec<(&str, &'static str)> {
        self.seen.iter().map(|entry| (entry.job_id.as_str(), word(entry))).collect()
    }
}

fn word(entry: &LogEntry) -> &'static str {
    match &entry.kind {
        Some(Kind::Started(_)) => "started",
        Some(Kind::Progress(_)) => "progress",
        Some(Kind::Incumbent(_)) => "incumbent",
        Some(Kind::Log(_)) => "log",
        Some(Kind::AttemptLost(_)) => "lost",
        Some(Kind::Finished(_)) => "finished",
        _ => "other",
    }
}

/// The outcome of a job that finished.
pub(crate) fn outcome(finished: &JobFinished) -> &Finished {
    finished.outcome.as_ref().unwrap()
}

/// Its state and the reason of its failure.
pub(crate) fn state(finished: &JobFinished) -> (JobState, &str) {
    let outcome = outcome(finished);
    (outcome.state(), outcome.failure.as_ref().map_or("", |failure| &failure.reason))
}

/// The termination of a job that finished with a result.
pub(crate) fn termination(finished: &JobFinished) -> &Termination {
    outcome(finished).result.as_ref().unwrap().termination.as_ref().unwrap()
}

/// A job with this model and a time limit in seconds.
pub(crate) fn job(id: &str, model: LinearModel, limit: f64) -> JobEnvelope {
    let size = ModelSize {
        variables: model.variable_lower.len() as i32,
        constraints: model.constraint_lower.len() as i32,
        nonzeros: model.coefficients.len() as i32,
        integers: 0,
    };
    let options = SolveOptions {
        time_limit: Duration::from_secs_f64(limit).try_into().ok(),
        ..SolveOptions::default()
    };
    JobEnvelope {
        version: 1,
        job_id: id.to_owned(),
        digest: vec![7; 32],
        description: Some(JobDescription {
            name: id.to_owned(),
            size: Some(size),
            options: Some(options),
            ..JobDescription::default()
        }),
        submit_time: Some(std::time::SystemTime::now().into()),
        payload: Some(job_envelope::Payload::Model(model)),
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
        start: None,
    }
}

/// A model of variables in [0, 1] alone, whose objective is their sum.
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

/// An outcome of this reason with these values.
pub(crate) fn told(reason: TerminationReason, values: Vec<f64>) -> solver_report::Kind {
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

    /// A solver that runs this script. `ready` says that it is up; `task FILE` waits
    /// for a task and puts its bytes, if they are few, into a file.
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
        timeout(PATIENCE, poll).await.unwrap()
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
        // A story is the same however long it takes.
        heartbeat: Duration::from_secs(600),
        ..WorkerConfig::default()
    }
}
