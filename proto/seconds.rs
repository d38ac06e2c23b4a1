use std::time::Duration;

/// The longest duration of `google.protobuf.Duration`, in seconds: 10,000 years.
pub const MAX_SECONDS: u64 = 315_576_000_000;

/// Parses a number of seconds, such as "2.5": above 0, at most [`MAX_SECONDS`]. For `clap`'s
/// `value_parser`, which names the flag and quotes the text.
///
/// # Errors
///
/// What is wrong with the text.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number = number(text)?;
    if number <= 0.0 {
        return Err("must be a number of seconds above 0".into());
    }
    let time = Duration::try_from_secs_f64(number).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("too small: less than a nanosecond".into()) } else { Ok(time) }
}

/// As [`seconds`], but 0 is allowed.
///
/// # Errors
///
/// What is wrong with the text.
pub fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    match number(text)? {
        0.0 => Ok(Duration::ZERO),
        number if number < 0.0 => Err("must be a number of seconds, 0 or more".into()),
        _ => seconds(text),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| !number.is_nan());
    let number = number.ok_or("must be a number of seconds")?;
    if number > MAX_SECONDS as f64 {
        return Err(format!("too large: at most {MAX_SECONDS} seconds"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_above_zero_and_fit_into_a_protobuf_duration() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert!(seconds("315576000000").is_ok());
        for (text, why) in [
            ("0", "above 0"),
            ("-1", "above 0"),
            ("x", "a number"),
            ("", "a number"),
            ("nan", "a number"),
            ("1e300", "too large"),
            ("inf", "too large"),
            ("4e11", "too large"),
            ("1e-10", "too small"),
        ] {
            let error = seconds(text);
            assert!(error.as_ref().is_err_and(|error| error.contains(why)), "{text}: {error:?}");
        }
    }

    #[test]
    fn zero_is_a_time_where_it_is_allowed() {
        assert_eq!(seconds_or_zero("0"), Ok(Duration::ZERO));
        assert_eq!(seconds_or_zero("2.5"), Ok(Duration::from_millis(2500)));
        for bad in ["-1", "nan", "x", "1e300", "1e-10"] {
            assert!(seconds_or_zero(bad).is_err(), "{bad}");
        }
    }
}
