//! Load on a mesh: submissions at a limited rate, with each job watched at every gateway.

use std::{pin::pin, time::Duration};

use futures::{StreamExt, stream};
use tokio::{
    join,
    sync::{mpsc, watch},
    time::{self, Instant},
};

use super::Clients;
use crate::{history::Answer, payload::Payload};

/// Maximum number of jobs in one watch.
const GROUP: usize = 200;
/// Number of groups of a [`Payload::Wide`] whose solution is split into two parts.
const WIDE: usize = 3_000;
/// How long more jobs are awaited before a group of them is watched.
const GATHER: Duration = Duration::from_millis(100);
/// Maximum number of concurrent watches.
const WATCHES: usize = 2_000;

/// The jobs that are submitted while a fault is injected.
#[derive(Clone, Debug)]
pub struct Load {
    /// Minimum number of jobs. More are submitted as long as the fault lasts, and a fifth of
    /// this number after it.
    pub jobs: usize,
    /// Maximum number of submissions in flight.
    pub in_flight: usize,
    /// Maximum number of submissions per second.
    pub pace: f64,
    /// Every n-th job is a long one; with 0 none is.
    pub long_every: usize,
    /// Time limit of the long jobs, which they use up.
    pub long: Duration,
    /// Every n-th job has a solution that is split into parts; with 0 none has.
    pub wide_every: usize,
    /// Whether every submission must be acknowledged in the end.
    pub all: bool,
}

impl Default for Load {
    /// A thousand jobs in two seconds or more, every hundredth a long one, every 250th
    /// with a large solution.
    fn default() -> Self {
        Self {
            jobs: 1_000,
            in_flight: 64,
            pace: 500.0,
            long_every: 100,
            long: Duration::from_secs(1),
            wide_every: 250,
            all: true,
        }
    }
}

impl Load {
    /// The payload of the job with this number. No two payloads are the same.
    pub fn payload(&self, number: usize) -> Payload {
        let each = |every: usize| every > 0 && number % every == every - 1;
        if each(self.wide_every) {
            Payload::Wide { groups: WIDE + number }
        } else if each(self.long_every) {
            Payload::Long { number, limit: self.long }
        } else {
            // Above 200, where there are two optima.
            Payload::Wyndor { rate: 201.0 + number as f64 / 4.0 }
        }
    }

    /// Number of jobs that are submitted after the fault, so that the recovery is measured.
    fn rest(&self) -> usize {
        self.jobs.div_ceil(5)
    }
}

impl Clients {
    /// Submits and watches jobs, runs `fault` once a quarter of [`Load::jobs`] is answered, and
    /// returns when every accepted job has been watched to its end at every gateway. Returns
    /// the output of `fault`.
    ///
    /// # Panics
    ///
    /// If a submission is not acknowledged in time although [`Load::all`] is set.
    pub async fn under_load<T>(&self, load: &Load, fault: impl Future<Output = T>) -> T {
        let (accepted, jobs) = mpsc::channel(load.in_flight.max(1));
        let (count, mut counted) = watch::channel(0);
        let (over, ended) = watch::channel(false);
        let injecting = async {
            counted.wait_for(|count| *count >= load.jobs / 4).await.expect("more submissions");
            let output = fault.await;
            over.send_replace(true);
            output
        };
        let submitting = async {
            let ended = ended;
            let submissions = numbers(load, ended).map(|number| self.submit_job(load, number));
            let mut submissions = pin!(submissions.buffer_unordered(load.in_flight));
            while let Some(job) = submissions.next().await {
                count.send_modify(|count| *count += 1);
                if let Some(job) = job {
                    accepted.send(job).await.expect("jobs are watched");
                }
            }
            // Ends the stream of jobs to watch.
            drop(accepted);
        };
        let watching = groups(jobs)
            .flat_map(|jobs| {
                stream::iter((0..self.doors.count()).map(move |door| (door, jobs.clone())))
            })
            .for_each_concurrent(WATCHES, |(door, jobs)| self.watch(door, jobs));
        let (output, (), ()) = join!(injecting, submitting, watching);
        output
    }

    /// Watches all acknowledged jobs once more at every gateway, from their beginning: the
    /// events that a gateway sends to a watcher that saw nothing live.
    pub async fn look_again(&self) {
        let jobs = self.recorder.acknowledged();
        let groups = jobs.chunks(GROUP).map(<[String]>::to_vec);
        let doors = 0..self.doors.count();
        let watches = groups.flat_map(|jobs| doors.clone().map(move |door| (door, jobs.clone())));
        stream::iter(watches).for_each_concurrent(64, |(door, jobs)| self.watch(door, jobs)).await;
    }

    /// Submits the job with this number. Returns its id if it was accepted.
    async fn submit_job(&self, load: &Load, number: usize) -> Option<String> {
        let request_id = format!("request {number}");
        match self.submit(number, &request_id, load.payload(number)).await {
            Answer::Acknowledged { job_id } => Some(job_id),
            answer if load.all => panic!("{request_id} was never acknowledged: {answer:?}"),
            _ => None,
        }
    }
}

/// Yields the numbers of the jobs at the load's pace, until the fault is over and enough
/// jobs were submitted.
fn numbers(load: &Load, ended: watch::Receiver<bool>) -> impl futures::Stream<Item = usize> {
    let ticks = time::interval(Duration::from_secs_f64(1.0 / load.pace));
    let (jobs, rest) = (load.jobs, load.rest());
    let initial = (0, None, ticks, ended);
    stream::unfold(initial, move |(number, mut last, mut ticks, ended)| async move {
        // The fault has just ended: now the number of jobs is known.
        if last.is_none() && *ended.borrow() {
            last = Some(jobs.max(number + rest));
        }
        if last.is_some_and(|last| number >= last) {
            return None;
        }
        ticks.tick().await;
        Some((number, (number + 1, last, ticks, ended)))
    })
}

/// Collects jobs that are accepted at about the same time into groups.
fn groups(jobs: mpsc::Receiver<String>) -> impl futures::Stream<Item = Vec<String>> {
    stream::unfold(jobs, |mut jobs| async move {
        let mut group = vec![jobs.recv().await?];
        let end = Instant::now() + GATHER;
        while group.len() < GROUP {
            match time::timeout_at(end, jobs.recv()).await {
                Ok(Some(job)) => group.push(job),
                Ok(None) | Err(_) => break,
            }
        }
        Some((group, jobs))
    })
}
