//! Watchers that stop reading, and the effect on others.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use solvemesh::v1::{
    JobEvent, WatchResultsRequest, WatchResultsResponse, watch_results_response::Kind,
};
use solvemesh_rpc::job_service_client::JobServiceClient;
use solvemesh_tests::{
    jobs::{self, Story, Watch},
    mesh::{Gateway, worker},
    models, rabbit, within,
};
use tokio::time::sleep;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tonic_types::StatusExt;

/// Number of watchers that stop reading.
const STALLED: usize = 100;
/// Maximum number of large solutions that the gateway holds at once.
const LARGE_SOLUTIONS: usize = 32;
/// How long a watcher may read nothing before its stream is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum that a connection buffers, in bytes: one message, decoded and encoded.
const BUFFERED: usize = 2 << 20;
/// Growth of memory that is allowed in any case, in bytes.
const SLACK: usize = 64 << 20;

/// A watcher with a connection of its own and the smallest HTTP/2 windows, so that little is
/// buffered on the way.
struct Reader {
    stream: Streaming<WatchResultsResponse>,
    events: Vec<JobEvent>,
    token: String,
}

impl Reader {
    async fn begin(gateway: &Gateway, job: &str) -> Self {
        let endpoint = Endpoint::from_shared(gateway.url()).expect("a URL");
        let endpoint = endpoint
            .initial_stream_window_size(Some(1 << 16))
            .initial_connection_window_size(Some(1 << 16));
        let mut api = JobServiceClient::new(endpoint.connect().await.expect("a connection"));
        let job_ids = vec![job.to_owned()];
        let request = WatchResultsRequest { job_ids, ..WatchResultsRequest::default() };
        let stream = api.watch_results(request).await.expect("a watch").into_inner();
        Self { stream, events: Vec::new(), token: String::new() }
    }

    async fn next(&mut self) -> Result<Option<()>, Status> {
        let message = within(Duration::from_secs(60), "an event", self.stream.message());
        let Some(response) = message.await? else { return Ok(None) };
        if let Some(Kind::Event(event)) = response.kind {
            self.events.push(event);
        }
        self.token = response.resume_token;
        Ok(Some(()))
    }
}

/// The resident memory of a process, in bytes.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes << 10
}

/// Number of watchers whose streams a gateway has closed, according to its log.
fn closed(gateway: &Gateway) -> usize {
    let log = gateway.process.log();
    let cuts = log.lines().filter(|line| line.contains("slow watch streams closed"));
    let count =
        |line: &str| line.split("watchers=").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    cuts.filter_map(count).sum()
}

#[tokio::test]
async fn a_stalled_watcher_delays_no_other_and_resumes_where_it_was_closed() {
    let vhost = rabbit::vhost().await;
    let idle_timeout = IDLE_TIMEOUT.as_secs().to_string();
    let flags = ["--watch-idle-timeout", &idle_timeout, "--heartbeat", "1"];
    let gateway = Gateway::on(vhost.url(), &flags).await;
    let _worker = worker(vhost.url());
    let job = jobs::submit(&gateway.api(), jobs::request(models::wide(20_000))).await;
    let story = Watch::begin(&gateway.api(), &job).await.finish().await;
    let solution: usize = story.solutions().map(prost::Message::encoded_len).sum();
    assert!(solution > 4 << 20, "a solution of {solution} bytes is not large");
    let started = Instant::now();
    assert_eq!(Watch::begin(&gateway.api(), &job).await.finish().await, story);
    let (alone, before) = (started.elapsed(), resident(gateway.process.id()));

    let stalled = stream::iter(0..STALLED).map(|_| async {
        let mut reader = Reader::begin(&gateway, &job).await;
        reader.next().await.expect("an event");
        reader
    });
    let stalled: Vec<Reader> = stalled.buffer_unordered(10).collect().await;
    let started = Instant::now();
    assert_eq!(Watch::begin(&gateway.api(), &job).await.finish().await, story);
    let beside = started.elapsed();
    let grown = resident(gateway.process.id()).saturating_sub(before);
    eprintln!(
        "a solution of {solution} bytes: read in {alone:?} alone, in {beside:?} beside {STALLED} \
         that don't read; {} MiB more memory",
        grown >> 20
    );
    assert!(beside < alone + Duration::from_secs(4), "{beside:?} beside them, {alone:?} alone");
    let bound = LARGE_SOLUTIONS * solution + STALLED * BUFFERED + SLACK;
    assert!(grown < bound, "{} MiB more memory, over {}", grown >> 20, bound >> 20);

    let all = async {
        while closed(&gateway) < STALLED {
            sleep(Duration::from_millis(100)).await;
        }
    };
    within(IDLE_TIMEOUT + Duration::from_secs(20), "all to be closed", all).await;
    for mut reader in stalled.into_iter().step_by(STALLED / 10) {
        let status = loop {
            match reader.next().await {
                Ok(Some(())) => {}
                Ok(None) => panic!("the stream ended as if the job had: {:?}", reader.events),
                Err(status) => break status,
            }
        };
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.as_str());
        assert_eq!((status.code(), reason), (Code::Unavailable, Some("WATCHER_TOO_SLOW")));
        assert!(details.retry_info().is_some());
        let mut rest = Watch::resume(&gateway.api(), &job, &reader.token).await;
        while let Some(event) = rest.next().await {
            reader.events.push(event);
        }
        assert_eq!(Story::new(reader.events), story, "no event is missing or repeated");
    }
}
