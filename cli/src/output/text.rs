//! Numbers and foreign text, as people read them on a terminal.

use std::borrow::Cow;

use prost_types::Timestamp;

/// The most digits of a number: what is behind them is rounding.
const DIGITS: usize = 12;

/// The fewest digits of a number whose accuracy is known.
const FEWEST_DIGITS: usize = 6;

/// A number with up to twelve digits, which leaves rounding errors out.
pub(crate) fn number(x: f64) -> String {
    significant(x, DIGITS)
}

/// A number of a solution that was found to violate something by `violation`, absolute, with
/// the digits that this supports and one more, six at least: 3359.99999987 where 1e-6 is
/// violated is 3360, where nothing is it stays.
pub(crate) fn supported(x: f64, violation: f64) -> String {
    if x == 0.0 || violation <= 0.0 || !x.is_finite() || !violation.is_finite() {
        return number(x);
    }
    let digits = x.abs().log10().floor() - violation.log10().floor() + 1.0;
    significant(x, (digits.max(FEWEST_DIGITS as f64) as usize).min(DIGITS))
}

/// A number with six digits.
pub(crate) fn short_number(x: f64) -> String {
    significant(x, 6)
}

/// A ratio as a percentage, with three digits.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{}%", significant(ratio * 100.0, 3))
}

/// A time in seconds, with three digits, or as many as whole seconds take.
pub(crate) fn time(seconds: f64) -> String {
    brief(seconds) + " s"
}

/// A number, not negative, with three digits, or as many as whole ones take.
pub(crate) fn brief(x: f64) -> String {
    if x < 100.0 { significant(x, 3) } else { format!("{x:.0}") }
}

/// A moment in UTC, to the second.
pub(crate) fn to_the_second(moment: &Timestamp) -> String {
    Timestamp { nanos: 0, ..*moment }.to_string()
}

/// A number rounded to so many digits, with an exponent where it would be long without.
fn significant(x: f64, digits: usize) -> String {
    let x = format!("{x:.*e}", digits - 1).parse().unwrap_or(x);
    let size = x.abs();
    if size == 0.0 {
        "0".into() // not -0
    } else if !x.is_finite() || (1e-5..1e16).contains(&size) {
        x.to_string()
    } else {
        format!("{x:e}")
    }
}

/// Whether a character would move the cursor, break the line or turn the text around.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without what would move the cursor.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut printable = String::new();
    for c in text.chars() {
        if is_harmful(c) {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_stay_short() {
        assert_eq!(number(3600.0), "3600");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(12_850.861_2), "12850.8612");
        assert_eq!(number(1e30), "1e30");
        assert_eq!(number(2.5e-9), "2.5e-9");
        assert_eq!(short_number(12_850.861_2), "12850.9");
    }

    #[test]
    fn rounding_errors_are_left_out() {
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(1100.0 * 1.1), "1210");
        assert_eq!(number(1.0 / 3.0), "0.333333333333");
        assert_eq!(number(f64::INFINITY), "inf");
    }

    #[test]
    fn a_number_has_the_digits_that_the_check_supports() {
        assert_eq!(supported(3_359.999_999_999_5, 0.0), "3360");
        assert_eq!(supported(3_359.999_999_87, 1e-6), "3360");
        assert_eq!(supported(3_359.999_999_87, 1e-12), "3359.99999987");
        assert_eq!(supported(10.499_999, 1e-6), "10.499999");
        assert_eq!(supported(2e-7, 1e-6), "2e-7");
        assert_eq!(supported(1_234_567.8, 10.0), "1234570");
        assert_eq!(supported(-0.0, 1e-6), "0");
        assert_eq!(supported(f64::INFINITY, 1e-6), "inf");
    }

    proptest::proptest! {
        #[test]
        fn a_number_shown_is_the_number_to_six_digits(
            x in proptest::num::f64::NORMAL, violation in 0.0..1.0f64,
        ) {
            let shown: f64 = supported(x, violation).parse().expect("a number");
            proptest::prop_assert!((shown - x).abs() <= 5e-6 * x.abs(), "{} for {}", shown, x);
        }
    }

    #[test]
    fn gaps_are_percentages_and_times_have_three_digits() {
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(0.125), "12.5%");
        assert_eq!(percent(9.999e-5), "0.01%");
        assert_eq!(time(0.012_345_678), "0.0123 s");
        assert_eq!(time(59.96), "60 s");
        assert_eq!(time(4321.4), "4321 s");
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(printable("Doors"), "Doors");
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("Türen"), "Türen");
        assert_eq!(printable("a\u{202e}b\u{2028}\u{85}"), "a\\u{202e}b\\u{2028}\\u{85}");
    }
}
