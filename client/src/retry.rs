use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::{Error, Rejection};

/// A retry policy: exponential backoff with jitter, within a budget of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The total time of all tries and the pauses between them.
    pub budget: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The maximum pause, unless the gateway asks for a longer one.
    pub longest_pause: Duration,
}

impl Retry {
    /// For calls, and for a watch that has not received a response.
    pub const CALL: Self = Self {
        budget: Duration::from_secs(15),
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(2),
    };

    /// For a watch that has received a response. Long enough for the restart of a gateway.
    pub const STREAM: Self = Self { budget: Duration::from_secs(60), ..Self::CALL };

    /// The pause after this number of consecutive failures. `asked` is the minimum that the
    /// gateway asks for; `jitter`, in [0, 1), spreads the retries of clients that failed at the
    /// same time.
    fn pause(&self, failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        // At most 31, so that the shift does not overflow.
        let doublings = failures.saturating_sub(1).min(31);
        let pause = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        pause.mul_f64(0.5 + jitter / 2.0).max(asked.unwrap_or_default())
    }
}

/// The retry state of one call or one watch.
#[derive(Debug)]
pub(crate) struct RetryState {
    retry: Retry,
    gateway: Arc<str>,
    since: Instant,
    failures: u32,
    /// The last failure, which is a better error than a timeout.
    last: Option<Rejection>,
}

/// A failure after which there is time for another try.
#[derive(Debug, PartialEq)]
pub(crate) struct NextTry {
    /// The failure.
    pub(crate) cause: Rejection,
    /// How long to pause before the next try.
    pub(crate) pause: Duration,
    /// What is left of the budget, from now.
    pub(crate) patience: Duration,
}

impl RetryState {
    /// Starts without a failure; the budget runs from now. `gateway` is named in errors.
    pub(crate) fn new(retry: Retry, gateway: Arc<str>) -> Self {
        Self { retry, gateway, since: Instant::now(), failures: 0, last: None }
    }

    /// Resets the budget and the backoff, after progress.
    pub(crate) fn reset(&mut self) {
        (self.since, self.failures, self.last) = (Instant::now(), 0, None);
    }

    /// Replaces the retry policy.
    pub(crate) fn use_policy(&mut self, retry: Retry) {
        self.retry = retry;
    }

    /// The number of consecutive failures.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The maximum pause, unless the gateway asks for a longer one.
    pub(crate) fn longest_pause(&self) -> Duration {
        self.retry.longest_pause
    }

    /// What is left of the budget.
    pub(crate) fn patience(&self) -> Duration {
        self.retry.budget.saturating_sub(self.since.elapsed())
    }

    /// Records a failure. Returns the pause before the next try or, if a retry is useless or would
    /// come after the end of the budget, the error to return.
    pub(crate) fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<NextTry, Error> {
        let rejection = rejection.into().at(&self.gateway);
        if !rejection.is_transient() {
            return Err(Error::Rejected(Box::new(rejection)));
        }
        self.failures += 1;
        let patience = self.patience();
        let pause = self.retry.pause(self.failures, rejection.retry_after, fastrand::f64());
        if pause >= patience {
            return Err(Error::Unavailable(Box::new(rejection)));
        }
        self.last = Some(rejection.clone());
        Ok(NextTry { cause: rejection, pause, patience })
    }

    /// The error after a try that timed out: the last known failure, if there was one, since it
    /// says more than the timeout.
    pub(crate) fn unanswered(&mut self) -> Error {
        let timeout = || Rejection::silent("timed out waiting for a response");
        Error::Unavailable(Box::new(self.last.take().unwrap_or_else(timeout)))
    }

    /// Sends a request until there is a response or the budget is used up. The timeout of a try is
    /// what is left of the budget, but at least `least`. `on_failure` is called for the first
    /// failure, with the budget that is left.
    pub(crate) async fn run<T, F>(
        mut self,
        least: Duration,
        send: impl Fn() -> F,
        on_failure: impl Fn(&Rejection, Duration),
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            match timeout(self.patience().max(least), send()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => {
                    let again = self.failed(status)?;
                    if self.failures == 1 {
                        on_failure(&again.cause, again.patience);
                    }
                    sleep(again.pause).await;
                }
                Err(_) => return Err(self.unanswered()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{cell::Cell, future::pending};

    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn tries(retry: Retry) -> RetryState {
        RetryState::new(retry, "http://mesh".into())
    }

    fn asking(pause: Duration) -> Status {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(pause));
        Status::with_error_details(Code::ResourceExhausted, "full", details)
    }

    #[test]
    fn pauses_double_up_to_the_maximum() {
        let pauses = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
            .map(|failures| Retry::CALL.pause(failures, None, 1.0).as_millis());
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn jitter_shortens_pauses_by_at_most_half() {
        assert_eq!(Retry::CALL.pause(1, None, 0.0), Duration::from_millis(50));
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_gateway_asks_for() {
        let asked = Duration::from_secs(7);
        assert_eq!(Retry::CALL.pause(1, Some(asked), 0.5), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_budget_ends_the_retries() {
        let again = tries(Retry::CALL).failed(asking(Duration::from_secs(14))).unwrap();
        assert_eq!(again.pause, Duration::from_secs(14));
        assert_eq!(again.patience, Duration::from_secs(15));
        let verdict = tries(Retry::CALL).failed(asking(Duration::from_secs(15)));
        assert!(matches!(verdict, Err(Error::Unavailable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_retried() {
        let verdict = tries(Retry::CALL).failed(Status::not_found("no such job"));
        assert!(matches!(verdict, Err(Error::Rejected(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn all_tries_together_keep_to_one_budget() {
        let (begin, calls) = (Instant::now(), Cell::new(0));
        let slow = || async {
            sleep(Duration::from_secs(10)).await;
            Err::<(), _>(Status::unavailable("no broker"))
        };
        let on_failure = |_: &Rejection, patience| {
            assert_eq!(patience, Duration::from_secs(5));
            calls.set(calls.get() + 1);
        };
        let error = tries(Retry::CALL).run(Duration::ZERO, slow, on_failure).await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 15);
        assert_eq!(error.rejection().unwrap().message, "no broker");
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_times_out_after_the_budget_or_its_minimum() {
        let silent = || pending::<Result<(), Status>>();
        for (least, seconds) in [(0, 15), (60, 60)] {
            let (begin, least) = (Instant::now(), Duration::from_secs(least));
            let error = tries(Retry::CALL).run(least, silent, |_, _| {}).await.unwrap_err();
            assert!(error.to_string().contains("timed out waiting for a response"), "{error}");
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
    }
}
