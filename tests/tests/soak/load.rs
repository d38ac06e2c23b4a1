//! The load of a soak: jobs whose answers are known, each repeated under its request id until it is
//! answered. Of a job that was answered nothing is kept, so that the soak itself does not grow.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use solvemesh::v1::{Job, JobState, SolveRequest};
use solvemesh_tests::{clients::Doors, jobs::agree, models};
use tokio::{sync::Semaphore, task::JoinHandle, time};

/// How long a job may take before it counts as lost. A restart of the broker takes some seconds.
const LOST_AFTER: Duration = Duration::from_secs(180);
/// Timeout of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);
/// Pause before a job is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// A load that goes on until it is finished.
pub(crate) struct Load {
    shared: Arc<Shared>,
    submitting: Option<JoinHandle<()>>,
}

struct Shared {
    doors: Doors,
    permits: Arc<Semaphore>,
    in_flight: usize,
    number: AtomicU64,
    stopped: AtomicBool,
    counts: Counts,
    /// Times of the jobs of the current window.
    times: Mutex<Vec<Duration>>,
}

#[derive(Default)]
struct Counts {
    solved: AtomicUsize,
    wrong: AtomicUsize,
    lost: AtomicUsize,
    repeats: AtomicUsize,
}

/// What was solved since the last window.
pub(crate) struct Window {
    /// Number of solved jobs.
    pub(crate) solved: usize,
    median: Duration,
    slowest: Duration,
}

/// What became of all jobs.
pub(crate) struct Outcome {
    solved: usize,
    wrong: usize,
    lost: usize,
    repeats: usize,
}

impl Load {
    /// A load on gateways, with at most this number of jobs in flight. It does not run yet.
    pub(crate) fn at(doors: Doors, in_flight: usize) -> Self {
        let shared = Arc::new(Shared {
            doors,
            permits: Arc::new(Semaphore::new(in_flight)),
            in_flight,
            number: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            counts: Counts::default(),
            times: Mutex::default(),
        });
        Self { shared, submitting: None }
    }

    /// Submits jobs at a pace, per second, instead of the one before.
    pub(crate) fn start(&mut self, pace: f64) {
        if let Some(before) = self.submitting.take() {
            before.abort();
        }
        let shared = Arc::clone(&self.shared);
        self.submitting = Some(tokio::spawn(async move {
            let period = Duration::try_from_secs_f64(1.0 / pace).unwrap_or_default();
            let mut ticks = time::interval(period.max(Duration::from_micros(1)));
            while !shared.stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else { return };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    shared.solve_next().await;
                    drop(permit);
                });
            }
        }));
    }

    /// What was solved since the last call.
    pub(crate) fn window(&self) -> Window {
        let mut times = std::mem::take(&mut *self.shared.times.lock());
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Window {
            solved: times.len(),
            median: at(times.len() / 2),
            slowest: at(times.len().saturating_sub(1)),
        }
    }

    /// Submits no more, and waits until every job is answered or lost.
    pub(crate) async fn finish(mut self) -> Outcome {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(submitting) = self.submitting.take() {
            submitting.abort();
        }
        let all = u32::try_from(self.shared.in_flight).expect("a small number");
        // Each job ends within `LOST_AFTER`.
        drop(self.shared.permits.acquire_many(all).await);
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let Counts { solved, wrong, lost, repeats } = &self.shared.counts;
        let [solved, wrong, lost, repeats] = [solved, wrong, lost, repeats].map(count);
        Outcome { solved, wrong, lost, repeats }
    }
}

impl Shared {
    /// Submits the next job, and repeats it until it is answered.
    async fn solve_next(&self) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a number of the test's own")]
        let rate = 201.0 + (number % 100_000) as f64;
        let request = SolveRequest {
            model: Some(models::wyndor(rate)),
            request_id: format!("soak {number}"),
            ..SolveRequest::default()
        };
        let began = Instant::now();
        for door in number.. {
            let door = usize::try_from(door % 1_000).expect("a small number");
            let mut api = self.doors.api(door);
            let call = time::timeout(CALL_TIMEOUT, api.solve(request.clone())).await;
            if let Ok(Ok(response)) = call
                && let Some(job) = response.into_inner().job
                && is_final(&job)
            {
                return self.answered(&job, rate, began);
            }
            if began.elapsed() > LOST_AFTER {
                println!("lost: {}", request.request_id);
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.counts.repeats.fetch_add(1, Ordering::Relaxed);
            time::sleep(PAUSE).await;
        }
    }

    fn answered(&self, job: &Job, rate: f64, began: Instant) {
        let objective = job
            .result
            .as_ref()
            .and_then(|result| result.termination.as_ref())
            .and_then(|termination| termination.objective);
        let (expected, ..) = models::wyndor_optimum(rate);
        if job.state() == JobState::Succeeded && objective.is_some_and(|it| agree(it, expected)) {
            self.counts.solved.fetch_add(1, Ordering::Relaxed);
            self.times.lock().push(began.elapsed());
        } else {
            println!("wrong: {} instead of {expected}: {job:?}", objective.unwrap_or(f64::NAN));
            self.counts.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn is_final(job: &Job) -> bool {
    !matches!(job.state(), JobState::Unspecified | JobState::Queued | JobState::Running)
}

impl Outcome {
    /// Whether jobs were solved, and all of them, and rightly.
    pub(crate) fn passed(&self) -> bool {
        self.solved > 0 && self.wrong == 0 && self.lost == 0
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { solved, median, slowest } = self;
        let (median, slowest) = (median.as_secs_f64() * 1e3, slowest.as_secs_f64());
        write!(f, "{solved:>7} jobs, median {median:.1} ms, slowest {slowest:.2} s")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { solved, wrong, lost, repeats } = self;
        write!(f, "{solved} jobs solved, {wrong} wrong, {lost} lost, {repeats} calls repeated")
    }
}
