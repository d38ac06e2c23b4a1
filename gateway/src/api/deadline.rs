use std::time::Duration;

/// How the time that is left of a call is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// The longest the solver may run.
    pub(super) solve: Duration,
    /// When to answer, whatever is known then.
    pub(super) answer: Duration,
}

/// Splits what remains of a call's deadline: the solver stops early enough for its
/// answer to travel, and the gateway answers before the caller's own timer fires.
pub(super) fn budget(remaining: Duration) -> Budget {
    let travel = (remaining / 10).clamp(Duration::from_millis(20), Duration::from_secs(2));
    let answer = remaining.saturating_sub(travel / 2);
    let solve = remaining.saturating_sub(travel).saturating_sub(travel / 2);
    Budget { solve: solve.max(Duration::from_millis(10)), answer }
}

/// What remains of a call's deadline at its arrival: the header `grpc-timeout`, up to
/// eight digits and a unit.
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
    fn the_solver_stops_before_the_gateway_answers_before_the_caller_gives_up() {
        for millis in [100, 1_000, 10_000, 600_000] {
            let remaining = Duration::from_millis(millis);
            let Budget { solve, answer } = budget(remaining);
            assert!(solve < answer && answer < remaining, "{millis} ms: {solve:?}, {answer:?}");
            assert!(solve > remaining / 2, "{millis} ms: {solve:?}");
        }
    }

    #[test]
    fn a_timeout_header_is_read_in_every_unit() {
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
