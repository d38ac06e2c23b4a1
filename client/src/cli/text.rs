//! Numbers and foreign text, as people read them on a terminal.

use std::borrow::Cow;

/// A number with all its digits, and an exponent where it would be long without.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 {
        "0".into() // not -0
    } else if !x.is_finite() || (1e-5..1e16).contains(&size) {
        x.to_string()
    } else {
        format!("{x:e}")
    }
}

/// A number with six digits.
pub(super) fn short_number(x: f64) -> String {
    number(format!("{x:.5e}").parse().unwrap_or(x))
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
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(printable("Doors"), "Doors");
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("Türen"), "Türen");
    }
}
