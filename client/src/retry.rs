use std::time::Duration;

use tokio::time::sleep;
use tonic::Status;
use uuid::Uuid;

use crate::{Error, Rejection};

/// How often, and after which pauses, something is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many failures in a row are too many. 1 retries nothing.
    pub failures: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause that is taken unasked.
    pub longest_pause: Duration,
}

/// A gateway that asks for a longer pause than this is not waited for.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(60);

impl Retry {
    /// For calls: gives up after some three seconds.
    pub const CALL: Self = Self {
        failures: 6,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(5),
    };

    /// For a stream that was open before: outlasts the restart of a gateway, some
    /// forty seconds.
    pub const STREAM: Self = Self { failures: 14, ..Self::CALL };

    /// The pause after so many failures in a row, or `None` to give up. `asked` is what
    /// the gateway asks for; `jitter`, in [0, 1), spreads clients that failed together.
    pub(crate) fn pause(
        &self,
        failures: u32,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let asked = asked.unwrap_or_default();
        if failures >= self.failures || asked > LONGEST_ASKED_PAUSE {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(31);
        let pause = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        Some(pause.mul_f64(0.5 + jitter / 2.0).max(asked))
    }

    /// The verdict on a failure: how long to pause, or the error to give up with.
    pub(crate) fn judge(&self, failures: u32, rejection: Rejection) -> Result<Duration, Error> {
        if !rejection.is_transient() {
            return Err(Error::Rejected(Box::new(rejection)));
        }
        self.pause(failures, rejection.retry_after, jitter())
            .ok_or_else(|| Error::Unavailable(Box::new(rejection)))
    }

    /// Sends a call until it is answered or given up.
    pub(crate) async fn run<T, F>(&self, send: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut failures = 0;
        loop {
            match send().await {
                Ok(answer) => return Ok(answer),
                Err(status) => {
                    failures += 1;
                    sleep(self.judge(failures, status.into())?).await;
                }
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
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (1..9)
            .map(|failures| Retry::STREAM.pause(failures, None, 1.0).map(|p| p.as_millis()))
            .collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Some);
        assert_eq!(pauses, expected);
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        assert_eq!(Retry::CALL.pause(1, None, 0.0), Some(Duration::from_millis(50)));
        for _ in 0..100 {
            assert!((0.0..1.0).contains(&jitter()));
        }
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_gateway_asks_for() {
        let asked = Duration::from_secs(7);
        assert_eq!(Retry::CALL.pause(1, Some(asked), 0.5), Some(asked));
    }

    #[test]
    fn too_many_failures_and_too_long_waits_are_given_up() {
        assert_eq!(Retry::CALL.pause(Retry::CALL.failures, None, 0.5), None);
        assert_eq!(Retry::CALL.pause(1, Some(Duration::from_secs(3600)), 0.5), None);
    }

    #[test]
    fn what_no_retry_mends_is_given_up_at_once() {
        let verdict = Retry::CALL.judge(1, Status::not_found("no such job").into());
        assert!(matches!(verdict, Err(Error::Rejected(_))));
    }
}
