/// The powers of ten that are exact in f64.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The most digits that fit into an u64, whatever they are.
const MOST_DIGITS: usize = 19;

/// The integers up to here are exact in f64.
const MAX_EXACT: u64 = 1 << 53;

/// Parses a number with few digits and no exponent, as most numbers in models are, faster than
/// the standard library and with the same result. `None` for any other text, which may be a number
/// all the same.
///
/// The digits without the point are an integer that is exact in f64, and so is the power of ten
/// by which it is divided. The only rounding is that of the division, so the result is the f64
/// nearest to the number (W. D. Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
pub(crate) fn plain(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // A text of this length may have one point, and has at least one digit.
    if digits.len() < 2 || digits.len() > MOST_DIGITS {
        return match digits {
            [digit @ b'0'..=b'9'] => {
                let value = f64::from(digit - b'0');
                Some(if negative { -value } else { value })
            }
            _ => None,
        };
    }
    let mut integer: u64 = 0;
    // The number of digits up to the point, once it has been found.
    let mut whole = digits.len();
    for (index, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => integer = integer.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' if whole == digits.len() => whole = index,
            _ => return None,
        }
    }
    let fraction = (digits.len() - whole).saturating_sub(1);
    if integer > MAX_EXACT {
        return None;
    }
    let value = integer as f64 / POWERS_OF_TEN[fraction];
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether both are the same number, of the same sign.
    fn same(found: Option<f64>, expected: f64) -> bool {
        found.is_none_or(|found| found.to_bits() == expected.to_bits())
    }

    #[test]
    fn plain_numbers_are_parsed() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("7", 7.0),
            ("+7.", 7.0),
            (".5", 0.5),
            ("-12.50", -12.5),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("0.00000000000000001", 1e-17),
        ] {
            let found = plain(text.as_bytes());
            assert!(found.is_some() && same(found, value), "{text}: {found:?}");
        }
    }

    #[test]
    fn other_texts_are_left_to_others() {
        for text in [
            "",
            ".",
            "-",
            "+",
            "-.",
            "..1",
            "1..",
            "1.2.3",
            "--1",
            "+-1",
            "1e3",
            "inf",
            "1_0",
            "9007199254740993",
            "0.00000000000000000001",
            "1 ",
        ] {
            assert_eq!(plain(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_result_is_that_of_the_standard_library(
            text in prop_oneof![
                "[-+]?[0-9]{0,17}[.]?[0-9]{0,17}",
                "[-+]?0[.]0{0,16}[0-9]{0,4}",
                "[-+.0-9e]{0,6}",
            ],
        ) {
            match text.parse() {
                Ok(expected) => prop_assert!(same(plain(text.as_bytes()), expected), "{}", text),
                Err(_) => prop_assert_eq!(plain(text.as_bytes()), None),
            }
        }
    }
}
