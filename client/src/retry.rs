use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::{Error, Rejection};

/// A retry policy: exponential backoff with jitter, within a budget of time.
///
/// The budget is a time and not a number of tries: the caller waits for it, and a number would say
/// little about how long, since a try may last until its timeout or fail at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The total time of all tries and of the backoffs between them.
    pub budget: Duration,
    /// The backoff after the first failure; it doubles with each further one.
    pub initial_backoff: Duration,
    /// The maximum backoff, unless the gateway asks for a longer one.
    pub max_backoff: Duration,
}

impl Retry {
    /// For calls, and for a watch that has not received a response.
    pub const CALL: Self = Self {
        budget: Duration::from_secs(15),
        initial_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
    };

    /// For a watch that has received a response. Long enough for the restart of a gateway.
    pub const STREAM: Self = Self { budget: Duration::from_secs(60), ..Self::CALL };

    /// The backoff after this number of consecutive failures. `asked` is the minimum that the
    /// gateway asks for; `jitter`, in [0, 1), spreads the retries of clients that failed at the
    /// same time.
    fn backoff(&self, failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        // At most 31, so that the shift does not overflow.
        let doublings = failures.saturating_sub(1).min(31);
        let backoff = self.initial_backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        backoff.mul_f64(0.5 + jitter / 2.0).max(asked.unwrap_or_default())
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
    /// How long to wait before the next try.
    pub(crate) backoff: Duration,
    /// What is left of the budget, from now.
    pub(crate) remaining_budget: Duration,
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

    /// The maximum backoff, unless the gateway asks for a longer one.
    pub(crate) fn max_backoff(&self) -> Duration {
        self.retry.max_backoff
    }

    /// What is left of the budget.
    pub(crate) fn remaining_budget(&self) -> Duration {
        self.retry.budget.saturating_sub(self.since.elapsed())
    }

    /// Records a failure. Returns the backoff before the next try or, if the failure is permanent
    /// or the next try would come after the end of the budget, the error to return: at once, since
    /// waiting for the rest of the budget would not help the caller.
    pub(crate) fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<NextTry, Error> {
        let rejection = rejection.into().with_gateway(&self.gateway);
        if !rejection.is_transient() {
            return Err(Error::Rejected(Box::new(rejection)));
        }
        self.failures += 1;
        let remaining_budget = self.remaining_budget();
        let backoff = self.retry.backoff(self.failures, rejection.retry_after, fastrand::f64());
        if backoff >= remaining_budget {
            return Err(Error::Unavailable(Box::new(rejection)));
        }
        self.last = Some(rejection.clone());
        Ok(NextTry { cause: rejection, backoff, remaining_budget })
    }

    /// The error after a try that timed out: the last known failure, if there was one, since it
    /// says more than the timeout.
    pub(crate) fn timeout_error(&mut self) -> Error {
        let timeout = || Rejection::unavailable("timed out waiting for a response");
        Error::Unavailable(Box::new(self.last.take().unwrap_or_else(timeout)))
    }

    /// Sends a request until there is a response or the budget is used up. The timeout of a try is
    /// what is left of the budget, but at least `min_timeout`. `on_failure` is called for the first
    /// failure, with the budget that is left.
    pub(crate) async fn run<T, F>(
        mut self,
        min_timeout: Duration,
        send: impl Fn() -> F,
        on_failure: impl Fn(&Rejection, Duration),
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            match timeout(self.remaining_budget().max(min_timeout), send()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => {
                    let next_try = self.failed(status)?;
                    if self.failures == 1 {
                        on_failure(&next_try.cause, next_try.remaining_budget);
                    }
                    sleep(next_try.backoff).await;
                }
                // At least the remaining budget has passed, so there is no next try.
                Err(_) => return Err(self.timeout_error()),
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

    fn retry_state(retry: Retry) -> RetryState {
        RetryState::new(retry, "http://mesh".into())
    }

    fn asking(backoff: Duration) -> Status {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(backoff));
        Status::with_error_details(Code::ResourceExhausted, "full", details)
    }

    #[test]
    fn pauses_double_up_to_the_maximum() {
        let backoffs = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
            .map(|failures| Retry::CALL.backoff(failures, None, 1.0).as_millis());
        assert_eq!(backoffs, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn jitter_shortens_pauses_by_at_most_half() {
        assert_eq!(Retry::CALL.backoff(1, None, 0.0), Duration::from_millis(50));
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_gateway_asks_for() {
        let asked = Duration::from_secs(7);
        assert_eq!(Retry::CALL.backoff(1, Some(asked), 0.5), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_budget_ends_the_retries() {
        let next_try = retry_state(Retry::CALL).failed(asking(Duration::from_secs(14))).unwrap();
        assert_eq!(next_try.backoff, Duration::from_secs(14));
        assert_eq!(next_try.remaining_budget, Duration::from_secs(15));
        let result = retry_state(Retry::CALL).failed(asking(Duration::from_secs(15)));
        assert!(matches!(result, Err(Error::Unavailable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_retried() {
        let result = retry_state(Retry::CALL).failed(Status::not_found("no such job"));
        assert!(matches!(result, Err(Error::Rejected(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn all_tries_together_keep_to_one_budget() {
        let (begin, calls) = (Instant::now(), Cell::new(0));
        let send = || async {
            sleep(Duration::from_secs(10)).await;
            Err::<(), _>(Status::unavailable("no broker"))
        };
        let on_failure = |_: &Rejection, remaining_budget| {
            assert_eq!(remaining_budget, Duration::from_secs(5));
            calls.set(calls.get() + 1);
        };
        let error =
            retry_state(Retry::CALL).run(Duration::ZERO, send, on_failure).await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 15);
        assert_eq!(error.rejection().unwrap().message, "no broker");
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_times_out_after_the_budget_or_its_minimum() {
        let send = || pending::<Result<(), Status>>();
        for (min_timeout, seconds) in [(0, 15), (60, 60)] {
            let (begin, min_timeout) = (Instant::now(), Duration::from_secs(min_timeout));
            let error =
                retry_state(Retry::CALL).run(min_timeout, send, |_, _| {}).await.unwrap_err();
            assert!(error.to_string().contains("timed out waiting for a response"), "{error}");
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
    }
}
