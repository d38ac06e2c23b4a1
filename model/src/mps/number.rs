use super::line::{Line, Token};
use crate::{matrix::unsolvable, normal::snap, reading::ReadError};

/// A decimal number, with an exponent behind `e`, `E` or Fortran's `d`, `D`. Nothing
/// else is one: no fraction, no `nan`, no hexadecimals.
fn decimal(text: &str) -> Option<f64> {
    let mut fortran = false;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => {}
            b'd' | b'D' => fortran = true,
            _ => return None,
        }
    }
    if fortran { text.replace(['d', 'D'], "e").parse().ok() } else { text.parse().ok() }
}

/// `inf` and `infinity` in any case, signed or not.
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

/// A coefficient of a row or of the objective.
pub(super) fn coefficient(line: &Line, token: Token) -> Result<f64, ReadError> {
    let value = decimal(token.text).ok_or_else(|| not_a_number(line, token))?;
    match unsolvable(value) {
        Some(wrong) => Err(line.invalid(token, format!("this coefficient is {wrong}"))),
        None => Ok(value),
    }
}

/// A right-hand side or a range: written as a number, infinite from 1e20 on.
pub(super) fn side(line: &Line, token: Token) -> Result<f64, ReadError> {
    decimal(token.text).map(snap).ok_or_else(|| not_a_number(line, token))
}

/// A bound of a variable: a number, infinite from 1e20 on, or the word.
pub(super) fn bound(line: &Line, token: Token) -> Result<f64, ReadError> {
    decimal(token.text)
        .or_else(|| infinity(token.text))
        .map(snap)
        .ok_or_else(|| not_a_number(line, token))
}

/// Whether this reads as a bound.
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
    fn what_only_looks_like_a_number_is_refused() {
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
