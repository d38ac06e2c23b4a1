//! The time that a caller's gRPC deadline leaves.

use std::time::Duration;

/// How the remaining time of a call is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// How long the solver may run.
    pub(super) solve: Duration,
    /// When to respond, finished or not; measured from the call's arrival.
    pub(super) response: Duration,
}

/// Divides the remaining time of a call: the solver stops early enough for its result to reach
/// the gateway, and the gateway responds before the caller's own timer fires.
pub(super) fn budget(remaining: Duration) -> Budget {
    // A tenth for the way from the solver to the gateway, half of that for the way to the caller.
    let travel = (remaining / 10).clamp(Duration::from_millis(20), Duration::from_secs(2));
    let response = remaining.saturating_sub(travel / 2);
    let solve = remaining.saturating_sub(travel).saturating_sub(travel / 2);
    Budget { solve: solve.max(Duration::from_millis(10)), response }
}

/// Parses the header `grpc-timeout`, the remaining time of a call at its arrival: up to eight
/// digits and a unit. `None` if it is malformed.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
pub(super) fn grpc_timeout(value: &str) -> Option<Duration> {
    let (at, unit) = value.char_indices().last()?;
    let digits = &value[..at];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solver_stops_before_the_response_and_that_is_before_the_deadline() {
        for millis in [100, 1_000, 10_000, 600_000] {
            let remaining = Duration::from_millis(millis);
            let Budget { solve, response } = budget(remaining);
            assert!(
                solve < response && response < remaining,
                "{millis} ms: {solve:?}, {response:?}"
            );
            assert!(solve > remaining / 2, "{millis} ms: {solve:?}");
        }
    }

    #[test]
    fn timeout_header_is_parsed_in_every_unit() {
        assert_eq!(grpc_timeout("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(grpc_timeout("3M"), Some(Duration::from_secs(180)));
        assert_eq!(grpc_timeout("4S"), Some(Duration::from_secs(4)));
        assert_eq!(grpc_timeout("5m"), Some(Duration::from_millis(5)));
        assert_eq!(grpc_timeout("6u"), Some(Duration::from_micros(6)));
        assert_eq!(grpc_timeout("7n"), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "1", "123456789S", "-1S", "1é", "1.5S"] {
            assert_eq!(grpc_timeout(bad), None, "{bad:?}");
        }
    }
}
