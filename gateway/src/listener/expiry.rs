//! When the gateway warns that its certificate expires.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};
use tracing::{error, warn};

use super::{certificates::ServerTls, x509::Validity};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before the end the warnings begin. Of a certificate that is valid for less than six
/// weeks, in the last third of its life: one for a week, which is renewed each few days, would
/// otherwise be warned of from its first day.
const NOTICE: Duration = DAY.saturating_mul(14);

/// The state of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is valid for long enough.
    Good,
    /// It expires in this time.
    Expiring(Duration),
    /// It has expired.
    Expired,
}

/// The state of a certificate, and how long until it is to be looked at again: when the state
/// changes, at latest, and daily.
fn state(validity: Validity, now: SystemTime) -> (State, Duration) {
    let life = validity.not_after.duration_since(validity.not_before).unwrap_or_default();
    let notice = NOTICE.min(life / 3);
    match validity.not_after.duration_since(now).ok().filter(|left| !left.is_zero()) {
        None => (State::Expired, DAY),
        Some(left) if left <= notice => (State::Expiring(left), left.min(DAY)),
        Some(left) => (State::Good, (left - notice).min(DAY)),
    }
}

/// A time in days or, if it is less than two, in hours.
struct Left(Duration);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_secs() / 3600;
        if hours < 48 { write!(f, "{hours} h") } else { write!(f, "{} d", hours / 24) }
    }
}

/// Logs that the certificate expires soon, or has expired: at the start, when it is replaced, and
/// daily. Runs until its task is aborted.
pub(super) async fn warn_of_expiry(mut current: watch::Receiver<Arc<ServerTls>>) {
    loop {
        let validity = current.borrow_and_update().validity;
        let wait = match validity.map(|validity| (validity, state(validity, SystemTime::now()))) {
            None => DAY,
            Some((Validity { not_after, .. }, (state, wait))) => {
                let expires = prost_types::Timestamp::from(not_after);
                match state {
                    State::Good => {}
                    State::Expiring(left) => {
                        warn!(%expires, left = %Left(left), "TLS certificate expires soon");
                    }
                    State::Expired => error!(%expires, "TLS certificate has expired"),
                }
                wait
            }
        };
        tokio::select! {
            Ok(()) = current.changed() => {}
            () = sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_begin_two_weeks_before_the_end_or_in_the_last_third_of_a_life() {
        let start = SystemTime::UNIX_EPOCH;
        let hour = DAY / 24;
        let of = |life: Duration, age: Duration| {
            state(Validity { not_before: start, not_after: start + life }, start + age)
        };
        let year = 365 * DAY;
        assert_eq!(of(year, DAY), (State::Good, DAY));
        assert_eq!(of(year, year - 14 * DAY - hour), (State::Good, hour));
        assert_eq!(of(year, year - 14 * DAY), (State::Expiring(14 * DAY), DAY));
        assert_eq!(of(year, year - hour), (State::Expiring(hour), hour));
        assert_eq!(of(year, year), (State::Expired, DAY));
        assert_eq!(of(year, year + DAY), (State::Expired, DAY));
        assert_eq!(of(6 * DAY, DAY), (State::Good, DAY));
        assert_eq!(of(6 * DAY, 4 * DAY), (State::Expiring(2 * DAY), DAY));
        assert_eq!(of(Duration::ZERO, Duration::ZERO), (State::Expired, DAY));
    }

    #[test]
    fn the_time_left_is_in_days_or_hours() {
        assert_eq!(Left(14 * DAY).to_string(), "14 d");
        assert_eq!(Left(DAY + DAY / 2).to_string(), "36 h");
        assert_eq!(Left(DAY / 48).to_string(), "0 h");
    }
}
