//! A result of any size, through a broker, for a client as tonic generates it.

use std::{collections::BTreeMap, time::Instant};

use prost::Message;
use solvemesh::v1::{Solution, TerminationReason, job_event::Kind};
use solvemesh_tests::{
    jobs::{self, MESSAGE_LIMIT, Watch},
    mesh::Gateway,
    models,
    processes::Process,
    rabbit,
};

const VARIABLES: usize = 2_000_000;

#[tokio::test]
async fn an_lp_of_two_million_variables_returns_its_whole_solution() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let flags = ["--amqp", vhost.url(), "--slots", "standard=1"];
    let (worker, _) = Process::start("solvemesh-worker", &flags);
    let api = gateway.api();
    let request = jobs::request(models::separable(VARIABLES));
    assert!(request.encoded_len() > 40 * MESSAGE_LIMIT, "a request of many messages' size");

    let started = Instant::now();
    let job = jobs::submit(&api, request).await;
    let accepted = started.elapsed();
    // Each part is checked and dropped, as by a client with little memory.
    let (mut parts, mut next, mut milestones) = (0, 0, BTreeMap::new());
    let mut watch = Watch::begin(&api, &job).await;
    while let Some(event) = watch.next().await {
        watch.seen.clear();
        match event.kind {
            Some(Kind::SolutionPart(part)) => {
                let part = part.solution.expect("a solution");
                next += check(&part, next);
                parts += 1;
            }
            Some(kind @ (Kind::Started(_) | Kind::Finished(_))) => {
                milestones.insert(started.elapsed(), kind);
            }
            _ => {}
        }
    }
    assert_eq!(next, VARIABLES);
    let Some((_, Kind::Finished(finished))) = milestones.last_key_value() else {
        panic!("{milestones:?}")
    };
    let result = finished.result.as_ref().expect("a result");
    let termination = result.termination.as_ref().expect("a termination");
    assert_eq!(termination.reason(), TerminationReason::Optimal, "{termination:?}");
    assert_eq!(result.solution_part_count, parts);
    let optimum: f64 = (0..VARIABLES).map(cost).sum();
    assert_eq!(termination.objective, Some(optimum));

    let times: Vec<_> = milestones.keys().collect();
    let (of_worker, of_solvers) = worker.peak_memory();
    let of_gateway = gateway.process.peak_memory().0;
    eprintln!(
        "accepted after {accepted:?}, started and finished after {times:?}; {parts} parts; peak \
         memory: gateway {} MiB, worker {} MiB, its solvers {:?} MiB",
        of_gateway >> 20,
        of_worker >> 20,
        of_solvers.iter().map(|peak| peak >> 20).collect::<Vec<_>>()
    );
}

/// The contribution of a variable to the optimum.
fn cost(column: usize) -> f64 {
    let value = models::separable_optimum(column);
    if column.is_multiple_of(2) { value } else { -value }
}

/// Checks a part that must begin with this variable, and returns its number of variables.
fn check(part: &Solution, from: usize) -> usize {
    let count = part.values.len();
    assert_eq!(part.variable_offset, i32::try_from(from).expect("an index"));
    assert_eq!((part.variable_names.len(), part.reduced_costs.len()), (count, count));
    for (column, value) in (from..).zip(&part.values) {
        assert_eq!(*value, models::separable_optimum(column), "variable {column}");
    }
    count
}
