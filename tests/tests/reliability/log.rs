//! Faults of the results log: it is truncated under load, or new jobs are refused because of
//! an old one whose entries must not be truncated.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solvemesh::v1::{GetJobRequest, Job, JobState, JobView, ListJobsRequest, WatchResultsRequest};
use solvemesh_broker::{AmqpConfig, StreamLimits};
use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    history::reason,
    mesh::{Api, Gateway},
    payload::Payload,
    rabbit,
    trial::{Fault, Scale, Trial},
};
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::{
    entries::{is_finish, is_start},
    listing::all,
    refusal::refused,
};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "log: half of its cap held up by an old job",
        limit: Duration::from_secs(180),
        body: |scale| Box::pin(held_up(scale)),
    },
    Fault {
        name: "log: truncated by size under load",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(truncated(scale, BY_SIZE)),
    },
    Fault {
        name: "log: truncated by age under load",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(truncated(scale, BY_AGE)),
    },
];

/// Limits of a log that is truncated soon.
#[derive(Clone, Copy, Debug)]
struct Short {
    max_bytes: u64,
    segment_bytes: u64,
    /// Seconds.
    max_age: u64,
    /// Seconds, at most half of the age.
    max_deadline: u64,
}

const BY_SIZE: Short = Short {
    max_bytes: 6_000_000,
    segment_bytes: 500_000,
    max_age: 7 * 24 * 3600,
    max_deadline: 600,
};
const BY_AGE: Short =
    Short { max_bytes: 10 << 30, segment_bytes: 300_000, max_age: 8, max_deadline: 4 };

impl Short {
    /// The flags for every process of the mesh.
    fn flags(&self) -> Vec<String> {
        let flag = |name: &str, value: u64| [format!("--log-{name}"), value.to_string()];
        [
            flag("max-bytes", self.max_bytes),
            flag("segment-bytes", self.segment_bytes),
            flag("max-age", self.max_age),
        ]
        .concat()
    }

    fn plan(&self, gateway_flags: &[&str]) -> Plan {
        let mut plan = Plan::default();
        plan.worker_flags.extend(self.flags());
        plan.gateway_flags.extend(self.flags());
        plan.gateway_flags
            .extend(["--max-total-time-limit".to_owned(), self.max_deadline.to_string()]);
        plan.gateway_flags.extend(["--default-time-limit", "2"].map(str::to_owned));
        plan.gateway_flags.extend(gateway_flags.iter().map(|flag| (*flag).to_owned()));
        plan
    }

    /// The test's own connection to the broker, with the same limits: processes with other
    /// ones are refused.
    fn config(&self, broker: &str) -> AmqpConfig {
        let mut config = AmqpConfig::new(broker);
        let seconds = self.max_age;
        let max_age = match seconds.is_multiple_of(24 * 3600) {
            true => format!("{}D", seconds / (24 * 3600)),
            false => format!("{seconds}s"),
        };
        config.topology.log =
            StreamLimits { max_age, max_bytes: self.max_bytes, segment_bytes: self.segment_bytes };
        config
    }
}

/// Runs a long job while the log grows. Its entries must not be truncated, so nothing more is
/// accepted once the log has grown by half of its cap; after the job has finished, jobs are
/// accepted again.
async fn held_up(scale: Scale) -> Trial {
    let small = Short { max_bytes: 800_000, segment_bytes: 100_000, ..BY_SIZE };
    let vhost = rabbit::vhost().await;
    let config = small.config(vhost.url());
    let mut trial = Trial::configured(config, vhost.url(), small.plan(&[])).await;
    trial.rules.denials = FORGOTTEN.into();
    let clients = &trial.clients;
    let mut reader = trial.log.reader();
    let long = Payload::Long { number: 0, limit: Duration::from_secs(25) };
    let old = clients.accepted(0, "old", long).await;
    reader.until(|it| it.job_id == old && is_start(it)).await;
    clients.recorder.fault();
    for gateway in 0..clients.doors.count() {
        let refusal = refused(clients, gateway, "while it runs").await;
        assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
        assert!(refusal.message().contains("log_max_bytes"), "{refusal:?}");
    }
    reader.until(|it| it.job_id == old && is_finish(it)).await;
    let load = Load { jobs: scale.times(500), long_every: 0, wide_every: 0, ..Load::default() };
    clients.under_load(&load, async {}).await;
    trial
}

/// The reasons with which a gateway may report that it does not know a finished job.
const FORGOTTEN: [&str; 2] = ["JOB_FORGOTTEN", "JOB_NOT_FOUND"];

