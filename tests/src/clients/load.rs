//! Load: submissions at a pace, each job watched at every door.

use std::{pin::pin, time::Duration};

use futures::{StreamExt, stream};
use tokio::{
    join,
    sync::{mpsc, watch},
    time::{self, Instant},
};

use super::Clients;
use crate::{history::Answer, payload::Payload};

/// The most jobs of one watch.
const GROUP: usize = 200;
/// How many groups make a solution that comes in two parts.
const WIDE: usize = 3_000;
/// How long a group waits for more jobs.
const GATHER: Duration = Duration::from_millis(100);
/// The most watches at once.
const WATCHES: usize = 2_000;

/// What is submitted while something is broken.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many jobs at least: as long as the fault goes on, and a little longer, more are
    /// submitted.
    pub jobs: usize,
    /// How many submissions are under way at once.
    pub in_flight: usize,
    /// How many are begun in a second, at most.
    pub pace: f64,
    /// Each how manyth job is a long one; with 0 none is.
    pub long_every: usize,
    /// How long the long ones take.
    pub long: Duration,
    /// Each how manyth job has a solution that comes in parts; with 0 none has.
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
    /// The job with a number: no two are the same.
    pub fn payload(&self, number: usize) -> Payload {
        let each = |every: usize| every > 0 && number % every == every - 1;
        if each(self.wide_every) {
            Payload::Wide { groups: WIDE + number }
        } else if each(self.long_every) {
            Payload::Long { number, limit: self.long }
        } else {
            // At 200 there are two optima.
            Payload::Wyndor { rate: 201.0 + number as f64 / 4.0 }
        }
    }

    /// How many jobs come after the fault, so that its end is seen.
    fn rest(&self) -> usize {
        self.jobs.div_ceil(5)
    }
}

impl Clients {
    /// Submits and watches jobs, breaks something once a quarter of them is acknowledged,
    /// and returns when all of them have been watched to their ends at every door. Tells
    /// what the fault brought.
    ///
    /// # Panics
    ///
    /// When a submission is not acknowledged in time, if all must be.
    pub async fn under_load<T>(&self, load: &Load, fault: impl Future<Output = T>) -> T {
        let (accepted, jobs) = mpsc::channel(load.in_flight.max(1));
        let (count, mut counted) = watch::channel(0);
        let (over, ended) = watch::channel(false);
        let breaking = async {
            counted.wait_for(|count| *count >= load.jobs / 4).await.expect("submissions go on");
            let brought = fault.await;
            over.send_replace(true);
            brought
        };
        let submitting = async {
            let ended = ended;
            let submissions = numbers(load, ended).map(|number| self.one(load, number));
            let mut submissions = pin!(submissions.buffer_unordered(load.in_flight));
            while let Some(job) = submissions.next().await {
                count.send_modify(|count| *count += 1);
                if let Some(job) = job {
                    accepted.send(job).await.expect("jobs are watched");
                }
            }
            drop(accepted);
        };
        let watching = groups(jobs)
            .flat_map(|jobs| {
                stream::iter((0..self.doors.count()).map(move |door| (door, jobs.clone())))
            })
            .for_each_concurrent(WATCHES, |(door, jobs)| self.watch(door, jobs));
        let (brought, (), ()) = join!(breaking, submitting, watching);
        brought
    }

    /// Watches all acknowledged jobs once more at each door, from their beginning: what a
    /// gateway tells that was told nothing live.
    pub async fn look_again(&self) {
        let jobs = self.recorder.acknowledged();
        let groups = jobs.chunks(GROUP).map(<[String]>::to_vec);
        let doors = 0..self.doors.count();
        let watches = groups.flat_map(|jobs| doors.clone().map(move |door| (door, jobs.clone())));
        stream::iter(watches).for_each_concurrent(64, |(door, jobs)| self.watch(door, jobs)).await;
    }

    async fn one(&self, load: &Load, number: usize) -> Option<String> {
        let request_id = format!("request {number}");
        match self.submit(number, &request_id, load.payload(number)).await {
            Answer::Acknowledged { job_id } => Some(job_id),
            answer if load.all => panic!("{request_id} was never acknowledged: {answer:?}"),
            _ => None,
        }
    }
}

/// The numbers of the jobs, at the load's pace, until there are enough and the fault is
/// over.
fn numbers(load: &Load, ended: watch::Receiver<bool>) -> impl futures::Stream<Item = usize> {
    let ticks = time::interval(Duration::from_secs_f64(1.0 / load.pace));
    let (jobs, rest) = (load.jobs, load.rest());
    let begin = (0, None, ticks, ended);
    stream::unfold(begin, move |(number, mut last, mut ticks, ended)| async move {
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

/// Jobs that are accepted about the same time.
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
