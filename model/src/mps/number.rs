use super::line::{Line, Token};
use crate::{digits::plain, matrix::why_unusable, normal::normalise_infinity, reading::ReadError};

/// Parses a decimal number, with an exponent after `e`, `E` or Fortran's `d`, `D`. Fractions,
/// `nan` and hexadecimal numbers are not accepted.
fn decimal(text: &str) -> Option<f64> {
    plain(text.as_bytes()).or_else(|| any_decimal(text))
}

fn any_decimal(text: &str) -> Option<f64> {
    // Checked first, because `parse` also accepts words such as `nan` and `infinity`.
    let mut fortran = false;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => {}
            b'd' | b'D' => fortran = true,
            _ => return None,
        }
    }
    // Rust does not parse the exponent `d` of Fortran.
    if fortran { text.replace(['d', 'D'], "e").parse().ok() } else { text.parse().ok() }
}

/// Parses `inf` and `infinity`, in any case, with or without a sign.
fn infinity(text: &str) -> Option<f64> {
    let (sign, word) = match text.strip_prefix('-') {
        Some(word) => (-1.0, word),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let infinite = ["inf", "infinity"].iter().any(|name| word.eq_ignore_ascii_case(name));
    infinite.then_some(sign * f64::INFINITY)
}

fn not_a_number(line: &Line, token: Token) -> ReadError {
    let message = if token.text.is_empty() {
        "a number is missing here".to_owned()
    } else {
        format!("`{}` is not a number", token.text)
    };
    line.syntax(token, message)
}

/// Parses a coefficient of a row or of the objective.
pub(super) fn coefficient(line: &Line, token: Token) -> Result<f64, ReadError> {
    let value = decimal(token.text).ok_or_else(|| not_a_number(line, token))?;
    match why_unusable(value) {
        Some(wrong) => Err(line.invalid(token, format!("this coefficient is {wrong}"))),
        None => Ok(value),
    }
}

/// Parses a right-hand side or a range: a number, infinite from 1e20 on.
pub(super) fn side(line: &Line, token: Token) -> Result<f64, ReadError> {
    decimal(token.text).map(normalise_infinity).ok_or_else(|| not_a_number(line, token))
}

/// Parses a bound of a variable: a number, infinite from 1e20 on, or a word for infinity.
pub(super) fn bound(line: &Line, token: Token) -> Result<f64, ReadError> {
    decimal(token.text)
        .or_else(|| infinity(token.text))
        .map(normalise_infinity)
        .ok_or_else(|| not_a_number(line, token))
}

/// Whether a text can be parsed as a bound.
pub(super) fn is_bound(text: &str) -> bool {
    decimal(text).or_else(|| infinity(text)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_exponents_are_read() {
        for text in ["1.0D3", "1.0d3", "1e3", "1E+3", "+1000.", "10.00d+2"] {
            assert_eq!(decimal(text), Some(1000.0), "{text}");
        }
        assert_eq!(decimal(".5"), Some(0.5));
    }

    #[test]
    fn texts_that_only_look_like_numbers_are_rejected() {
        for text in
            ["", ".", "-", "9/10", "nan", "0x10", "1e", "1,5", "1_000", "1d2d3", "--1", "inf"]
        {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn infinity_is_a_word_only_for_bounds() {
        assert_eq!(infinity("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(infinity("+INF"), Some(f64::INFINITY));
        assert_eq!(infinity("infinite"), None);
    }
}
