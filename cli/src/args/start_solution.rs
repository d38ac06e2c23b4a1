//! Reads the starting point of a solve from the `--json` output of an earlier one.

use std::{fmt, fs::File, io::Read, path::Path};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use solvemesh_client::v1::{Basis, BasisStatus, StartingPoint};

/// Maximum size of the file, in bytes: far above the size of a request that a gateway accepts by
/// default. A larger file is rejected before it fills the memory.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads the basis of an earlier solve or, if the file has none, the values of its variables.
///
/// # Errors
///
/// A description of what is wrong with the file, without its name.
pub(crate) fn read(file: &Path) -> Result<StartingPoint, String> {
    let mut text = String::new();
    let read = File::open(file)
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(format!("larger than the maximum of {MAX_FILE_BYTES} bytes"));
    }
    parse(&text)
}

/// Maps a field of the request to the entry of the file that it was read from, such as
/// `starts[0].values[0]` to `values.x`. `None` for a field outside of `starts[0]`.
/// `names` are the names of the submitted values, in the same order.
pub(crate) fn entry(field: &str, names: &[String]) -> Option<String> {
    let field = field.strip_prefix("starts[0]")?;
    let Some(field) = field.strip_prefix('.') else { return Some("values".to_owned()) };
    let indexed = field
        .strip_prefix("variable_names[")
        .or_else(|| field.strip_prefix("values["))
        .and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
    Some(match indexed.and_then(|index| names.get(index)) {
        Some(name) => format!("values.{name}"),
        None => field.to_owned(),
    })
}

fn parse(text: &str) -> Result<StartingPoint, String> {
    let object: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // `Value` silently keeps the last of two equal keys.
    if let Some(name) = duplicate_name(text) {
        return Err(format!("has two values of {name}"));
    }
    if let Some(basis) = object.get("basis").filter(|basis| !basis.is_null()) {
        let statuses = |key: &str| statuses(basis.get(key), key);
        let (variables, constraints) = (statuses("variables")?, statuses("constraints")?);
        return Ok(StartingPoint {
            basis: Some(Basis { variables, constraints }),
            ..StartingPoint::default()
        });
    }
    let Some(values) = object.get("values").and_then(Value::as_object) else {
        return Err("has neither basis nor values".to_owned());
    };
    let number = |(name, value): (&String, &Value)| {
        let value = value.as_f64().ok_or_else(|| format!("the value of {name} is not a number"))?;
        Ok((name.clone(), value))
    };
    let values: Result<Vec<_>, String> = values.iter().map(number).collect();
    let (variable_names, values) = values?.into_iter().unzip();
    Ok(StartingPoint { variable_names, values, ..StartingPoint::default() })
}

/// Finds a variable that has two values.
fn duplicate_name(text: &str) -> Option<String> {
    let Document(mut names) = serde_json::from_str(text).ok()?;
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

/// The keys of `values` in a JSON object, duplicates included.
#[derive(Default)]
struct Document(Vec<String>);

/// The keys of a JSON object, duplicates included.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DocumentVisitor;
        impl<'de> Visitor<'de> for DocumentVisitor {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut document = Document::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "values" {
                        document = Document(map.next_value::<Keys>()?.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(document)
            }
        }
        from.deserialize_map(DocumentVisitor)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(KeysVisitor)
    }
}

/// Parses one of the two arrays of a basis: a list of status names.
fn statuses(list: Option<&Value>, key: &str) -> Result<Vec<i32>, String> {
    let list =
        list.and_then(Value::as_array).ok_or_else(|| format!("basis.{key} is not a list"))?;
    let status = |value: &Value| {
        let name = format!("BASIS_STATUS_{}", value.as_str()?);
        BasisStatus::from_str_name(&name).map(Into::into)
    };
    let known =
        |value: &Value| status(value).ok_or_else(|| format!("{value} is not a basis status"));
    list.iter().map(known).collect()
}

/// The name of a basis status, as `--json` prints it.
pub(crate) fn name(status: i32) -> &'static str {
    let name = BasisStatus::try_from(status).unwrap_or_default().as_str_name();
    name.trim_start_matches("BASIS_STATUS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_is_preferred_to_values() {
        let text = r#"{"values": {"x": 1.0}, "basis": {"variables": ["BASIC"], "constraints": ["UPPER"]}}"#;
        let (basic, upper) = (BasisStatus::Basic.into(), BasisStatus::Upper.into());
        let basis = Basis { variables: vec![basic], constraints: vec![upper] };
        assert_eq!(
            parse(text),
            Ok(StartingPoint { basis: Some(basis), ..StartingPoint::default() })
        );
        assert_eq!((name(basic), name(upper)), ("BASIC", "UPPER"));
    }

    #[test]
    fn values_are_read_with_their_names() {
        let start = parse(r#"{"values": {"x": 1.5, "y": 2}}"#);
        let expected = StartingPoint {
            variable_names: vec!["x".into(), "y".into()],
            values: vec![1.5, 2.0],
            ..StartingPoint::default()
        };
        assert_eq!(start, Ok(expected));
    }

    #[test]
    fn a_field_of_the_start_is_mapped_to_an_entry_of_its_file() {
        let names = ["x".to_owned(), "y".to_owned()];
        for (field, expected) in [
            ("starts[0].variable_names[1]", Some("values.y")),
            ("starts[0].values[0]", Some("values.x")),
            ("starts[0].values[7]", Some("values[7]")),
            ("starts[0].values", Some("values")),
            ("starts[0]", Some("values")),
            ("starts[0].basis.variables[3]", Some("basis.variables[3]")),
            ("model.file", None),
        ] {
            assert_eq!(entry(field, &names).as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn an_invalid_start_is_rejected_with_its_cause() {
        for (text, cause) in [
            ("nonsense", "line 1"),
            ("{}", "neither"),
            (r#"{"values": {"x": 1, "y": 2, "x": 3}}"#, "two values of x"),
            (r#"{"values": {"x": null}}"#, "x is not a number"),
            (r#"{"basis": {"variables": ["TOP"], "constraints": []}}"#, "TOP"),
            (r#"{"basis": {"variables": []}}"#, "basis.constraints"),
        ] {
            let error = parse(text).expect_err("invalid");
            assert!(error.contains(cause), "{error}");
        }
    }
}
