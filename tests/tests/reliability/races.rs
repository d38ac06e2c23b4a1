//! Two gateways that get the same request id at the same time.

use futures::{StreamExt, stream};
use solvemesh_tests::{
    clients::{Clients, Load},
    fleet::Plan,
    history::Answer,
    payload::Payload,
    rabbit,
    trial::{Fault, LIMIT, Scale, Trial},
};
use tokio::join;

pub(crate) const FAULTS: &[Fault] = &[Fault {
    name: "race: one request id at two gateways, a thousand times",
    limit: LIMIT,
    body: |scale| Box::pin(race(scale)),
}];

/// Number of concurrent races.
const AT_ONCE: usize = 32;

/// Runs races: half of them between equal payloads, half between different ones.
async fn race(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(500), long_every: 0, ..Load::default() };
    let clients = &trial.clients;
    let racing = async {
        clients.recorder.fault();
        let races = stream::iter(0..scale.times(1_000)).map(|number| run(clients, number));
        let jobs: Vec<String> = races.buffer_unordered(AT_ONCE).collect().await;
        for jobs in jobs.chunks(200) {
            join!(clients.watch(0, jobs.to_vec()), clients.watch(1, jobs.to_vec()));
        }
    };
    clients.under_load(&load, racing).await;
    trial
}

/// Runs one race. Returns the id of the job that was created.
async fn run(clients: &Clients, number: usize) -> String {
    let request_id = format!("race {number}");
    let equal = number.is_multiple_of(2);
    let rate = 1_000.0 + number as f64;
    let one = Payload::Wyndor { rate };
    let other = Payload::Wyndor { rate: if equal { rate } else { rate + 0.5 } };
    let answers = join!(clients.submit(0, &request_id, one), clients.submit(1, &request_id, other));
    match answers {
        (Answer::Acknowledged { job_id }, Answer::Acknowledged { job_id: same })
            if equal && job_id == same =>
        {
            job_id
        }
        (Answer::Acknowledged { job_id }, Answer::Taken { job_id: same })
        | (Answer::Taken { job_id: same }, Answer::Acknowledged { job_id })
            if !equal && job_id == same =>
        {
            job_id
        }
        answers => panic!("{request_id}: {answers:?}"),
    }
}
