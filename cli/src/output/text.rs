//! Formats numbers and untrusted text for a terminal.

use std::borrow::Cow;

use prost_types::Timestamp;

/// Maximum number of significant digits. Further digits of an `f64` are mostly rounding errors.
const MAX_DIGITS: usize = 12;

/// Minimum number of significant digits for a number whose accuracy is known.
const MIN_DIGITS: usize = 6;

/// Formats a number with up to twelve significant digits, which hides rounding errors.
pub(crate) fn number(x: f64) -> String {
    significant(x, MAX_DIGITS)
}

/// Formats a number of a solution whose worst absolute violation is `violation`, with the digits
/// that this supports plus one, at least six: 3359.99999987 is 3360 at a violation of 1e-6, and
/// stays at a violation of 0.
pub(crate) fn supported(x: f64, violation: f64) -> String {
    if x == 0.0 || violation <= 0.0 || !x.is_finite() || !violation.is_finite() {
        return number(x);
    }
    let digits = x.abs().log10().floor() - violation.log10().floor() + 1.0;
    significant(x, (digits.max(MIN_DIGITS as f64) as usize).min(MAX_DIGITS))
}

/// Formats a number with up to six significant digits.
pub(crate) fn short_number(x: f64) -> String {
    significant(x, 6)
}

/// Formats a ratio as a percentage, with three significant digits.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{}%", significant(ratio * 100.0, 3))
}

/// Formats a time in seconds, as [`brief`] formats numbers.
pub(crate) fn time(seconds: f64) -> String {
    brief(seconds) + " s"
}

/// Formats a time in seconds as a whole number of seconds, minutes, hours or days: for times that
/// are estimates, or that change while they are read.
pub(crate) fn rough_time(seconds: f64) -> String {
    let units = [(100.0, 1.0, "s"), (6000.0, 60.0, "min"), (172_800.0, 3600.0, "h")];
    let unit = units.into_iter().find(|&(limit, ..)| seconds < limit);
    let (_, length, unit) = unit.unwrap_or((f64::INFINITY, 86_400.0, "d"));
    format!("{:.0} {unit}", seconds / length)
}

/// Formats a number that is not negative with three significant digits, or, from 100 on, as an
/// integer.
pub(crate) fn brief(x: f64) -> String {
    if x < 100.0 { significant(x, 3) } else { format!("{x:.0}") }
}

/// Formats a point in time in UTC, to the second.
pub(crate) fn to_the_second(moment: &Timestamp) -> String {
    Timestamp { nanos: 0, ..*moment }.to_string()
}

/// Formats a number with this many significant digits at most, in scientific notation if it
/// would be long otherwise.
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

/// Whether a character would move the cursor, break the line or reverse the direction of text
/// (Unicode's bidirectional controls).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes harmful characters. Names and messages come from model files and other machines, and
/// could otherwise send control sequences to the terminal.
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
    fn rounding_errors_are_hidden() {
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
    fn rough_times_are_whole_numbers_of_one_unit() {
        assert_eq!(rough_time(0.4), "0 s");
        assert_eq!(rough_time(99.0), "99 s");
        assert_eq!(rough_time(100.0), "2 min");
        assert_eq!(rough_time(5_999.0), "100 min");
        assert_eq!(rough_time(7_200.0), "2 h");
        assert_eq!(rough_time(172_800.0), "2 d");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("Doors"), "Doors");
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("Türen"), "Türen");
        assert_eq!(printable("a\u{202e}b\u{2028}\u{85}"), "a\\u{202e}b\\u{2028}\\u{85}");
    }
}
