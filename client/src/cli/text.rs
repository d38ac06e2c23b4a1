//! Numbers and foreign text, as people read them on a terminal.

use std::borrow::Cow;

use prost_types::Timestamp;

/// A number with up to twelve digits, which leaves rounding errors out.
pub(super) fn number(x: f64) -> String {
    significant(x, 12)
}

/// A number with six digits.
pub(super) fn short_number(x: f64) -> String {
    significant(x, 6)
}

/// A ratio as a percentage, with three digits.
pub(super) fn percent(ratio: f64) -> String {
    format!("{}%", significant(ratio * 100.0, 3))
}

/// A time in seconds, with three digits, or as many as whole seconds take.
pub(super) fn time(seconds: f64) -> String {
    brief(seconds) + " s"
}

/// A number, not negative, with three digits, or as many as whole ones take.
pub(super) fn brief(x: f64) -> String {
    if x < 100.0 { significant(x, 3) } else { format!("{x:.0}") }
}

/// A moment in UTC, to the second.
pub(super) fn to_the_second(moment: &Timestamp) -> String {
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

/// A text without what would move the cursor.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut printable = String::new();
    for c in text.chars() {
        if c.is_control() {
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
    }
}
