//! A mesh that can't accept a job refuses it soon, with a time after which to retry.

use std::time::{Duration, Instant};

use solvemesh_tests::{clients::Clients, history::Answer, payload::Payload, within};
use tonic::Status;
use tonic_types::StatusExt;

/// Timeout of a call: longer than a gateway's own timeout, for a busy machine.
const ANSWER: Duration = Duration::from_secs(20);
/// Timeout until the mesh refuses a job.
const EFFECT: Duration = Duration::from_secs(60);
/// Maximum number of jobs that are submitted until one is refused.
const MOST: usize = 10_000;

/// Submits jobs to a gateway, one after the other, until one is refused, and returns the
/// status. All calls are recorded; their request ids begin with `name` and are not retried.
///
/// # Panics
///
/// If an answer takes too long, if a refusal has no retry delay, or if nothing is refused.
pub(crate) async fn refused(clients: &Clients, gateway: usize, name: &str) -> Status {
    let started = Instant::now();
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
                assert!(started.elapsed() < EFFECT, "nothing is refused");
            }
            Err(status) => {
                let answer = Answer::of(&status);
                clients.recorder.answer(call, answer.clone());
                let retry = status.get_error_details().retry_info().and_then(|it| it.retry_delay);
                assert!(retry.is_some_and(|delay| !delay.is_zero()), "no retry delay: {status:?}");
                // With an unknown outcome the job may still arrive: go on to a clear refusal.
                if matches!(answer, Answer::Refused { .. }) {
                    return status;
                }
            }
        }
    }
    panic!("{MOST} jobs were accepted");
}
