//! A mesh that can't take a job says so, soon, and says when to ask again.

use std::time::{Duration, Instant};

use solvemesh_tests::{clients::Clients, history::Answer, payload::Payload, within};
use tonic::Status;
use tonic_types::StatusExt;

/// How long an answer may take: a gateway's patience, and a busy machine.
const ANSWER: Duration = Duration::from_secs(20);
/// How long the mesh may go on accepting what it will refuse.
const EFFECT: Duration = Duration::from_secs(60);
/// The most that is submitted to be refused at last.
const MOST: usize = 10_000;

/// Submits jobs at a gateway, one after the other, until one is refused, and tells how.
/// All are on record; their request ids begin with `name` and are asked for no more.
///
/// # Panics
///
/// When an answer takes too long, or says not when to ask again.
pub(crate) async fn refused(clients: &Clients, gateway: usize, name: &str) -> Status {
    let begun = Instant::now();
    for number in 0..MOST {
        let payload = Payload::Wyndor { rate: 201.0 + number as f64 / 4.0 };
        let request_id = format!("{name} {gateway}.{number}");
        let call = clients.recorder.ask(gateway, &request_id, payload);
        let mut api = clients.doors.api(gateway);
        let asking = api.submit_job(payload.request(&request_id));
        match within(ANSWER, "an answer", asking).await {
            Ok(response) => {
                let job_id = response.into_inner().job.expect("a job").job_id;
                clients.recorder.answer(call, Answer::Acknowledged { job_id });
                assert!(begun.elapsed() < EFFECT, "nothing is refused");
            }
            Err(status) => {
                let answer = Answer::of(&status);
                clients.recorder.answer(call, answer.clone());
                let retry = status.get_error_details().retry_info().and_then(|it| it.retry_delay);
                assert!(retry.is_some_and(|delay| !delay.is_zero()), "when again? {status:?}");
                // Sent just before, it may yet arrive.
                if matches!(answer, Answer::Refused { .. }) {
                    return status;
                }
            }
        }
    }
    panic!("{MOST} jobs were accepted");
}
