//! The values of flags: parsers for clap, and conversions to what a request has.

use std::{collections::BTreeMap, time::Duration};

use crate::exit::Failure;

/// Parses `KEY=VALUE`, split at the first `=`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    pair(text, "KEY=VALUE")
}

/// Parses `NAME=VALUE`, split at the first `=`.
pub(crate) fn option(text: &str) -> Result<(String, String), String> {
    pair(text, "NAME=VALUE")
}

/// Splits at the first `=`; `form` is named in the error.
fn pair(text: &str, form: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("must be {form}")),
    }
}

/// Collects pairs into a map. A name that is given twice is an error: taking the last one would
/// hide a mistake.
pub(crate) fn unique(
    flag: &str,
    pairs: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::Usage(format!("{flag} {name} is given twice")));
        }
    }
    Ok(map)
}

/// Parses a finite number that is 0 or more.
pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..f64::INFINITY).contains(&number) => Ok(number),
        _ => Err("must be a number, 0 or more".into()),
    }
}

/// Parses a number of bytes: `N`, or `N` with the unit K (1024), M (1024²) or G (1024³).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1_u64 << 30)];
    let unit = units
        .into_iter()
        .find(|(letter, _)| text.ends_with([*letter, letter.to_ascii_lowercase()]));
    let (number, unit) = match unit {
        Some((_, unit)) => (&text[..text.len() - 1], unit),
        None => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "must be a number of bytes, or a number with K, M or G".into())
}

/// The duration of a flag as protobuf has it.
///
/// # Errors
///
/// [`Failure::Usage`] if it exceeds the range of a protobuf duration.
pub(crate) fn to_wire(
    flag: &str,
    time: Option<Duration>,
) -> Result<Option<prost_types::Duration>, Failure> {
    let time = time.map(prost_types::Duration::try_from).transpose();
    time.map_err(|_| Failure::Usage(format!("{flag}: the duration is too long")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_out_of_range_are_rejected() {
        for bad in ["-1", "nan", "inf", ""] {
            assert!(not_negative(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_has_a_unit_or_none() {
        assert_eq!(size("67108864"), Ok(64 << 20));
        assert_eq!((size("512M"), size("3k"), size("2G")), (Ok(512 << 20), Ok(3072), Ok(2 << 30)));
        for bad in ["", "M", "1.5G", "-1M", "64MiB", "99999999999G", "ß"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_pair_is_split_at_its_first_equals_sign(name in "[^=]{1,9}", value in ".*") {
            prop_assert_eq!(label(&format!("{name}={value}")), Ok((name, value)));
        }
    }
}
