use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use uuid::Uuid;

use crate::{Error, Rejection};

/// For how long, and after which pauses, something is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long all tries and the pauses between them may take together.
    pub budget: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause that is taken unasked.
    pub longest_pause: Duration,
}

impl Retry {
    /// For calls, and for a stream that was never served.
    pub const CALL: Self = Self {
        budget: Duration::from_secs(15),
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(2),
    };

    /// For a stream that was served before: outlasts the restart of a gateway.
    pub const STREAM: Self = Self { budget: Duration::from_secs(60), ..Self::CALL };

    /// The pause after so many failures in a row. `asked` is what the gateway asks for;
    /// `jitter`, in [0, 1), spreads clients that failed together.
    fn pause(&self, failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let pause = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        pause.mul_f64(0.5 + jitter / 2.0).max(asked.unwrap_or_default())
    }
}

/// The tries of one thing, until it succeeds or is given up.
#[derive(Debug)]
pub(crate) struct Tries {
    retry: Retry,
    gateway: Arc<str>,
    since: Instant,
    failures: u32,
    last: Option<Rejection>,
}

/// A failure that leaves time for another try.
#[derive(Debug, PartialEq)]
pub(crate) struct Again {
    /// What went wrong.
    pub(crate) cause: Rejection,
    /// How long to pause before the next try.
    pub(crate) pause: Duration,
    /// How long there will be tries, from now.
    pub(crate) patience: Duration,
}

impl Tries {
    /// No try was made yet of what `gateway` is asked for; the budget runs from now.
    pub(crate) fn new(retry: Retry, gateway: Arc<str>) -> Self {
        Self { retry, gateway, since: Instant::now(), failures: 0, last: None }
    }

    /// Begins anew, because it got somewhere.
    pub(crate) fn reset(&mut self) {
        (self.since, self.failures, self.last) = (Instant::now(), 0, None);
    }

    /// From now on other rules hold.
    pub(crate) fn go_by(&mut self, retry: Retry) {
        self.retry = retry;
    }

    /// How many tries in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The longest pause that is taken unasked.
    pub(crate) fn longest_pause(&self) -> Duration {
        self.retry.longest_pause
    }

    /// How much of the budget is left.
    pub(crate) fn patience(&self) -> Duration {
        self.retry.budget.saturating_sub(self.since.elapsed())
    }

    /// The verdict on a failure: to pause and try again, or the error to give up with.
    pub(crate) fn failed(&mut self, rejection: impl Into<Rejection>) -> Result<Again, Error> {
        let rejection = rejection.into().at(&self.gateway);
        if !rejection.is_transient() {
            return Err(Error::Rejected(Box::new(rejection)));
        }
        self.failures += 1;
        let patience = self.patience();
        let pause = self.retry.pause(self.failures, rejection.retry_after, jitter());
        if pause >= patience {
            return Err(Error::Unavailable(Box::new(rejection)));
        }
        self.last = Some(rejection.clone());
        Ok(Again { cause: rejection, pause, patience })
    }

    /// The error to give up with when a try has no answer in time: the last cause that
    /// is known says more than that.
    pub(crate) fn unanswered(&mut self) -> Error {
        let silence = || Rejection::silent("no answer came in time");
        Error::Unavailable(Box::new(self.last.take().unwrap_or_else(silence)))
    }

    /// Sends a call until it is answered or given up. A try is given what is left of the
    /// budget, or `least` where that is longer. `tell` hears of the first failure.
    pub(crate) async fn run<T, F>(
        mut self,
        least: Duration,
        send: impl Fn() -> F,
        tell: impl Fn(&Rejection, Duration),
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
                        tell(&again.cause, again.patience);
                    }
                    sleep(again.pause).await;
                }
                Err(_) => return Err(self.unanswered()),
            }
        }
    }
}

/// A random number in [0, 1).
fn jitter() -> f64 {
    let bits = Uuid::new_v4().as_u64_pair().1 as u32;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{cell::Cell, future::pending};

    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn tries(retry: Retry) -> Tries {
        Tries::new(retry, "http://mesh".into())
    }

    fn asking(pause: Duration) -> Status {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(pause));
        Status::with_error_details(Code::ResourceExhausted, "full", details)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
            .map(|failures| Retry::CALL.pause(failures, None, 1.0).as_millis());
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        assert_eq!(Retry::CALL.pause(1, None, 0.0), Duration::from_millis(50));
        for _ in 0..100 {
            assert!((0.0..1.0).contains(&jitter()));
        }
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_gateway_asks_for() {
        let asked = Duration::from_secs(7);
        assert_eq!(Retry::CALL.pause(1, Some(asked), 0.5), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_that_end_after_the_budget_are_given_up() {
        let again = tries(Retry::CALL).failed(asking(Duration::from_secs(14))).unwrap();
        assert_eq!(again.pause, Duration::from_secs(14));
        assert_eq!(again.patience, Duration::from_secs(15));
        let verdict = tries(Retry::CALL).failed(asking(Duration::from_secs(15)));
        assert!(matches!(verdict, Err(Error::Unavailable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_retry_mends_is_given_up_at_once() {
        let verdict = tries(Retry::CALL).failed(Status::not_found("no such job"));
        assert!(matches!(verdict, Err(Error::Rejected(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn however_slow_the_failures_all_tries_keep_to_one_budget() {
        let (begin, told) = (Instant::now(), Cell::new(0));
        let slow = || async {
            sleep(Duration::from_secs(10)).await;
            Err::<(), _>(Status::unavailable("no broker"))
        };
        let tell = |_: &Rejection, patience| {
            assert_eq!(patience, Duration::from_secs(5));
            told.set(told.get() + 1);
        };
        let error = tries(Retry::CALL).run(Duration::ZERO, slow, tell).await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 15);
        assert_eq!(error.rejection().unwrap().message, "no broker");
        assert_eq!(told.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends_with_the_budget_or_its_own_time() {
        let silent = || pending::<Result<(), Status>>();
        for (least, seconds) in [(0, 15), (60, 60)] {
            let (begin, least) = (Instant::now(), Duration::from_secs(least));
            let error = tries(Retry::CALL).run(least, silent, |_, _| {}).await.unwrap_err();
            assert!(error.to_string().contains("no answer came in time"), "{error}");
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
    }
}