/// Truncates the log again and again while jobs are live, watched and looked up. Old tokens
/// and snapshots are rejected as too old; every answer about a job is right, or says that the
/// job is forgotten; gateways that started before and after the truncation agree.
async fn truncated(scale: Scale, short: Short) -> Trial {
    let folder = TempDir::new().expect("a temporary folder");
    let state = folder.path().to_str().expect("a path");
    let vhost = rabbit::vhost().await;
    let plan = short.plan(&["--state-dir", state]);
    let mut trial = Trial::configured(short.config(vhost.url()), vhost.url(), plan).await;
    trial.rules.denials = FORGOTTEN.into();
    let load = Load {
        jobs: scale.times(5_000),
        long_every: 0,
        wide_every: 0,
        in_flight: 100,
        ..Load::default()
    };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let first = clients.accepted(0, "first", Payload::Wyndor { rate: 201.0 }).await;
    let token = token_of(&clients.doors.api(0), &first).await;
    // Its snapshot is of the log's beginning, which is truncated before it starts again.
    fleet.stop_gateway(1).await;
    clients.recorder.fault();

    let fault = async {
        log.let_go().await;
        fleet.bring_back_gateway(1).await;
        let text = fleet.gateways[1].process.log();
        assert!(text.contains("the log no longer has what follows it"), "{text}");
        for door in 0..2 {
            let refusal = stale(&clients.doors.api(door), &token).await;
            assert_eq!(refusal.code(), Code::OutOfRange, "{refusal:?}");
            assert_eq!(reason(&refusal), "TOKEN_TOO_OLD", "{refusal:?}");
        }
    };
    clients.under_load(&load, fault).await;
    agree(&trial).await;
    trial.kept(folder)
}

/// The resume token after a job's first event.
async fn token_of(api: &Api, job: &str) -> String {
    let request =
        WatchResultsRequest { job_ids: vec![job.to_owned()], ..WatchResultsRequest::default() };
    let mut stream = api.clone().watch_results(request).await.expect("a watch").into_inner();
    stream.message().await.expect("a message").expect("an event").resume_token
}

/// The status with which a watch is refused whose token is older than the log. Watches any
/// job that the gateway knows: an unknown one would be refused for that.
async fn stale(api: &Api, token: &str) -> Status {
    for _ in 0..100 {
        let page = ListJobsRequest { page_size: 1, ..ListJobsRequest::default() };
        let jobs = api.clone().list_jobs(page).await.expect("a page").into_inner().jobs;
        let request = WatchResultsRequest {
            job_ids: jobs.into_iter().map(|job| job.job_id).collect(),
            resume_token: token.to_owned(),
            ..WatchResultsRequest::default()
        };
        match api.clone().watch_results(request).await {
            // Forgotten since it was listed: take another job.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return status,
            // A gateway learns only now and then where the log begins.
            Ok(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    panic!("a token that is older than the log is accepted");
}

/// Gets every job from every gateway, and from one that starts now. Those that know it report
/// the same end, which is right, and none lists other jobs.
async fn agree(trial: &Trial) {
    let history = trial.clients.recorder.history();
    let acknowledged: BTreeSet<String> =
        history.acknowledged().into_iter().map(str::to_owned).collect();
    let latest = trial.fleet.new_gateway().await;
    let mut apis: Vec<Api> = trial.fleet.gateways.iter().map(Gateway::api).collect();
    apis.push(latest.api());
    let mut ends: BTreeMap<String, Job> = BTreeMap::new();
    let mut known = vec![0; apis.len()];
    for (place, api) in apis.iter().enumerate() {
        for job in all(api).await {
            assert!(acknowledged.contains(&job.job_id), "an unknown job: {job:?}");
            assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
        }
        for id in &acknowledged {
            let request = GetJobRequest { job_id: id.clone(), view: JobView::Full.into() };
            match api.clone().get_job(request).await {
                Ok(response) => {
                    known[place] += 1;
                    let job = response.into_inner().job.expect("a job");
                    let same = ends.entry(id.clone()).or_insert_with(|| job.clone());
                    assert_eq!((same.attempt, &same.result), (job.attempt, &job.result), "{id}");
                }
                Err(status) => {
                    assert_eq!(status.code(), Code::NotFound, "{status:?}");
                    let reason = reason(&status);
                    assert!(FORGOTTEN.contains(&reason.as_str()), "{status:?}");
                }
            }
        }
    }
    let all = acknowledged.len();
    println!("reliability: of {all} jobs, the gateways know {known:?}; the last has just started");
    assert!(known[2] < all, "nothing was forgotten");
}
